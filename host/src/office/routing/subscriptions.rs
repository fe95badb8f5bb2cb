//! Static subscriptions: made on every connect, tried again when refused.

use std::sync::Arc;

use super::routes::Routes;
use crate::office::session::{Backoff, PacketIds, Random};
use crate::office::{
    BackoffSettings, GuestId, GuestSettings, Outgoing, PacketId, Qos, Reason, Time,
};

/// How many filters go into one SUBSCRIBE.
const FILTERS_A_PACKET: usize = 32;

#[derive(Debug)]
enum State {
    /// To be sent, at this moment or later.
    Wanted(Time),
    /// Sent under this id. SUBACK is awaited.
    Sent(PacketId),
    Granted,
}

/// One filter, with all guests that want it.
#[derive(Debug)]
struct Subscription {
    filter: Arc<str>,
    qos: Qos,
    guests: Vec<GuestId>,
    state: State,
    backoff: Backoff,
    /// Whether the guests were told on this connection that it is granted or that
    /// it is refused. None: neither so far.
    told: Option<bool>,
}

/// What the broker made of one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::office) struct Verdict {
    pub(in crate::office) filter: Arc<str>,
    pub(in crate::office) ruling: Ruling,
    /// Who is to be told, if it is news.
    pub(in crate::office) tell: Vec<GuestId>,
}

/// Whether the broker has granted a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::office) enum Ruling {
    /// With this quality of service.
    Granted(Qos),
    /// For this reason. It is tried again at this moment.
    Refused { reason: Reason, next_try: Time },
}

/// A SUBACK without one return code for each filter ([MQTT-3.8.4-5]).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) struct WrongCount;

/// All filters of all guests.
#[derive(Debug)]
pub(in crate::office) struct Subscriptions {
    all: Vec<Subscription>,
    routes: Routes,
    /// When the next is to be sent, so that nobody looks for it before.
    wanted: Option<Time>,
}

impl Subscriptions {
    /// Guests that want the same filter share a subscription, made with the
    /// highest quality of service that one of them wants.
    pub(in crate::office) fn new(guests: &[GuestSettings], backoff: BackoffSettings) -> Self {
        let mut all: Vec<Subscription> = Vec::new();
        let mut routes = Routes::new();
        for (index, guest) in (0..).zip(guests) {
            for (filter, qos) in &guest.subscriptions {
                let position = all.iter().position(|known| known.filter == *filter);
                let position = position.unwrap_or_else(|| {
                    all.push(Subscription {
                        filter: filter.clone(),
                        qos: *qos,
                        guests: Vec::new(),
                        state: State::Wanted(Time::default()),
                        backoff: Backoff::new(backoff),
                        told: None,
                    });
                    all.len() - 1
                });
                let subscription = &mut all[position];
                subscription.qos = subscription.qos.max(*qos);
                subscription.guests.push(GuestId(index));
                routes.add(filter, GuestId(index));
            }
        }
        let mut subscriptions = Self {
            all,
            routes,
            wanted: None,
        };
        subscriptions.wanted = subscriptions.next_wanted(None);
        subscriptions
    }

    /// Adds every guest with a filter that matches to the empty list `guests`,
    /// each once.
    pub(in crate::office) fn route(&mut self, name: &str, guests: &mut Vec<GuestId>) {
        self.routes.find(name, guests);
    }

    /// A new connection: everything is to be subscribed to again.
    pub(in crate::office) fn handle_connected(&mut self, now: Time, ids: &mut PacketIds) {
        for subscription in &mut self.all {
            if let State::Sent(id) = subscription.state {
                ids.release(id);
            }
            subscription.state = State::Wanted(now);
            subscription.told = None;
            subscription.backoff.reset();
        }
        self.wanted = self.next_wanted(None);
    }

    /// The next SUBSCRIBE that is due.
    pub(in crate::office) fn poll(&mut self, now: Time, ids: &mut PacketIds) -> Option<Outgoing> {
        if self.wanted? > now {
            return None;
        }
        let is_due = |subscription: &&mut Subscription| matches!(subscription.state, State::Wanted(at) if at <= now);
        let mut due = self
            .all
            .iter_mut()
            .filter(is_due)
            .take(FILTERS_A_PACKET)
            .peekable();
        due.peek()?;
        let id = ids.allocate()?;
        let filters = due
            .map(|subscription| {
                subscription.state = State::Sent(id);
                (subscription.filter.clone(), subscription.qos)
            })
            .collect();
        self.wanted = self.next_wanted(None);
        Some(Outgoing::Subscribe { id, filters })
    }

    /// Returns when the next filter is to be subscribed to, of those that are not
    /// due at `latest`.
    pub(in crate::office) fn next_timeout(&self, latest: Time) -> Option<Time> {
        let wanted = self.wanted?;
        if latest < wanted {
            return Some(wanted);
        }
        self.next_wanted(Some(latest))
    }

    /// Returns when the next is to be sent, of those that are due later than
    /// `after`.
    fn next_wanted(&self, after: Option<Time>) -> Option<Time> {
        let wanted = self
            .all
            .iter()
            .filter_map(|subscription| match subscription.state {
                State::Wanted(at) if after.is_none_or(|after| after < at) => Some(at),
                _ => None,
            });
        wanted.min()
    }

    /// Returns what the broker made of each filter. Empty: nothing was asked under
    /// this id. An error: there are not as many answers as questions.
    pub(in crate::office) fn handle_suback(
        &mut self,
        now: Time,
        id: PacketId,
        granted: &[Result<Qos, Reason>],
        ids: &mut PacketIds,
        random: &mut Random,
    ) -> Result<Vec<Verdict>, WrongCount> {
        let is_asked = |subscription: &&mut Subscription| matches!(subscription.state, State::Sent(sent) if sent == id);
        let mut asked: Vec<_> = self.all.iter_mut().filter(is_asked).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        if asked.len() != granted.len() {
            return Err(WrongCount);
        }
        ids.release(id);
        let verdicts = asked
            .iter_mut()
            .zip(granted)
            .map(|(subscription, granted)| {
                let ruling = match granted {
                    Ok(qos) => {
                        subscription.state = State::Granted;
                        Ruling::Granted(*qos)
                    }
                    Err(reason) => {
                        let reason = *reason;
                        let next_try = now + subscription.backoff.next(random);
                        subscription.state = State::Wanted(next_try);
                        Ruling::Refused { reason, next_try }
                    }
                };
                let is_news = subscription.told.replace(granted.is_ok()) != Some(granted.is_ok());
                let tell = if is_news {
                    subscription.guests.clone()
                } else {
                    Vec::new()
                };
                Verdict {
                    filter: subscription.filter.clone(),
                    ruling,
                    tell,
                }
            });
        let verdicts = verdicts.collect();
        self.wanted = self.next_wanted(None);
        Ok(verdicts)
    }
}
