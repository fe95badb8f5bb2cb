//! What becomes of a call when its guest has answered.

use std::sync::Arc;

use super::guests::{Decision, Ended, Inbox};
use super::session::Receipt;
use super::{
    Answer, Call, Displaced, Effects, GuestId, LastWill, LetterOutcome, Notice, Office, Outcome,
    Rule, Ticket, Time, TimerChanges, topic,
};

impl Office {
    pub(super) fn end_call(&mut self, now: Time, guest: GuestId, answer: Answer) {
        let told = self.told_by_call(guest);
        match answer {
            Answer::Done(effects) => {
                let ended = self.guests.change(guest, Inbox::handle_done);
                self.succeed(now, guest, ended.as_ref(), told, effects);
            }
            Answer::Rejected(reason, effects) => {
                let ended = self.guests.change(guest, Inbox::handle_done);
                if let Some(Ended::Message(message, _)) = &ended {
                    let topic = message.topic.clone();
                    self.notices.push(Notice::Rejected {
                        guest,
                        topic,
                        reason,
                    });
                }
                self.succeed(now, guest, ended.as_ref(), told, effects);
            }
            Answer::Will(will) => {
                self.guests.change(guest, Inbox::handle_done);
                let will = will.filter(|will| self.check_will(guest, will));
                self.link.handle_will(guest, will);
            }
            Answer::Retry(reason) => {
                match self.guests.change(guest, |inbox| inbox.handle_retry(now)) {
                    Decision::TryAgain(Call::Message(message), next_try) => {
                        let topic = message.topic;
                        self.notices.push(Notice::PutOff {
                            guest,
                            topic,
                            reason,
                            next_try,
                        });
                    }
                    Decision::Over(ended) => {
                        if let Ended::Message(..) = &ended {
                            let call = ended.call();
                            let error = format!("put off for too long: {reason}");
                            self.notices.push(Notice::GivenUp { guest, call, error });
                        }
                        self.give_up_call(guest, &ended, told);
                    }
                    Decision::TryAgain(..) | Decision::WhenBack(_) | Decision::NoCall => {}
                }
            }
            Answer::Failed(error) => {
                match self.guests.change(guest, |inbox| inbox.handle_failed(now)) {
                    Decision::TryAgain(call, next_try) => {
                        self.notices.push(Notice::Failed {
                            guest,
                            call,
                            error,
                            next_try,
                        });
                    }
                    Decision::WhenBack(call) => {
                        let error = format!("{error}; it is made again when the guest is back");
                        let next_try = now;
                        self.notices.push(Notice::Failed {
                            guest,
                            call,
                            error,
                            next_try,
                        });
                    }
                    Decision::Over(ended) => {
                        let call = ended.call();
                        self.notices.push(Notice::GivenUp { guest, call, error });
                        self.give_up_call(guest, &ended, told);
                    }
                    Decision::NoCall => {}
                }
            }
        }
        if let Some(what) = self.guests.inbox(guest).gone() {
            self.settle(guest, what);
        }
    }

    fn succeed(
        &mut self,
        now: Time,
        guest: GuestId,
        ended: Option<&Ended>,
        told: Vec<Ticket>,
        effects: Effects,
    ) {
        self.end(guest, ended);
        self.note_told(told);
        self.commit(now, guest, ended, effects);
        self.acknowledge(ended);
    }

    /// A call is not made again.
    fn give_up_call(&mut self, guest: GuestId, ended: &Ended, told: Vec<Ticket>) {
        self.end(guest, Some(ended));
        self.note_told(told);
        self.acknowledge(Some(ended));
    }

    fn commit(&mut self, now: Time, guest: GuestId, ended: Option<&Ended>, effects: Effects) {
        let was_outcome = matches!(ended, Some(Ended::Outcomes(_)));
        let is_dropped = self.guests.inbox(guest).is_dropped();
        if !effects.state.is_empty() && !is_dropped {
            self.note_written(guest, &effects.state);
            Arc::make_mut(&mut self.kept[guest.index()]).commit(effects.state);
        }
        // A ttl counts from the beginning of the call: never too late.
        let called = self.guests.called(guest);
        let mut has_displaced = !effects.displaced.is_empty();
        let accepted = effects.displaced.len() + effects.letters.len();
        self.guests.handle_published(now, guest, accepted);
        for Displaced { ticket, tag, by } in effects.displaced {
            let told = LetterOutcome {
                ticket,
                tag,
                outcome: Outcome::Displaced { sent: false },
            };
            self.report(guest, told, None, Some(by));
        }
        for letter in effects.letters {
            has_displaced |= self.post_since(called, now, guest, letter);
        }
        self.guests
            .handle_committed(now, guest, was_outcome, has_displaced);
        if !effects.timers.is_empty() && !is_dropped {
            self.change_timers(called, guest, ended, effects.timers);
        }
        if effects.reconnect {
            if let Err(rule) = self.check_reconnect(guest) {
                let rule = Some(rule);
                self.notices.push(Notice::ReconnectIgnored { guest, rule });
            } else if self.shutdown.is_none() && self.guests.handle_reconnect(now, guest) {
                // While the gateway stops, the others need the connection that there is.
                self.handle_reconnect(now);
            } else {
                self.notices
                    .push(Notice::ReconnectIgnored { guest, rule: None });
            }
        }
    }

    /// Whether a guest may ask for a new connection.
    pub(super) fn check_reconnect(&self, guest: GuestId) -> Result<(), Rule> {
        let permissions = self.guests.allowance(guest).permissions();
        match permissions.is_none_or(|it| it.reconnect) {
            true => Ok(()),
            false => Err(Rule::Reconnect),
        }
    }

    fn change_timers(
        &mut self,
        called: Time,
        guest: GuestId,
        ended: Option<&Ended>,
        changes: TimerChanges,
    ) {
        let was_told = |name: &str| match ended {
            Some(Ended::Timer(told)) => told.timer.period.is_none() && *told.timer.name == *name,
            _ => false,
        };
        for (name, schedule) in changes.into_all() {
            // To a call with a timer that is due once, that is gone, and so it is by
            // now. One of its name has come since.
            if schedule.is_none() && was_told(&name) {
                continue;
            }
            self.note_timer(called, guest, &name, schedule);
            if let Some(old) = self.timers.change(called, guest, &name, schedule) {
                self.guests.change(guest, |inbox| inbox.remove_timer(old));
            }
        }
    }

    fn end(&mut self, guest: GuestId, ended: Option<&Ended>) {
        match ended {
            Some(Ended::Timer(due)) => {
                self.timers.handle_told(due);
                self.note_timer_told(guest, due);
            }
            Some(Ended::LastWill) => self.link.handle_will(guest, None),
            Some(Ended::Message(..) | Ended::Event(_) | Ended::Outcomes(_)) | None => {}
        }
    }

    /// What a message has led to is committed, so the broker can be told.
    fn acknowledge(&mut self, ended: Option<&Ended>) {
        if let Some(Ended::Message(_, receipt)) = ended {
            self.take(*receipt);
        }
    }

    pub(super) fn take(&mut self, receipt: Receipt) {
        let delivery = self.inbound.delivery(receipt);
        let is_online = self.link.is_online();
        let answer = self.inbound.handle_taken(receipt, is_online);
        self.note_received(delivery);
        self.answer(answer);
    }

    fn check_will(&mut self, guest: GuestId, will: &LastWill) -> bool {
        let error = match topic::check_name(&will.topic) {
            Err(error) => format!("its topic {error}"),
            Ok(()) if will.payload.len() > usize::from(u16::MAX) => {
                format!(
                    "its payload has {} bytes; 65,535 is the most",
                    will.payload.len()
                )
            }
            Ok(()) => {
                let permissions = self.guests.allowance(guest).permissions();
                match permissions.map_or(Ok(()), |it| it.check_will(will)) {
                    Err(rule) => rule.to_string(),
                    Ok(()) => return true,
                }
            }
        };
        self.notices.push(Notice::InvalidWill { guest, error });
        false
    }
}
