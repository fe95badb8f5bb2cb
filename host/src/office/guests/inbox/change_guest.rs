//! What becomes of the calls that wait when there is a change of the guest itself: other
//! settings hold for it, it is gone, or it is back.

use std::time::Duration;

use super::{Event, Inbox, Numbered, Running};
use crate::office::guests::{Call, Status, bounds};
use crate::office::session::Receipt;
use crate::office::{GoneGuests, GuestSettings};

impl Inbox {
    /// What holds for the guest is something else from now on. What it does not hear any
    /// more goes, but for the call that it is at.
    pub(in crate::office::guests) fn set(&mut self, settings: &GuestSettings) {
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

    /// The guest is gone: nothing waits for it any more but outcomes, if those are kept,
    /// and the call that it is at is not made again. Returns the receipts of the messages
    /// that it is not called with.
    pub(in crate::office::guests) fn handle_gone(&mut self, what: GoneGuests) -> Vec<Receipt> {
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
    pub(in crate::office::guests) fn handle_back(
        &mut self,
        settings: &GuestSettings,
        status: Status,
    ) {
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
}
