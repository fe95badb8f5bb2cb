//! Static subscriptions: made on every connect, tried again when refused.
//!
//! A broker may close the connection in the place of refusing one. So it is as with
//! letters: one that was unanswered at [`SUSPECT`] hang-ups goes alone, and if the
//! broker hangs up once more, it is taken for refused, for a while that grows each time.

use std::sync::Arc;

use super::routes::{Route, Routes, add_route};
use super::{Filter, topic};
use crate::office::session::{
    Backoff, FIRST_PAUSE, LONGEST_PAUSE, PacketIds, RIGHT_AFTER, Random, SUSPECT, filter_size,
    subscribe_size,
};
use crate::office::{
    BackoffSettings, GuestId, GuestSettings, MAX_PACKET_SIZE, MAX_SUBSCRIPTION_ID, Outgoing,
    PacketId, Qos, Reason, SubscriptionId, Terms, Time,
};

/// How many filters go into one SUBSCRIBE: AWS IoT Core takes no more.
const FILTERS_A_PACKET: usize = 8;

/// How long one waits that was taken for refused.
const PAUSES: BackoffSettings = BackoffSettings {
    min: FIRST_PAUSE,
    max: LONGEST_PAUSE,
};

#[derive(Debug)]
enum State {
    /// To be sent, at this moment or later.
    Wanted(Time),
    /// Sent under this id at this moment, with this quality of service. SUBACK is
    /// awaited.
    Sent {
        id: PacketId,
        at: Time,
        qos: Qos,
    },
    Granted,
    /// The broker does not allow it on this connection.
    Unavailable,
    /// No guest wants it any more: UNSUBSCRIBE is to be sent.
    Unwanted,
    /// It was sent under this id. UNSUBACK is awaited.
    Leaving(PacketId),
}

/// One filter, with all guests that want it.
#[derive(Debug)]
struct Subscription {
    filter: Arc<str>,
    id: SubscriptionId,
    qos: Qos,
    guests: Vec<Route>,
    state: State,
    backoff: Backoff,
    /// Whether the guests were told on this connection that it is granted or that
    /// it is refused. None: neither so far.
    told: Option<bool>,
    /// At how many hang-ups in a row it was unanswered.
    hang_ups: u8,
    /// After those for which it was taken for refused, it is not sent before this.
    not_before: Time,
    pauses: Backoff,
}

/// What the broker made of one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::office) struct Verdict {
    pub(in crate::office) filter: Arc<str>,
    pub(in crate::office) ruling: Ruling,
    /// Who is to be told, if it is news.
    pub(in crate::office) tell: Vec<Route>,
}

/// Whether the broker has granted a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::office) enum Ruling {
    /// With this quality of service.
    Granted(Qos),
    /// For this reason. It is tried again at this moment, or on the next connection.
    Refused {
        reason: Reason,
        next_try: Option<Time>,
    },
    /// The broker has hung up each time that it was sent this. It is tried again at this
    /// moment.
    HangsUp { next_try: Time },
}

/// A SUBACK without one return code for each filter ([MQTT-3.8.4-5]).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) struct WrongCount;

/// All filters of all guests.
#[derive(Debug)]
pub(in crate::office) struct Subscriptions {
    all: Vec<Subscription>,
    /// Their places, sorted by their identifiers.
    by_id: Vec<(SubscriptionId, usize)>,
    /// Those of each guest, as configured.
    filters: Vec<Vec<Filter>>,
    routes: Routes,
    /// Whether the broker says which subscription a message came for.
    uses_ids: bool,
    /// The largest packet that it takes, in bytes.
    max_packet_size: usize,
    /// When the next is to be sent, so that nobody looks for it before.
    wanted: Option<Time>,
    /// Whether an UNSUBSCRIBE is to be sent.
    has_unwanted: bool,
    /// Ids of UNSUBSCRIBEs that are not answered, with their filters.
    leaving: Vec<(PacketId, Arc<str>)>,
}

impl Subscriptions {
    /// Guests that want the same filter share a subscription, made with the
    /// highest quality of service that one of them wants.
    /// No higher one than `max_qos` is asked for.
    pub(in crate::office) fn new(
        guests: &[GuestSettings],
        max_qos: Qos,
        backoff: BackoffSettings,
    ) -> Self {
        let mut subscriptions = Self {
            all: Vec::new(),
            by_id: Vec::new(),
            filters: Vec::new(),
            routes: Routes::new(),
            uses_ids: false,
            max_packet_size: MAX_PACKET_SIZE,
            wanted: None,
            has_unwanted: false,
            leaving: Vec::new(),
        };
        subscriptions.change(Time::default(), guests, &[], max_qos, backoff);
        subscriptions
    }

    /// The guests want other filters, or are others: `new` have just come. What is
    /// wanted as before stays as it is; what is wanted no more is unsubscribed from.
    /// Returns who is to be told what the broker made of a filter before they wanted
    /// it: whether it is granted.
    pub(in crate::office) fn change(
        &mut self,
        now: Time,
        guests: &[GuestSettings],
        new: &[GuestId],
        max_qos: Qos,
        backoff: BackoffSettings,
    ) -> Vec<(Route, bool)> {
        let before: Vec<_> = self
            .all
            .iter_mut()
            .map(|known| (std::mem::take(&mut known.guests), known.qos))
            .collect();
        self.all
            .iter_mut()
            .for_each(|known| known.qos = Qos::AtMostOnce);
        self.routes = Routes::new();
        for (index, guest) in (0..).zip(guests) {
            for (place, (filter, qos)) in guest.subscriptions.iter().enumerate() {
                let (filter, qos) = (filter.plain(), (*qos).min(max_qos));
                let position = self.all.iter().position(|known| known.filter == *filter);
                let position = position.unwrap_or_else(|| self.add(now, filter, backoff));
                let subscription = &mut self.all[position];
                subscription.qos = subscription.qos.max(qos);
                let route = (GuestId(index), place);
                subscription.guests.push(route);
                self.routes.add(filter, route);
            }
        }
        let filters = |guest: &GuestSettings| {
            let filters = guest.subscriptions.iter();
            filters.map(|(filter, _)| filter.clone()).collect()
        };
        self.filters = guests.iter().map(filters).collect();
        let mut tell = Vec::new();
        for (subscription, (heard, qos)) in self.all.iter_mut().zip(before) {
            subscription.handle_changed(now, qos);
            let Some(granted) = subscription.told else {
                continue;
            };
            let has_heard = |guest: GuestId| {
                !new.contains(&guest) && heard.iter().any(|(known, _)| *known == guest)
            };
            let others = subscription.guests.iter();
            let others = others.filter(|(guest, _)| !has_heard(*guest));
            tell.extend(others.map(|route| (*route, granted)));
        }
        self.recount();
        tell
    }

    fn add(&mut self, now: Time, filter: &Arc<str>, backoff: BackoffSettings) -> usize {
        let id = insert_id(&mut self.by_id, filter, self.all.len());
        self.all.push(Subscription {
            filter: filter.clone(),
            id,
            qos: Qos::AtMostOnce,
            guests: Vec::new(),
            state: State::Wanted(now),
            backoff: Backoff::new(backoff),
            told: None,
            hang_ups: 0,
            not_before: Time::default(),
            pauses: Backoff::new(PAUSES),
        });
        self.all.len() - 1
    }

    /// Forgets those that nobody wants and that the broker does not have, and finds out
    /// what is due.
    fn recount(&mut self) {
        let before = self.all.len();
        self.all.retain(|it| !it.is_forgotten());
        if self.all.len() < before {
            let places = self.all.iter().enumerate();
            self.by_id = places.map(|(place, it)| (it.id, place)).collect();
            self.by_id.sort_unstable_by_key(|(id, _)| *id);
        }
        let mut all = self.all.iter();
        self.has_unwanted = all.any(|it| matches!(it.state, State::Unwanted));
        self.wanted = self.next_wanted(None);
    }

    /// Adds every guest that a message is for to the empty list `guests`, each
    /// once: those of the subscriptions that it `came_for`, and if the broker does
    /// not say which, all with a filter that matches.
    pub(in crate::office) fn route(
        &mut self,
        name: &str,
        came_for: &[SubscriptionId],
        guests: &mut Vec<Route>,
    ) {
        if came_for.is_empty() {
            return self.routes.find(name, guests);
        }
        for id in came_for {
            // Others are left over from an earlier configuration, in a session that
            // the broker has kept.
            let Ok(place) = self.by_id.binary_search_by_key(id, |(id, _)| *id) else {
                continue;
            };
            let subscription = &self.all[self.by_id[place].1];
            if topic::matches(&subscription.filter, name) {
                for route in &subscription.guests {
                    add_route(guests, *route);
                }
            }
        }
    }

    /// The filter of a guest at this place.
    pub(in crate::office) fn filter(&self, (guest, place): Route) -> &Filter {
        &self.filters[guest.index()][place]
    }

    /// A new connection, perhaps with another broker: everything is to be subscribed to
    /// again. Returns what the broker does not allow, which it is not asked for.
    pub(in crate::office) fn handle_connected(
        &mut self,
        now: Time,
        terms: &Terms,
        session_present: bool,
        is_another: bool,
        ids: &mut PacketIds,
    ) -> Vec<Verdict> {
        for (id, _) in self.leaving.drain(..) {
            ids.release(id);
        }
        self.uses_ids = terms.subscription_ids_available;
        self.max_packet_size = terms.max_packet_size;
        let mut refused = Vec::new();
        for subscription in &mut self.all {
            if let State::Sent { id, .. } = subscription.state {
                ids.release(id);
            }
            if subscription.guests.is_empty() {
                // A session that is new knows nothing of it.
                subscription.state = match session_present {
                    true => State::Unwanted,
                    false => State::Unavailable,
                };
                continue;
            }
            subscription.backoff.reset();
            if is_another {
                subscription.forgive();
            }
            let next_try = subscription.not_before;
            subscription.told = None;
            if now < next_try {
                subscription.state = State::Wanted(next_try);
                refused.push(subscription.rule(Ruling::HangsUp { next_try }));
                continue;
            }
            subscription.state = State::Wanted(now);
            if let Some(reason) = subscription.unavailable(terms) {
                subscription.state = State::Unavailable;
                let next_try = None;
                refused.push(subscription.rule(Ruling::Refused { reason, next_try }));
            }
        }
        self.recount();
        refused
    }

    /// Returns whether there may be something to send.
    #[inline]
    pub(in crate::office) fn is_due(&self, now: Time) -> bool {
        self.has_unwanted || self.wanted.is_some_and(|at| at <= now)
    }

    /// The next UNSUBSCRIBE.
    pub(in crate::office) fn poll_unwanted(&mut self, ids: &mut PacketIds) -> Option<Outgoing> {
        if !self.has_unwanted {
            return None;
        }
        let mut all = self.all.iter_mut();
        let unwanted = all.find(|it| matches!(it.state, State::Unwanted))?;
        let id = ids.allocate()?;
        unwanted.state = State::Leaving(id);
        let filter = unwanted.filter.clone();
        self.leaving.push((id, filter.clone()));
        self.recount();
        Some(Outgoing::Unsubscribe { id, filter })
    }

    /// The broker has answered an UNSUBSCRIBE. Returns the filter; none: there was none
    /// of this id.
    pub(in crate::office) fn handle_unsuback(
        &mut self,
        id: PacketId,
        ids: &mut PacketIds,
    ) -> Option<Arc<str>> {
        let position = self.leaving.iter().position(|(sent, _)| *sent == id)?;
        let (_, filter) = self.leaving.swap_remove(position);
        ids.release(id);
        // It may be wanted again by now.
        let is_it = |it: &&mut Subscription| matches!(it.state, State::Leaving(sent) if sent == id);
        if let Some(left) = self.all.iter_mut().find(is_it) {
            left.state = State::Unavailable;
        }
        self.recount();
        Some(filter)
    }

    /// The next SUBSCRIBE that is due, of those that need not go alone.
    pub(in crate::office) fn poll(&mut self, now: Time, ids: &mut PacketIds) -> Option<Outgoing> {
        let most = if self.uses_ids { 1 } else { FILTERS_A_PACKET };
        self.poll_some(now, ids, false, most)
    }

    /// Returns whether one is due that is to go alone.
    pub(in crate::office) fn has_suspect(&self, now: Time) -> bool {
        let is_due = |subscription| Subscription::is_due(subscription, now, true);
        self.wanted.is_some_and(|at| at <= now) && self.all.iter().any(is_due)
    }

    /// The next SUBSCRIBE that is due and is to go alone.
    pub(in crate::office) fn poll_suspect(
        &mut self,
        now: Time,
        ids: &mut PacketIds,
    ) -> Option<Outgoing> {
        self.poll_some(now, ids, true, 1)
    }

    fn poll_some(
        &mut self,
        now: Time,
        ids: &mut PacketIds,
        is_suspect: bool,
        most: usize,
    ) -> Option<Outgoing> {
        if self.wanted? > now {
            return None;
        }
        let mut due = self
            .all
            .iter_mut()
            .filter(|subscription| subscription.is_due(now, is_suspect))
            .take(most)
            .peekable();
        let subscription_id = Some(due.peek()?.id).filter(|_| self.uses_ids);
        // One fits, or it would not be asked for.
        let (mut size, max) = (0, self.max_packet_size);
        let due = due.take_while(|subscription| {
            size += filter_size(&subscription.filter);
            subscribe_size(size, subscription_id) <= max
        });
        let id = ids.allocate()?;
        let filters = due
            .map(|subscription| {
                let qos = subscription.qos;
                subscription.state = State::Sent { id, at: now, qos };
                (subscription.filter.clone(), qos)
            })
            .collect();
        self.wanted = self.next_wanted(None);
        Some(Outgoing::Subscribe {
            id,
            filters,
            subscription_id,
        })
    }

    /// Whether a SUBSCRIBE that went out lately is not answered.
    pub(in crate::office) fn is_unanswered(&self, now: Time) -> bool {
        let mut all = self.all.iter();
        all.any(|subscription| subscription.is_unanswered(now))
    }

    /// The broker has hung up. Returns whether it may be for a subscription, and what
    /// is taken for refused: the one that was alone under way.
    pub(in crate::office) fn handle_hang_up(
        &mut self,
        now: Time,
        random: &mut Random,
    ) -> Option<Vec<Verdict>> {
        let all = self.all.iter_mut();
        let mut unanswered: Vec<_> = all.filter(|it| it.is_unanswered(now)).collect();
        for subscription in &mut unanswered {
            subscription.hang_ups = subscription.hang_ups.saturating_add(1);
        }
        match &mut unanswered[..] {
            [] => None,
            [alone] if alone.hang_ups > SUSPECT => {
                let next_try = now + alone.pauses.next(random);
                alone.not_before = next_try;
                // Its guests hear of it on the next connection, as what they have not
                // heard of this one is out of date.
                Some(vec![Verdict {
                    filter: alone.filter.clone(),
                    ruling: Ruling::HangsUp { next_try },
                    tell: Vec::new(),
                }])
            }
            _ => Some(Vec::new()),
        }
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

    /// Returns what the broker made of each filter that is still wanted. None: nothing
    /// was asked under this id. An error: there are not as many answers as questions.
    pub(in crate::office) fn handle_suback(
        &mut self,
        now: Time,
        id: PacketId,
        granted: &[Result<Qos, Reason>],
        ids: &mut PacketIds,
        random: &mut Random,
    ) -> Result<Option<Vec<Verdict>>, WrongCount> {
        let is_asked = |subscription: &&mut Subscription| matches!(subscription.state, State::Sent { id: sent, .. } if sent == id);
        let mut asked: Vec<_> = self.all.iter_mut().filter(is_asked).collect();
        if asked.is_empty() {
            return Ok(None);
        }
        if asked.len() != granted.len() {
            return Err(WrongCount);
        }
        ids.release(id);
        let verdicts = asked
            .iter_mut()
            .zip(granted)
            .filter_map(|(subscription, granted)| {
                subscription.forgive();
                if subscription.guests.is_empty() {
                    subscription.state = State::Unwanted;
                    return None;
                }
                let ruling = match granted {
                    Ok(qos) => {
                        subscription.state = match subscription.was_sent_with(subscription.qos) {
                            true => State::Granted,
                            // Another one is wanted by now.
                            false => State::Wanted(now),
                        };
                        Ruling::Granted(*qos)
                    }
                    Err(reason) => {
                        let reason = *reason;
                        let next_try = now + subscription.backoff.next(random);
                        subscription.state = State::Wanted(next_try);
                        let next_try = Some(next_try);
                        Ruling::Refused { reason, next_try }
                    }
                };
                Some(subscription.rule(ruling))
            });
        let verdicts = verdicts.collect();
        self.recount();
        Ok(Some(verdicts))
    }
}

impl Subscription {
    /// Other guests want it, or none, or with another quality of service than before.
    fn handle_changed(&mut self, now: Time, before: Qos) {
        if self.guests.is_empty() {
            // Of one that is under way, the answer comes first.
            if let State::Wanted(_) | State::Granted = self.state {
                self.state = State::Unwanted;
            }
            self.told = None;
            return;
        }
        let is_due = match self.state {
            State::Unwanted | State::Leaving(_) => true,
            State::Granted => self.qos != before,
            State::Wanted(_) | State::Sent { .. } | State::Unavailable => false,
        };
        if is_due {
            self.state = State::Wanted(now);
        }
    }

    fn was_sent_with(&self, qos: Qos) -> bool {
        matches!(self.state, State::Sent { qos: sent, .. } if sent == qos)
    }

    /// Whether nobody wants it and there is nothing to unsubscribe from.
    fn is_forgotten(&self) -> bool {
        self.guests.is_empty() && matches!(self.state, State::Unavailable)
    }

    fn is_due(&self, now: Time, is_suspect: bool) -> bool {
        let is_wanted = matches!(self.state, State::Wanted(at) if at <= now);
        is_wanted && (self.hang_ups >= SUSPECT) == is_suspect
    }

    fn is_unanswered(&self, now: Time) -> bool {
        matches!(self.state, State::Sent { at, .. } if now < at + RIGHT_AFTER)
    }

    /// Why the broker does not have to be asked for it, if so.
    fn unavailable(&self, terms: &Terms) -> Option<Reason> {
        if !terms.shared_available && topic::is_shared(&self.filter) {
            return Some(Reason::SHARED_UNAVAILABLE);
        }
        let id = Some(self.id).filter(|_| terms.subscription_ids_available);
        if subscribe_size(filter_size(&self.filter), id) > terms.max_packet_size {
            return Some(Reason::TOO_LARGE);
        }
        let has_wildcard = self.filter.contains(['+', '#']);
        (!terms.wildcards_available && has_wildcard).then_some(Reason::WILDCARDS_UNAVAILABLE)
    }

    /// The broker does not hang up at it.
    fn forgive(&mut self) {
        (self.hang_ups, self.not_before) = (0, Time::default());
        self.pauses.reset();
    }

    /// Who is to be told of it, if it is news.
    fn rule(&mut self, ruling: Ruling) -> Verdict {
        let granted = matches!(ruling, Ruling::Granted(_));
        let is_news = self.told.replace(granted) != Some(granted);
        Verdict {
            filter: self.filter.clone(),
            ruling,
            tell: match is_news {
                true => self.guests.clone(),
                false => Vec::new(),
            },
        }
    }
}

/// Gives the filter at a place an identifier. That is made of its text, so that in a
/// session that the broker has kept it means the same filter, or none, after the
/// configuration has changed.
fn insert_id(
    by_id: &mut Vec<(SubscriptionId, usize)>,
    filter: &str,
    place: usize,
) -> SubscriptionId {
    // FNV-1a.
    let hash = filter.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let mut id = hash % MAX_SUBSCRIPTION_ID;
    loop {
        let candidate = SubscriptionId::MIN.saturating_add(id);
        match by_id.binary_search_by_key(&candidate, |(id, _)| *id) {
            Ok(_) => id = (id + 1) % MAX_SUBSCRIPTION_ID,
            Err(at) => {
                by_id.insert(at, (candidate, place));
                return candidate;
            }
        }
    }
}
