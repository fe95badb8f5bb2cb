//! The guests, and who else publishes letters.

use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    Answer, Assignment, Call, DueTimer, Effects, GuestId, Letter, NotAccepted, Payload, Schedule,
    Ticket, Time, TimerChanges, Tray, WhenOff,
};

use super::life::{PRIORITIES, Presence};
use super::network::number_of;
use super::{QUALITIES, Run, SECOND, WHEN_OFF};
use crate::facts::{Posted, Timer};

impl Run<'_> {
    /// A guest is called, and may answer at once.
    pub(super) fn call(&mut self) {
        let assignment = self.life.office.poll_call(self.clocks.running());
        self.listen();
        let Some(assignment) = assignment else {
            return;
        };
        let place = assignment.guest;
        let guest = self.life.guest(place);
        self.note(|| format!("  call of {guest}: {:?}", assignment.call));
        assert!(!self.life.is_gone(place), "{guest} is gone");
        let is_refused = assignment.room.not_kept.is_some();
        assert_eq!(is_refused, self.life.has_failed, "whether all is refused");
        let kept = assignment.kept.values();
        assert!(
            kept.eq(self.live.state[guest].iter()),
            "the state of {guest}"
        );
        match &assignment.call {
            Call::Outcomes(outcomes) => {
                for told in outcomes {
                    let owed = self.live.owed.get(&told.ticket);
                    assert_eq!(owed, Some(&(guest, told.clone())), "what is told");
                }
            }
            Call::Timer(due) => self.check_timer(guest, due),
            _ => {}
        }
        if self.are_back.contains(&guest) {
            self.see_what_was_kept(guest, &assignment.call);
        }
        self.life.calls.insert(place, assignment);
        if !self.random.one_in(4) {
            self.answer(place);
        }
    }

    /// What a guest has is there again after it was gone.
    fn see_what_was_kept(&mut self, guest: usize, call: &Call) {
        if !self.live.state[guest].is_empty() {
            self.see("state found after its guest was gone");
        }
        match call {
            Call::Timer(_) => self.see("timer told after its guest was gone"),
            Call::Outcomes(outcomes) => {
                for told in outcomes {
                    if !self.kept_outcomes.contains(&told.ticket) {
                        continue;
                    }
                    self.see("outcome told that was kept for a guest that was gone");
                    if self.life.restored.contains(&told.ticket) {
                        self.see(
                            "outcome told in another life that was kept for a guest that was gone",
                        );
                    }
                }
            }
            _ => {}
        }
    }

    fn check_timer(&mut self, guest: usize, due: &DueTimer) {
        let timer = self.live.timers[guest].get(&due.name);
        let timer = *timer.unwrap_or_else(|| panic!("{due:?} is no more"));
        assert_eq!(timer.period, due.period);
        let at = self.clocks.instant_of(due.due).at;
        let is_of_this_boot = self.clocks.is_of_this_boot(timer.first);
        if is_of_this_boot || self.clocks.are_right() {
            assert!(at >= timer.first.at, "{due:?} is early");
        }
        assert!(due.due <= self.clocks.running(), "{due:?} is early");
        if let Some(period) = timer.period
            && is_of_this_boot
        {
            assert_eq!(u128::from(at - timer.first.at) % period.as_millis(), 0);
        }
    }

    pub(super) fn answer_one(&mut self) {
        let places: Vec<_> = self.life.calls.keys().copied().collect();
        if !places.is_empty() {
            let place = self.random.pick(&places);
            self.answer(place);
        }
    }

    fn answer(&mut self, place: GuestId) {
        let assignment = self.life.calls.remove(&place).expect("it is at a call");
        let guest = self.life.guest(place);
        let how = match self.is_kind {
            true => 9,
            false => self.random.below(12),
        };
        let answer = match how {
            0 => Answer::Retry("later".into()),
            1 | 2 => Answer::Failed("trap".into()),
            _ => {
                // In this order it is noted: what the call was about, then its effects.
                self.end(&assignment);
                let effects = self.effects(&assignment);
                match how {
                    3 => Answer::Rejected("no".into(), effects),
                    _ => Answer::Done(effects),
                }
            }
        };
        self.note(|| format!("  answer of {guest}: {answer:?}"));
        let is_done = !matches!(answer, Answer::Retry(_) | Answer::Failed(_));
        if self.life.presence(place) == Presence::Kept {
            self.see("last call of a guest that is gone");
            if !is_done {
                self.see("last call of a guest that is gone has failed");
            }
        }
        self.life.given_up.clear();
        self.life
            .office
            .handle_answer(self.clocks.running(), place, answer);
        self.listen();
        let is_retry = how == 0 && !matches!(assignment.call, Call::Message(_));
        let is_given_up = is_retry || self.life.given_up.contains(&place);
        if !is_done && is_given_up {
            let is_kept = matches!(assignment.call, Call::Outcomes(_) | Call::Timer(_))
                && self.life.presence(place) == Presence::Kept;
            assert!(
                is_retry || !is_kept,
                "what {guest} was told in vain is lost"
            );
            self.end(&assignment);
        }
        if let Call::Message(message) = &assignment.call
            && (is_done || is_given_up)
        {
            self.handle_taken(place, number_of(&message.payload));
        }
    }

    /// A call is not made again.
    fn end(&mut self, assignment: &Assignment) {
        let guest = self.life.guest(assignment.guest);
        match &assignment.call {
            Call::Outcomes(outcomes) => {
                self.live.changes += 1;
                for told in outcomes {
                    self.live.owed.remove(&told.ticket);
                    self.live.over.insert(told.ticket);
                    if self.life.restored.contains(&told.ticket) {
                        self.see("outcome told in another life");
                    }
                }
            }
            // Those of one that is dropped are dropped as well.
            Call::Timer(_) if self.is_dropped(assignment.guest) => {}
            Call::Timer(due) => {
                let timer = self.live.timers[guest][&due.name];
                if !self.clocks.is_of_this_boot(timer.first) {
                    self.see("timer told in another life");
                }
                if due.period.is_none() {
                    self.live.timers[guest].remove(&due.name);
                    self.live.changes += 1;
                }
            }
            _ => {}
        }
    }

    fn effects(&mut self, assignment: &Assignment) -> Effects {
        let guest = self.life.guest(assignment.guest);
        let mut effects = Effects {
            timers: TimerChanges::beginning(&assignment.call),
            ..Effects::default()
        };
        if self.is_kind {
            return effects;
        }
        let room = &assignment.room;
        let mut tray = Tray::default();
        for _ in 0..self.random.below(3) {
            let letter = self.letter();
            let Letter {
                topic,
                qos,
                retain,
                ttl,
                ..
            } = &letter;
            let (key, size) = (letter.replace_key.as_deref(), letter.size());
            let check = room
                .check(tray.accepted(), topic, *qos, *retain, *ttl)
                .and_then(|()| tray.check(room, key, size));
            match check {
                Ok(()) => {
                    self.register(guest, &letter, assignment.now);
                    tray.put(room, letter);
                }
                Err(NotAccepted::NotKept(_)) => {
                    self.see("letter not accepted while the store fails");
                    return effects;
                }
                Err(_) => {}
            }
        }
        let Effects {
            letters, displaced, ..
        } = tray.take();
        (effects.letters, effects.displaced) = (letters, displaced);
        if room.not_kept.is_some() {
            return effects;
        }
        if self.random.one_in(3) {
            let key = Arc::from(self.random.pick(&["k", "l", "m"]));
            let value = Payload::new(self.number().to_string());
            let value = (!self.random.one_in(4)).then_some(value);
            if !self.is_dropped(assignment.guest) {
                match &value {
                    Some(value) => self.live.state[guest].insert(Arc::clone(&key), value.clone()),
                    None => self.live.state[guest].remove(&key),
                };
                self.live.changes += 1;
            }
            effects.state.insert(key, value);
        }
        if self.random.one_in(3) {
            self.change_timer(assignment, &mut effects.timers);
        }
        effects
    }

    fn change_timer(&mut self, assignment: &Assignment, changes: &mut TimerChanges) {
        let guest = self.life.guest(assignment.guest);
        let is_dropped = self.is_dropped(assignment.guest);
        let table = assignment.timers.as_deref();
        let name = self.random.pick(&["x", "x", "y", "z"]);
        if self.random.one_in(4) {
            let there_was = changes.cancel(table, name);
            if is_dropped {
                return;
            }
            let timer = self.live.timers[guest].remove(name);
            assert_eq!(there_was, timer.is_some(), "{name} of {guest}");
            self.live.changes += u64::from(there_was);
            return;
        }
        let after = Duration::from_millis(self.random.pick(&[300, 20_000, 900_000]));
        let schedule = self
            .random
            .pick(&[Schedule::once(after), Schedule::every(after * 4)]);
        let set = changes.set(table, 10, name, schedule);
        assert_eq!(set, Ok(()));
        if is_dropped {
            return;
        }
        let timer = Timer {
            first: self.clocks.instant_of(assignment.now + schedule.first),
            period: schedule.period,
        };
        self.live.timers[guest].insert(name.into(), timer);
        self.live.changes += 1;
    }

    /// Whether nothing is kept of a guest.
    fn is_dropped(&self, place: GuestId) -> bool {
        self.life.presence(place) == Presence::Dropped
    }

    /// Somebody beside the guests publishes a letter in the name of one.
    pub(super) fn post(&mut self) {
        let letter = self.letter();
        let place = GuestId(0);
        if self.life.has_failed
            || self.life.places.is_empty()
            || self.life.calls.contains_key(&place)
        {
            return;
        }
        let guest = self.life.guest(place);
        if !self.life.is_gone(place) {
            let now = self.clocks.running();
            self.register(guest, &letter, now);
            self.note(|| format!("  {:?} is posted", letter.ticket));
            self.life.office.post(now, place, letter);
        }
    }

    fn letter(&mut self) -> Letter {
        self.life.last_ticket += 1;
        let ticket = Ticket(self.life.last_ticket);
        let is_new = !self.ever.contains(&ticket) && !self.live.has(ticket);
        assert!(is_new, "{ticket:?} is there twice");
        let random = &mut self.random;
        Letter {
            ticket,
            topic: format!("t/{}", ticket.0).into(),
            payload: Payload::new("x"),
            qos: random.pick(&QUALITIES),
            retain: false,
            ttl: SECOND * random.pick(&[1, 30, 600, 7_200, 90_000]),
            when_off: random.pick(&[
                None,
                Some(WhenOff::Count),
                Some(WhenOff::Pause),
                Some(WhenOff::Drop),
            ]),
            priority: random.pick(&PRIORITIES),
            replace_key: random.one_in(4).then(|| "key".into()),
            tag: random.one_in(2).then(|| format!("tag {}", ticket.0).into()),
            properties: None,
        }
    }

    /// A letter is accepted, as long as its call succeeds.
    fn register(&mut self, guest: usize, letter: &Letter, posted: Time) {
        let posted = Posted {
            guest,
            posted: self.clocks.instant_of(posted),
            ttl: letter.ttl,
            when_off: letter.when_off.unwrap_or(WHEN_OFF),
            tag: letter.tag.clone(),
        };
        self.live.letters.insert(letter.ticket, posted);
        self.live.changes += 1;
    }
}
