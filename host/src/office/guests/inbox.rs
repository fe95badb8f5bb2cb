//! What is to be told to one guest: the calls that wait for it, and which of them is next.

mod change_guest;
mod end_call;

use std::collections::VecDeque;
use std::time::Duration;

use super::{Call, Message, Status, bounds};
use crate::office::session::Receipt;
use crate::office::timers::{Due, TimerId};
use crate::office::{GoneGuests, GuestSettings, LetterOutcome, Ticket, Time};

pub(in crate::office) use end_call::{Decision, Ended};

/// The calls that wait for one guest, and the one it is at.
///
/// Calls come in the order of what they tell, with one exception: while the
/// guest has put a message off, events go ahead of it, since what it waits for
/// may be among them.
#[derive(Debug)]
pub(in crate::office) struct Inbox {
    retries: u32,
    retry_for: Duration,
    /// How many outcomes it is told at once.
    most_outcomes: usize,
    hears_subscriptions: bool,
    numbers: u64,
    events: VecDeque<Numbered<Event>>,
    /// Timers that are due, each once. News of the connection leaves them here.
    timers: VecDeque<Numbered<Due>>,
    messages: VecDeque<Numbered<(Message, Receipt)>>,
    /// What the messages take.
    bytes: usize,
    /// How many messages were dropped for want of room.
    dropped: u64,
    wants_will: bool,
    running: Option<Running>,
    /// How many of the events are outcomes.
    outcomes: usize,
    /// How many of these, the first ones, are told one by one: a call with all of
    /// them has failed.
    alone: usize,
    /// Failures in a row, over all calls.
    failures: u32,
    /// Calls with an outcome in a row that displaced letters of the guest.
    displacing: u32,
    /// No call before this moment.
    paused_until: Time,
    /// How often the message at the front was put off.
    put_off: u32,
    /// When it was put off for the first time.
    put_off_since: Option<Time>,
    /// The message at the front waits for this moment.
    retry_at: Option<Time>,
    /// What the guest was last told of the connection.
    status: Option<Status>,
    /// The guest is gone, and hears nothing before it is back: what becomes of what it has.
    gone: Option<GoneGuests>,
    /// Whether the guest was gone meanwhile, and the call is of the one before.
    is_of_one_before: bool,
}

/// Something in a queue, with its place in the order of all.
#[derive(Debug)]
struct Numbered<T> {
    number: u64,
    /// How often the call with it has failed.
    tries: u32,
    item: T,
}

/// Something to tell a guest other than a message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    /// Boxed: it is rare, and a million outcomes may be owed.
    Link(Box<Call>),
    Outcome(LetterOutcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    LastWill,
    Event,
    /// So many outcomes.
    Outcomes(usize),
    Timer,
    Message,
}

impl Inbox {
    /// Empty but for the news that there is no connection.
    pub(in crate::office) fn new(settings: &GuestSettings) -> Self {
        let mut inbox = Self {
            retries: settings.retries,
            retry_for: settings.retry_for,
            most_outcomes: settings.outcomes,
            hears_subscriptions: settings.hears_subscriptions,
            numbers: 0,
            events: VecDeque::new(),
            timers: VecDeque::new(),
            messages: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            wants_will: false,
            running: None,
            outcomes: 0,
            alone: 0,
            failures: 0,
            displacing: 0,
            paused_until: Time::default(),
            put_off: 0,
            put_off_since: None,
            retry_at: None,
            status: None,
            gone: None,
            is_of_one_before: false,
        };
        inbox.push_status(Status::Offline);
        inbox
    }

    /// Whether the guest is gone, and if so, what becomes of what it has.
    pub(in crate::office) fn gone(&self) -> Option<GoneGuests> {
        self.gone
    }

    pub(in crate::office) fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    /// Whether nothing is kept of the guest.
    pub(in crate::office) fn is_dropped(&self) -> bool {
        self.gone == Some(GoneGuests::Drop)
    }

    /// The timer that the guest is at a call with.
    pub(in crate::office) fn timer_at_call(&self) -> Option<TimerId> {
        let timer = self.timers.front()?;
        (self.running == Some(Running::Timer)).then_some(timer.item.id)
    }

    pub(in crate::office) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// How many outcomes the guest has not been told.
    pub(in crate::office) fn outcomes(&self) -> usize {
        self.outcomes
    }

    /// The tickets of the outcomes that the guest has not been told, in their order.
    pub(in crate::office) fn untold(&self) -> impl Iterator<Item = Ticket> {
        self.events.iter().filter_map(|event| match &event.item {
            Event::Outcome(outcome) => Some(outcome.ticket),
            Event::Link(_) => None,
        })
    }

    /// How many of these it is at a call with, which are the first.
    pub(in crate::office) fn being_told(&self) -> usize {
        match self.running {
            Some(Running::Outcomes(count)) => count,
            _ => 0,
        }
    }

    /// Whether it hears of outcomes.
    pub(in crate::office) fn hears_outcomes(&self) -> bool {
        self.most_outcomes > 0
    }

    /// How many calls have failed in a row.
    pub(in crate::office) fn failures(&self) -> u32 {
        self.failures
    }

    /// How many messages the guest has not taken.
    pub(in crate::office) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// How many other things it has not been told, and can be.
    pub(in crate::office) fn events(&self) -> usize {
        let events = match self.gone {
            Some(_) => self.at_call().0,
            None => self.events.len(),
        };
        events + usize::from(self.wants_will)
    }

    /// Returns whether there is nothing to tell but messages and timers.
    pub(in crate::office) fn is_idle(&self) -> bool {
        self.running.is_none() && (self.events.is_empty() || self.is_gone())
    }

    /// How many of the events, and of the messages, the guest is at a call with.
    fn at_call(&self) -> (usize, usize) {
        match self.running {
            Some(Running::Event) => (1, 0),
            Some(Running::Outcomes(count)) => (count, 0),
            Some(Running::Message) => (0, 1),
            Some(Running::LastWill | Running::Timer) | None => (0, 0),
        }
    }

    /// The connection has begun or ended. Older news of it that the guest has
    /// not heard is out of date and goes.
    pub(in crate::office) fn push_status(&mut self, status: Status) {
        if self.is_gone() {
            return;
        }
        let is_running = self.running == Some(Running::Event);
        let mut position = 0;
        self.events.retain(|event| {
            let keep = (position == 0 && is_running) || matches!(event.item, Event::Outcome(..));
            position += 1;
            keep
        });
        // What it is being told counts for as long as that call runs: if it
        // fails and is made no more, the guest has not heard it.
        let told = match self.events.front().map(|event| &event.item) {
            Some(Event::Link(call)) if is_running && !self.is_of_one_before => match **call {
                Call::Connection(told) => Some(told),
                _ => self.status,
            },
            _ => self.status,
        };
        if told != Some(status) {
            self.push_event(Event::Link(Box::new(Call::Connection(status))));
        }
    }

    /// News of a subscription, if the guest hears such.
    pub(in crate::office) fn push_subscription(&mut self, call: Call) {
        if self.hears_subscriptions {
            self.push_event(Event::Link(Box::new(call)));
        }
    }

    /// An outcome, if the guest hears such.
    pub(in crate::office) fn push_outcome(&mut self, outcome: LetterOutcome) {
        if self.most_outcomes > 0 {
            self.outcomes += 1;
            self.push_event(Event::Outcome(outcome));
        }
    }

    /// A timer is due.
    pub(in crate::office) fn push_timer(&mut self, due: Due) {
        let number = self.number();
        self.timers.push_back(Numbered {
            number,
            tries: 0,
            item: due,
        });
    }

    /// Whether a timer waits in here, or the guest is at a call with it.
    pub(in crate::office) fn has_timer(&self, id: TimerId) -> bool {
        self.timers.iter().any(|timer| timer.item.id == id)
    }

    /// A timer is no more. If the guest is at a call with it, that is not made again.
    pub(in crate::office) fn remove_timer(&mut self, id: TimerId) {
        let mut is_running = self.running == Some(Running::Timer);
        self.timers.retain_mut(|timer| {
            let is_at_call = std::mem::take(&mut is_running);
            if is_at_call && timer.item.id == id {
                // However many retries there will be.
                timer.tries = u32::MAX;
            }
            is_at_call || timer.item.id != id
        });
    }

    /// Returns whether there is room for a message. An empty inbox has room for
    /// any.
    pub(in crate::office) fn has_room_for(&self, message: &Message) -> bool {
        bounds::have_room(self.messages.len(), self.bytes, message)
    }

    /// A message is dropped for want of room. Returns how many were so far.
    pub(in crate::office) fn count_dropped(&mut self) -> u64 {
        self.dropped += 1;
        self.dropped
    }

    pub(in crate::office) fn push_message(&mut self, message: Message, receipt: Receipt) {
        self.bytes += bounds::cost(&message);
        let number = self.number();
        self.messages.push_back(Numbered {
            number,
            tries: 0,
            item: (message, receipt),
        });
    }

    /// The guest is to be asked for the last will, or need not be any more.
    pub(in crate::office) fn set_wants_will(&mut self, wants_will: bool) {
        self.wants_will = wants_will;
    }

    fn push_event(&mut self, event: Event) {
        let number = self.number();
        self.events.push_back(Numbered {
            number,
            tries: 0,
            item: event,
        });
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// The next call, if it is time for one; a message or a timer only if it takes
    /// messages. The guest is at it until `handle_*` says otherwise.
    pub(in crate::office) fn poll(&mut self, now: Time, takes_messages: bool) -> Option<Call> {
        if self.running.is_some() || self.is_gone() || now < self.paused_until {
            return None;
        }
        self.is_of_one_before = false;
        if self.wants_will {
            self.wants_will = false;
            self.running = Some(Running::LastWill);
            return Some(Call::LastWill);
        }
        let takes = |takes: bool, number: u64| if takes { number } else { u64::MAX };
        let is_time = takes_messages && self.retry_at.is_none_or(|at| at <= now);
        let event = first_number(&self.events);
        let timer = takes(takes_messages, first_number(&self.timers));
        let message = takes(is_time, first_number(&self.messages));
        if message < event.min(timer) {
            self.poll_message()
        } else if timer < event {
            self.poll_timer(now)
        } else {
            self.poll_event()
        }
    }

    fn poll_message(&mut self) -> Option<Call> {
        let message = self.messages.front()?.item.0.clone();
        self.running = Some(Running::Message);
        Some(Call::Message(message))
    }

    fn poll_timer(&mut self, now: Time) -> Option<Call> {
        let timer = &mut self.timers.front_mut()?.item.timer;
        timer.catch_up(now);
        self.running = Some(Running::Timer);
        Some(Call::Timer(timer.clone()))
    }

    fn poll_event(&mut self) -> Option<Call> {
        if let Event::Link(call) = &self.events.front()?.item {
            self.running = Some(Running::Event);
            return Some((**call).clone());
        }
        let most = if self.alone > 0 {
            1
        } else {
            self.most_outcomes
        };
        let outcomes = self.first_outcomes(most);
        self.running = Some(Running::Outcomes(outcomes.len()));
        Some(Call::Outcomes(outcomes))
    }

    /// The outcomes at the front, so many at most.
    fn first_outcomes(&self, most: usize) -> Vec<LetterOutcome> {
        let outcome = |event: &Numbered<Event>| match &event.item {
            Event::Outcome(outcome) => Some(outcome.clone()),
            Event::Link(_) => None,
        };
        let outcomes = self.events.iter().take(most);
        outcomes.map_while(outcome).collect()
    }

    /// Returns whether the guest is at no call and there is one to make, now or later.
    #[inline]
    pub(in crate::office) fn is_waiting(&self) -> bool {
        let is_empty = self.events.is_empty() && self.timers.is_empty() && self.messages.is_empty();
        self.running.is_none() && !self.is_gone() && (self.wants_will || !is_empty)
    }

    /// Returns whether it is time for a call.
    pub(in crate::office) fn is_due(&self, now: Time, takes_messages: bool) -> bool {
        self.next_timeout(takes_messages)
            .is_some_and(|at| at <= now)
    }

    /// When a call is due that is not due yet.
    pub(in crate::office) fn next_timeout(&self, takes_messages: bool) -> Option<Time> {
        if self.running.is_some() || self.is_gone() {
            return None;
        }
        if self.wants_will || !self.events.is_empty() {
            return Some(self.paused_until);
        }
        if !takes_messages {
            return None;
        }
        if !self.timers.is_empty() {
            return Some(self.paused_until);
        }
        self.messages.front()?;
        Some(self.retry_at.unwrap_or_default().max(self.paused_until))
    }
}

/// The number of what comes first, or one behind all others.
fn first_number<T>(queue: &VecDeque<Numbered<T>>) -> u64 {
    queue.front().map_or(u64::MAX, |first| first.number)
}
