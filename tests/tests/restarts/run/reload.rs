//! The configuration changes while the gateway runs: guests come, go, stay, and are
//! replaced.

use jackalope::office::{Assignment, Call, GuestId, SessionChange};

use super::Run;
use super::life::{Presence, Wanted, gateway_settings};
use super::network::number_of;
use crate::facts::NAMES;

/// A reload whose end nobody has been told of.
pub(super) struct Unanswered {
    /// The group in which all of it is durable.
    group: u64,
    /// How much had changed by then.
    changes: u64,
}

impl Run<'_> {
    pub(super) fn reload(&mut self) {
        self.see("reloaded");
        // What is due now is not of the change.
        self.life.office.handle_timeout(self.clocks.running());
        self.listen();
        let before = self.wanted;
        let mut replaced = [false; NAMES.len()];
        for (guest, replaced) in replaced.iter_mut().enumerate() {
            let is_there = before[guest].is_there;
            match self.random.below(4) {
                0 => self.wanted[guest].is_there = !is_there,
                1 if !is_there => self.wanted[guest].is_there = true,
                1 if is_there => *replaced = true,
                _ => continue,
            }
            if self.random.one_in(3) {
                self.wanted[guest].hears_outcomes ^= true;
            }
        }
        let session = self.session_change();
        let wanted = self.wanted;
        self.note(|| format!("  {wanted:?}, replaced: {replaced:?}, session: {session:?}"));
        // As the office does: what the first one leaves does not wait for the others.
        for place in self.life.all_places() {
            let guest = self.life.guest(place);
            if !self.life.is_gone(place) && !self.wanted[guest].is_there {
                self.remove(guest, place);
            }
        }
        self.change(session);
        for guest in 0..NAMES.len() {
            let (was, is) = (before[guest], self.wanted[guest]);
            let Some(place) = self.life.place(guest) else {
                continue;
            };
            if !was.is_there {
                self.add(guest, place);
            } else if replaced[guest] {
                self.see("guest replaced");
                if !self.life.calls.contains_key(&place) {
                    self.life.office.handle_replaced(place);
                }
            }
            if !is.hears_outcomes {
                self.drop_outcomes(guest);
            }
        }
        self.compare_letters();
        self.life.unanswered.push_back(Unanswered {
            group: self.life.office.groups().0,
            changes: self.live.changes,
        });
        self.answer_reloads();
    }

    /// What there is to change of the session.
    fn session_change(&mut self) -> SessionChange {
        if !self.random.one_in(6) {
            return SessionChange::None;
        }
        if self.random.one_in(2) {
            let clean = self.next_clean_session.unwrap_or(self.setup.clean_session);
            self.next_clean_session = Some(!clean);
        }
        SessionChange::New
    }

    /// The office hears of the change.
    fn change(&mut self, session: SessionChange) {
        let guests = (0..NAMES.len()).filter(|guest| self.wanted[*guest].is_there);
        let guests: Vec<_> = guests.collect();
        let places: Vec<_> = guests.iter().map(|guest| self.life.place(*guest)).collect();
        let clean = self.next_clean_session.unwrap_or(self.setup.clean_session);
        let settings = gateway_settings(
            self.setup,
            clean,
            guests.iter().map(|guest| (*guest, self.wanted[*guest])),
        );
        let now = self.clocks.running();
        let office = &mut self.life.office;
        let taken = office.handle_changed(now, settings, &places, session);
        for (guest, place) in guests.into_iter().zip(taken) {
            self.life.set(guest, place, self.wanted[guest]);
        }
        self.listen();
    }

    /// A guest is gone, and all that it had but for its letters; what it is at goes on.
    fn remove(&mut self, guest: usize, place: GuestId) {
        self.see("guest removed");
        self.life.places[place.index()].presence = Presence::Gone;
        let letters = self.life.office.standing(place).letters;
        if letters > 0 {
            self.see("guest removed that has letters");
        }
        let gone = self.live.state[guest].len() + self.live.timers[guest].len();
        self.live.changes += u64::try_from(gone).expect("it is small");
        self.live.state[guest].clear();
        self.live.timers[guest].clear();
        let at = match self.life.calls.get(&place) {
            Some(Assignment {
                call: Call::Message(message),
                ..
            }) => Some(number_of(&message.payload)),
            _ => None,
        };
        if self.life.calls.contains_key(&place) {
            self.see("guest removed at a call");
        }
        let numbers: Vec<_> = self.life.handling.keys().copied().collect();
        for number in numbers {
            if at != Some(number) {
                self.handle_taken(place, number);
            }
        }
        self.drop_outcomes(guest);
    }

    /// What a guest has not been told it will not be, but for what it is at.
    pub(super) fn drop_outcomes(&mut self, guest: usize) {
        let at = self.life.told_at_calls();
        let dropped: Vec<_> = self
            .live
            .owed
            .extract_if(.., |ticket, it| it.0 == guest && !at.contains(ticket))
            .map(|(ticket, _)| ticket)
            .collect();
        if !dropped.is_empty() {
            self.see("outcome that nobody will hear");
            self.live.changes += 1;
        }
        self.live.over.extend(dropped);
    }

    /// A guest takes up what one of its name has left in an earlier life.
    fn add(&mut self, guest: usize, place: GuestId) {
        self.see("guest added");
        let mut letters = self.live.letters.values();
        if letters.any(|it| it.guest == guest) {
            self.see("guest back while its letters go out");
        }
        let has_left = self
            .life
            .left
            .guests()
            .iter()
            .any(|it| ***it == *NAMES[guest]);
        if has_left {
            self.see("what was left taken up by a reload");
        }
        let moment = self.clocks.moment();
        let life = &mut self.life;
        life.left.boots.observe(moment);
        life.left
            .restore_guest(&mut life.office, moment.running, NAMES[guest], place);
        self.listen();
        if !self.wanted[guest].hears_outcomes {
            self.drop_outcomes(guest);
        }
        let knows_time = self.life.knew_time || self.clocks.is_trusted();
        self.compare_guest(guest, place, knows_time);
    }

    /// Whoever is to be told that a change is kept is.
    pub(super) fn answer_reloads(&mut self) {
        let (_, kept) = self.life.office.groups();
        let unanswered = &mut self.life.unanswered;
        while let Some(reload) = unanswered.pop_front_if(|it| it.group <= kept) {
            let is_durable = reload.changes <= self.durable.changes;
            assert!(is_durable, "a reload is answered before it is durable");
        }
    }
}

/// How the guests are when nobody has changed anything.
pub(super) fn at_first() -> [Wanted; NAMES.len()] {
    [true, true, false].map(|hears_outcomes| Wanted {
        is_there: true,
        hears_outcomes,
    })
}
