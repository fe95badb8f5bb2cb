//! What is to be told to one guest, and what happens when it fails.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Call, Message, Status, bounds};
use crate::office::session::{Receipt, doubled};
use crate::office::timers::{Due, TimerId};
use crate::office::{GoneGuests, GuestSettings, LetterOutcome, Ticket, Time};

/// The pause before a message is tried again on the guest's word.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// The pause after the second failure in a row. After the first there is none.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// So many outcomes in a row may lead to letters that displace others of the
/// guest: publishing again what was displaced would go round for ever.
const FREE_DISPLACING: u32 = 10;

/// The pause after one more of them.
const FIRST_SLOWDOWN: Duration = Duration::from_millis(10);
const LONGEST_SLOWDOWN: Duration = Duration::from_secs(1);

/// Something to tell a guest other than a message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    /// Boxed: it is rare, and a million outcomes may be owed.
    Link(Box<Call>),
    Outcome(LetterOutcome),
}

/// Something in a queue, with its place in the order of all.
#[derive(Debug)]
struct Numbered<T> {
    number: u64,
    /// How often the call with it has failed.
    tries: u32,
    item: T,
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

/// What an answer has ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Ended {
    /// The question for the last will.
    LastWill,
    /// News of connection or subscriptions.
    Event(Call),
    /// Outcomes, the first of which is this.
    Outcomes(LetterOutcome),
    /// A timer.
    Timer(Due),
    /// A message, with its receipt.
    Message(Message, Receipt),
}

/// What follows on an answer that is not success.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Decision {
    /// The call is made again, at this moment at the earliest.
    TryAgain(Call, Time),
    /// The guest is gone: what the call was about is kept until it is back.
    WhenBack(Call),
    /// The call is not made again. This has ended with it.
    Over(Ended),
    /// The guest is at no call, so there is nothing to decide.
    NoCall,
}

impl Ended {
    /// The call that has ended.
    pub(in crate::office) fn call(&self) -> Call {
        match self {
            Self::LastWill => Call::LastWill,
            Self::Event(call) => call.clone(),
            Self::Outcomes(first) => Call::Outcomes(vec![first.clone()]),
            Self::Timer(due) => Call::Timer(due.timer.clone()),
            Self::Message(message, _) => Call::Message(message.clone()),
        }
    }
}

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

    /// What holds for the guest is something else from now on. What it does not hear any
    /// more goes, but for the call that it is at.
    pub(super) fn set(&mut self, settings: &GuestSettings) {
        self.retries = settings.retries;
        self.retry_for = settings.retry_for;
        self.most_outcomes = settings.outcomes;
        self.hears_subscriptions = settings.hears_subscriptions;
        let (outcomes, subscriptions) = (self.most_outcomes > 0, self.hears_subscriptions);
        self.retain_events(|event| match event {
            Event::Outcome(_) => outcomes,
            Event::Link(call) => subscriptions || !matches!(**call, Call::Subscription { .. }),
        });
    }

    /// Drops the other events, but for those that the guest is at a call with.
    fn retain_events(&mut self, stays: impl Fn(&Event) -> bool) {
        let (mut at_call, _) = self.at_call();
        self.events.retain(|event| {
            let is_at_call = at_call > 0;
            at_call = at_call.saturating_sub(1);
            is_at_call || stays(&event.item)
        });
        let events = self.events.iter();
        let is_outcome = |event: &&Numbered<Event>| matches!(event.item, Event::Outcome(_));
        self.outcomes = events.filter(is_outcome).count();
        self.alone = self.alone.min(self.outcomes);
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

    /// The guest is gone: nothing waits for it any more but outcomes, if those are kept,
    /// and the call that it is at is not made again. Returns the receipts of the messages
    /// that it is not called with.
    pub(super) fn handle_gone(&mut self, what: GoneGuests) -> Vec<Receipt> {
        self.gone = Some(what);
        self.wants_will = false;
        (self.retries, self.retry_for) = (0, Duration::ZERO);
        self.hears_subscriptions = false;
        let keeps = what == GoneGuests::Keep;
        // Whether it hears of them when it is back is not known.
        self.most_outcomes = usize::from(keeps);
        self.retain_events(|event| keeps && matches!(event, Event::Outcome(_)));
        let (_, messages) = self.at_call();
        let timers = self.running == Some(Running::Timer);
        self.timers.truncate(usize::from(timers));
        let dropped = self.messages.split_off(messages);
        let kept = self.messages.iter();
        self.bytes = kept.map(|message| bounds::cost(&message.item.0)).sum();
        dropped.into_iter().map(|message| message.item.1).collect()
    }

    /// The guest is back, perhaps as another component. What it hears first is how the
    /// connection is; the call that the one before is at goes on.
    pub(super) fn handle_back(&mut self, settings: &GuestSettings, status: Status) {
        self.gone = None;
        self.is_of_one_before = self.running.is_some();
        (self.status, self.dropped, self.alone) = (None, 0, 0);
        self.handle_replaced();
        self.set(settings);
        let (at_call, _) = self.at_call();
        for event in self.events.iter_mut().skip(at_call) {
            event.tries = 0;
        }
        let number = self.number();
        let first = Numbered {
            number,
            tries: 0,
            item: Event::Link(Box::new(Call::Connection(status))),
        };
        self.events.insert(at_call, first);
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
    /// messages. The guest is at it until
    /// `handle_*` says otherwise.
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

    /// The guest is another one: no failures, no reason to wait.
    pub(in crate::office) fn handle_replaced(&mut self) {
        self.failures = 0;
        self.displacing = 0;
        self.paused_until = Time::default();
        self.handle_front_new();
    }

    /// The message at the front has not been put off.
    fn handle_front_new(&mut self) {
        self.put_off = 0;
        self.put_off_since = None;
        self.retry_at = None;
    }

    /// The call has succeeded. A message was taken or rejected.
    pub(in crate::office) fn handle_done(&mut self) -> Option<Ended> {
        self.failures = 0;
        self.end()
    }

    /// What the last call published has displaced letters of the guest, or has
    /// not. A guest that goes on displacing them in answer to outcomes is called
    /// ever less often, until a call displaces none.
    pub(in crate::office) fn handle_committed(
        &mut self,
        now: Time,
        was_outcome: bool,
        has_displaced: bool,
    ) {
        if !has_displaced {
            self.displacing = 0;
        } else if was_outcome {
            self.displacing = self.displacing.saturating_add(1);
            if let Some(times) = self.displacing.checked_sub(FREE_DISPLACING) {
                self.paused_until = now + doubled(FIRST_SLOWDOWN, times, LONGEST_SLOWDOWN);
            }
        }
    }

    /// The guest has put the message off. It is tried again after growing pauses,
    /// for the last time when it has been put off for `retry_for`.
    pub(in crate::office) fn handle_retry(&mut self, now: Time) -> Decision {
        self.failures = 0;
        if self.running != Some(Running::Message) {
            return self.give_up();
        }
        let last = *self.put_off_since.get_or_insert(now) + self.retry_for;
        if last <= now {
            return self.give_up();
        }
        self.running = None;
        let again = (now + doubled(FIRST_RETRY, self.put_off, LONGEST_RETRY)).min(last);
        self.put_off = self.put_off.saturating_add(1);
        self.retry_at = Some(again);
        let Some(front) = self.messages.front_mut() else {
            return Decision::NoCall;
        };
        let message = &mut front.item.0;
        message.duplicate = true;
        Decision::TryAgain(Call::Message(message.clone()), again)
    }

    /// The call has failed. It is tried again, at once the first time and after
    /// growing pauses from then on, or given up.
    pub(in crate::office) fn handle_failed(&mut self, now: Time) -> Decision {
        self.failures = self.failures.saturating_add(1);
        if self.failures > 1 {
            self.paused_until = now + doubled(FIRST_PAUSE, self.failures - 2, LONGEST_PAUSE);
        }
        if self.gone == Some(GoneGuests::Keep)
            && let Some(call) = self.put_back()
        {
            return Decision::WhenBack(call);
        }
        if matches!(self.running, Some(Running::Outcomes(_))) && self.most_outcomes == 0 {
            // It hears of none by now.
            return self.give_up();
        }
        if let Some(Running::Outcomes(count @ 2..)) = self.running {
            // One of them may be why.
            self.running = None;
            self.alone = count;
            let call = Call::Outcomes(self.first_outcomes(count));
            return Decision::TryAgain(call, self.paused_until.max(now));
        }
        match self.count_try() {
            Some((tries, call)) if tries <= self.retries => {
                self.running = None;
                Decision::TryAgain(call, self.paused_until.max(now))
            }
            _ => self.give_up(),
        }
    }

    /// What is kept of the call that the guest is at waits again: outcomes in here, and a
    /// timer among all timers. Returns the call; none, if nothing of it is kept.
    fn put_back(&mut self) -> Option<Call> {
        let call = match self.running? {
            Running::Outcomes(count) => Call::Outcomes(self.first_outcomes(count)),
            Running::Timer => Call::Timer(self.timers.pop_front()?.item.timer),
            Running::LastWill | Running::Event | Running::Message => return None,
        };
        self.running = None;
        Some(call)
    }

    /// Counts one more failure of the call that the guest is at. Returns how many
    /// there are, and the call as it is made again. None: it is never made again.
    fn count_try(&mut self) -> Option<(u32, Call)> {
        match self.running? {
            Running::LastWill => None,
            Running::Event | Running::Outcomes(_) => {
                let event = self.events.front_mut()?;
                event.tries += 1;
                Some((event.tries, event.item.to_call()))
            }
            Running::Timer => {
                let timer = self.timers.front_mut()?;
                timer.tries = timer.tries.saturating_add(1);
                Some((timer.tries, Call::Timer(timer.item.timer.clone())))
            }
            Running::Message => {
                let message = self.messages.front_mut()?;
                message.tries += 1;
                message.item.0.duplicate = true;
                Some((message.tries, Call::Message(message.item.0.clone())))
            }
        }
    }

    fn give_up(&mut self) -> Decision {
        self.end().map_or(Decision::NoCall, Decision::Over)
    }

    fn end(&mut self) -> Option<Ended> {
        match self.running.take()? {
            Running::LastWill => Some(Ended::LastWill),
            Running::Event => {
                let call = self.events.pop_front()?.item.to_call();
                if let Call::Connection(status) = call
                    && !self.is_of_one_before
                {
                    self.status = Some(status);
                }
                Some(Ended::Event(call))
            }
            Running::Outcomes(count) => {
                self.outcomes -= count;
                self.alone = self.alone.saturating_sub(count);
                let first = self.events.pop_front()?.item;
                (1..count).for_each(|_| drop(self.events.pop_front()));
                match first {
                    Event::Outcome(first) => Some(Ended::Outcomes(first)),
                    Event::Link(_) => None,
                }
            }
            Running::Timer => Some(Ended::Timer(self.timers.pop_front()?.item)),
            Running::Message => {
                self.handle_front_new();
                let (message, receipt) = self.messages.pop_front()?.item;
                self.bytes -= bounds::cost(&message);
                Some(Ended::Message(message, receipt))
            }
        }
    }
}

/// The number of what comes first, or one behind all others.
fn first_number<T>(queue: &VecDeque<Numbered<T>>) -> u64 {
    queue.front().map_or(u64::MAX, |first| first.number)
}

impl Event {
    fn to_call(&self) -> Call {
        match self {
            Self::Link(call) => (**call).clone(),
            Self::Outcome(outcome) => Call::Outcomes(vec![outcome.clone()]),
        }
    }
}
