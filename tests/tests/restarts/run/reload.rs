//! The configuration changes while the gateway runs: guests come, go, stay, and are
//! replaced.

use jackalope::office::{Assignment, Call, GoneGuests, GuestId, SessionChange};

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
    /// The configuration is read again: guests go, come and are replaced, or all who are
    /// not there come.
    pub(super) fn reload(&mut self, all_come: bool) {
        self.see("reloaded");
        // What is due now is not of the change.
        self.life.office.handle_timeout(self.clocks.running());
        self.listen();
        let before = self.wanted;
        let mut replaced = [false; NAMES.len()];
        for (guest, replaced) in replaced.iter_mut().enumerate() {
            let is_there = before[guest].is_there;
            if all_come {
                self.wanted[guest].is_there = true;
                continue;
            }
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
        if self.random.one_in(3) {
            self.gone_guests = self.random.pick(&GONE_GUESTS);
        }
        let session = self.session_change();
        let (wanted, gone) = (self.wanted, self.gone_guests);
        self.note(|| {
            format!("  {wanted:?}, gone: {gone:?}, replaced: {replaced:?}, session: {session:?}")
        });
        // As the office does: what the first one leaves does not wait for the others.
        for place in self.life.all_places() {
            let guest = self.life.guest(place);
            match self.life.presence(place) {
                Presence::There { .. } if !self.wanted[guest].is_there => {
                    self.remove(guest, place);
                }
                Presence::Kept if gone == GoneGuests::Drop && !self.wanted[guest].is_there => {
                    self.see("guest dropped by a reload that was gone before");
                    self.drop_guest(guest, place);
                }
                _ => {}
            }
        }
        self.change(session);
        for guest in 0..NAMES.len() {
            let was = before[guest];
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
        }
        self.compare(|guest| !before[guest].is_there);
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
            self.gone_guests,
            guests.iter().map(|guest| (*guest, self.wanted[*guest])),
        );
        let now = self.clocks.running();
        let office = &mut self.life.office;
        let taken = office.handle_changed(now, settings, &places, session);
        // Whose letters were dropped.
        self.listen();
        for (guest, place) in guests.into_iter().zip(taken) {
            self.life.set(guest, place, self.wanted[guest]);
        }
        self.listen();
    }

    /// A guest is gone, and what it has is kept or dropped; what it is at goes on.
    fn remove(&mut self, guest: usize, place: GuestId) {
        self.see("guest removed");
        self.life.places[place.index()].presence = Presence::Kept;
        let letters = self.life.office.standing(place).letters;
        if letters > 0 {
            self.see("guest removed that has letters");
        }
        let is_dropped = self.gone_guests == GoneGuests::Drop;
        if is_dropped {
            self.see("guest dropped by a reload");
            self.live.forget(guest);
        }
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
        if is_dropped {
            self.drop_guest(guest, place);
        }
    }

    /// Nothing is left of a guest that is gone; of its letters the office says so.
    pub(super) fn drop_guest(&mut self, guest: usize, place: GuestId) {
        self.life.places[place.index()].presence = Presence::Dropped;
        self.live.forget(guest);
        self.drop_outcomes(guest);
        self.are_back.remove(&guest);
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

    /// A guest is there that was not. What it had it has again, if that was kept.
    fn add(&mut self, guest: usize, place: GuestId) {
        self.see("guest added");
        let mut letters = self.live.letters.values();
        if letters.any(|it| it.guest == guest) {
            self.see("guest back while its letters go out");
        }
        if self.life.calls.contains_key(&place) {
            self.see("guest back while its last call goes on");
        }
        if self.live.has_anything(guest) {
            self.see("guest back by a reload");
            self.are_back.insert(guest);
            if self.life.gone_at_start.remove(&guest) {
                self.see("guest back by a reload that was gone at the start");
            }
        }
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

/// What may become of what guests have that are gone, and how often which.
pub(super) const GONE_GUESTS: [GoneGuests; 3] =
    [GoneGuests::Keep, GoneGuests::Keep, GoneGuests::Drop];

/// How the guests are when nobody has changed anything.
pub(super) fn at_first() -> [Wanted; NAMES.len()] {
    [true, true, false].map(|hears_outcomes| Wanted {
        is_there: true,
        hears_outcomes,
    })
}
