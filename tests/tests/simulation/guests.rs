//! Guests that follow a plan, and the payloads that say where they come from.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    Answer, Assignment, Call, Changes, Draft, Effects, Kept, LastWill, Letter, Payload, Qos,
    Schedule, Ticket, Time, TimerChanges, Tray,
};

use crate::schedule::{CallPlan, LetterPlan, MINUTE, TIMERS, TimerPlan, Verdict};

/// What a payload says of its origin, with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A letter, with its ticket.
    Letter(u64),
    /// Published by someone else.
    Message(u64),
    /// The last will of a guest.
    Will(u64),
}

impl Key {
    pub(crate) fn payload(self, padding: usize) -> Vec<u8> {
        let (kind, number) = match self {
            Self::Letter(number) => (b'L', number),
            Self::Message(number) => (b'M', number),
            Self::Will(number) => (b'W', number),
        };
        let mut bytes = vec![kind];
        bytes.extend(number.to_be_bytes());
        bytes.resize(bytes.len() + padding, 0);
        bytes
    }

    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        let (kind, rest) = payload.split_first()?;
        let number = u64::from_be_bytes(*rest.first_chunk()?);
        match kind {
            b'L' => Some(Self::Letter(number)),
            b'M' => Some(Self::Message(number)),
            b'W' => Some(Self::Will(number)),
            _ => None,
        }
    }
}

/// One guest of a simulation.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    pub(crate) plans: VecDeque<CallPlan>,
    /// Whether it cancels each timer that is due again and again.
    pub(crate) wants_calm: bool,
    pub(crate) running: Option<Running>,
    /// The call that was answered last, until the post office hears of it.
    pub(crate) finished: Option<Finished>,
}

/// A call that a guest is at.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) assignment: Assignment,
    pub(crate) since: u64,
    /// When the answer comes.
    pub(crate) until: u64,
    plan: CallPlan,
    /// Whether it cancels the timer that it is called with.
    cancels: bool,
}

/// What a call has come to.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) since: u64,
    pub(crate) answer: Answer,
    /// What it published, whether that counts or not, the oldest first.
    pub(crate) published: Vec<(Ticket, LetterPlan)>,
    /// What it did to timers, and whether it could.
    pub(crate) timers: Vec<(TimerPlan, bool)>,
}

impl Guest {
    /// Begins a call.
    pub(crate) fn begin(&mut self, now: u64, assignment: Assignment) {
        let is_fast = |period: Duration| period < Duration::from_millis(MINUTE);
        let cancels = self.plans.is_empty()
            && matches!(&assignment.call, Call::Timer(due)
                if due.period.is_some_and(|period| self.wants_calm || is_fast(period)));
        let plan = self.plans.pop_front().unwrap_or(CallPlan::NOTHING);
        self.running = Some(Running {
            assignment,
            since: now,
            until: now + plan.takes,
            plan,
            cancels,
        });
    }

    /// How long the call that has begun keeps everyone waiting.
    pub(crate) fn keeps_loop(&self) -> u64 {
        let running = self.running.as_ref();
        running.map_or(0, |running| running.plan.keeps_loop)
    }

    /// Ends the call; letters are numbered with `tickets`.
    pub(crate) fn finish(&mut self, tickets: &mut u64) -> Option<Finished> {
        let Running {
            assignment,
            since,
            plan,
            cancels,
            ..
        } = self.running.take()?;
        if assignment.call == Call::LastWill {
            let answer = match plan.verdict {
                Verdict::Trap => Answer::Failed("trap".into()),
                Verdict::Retry => Answer::Will(None),
                _ => Answer::Will(Some(will(assignment.guest.0.into()))),
            };
            return Some(Finished {
                since,
                answer,
                published: Vec::new(),
                timers: Vec::new(),
            });
        }
        let (timers, changes) = change_timers(&assignment, &plan.timers, cancels);
        let mut effects = Effects {
            reconnect: plan.reconnect,
            timers: changes,
            state: counted(&assignment.kept),
            ..Effects::default()
        };
        let (mut published, mut tray) = (Vec::new(), Tray::default());
        let room = &assignment.room;
        for plan in &plan.letters {
            let ticket = next_ticket(tickets);
            let letter = to_letter(ticket, plan);
            if tray.check(room, plan.replace_key, letter.size()).is_ok() {
                published.push((ticket, *plan));
                tray.put(room, letter);
            }
        }
        let Effects {
            letters, displaced, ..
        } = tray.take();
        (effects.letters, effects.displaced) = (letters, displaced);
        let is_message = matches!(assignment.call, Call::Message(_));
        let answer = match plan.verdict {
            Verdict::Trap => Answer::Failed("trap".into()),
            Verdict::Retry if is_message => Answer::Retry("later".into()),
            Verdict::Reject if is_message => Answer::Rejected("never".into(), effects),
            _ => Answer::Done(effects),
        };
        Some(Finished {
            since,
            answer,
            published,
            timers,
        })
    }
}

/// What a call does to timers: as it sees it, and what is to be committed.
fn change_timers(
    assignment: &Assignment,
    plans: &[TimerPlan],
    cancels: bool,
) -> (Vec<(TimerPlan, bool)>, TimerChanges) {
    let (table, max) = (assignment.timers.as_deref(), assignment.room.timers);
    let mut changes = TimerChanges::beginning(&assignment.call);
    let mut done = Vec::new();
    for plan in plans {
        let was_so = match plan.schedule {
            Some((first, period)) => {
                let schedule = Schedule {
                    first: Duration::from_millis(first),
                    period: period.map(Duration::from_millis),
                };
                changes.set(table, max, plan.name, schedule).is_ok()
            }
            None => changes.cancel(table, plan.name),
        };
        done.push((*plan, was_so));
    }
    if let Call::Timer(due) = &assignment.call
        && cancels
    {
        let name = TIMERS.into_iter().find(|name| **name == *due.name);
        let plan = TimerPlan {
            name: name.unwrap_or_default(),
            schedule: None,
        };
        done.push((plan, changes.cancel(table, plan.name)));
    }
    (done, changes)
}

/// How many calls of a guest have succeeded, as it has written down.
pub(crate) fn count(kept: &Arc<Kept>) -> u64 {
    let draft = Draft::of(kept.clone());
    let value = draft.get("calls").and_then(|it| it.first_chunk().copied());
    value.map_or(0, u64::from_be_bytes)
}

/// One more.
fn counted(kept: &Arc<Kept>) -> Changes {
    let mut draft = Draft::of(kept.clone());
    let value = Payload::new((count(kept) + 1).to_be_bytes());
    // There is room for it.
    let _ = draft.set("calls", value);
    draft.take_changes()
}

pub(crate) fn next_ticket(tickets: &mut u64) -> Ticket {
    *tickets += 1;
    Ticket(*tickets)
}

pub(crate) fn to_letter(ticket: Ticket, plan: &LetterPlan) -> Letter {
    Letter {
        ticket,
        topic: plan.topic.into(),
        payload: Payload::new(Key::Letter(ticket.0).payload(plan.padding)),
        qos: plan.qos,
        retain: plan.retain,
        ttl: Duration::from_millis(plan.ttl),
        when_off: None,
        priority: plan.priority,
        replace_key: plan.replace_key.map(Arc::from),
        tag: tag(ticket),
        properties: None,
    }
}

/// What the outcome of a letter is to be known by: some have it.
pub(crate) fn tag(ticket: Ticket) -> Option<Arc<str>> {
    ticket
        .0
        .is_multiple_of(3)
        .then(|| format!("letter {}", ticket.0).into())
}

fn will(guest: u64) -> LastWill {
    LastWill {
        topic: "a/x".into(),
        payload: Payload::new(Key::Will(guest).payload(0)),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay: Duration::ZERO,
        properties: None,
    }
}

/// The moment a number of milliseconds stands for.
pub(crate) fn time(millis: u64) -> Time {
    Time::from_millis(millis)
}
