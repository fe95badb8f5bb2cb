//! The naive model of the sending half: what each letter must come to, and what
//! may be written of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jackalope::office::{
    Carried, Delivery, Disconnection, GuestId, Incoming, Letter, OutcomeWord, Overflow, PacketId,
    Priority, Qos, Reason, Refusal, Ticket, WorkListSettings,
};

use crate::schedule::Setup;
use crate::terms::Terms;

mod written;

/// What is wrong, if anything.
pub(crate) type Check = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}
pub(crate) use ensure;

#[derive(Debug)]
struct Known {
    guest: GuestId,
    topic: Arc<str>,
    qos: Qos,
    retain: bool,
    priority: Priority,
    key: Option<Arc<str>>,
    /// What its place among those of its priority goes by.
    place: u64,
    /// Whether a younger letter of its key was put on the work list.
    is_superseded: bool,
    deadline: u64,
    /// As a packet.
    size: usize,
    outcome: Option<OutcomeWord>,
    /// Whether its PUBLISH was ever handed over to be written.
    is_handed_over: bool,
    /// How often the other side hung up right after it was sent.
    hang_ups: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// PUBLISH was written.
    Published,
    /// PUBREC has come.
    Received,
    /// PUBREL was written.
    Released,
}

#[derive(Debug)]
struct Exchange {
    ticket: u64,
    qos: Qos,
    stage: Stage,
    /// Whether the present connection has seen its latest packet.
    is_sent: bool,
    /// Whether its PUBLISH went out on the present connection.
    is_here: bool,
    /// When its latest PUBLISH was written.
    sent: u64,
}

#[derive(Debug)]
pub(crate) struct Model {
    work_lists: Vec<WorkListSettings>,
    max_sent: usize,
    /// What the broker allows on the present connection.
    terms: Terms,
    /// Letters that it has refused, until that is said.
    refused: BTreeMap<u64, Reason>,
    letters: BTreeMap<u64, Known>,
    /// The work list of each guest, the oldest first.
    lists: Vec<VecDeque<u64>>,
    deadlines: BTreeSet<(u64, u64)>,
    exchanges: BTreeMap<PacketId, Exchange>,
    subscribes: BTreeSet<PacketId>,
    /// The latest letter of each guest and each priority that the present connection has
    /// seen, and all of those that it has seen.
    latest: Vec<[u64; 3]>,
    seen: BTreeSet<u64>,
    /// Outcomes that the present input must lead to.
    expected: Vec<(u64, OutcomeWord)>,
    /// Outcomes that each guest is still to be told.
    pub(crate) to_tell: Vec<VecDeque<(Ticket, OutcomeWord)>>,
    /// Whether each guest hears of them.
    hears: Vec<bool>,
    pub(crate) online: bool,
}

impl Model {
    pub(crate) fn new(setup: &Setup) -> Self {
        let guests = setup.guests.len();
        Self {
            work_lists: setup.guests.iter().map(|guest| guest.work_list).collect(),
            max_sent: setup.max_sent,
            terms: Terms::GENEROUS,
            refused: BTreeMap::new(),
            letters: BTreeMap::new(),
            lists: vec![VecDeque::new(); guests],
            deadlines: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            subscribes: BTreeSet::new(),
            latest: vec![[0; 3]; guests],
            seen: BTreeSet::new(),
            expected: Vec::new(),
            to_tell: vec![VecDeque::new(); guests],
            hears: setup
                .guests
                .iter()
                .map(|guest| guest.outcomes > 0)
                .collect(),
            online: false,
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.lists.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn open_of(&self, guest: GuestId) -> usize {
        self.lists[guest.index()].len()
    }

    /// How many bytes the open letters of a guest take.
    pub(crate) fn bytes_of(&self, guest: GuestId) -> usize {
        let open = self.lists[guest.index()].iter();
        open.filter_map(|ticket| self.letters.get(ticket))
            .map(|known| known.size)
            .sum()
    }

    pub(crate) fn outcome(&self, ticket: u64) -> Option<OutcomeWord> {
        self.letters.get(&ticket)?.outcome
    }

    /// The open letters that do not expire before `moment`.
    pub(crate) fn open_until(&self, moment: u64) -> Vec<u64> {
        let open = self.deadlines.iter().filter(|(at, _)| moment < *at);
        open.map(|(_, ticket)| *ticket).collect()
    }

    /// Whether it may have been replaced, or have replaced another one.
    pub(crate) fn has_key(&self, ticket: u64) -> bool {
        self.letters.get(&ticket).is_some_and(|it| it.key.is_some())
    }

    /// Who wrote a letter, and with which quality of service and which priority.
    pub(crate) fn origin(&self, ticket: u64) -> Option<(GuestId, Qos, Priority)> {
        let known = self.letters.get(&ticket)?;
        Some((known.guest, known.qos, known.priority))
    }

    /// The letters of QoS 2 that the broker has a part in.
    pub(crate) fn exchanged(&self) -> impl Iterator<Item = u64> {
        self.exchanges.values().map(|exchange| exchange.ticket)
    }

    /// An input that carries the time.
    pub(crate) fn expire(&mut self, now: u64) {
        while let Some(&(deadline, ticket)) = self.deadlines.first()
            && deadline <= now
        {
            self.conclude(ticket, OutcomeWord::Expired);
        }
    }

    fn conclude(&mut self, ticket: u64, outcome: OutcomeWord) {
        let Some(known) = self.letters.get(&ticket) else {
            return;
        };
        self.deadlines.remove(&(known.deadline, ticket));
        self.lists[known.guest.index()].retain(|open| *open != ticket);
        self.expected.push((ticket, outcome));
    }

    /// A letter is accepted.
    pub(crate) fn post(&mut self, since: u64, now: u64, guest: GuestId, letter: &Letter) {
        let ticket = letter.ticket.0;
        let ttl = letter.ttl.as_millis() as u64;
        let known = Known {
            guest,
            topic: letter.topic.clone(),
            qos: letter.qos,
            retain: letter.retain,
            priority: letter.priority,
            key: letter.replace_key.clone(),
            place: ticket,
            is_superseded: false,
            deadline: since + ttl,
            size: size(letter),
            outcome: None,
            is_handed_over: false,
            hang_ups: 0,
        };
        let deadline = known.deadline;
        self.letters.insert(ticket, known);
        if deadline <= now {
            return self.conclude(ticket, OutcomeWord::Expired);
        }
        let bounds = self.work_lists[guest.index()];
        let has_room = |model: &Self, open: &[u64]| {
            let bytes = open.iter().map(|ticket| model.letters[ticket].size);
            open.len() < bounds.max && bytes.sum::<usize>() + size(letter) <= bounds.max_bytes
        };
        let latest = self.latest_of(guest, letter);
        let replaced = latest.filter(|latest| self.waits(*latest));
        // Those that give their places up first are the first.
        let mut open = Vec::from(self.lists[guest.index()].clone());
        open.retain(|ticket| Some(*ticket) != replaced);
        open.sort_by_key(|ticket| {
            let known = &self.letters[ticket];
            (known.priority, known.place)
        });
        let is_full = !has_room(self, &open);
        let never_fits = size(letter) > bounds.max_bytes;
        if is_full && bounds.overflow == Overflow::Reject && !never_fits {
            // It was accepted for the sake of one that is in flight by now.
            open.retain(|ticket| Some(*ticket) != latest);
            if let Some(latest) = latest
                && has_room(self, &open)
            {
                self.conclude(latest, OutcomeWord::Displaced);
            } else {
                return self.conclude(ticket, OutcomeWord::Refused);
            }
        } else if is_full && never_fits {
            return self.conclude(ticket, OutcomeWord::Refused);
        }
        let mut displaced = 0;
        while !has_room(self, &open[displaced..]) {
            let least = open.get(displaced);
            let gives_way = least.is_some_and(|it| self.letters[it].priority <= letter.priority);
            if bounds.overflow == Overflow::DropNewest || !gives_way {
                return self.conclude(ticket, OutcomeWord::Displaced);
            }
            displaced += 1;
        }
        for ticket in &open[..displaced] {
            self.conclude(*ticket, OutcomeWord::Displaced);
        }
        if let Some(replaced) = replaced {
            let before = &self.letters[&replaced];
            let place = match before.priority == letter.priority {
                true => before.place,
                false => ticket,
            };
            self.conclude(replaced, OutcomeWord::Displaced);
            if let Some(known) = self.letters.get_mut(&ticket) {
                known.place = place;
            }
        }
        if letter.replace_key.is_some() {
            for known in self.letters.values_mut() {
                known.is_superseded |= known.guest == guest && known.key == letter.replace_key;
            }
            if let Some(known) = self.letters.get_mut(&ticket) {
                known.is_superseded = false;
            }
        }
        self.lists[guest.index()].push_back(ticket);
        self.deadlines.insert((deadline, ticket));
    }

    /// The latest letter of the same key, if it is open.
    fn latest_of(&self, guest: GuestId, letter: &Letter) -> Option<u64> {
        letter.replace_key.as_ref()?;
        let mut open = self.lists[guest.index()].iter();
        let is_it = |ticket: &&u64| {
            let known = &self.letters[*ticket];
            known.key == letter.replace_key && !known.is_superseded
        };
        open.find(is_it).copied()
    }

    /// Whether a letter is neither in flight nor in an exchange that may go on.
    fn waits(&self, ticket: u64) -> bool {
        let mut exchanges = self.exchanges.values();
        let has_exchange = exchanges.any(|exchange| exchange.ticket == ticket);
        let is_seen = self.online && self.seen.contains(&ticket);
        !has_exchange && !is_seen
    }

    /// A letter that found no place beside others of the same call.
    pub(crate) fn displace(&mut self, guest: GuestId, letter: &Letter) {
        let known = Known {
            guest,
            topic: letter.topic.clone(),
            qos: letter.qos,
            retain: letter.retain,
            priority: letter.priority,
            key: None,
            place: letter.ticket.0,
            is_superseded: false,
            deadline: 0,
            size: 0,
            outcome: None,
            is_handed_over: false,
            hang_ups: 0,
        };
        self.letters.insert(letter.ticket.0, known);
        self.conclude(letter.ticket.0, OutcomeWord::Displaced);
    }

    /// A packet of the broker, about to be handed to the post office.
    pub(crate) fn handle_packet(&mut self, now: u64, packet: &Incoming) {
        match packet {
            _ if !self.online => {}
            Incoming::PubAck(id) => {
                for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
                    self.handle_acked(*id, qos, Stage::Published);
                }
            }
            Incoming::PubComp(id) => self.handle_acked(*id, Qos::ExactlyOnce, Stage::Released),
            Incoming::PubRec(id) => {
                if let Some(exchange) = self.exchanges.get_mut(id)
                    && exchange.qos == Qos::ExactlyOnce
                    && exchange.stage == Stage::Published
                {
                    exchange.stage = Stage::Received;
                    exchange.is_sent = false;
                }
            }
            Incoming::SubAck { id, .. } => {
                self.subscribes.remove(id);
            }
            Incoming::Refused { delivery, reason } => self.handle_nack(*delivery, *reason),
            Incoming::Disconnect(reason, _) if Disconnection::Ended(*reason).is_hang_up() => {
                self.handle_hang_up(now);
            }
            _ => {}
        }
    }

    /// The broker does not take a letter: its exchange is over.
    fn handle_nack(&mut self, delivery: Delivery, reason: Reason) {
        let Some(id) = delivery.packet_id() else {
            return;
        };
        if let Some(exchange) = self.exchanges.get(&id)
            && exchange.qos == delivery.qos()
            && exchange.stage == Stage::Published
        {
            let ticket = exchange.ticket;
            self.exchanges.remove(&id);
            if reason != Reason::QUOTA_EXCEEDED {
                if self.is_open(ticket) {
                    self.refused.insert(ticket, reason);
                }
            } else if let Some(known) = self.letters.get(&ticket) {
                // It goes again, and those behind it that have not gone.
                let latest = &mut self.latest[known.guest.index()][known.priority as usize];
                *latest = (*latest).min(known.place - 1);
                self.seen.remove(&ticket);
                if known.is_superseded && self.is_open(ticket) {
                    self.conclude(ticket, OutcomeWord::Displaced);
                }
            }
        }
    }

    /// The post office refuses a letter for this reason.
    pub(crate) fn handle_letter_refused(&mut self, ticket: u64, refusal: Refusal) -> Check {
        let Some(known) = self.letters.get(&ticket) else {
            return Err(format!(
                "letter {ticket} is refused, and was never accepted"
            ));
        };
        let expected = match self.refused.remove(&ticket) {
            Some(reason) => Some(Refusal::Broker(reason)),
            None => self.refusal(known),
        };
        ensure!(
            expected == Some(refusal),
            "letter {ticket} is refused, as {refusal}; it should be {expected:?}"
        );
        ensure!(self.online, "letter {ticket} is refused by nobody");
        ensure!(
            self.is_open(ticket),
            "letter {ticket} is refused after its outcome"
        );
        self.conclude(ticket, OutcomeWord::Refused);
        Ok(())
    }

    /// Why a letter cannot be sent on the present connection, if so.
    fn refusal(&self, known: &Known) -> Option<Refusal> {
        if known.size > self.max_sent {
            let (size, max) = (known.size, self.max_sent);
            return Some(Refusal::TooLarge { size, max });
        }
        self.terms.refusal(known.size, known.qos, known.retain)
    }

    /// The kernel has taken the last byte of a packet.
    pub(crate) fn handle_taken(&mut self, carried: Carried) {
        if let Carried::Letter(ticket) = carried
            && self.is_open(ticket.0)
        {
            self.conclude(ticket.0, OutcomeWord::Delivered);
        }
    }

    /// A packet will not be written, not even in part.
    pub(crate) fn handle_recalled(&mut self, now: u64, carried: Carried) -> Check {
        let ticket = match carried {
            Carried::Nothing => return Err("an acknowledgement is not written".into()),
            Carried::Letter(ticket) => ticket.0,
            Carried::Publish { id, .. } | Carried::PubRel(id) => {
                let Some(exchange) = self.exchanges.get_mut(&id) else {
                    return Err(format!("exchange {id} is recalled, which is not open"));
                };
                let ticket = exchange.ticket;
                let duplicate = false;
                if carried == (Carried::Publish { id, duplicate }) {
                    self.exchanges.remove(&id);
                }
                ticket
            }
        };
        let deadline = self.deadline(ticket);
        ensure!(
            deadline.is_some_and(|deadline| deadline <= now),
            "letter {ticket} is recalled at {now} and expires at {deadline:?}"
        );
        Ok(())
    }

    /// The other side has hung up: whatever is unanswered may be why.
    pub(crate) fn handle_hang_up(&mut self, now: u64) {
        if self.online {
            for ticket in self.unanswered(now) {
                if let Some(known) = self.letters.get_mut(&ticket) {
                    known.hang_ups += 1;
                }
            }
        }
    }

    /// The letters that were published on this connection a short time ago, and
    /// not answered.
    fn unanswered(&self, now: u64) -> Vec<u64> {
        let is_unanswered = |exchange: &&Exchange| {
            exchange.is_sent
                && exchange.stage == Stage::Published
                && now < exchange.sent + 5_000
                && self.is_open(exchange.ticket)
        };
        let unanswered = self.exchanges.values().filter(is_unanswered);
        unanswered.map(|exchange| exchange.ticket).collect()
    }

    /// A letter is refused, since the other side hangs up whenever it is sent.
    pub(crate) fn handle_refused(&mut self, ticket: u64) -> Check {
        let hang_ups = self.letters.get(&ticket).map(|known| known.hang_ups);
        ensure!(
            hang_ups.is_some_and(|times| times > 3),
            "letter {ticket} is refused after {hang_ups:?} hang-ups"
        );
        self.conclude(ticket, OutcomeWord::Refused);
        Ok(())
    }

    /// That the outcome of a letter may say that it had been sent.
    pub(crate) fn check_sent(&self, ticket: u64) -> Check {
        ensure!(
            self.letters
                .get(&ticket)
                .is_some_and(|it| it.is_handed_over),
            "letter {ticket} was never handed over, and its outcome says that it was sent"
        );
        Ok(())
    }

    /// When a letter expires.
    pub(crate) fn deadline(&self, ticket: u64) -> Option<u64> {
        self.letters.get(&ticket).map(|known| known.deadline)
    }

    /// A session has begun.
    pub(crate) fn handle_connected(&mut self, session_present: bool, terms: Terms) {
        self.begin_session(session_present, terms);
        let open = self.lists.iter().flatten().copied();
        let superseded = open.filter(|ticket| self.letters[ticket].is_superseded);
        let waiting: Vec<_> = superseded.filter(|ticket| self.waits(*ticket)).collect();
        for ticket in waiting {
            self.conclude(ticket, OutcomeWord::Displaced);
        }
    }

    fn begin_session(&mut self, session_present: bool, terms: Terms) {
        self.online = true;
        self.terms = terms;
        self.subscribes.clear();
        self.latest.fill([0; 3]);
        self.seen.clear();
        if !session_present {
            self.exchanges.clear();
            return;
        }
        let (letters, expected) = (&self.letters, &self.expected);
        // A QoS 1 letter that has its outcome is not sent again, so its id is
        // free.
        self.exchanges.retain(|_, exchange| {
            exchange.qos == Qos::ExactlyOnce
                || letters.get(&exchange.ticket).is_some_and(|known| {
                    let ends = |(ticket, _): &(u64, OutcomeWord)| *ticket == exchange.ticket;
                    known.outcome.is_none() && !expected.iter().any(ends)
                })
        });
        for exchange in self.exchanges.values_mut() {
            (exchange.is_sent, exchange.is_here) = (false, false);
        }
    }

    fn handle_acked(&mut self, id: PacketId, qos: Qos, stage: Stage) {
        if let Some(exchange) = self.exchanges.get(&id)
            && (exchange.qos, exchange.stage) == (qos, stage)
        {
            let ticket = exchange.ticket;
            self.exchanges.remove(&id);
            if self.is_open(ticket) {
                self.conclude(ticket, OutcomeWord::Delivered);
            }
        }
    }

    fn is_open(&self, ticket: u64) -> bool {
        self.letters.get(&ticket).is_some_and(|known| {
            known.outcome.is_none() && !self.expected.iter().any(|(other, _)| *other == ticket)
        })
    }

    /// Compares what was reported with what is expected.
    pub(crate) fn reconcile(&mut self, mut reported: Vec<(GuestId, Ticket, OutcomeWord)>) -> Check {
        for (guest, ticket, outcome) in &reported {
            let Some(known) = self.letters.get(&ticket.0) else {
                return Err(format!("{outcome:?} for letter {ticket:?}, never accepted"));
            };
            ensure!(known.guest == *guest, "{ticket:?}: told the wrong guest");
            ensure!(
                known.outcome.is_none(),
                "{ticket:?} has a second outcome, {outcome:?}"
            );
            if self.hears[guest.index()] {
                self.to_tell[guest.index()].push_back((*ticket, *outcome));
            }
        }
        ensure!(
            self.refused.is_empty(),
            "the broker has refused {:?}, and nobody says so",
            self.refused
        );
        let mut expected = std::mem::take(&mut self.expected);
        expected.sort_by_key(|(ticket, _)| *ticket);
        reported.sort_by_key(|(_, ticket, _)| *ticket);
        let reported: Vec<_> = reported.iter().map(|(_, t, o)| (t.0, *o)).collect();
        ensure!(
            expected == reported,
            "outcomes should be {expected:?} and are {reported:?}"
        );
        for (ticket, outcome) in expected {
            if let Some(known) = self.letters.get_mut(&ticket) {
                known.outcome = Some(outcome);
            }
        }
        Ok(())
    }
}

fn size(letter: &Letter) -> usize {
    let id = if letter.qos == Qos::AtMostOnce { 0 } else { 2 };
    let body = 2 + letter.topic.len() + id + letter.payload.len();
    let length = match body {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    };
    1 + length + body
}
