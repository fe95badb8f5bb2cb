//! What an answer of the guest leads to: its call is over, or is made again, and when.

use std::time::Duration;

use super::{Event, Inbox, Running};
use crate::office::guests::{Call, Message, bounds};
use crate::office::session::{Receipt, doubled};
use crate::office::timers::Due;
use crate::office::{GoneGuests, LetterOutcome, Time};

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

impl Inbox {
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

impl Event {
    fn to_call(&self) -> Call {
        match self {
            Self::Link(call) => (**call).clone(),
            Self::Outcome(outcome) => Call::Outcomes(vec![outcome.clone()]),
        }
    }
}
