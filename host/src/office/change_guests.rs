//! What becomes of everybody when the configuration has changed.
//!
//! A guest that stays keeps its place, and with it all that it has: letters, outcomes,
//! messages, state and timers. One that is gone has its place for as long as something is
//! left of it, and takes it again when it is back; then another guest may have it. Whether
//! anything is left is what [`GoneGuests`] says, and the same as at a start: with
//! [`Keep`](GoneGuests::Keep) letters go out, and what became of them waits with all else.

use std::sync::Arc;
use std::time::Duration;

use super::session::Wills;
use super::{
    GoneGuests, GuestId, GuestSettings, Kept, Notice, Office, Settings, Time, TimerSettings,
    WorkListSettings, session,
};

/// Of how many guests that are gone something is kept where it is in memory alone.
pub const MAX_GONE: usize = 100;

/// Whether a change of the configuration is one of the session as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// The session goes on, and what the settings say of it is passed over.
    None,
    /// The connection ends, and the next one begins a new session, with what the
    /// settings say of it.
    New,
}

/// How much a guest has of its own, which is kept or dropped when it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Belongings {
    /// Letters without an outcome.
    pub letters: usize,
    /// Values of its state.
    pub values: usize,
    /// Timers that it has set; those that it was given are the configuration's.
    pub timers: usize,
    /// Outcomes that it was not told.
    pub outcomes: usize,
}

impl Office {
    /// The guests are those of `settings` from now on; of the session it is as `session`
    /// says. `places` has for each guest the place
    /// that it has; none: it is new, or was gone. Those that have none of the places are
    /// gone.
    ///
    /// Returns the places of all guests of `settings`, in their order.
    pub fn handle_changed(
        &mut self,
        now: Time,
        settings: Settings,
        places: &[Option<GuestId>],
        session: SessionChange,
    ) -> Vec<GuestId> {
        self.expire(now);
        self.settings.gone_guests = settings.gone_guests;
        let mut back = Vec::new();
        for (guest, place) in settings.guests.iter().zip(places) {
            back.push(match place {
                Some(_) => None,
                None => self.place_kept_for(&guest.name, &back),
            });
        }
        for guest in self.all_guests() {
            if !places.contains(&Some(guest)) && !back.contains(&Some(guest)) {
                self.remove_guest(guest);
            }
        }
        self.bound_gone();
        let (mut new, mut first) = (Vec::new(), Vec::new());
        let mut taken = Vec::new();
        for ((guest, place), back) in settings.guests.iter().zip(places).zip(back) {
            if let Some(place) = place {
                taken.push(self.set_guest(now, *place, guest));
                continue;
            }
            let place = match back {
                Some(place) => self.take_back(now, place, guest),
                None => {
                    let next = GuestId::at(self.settings.guests.len());
                    let place = self.all_guests().find(|place| self.is_free(*place));
                    let place = self.add_guest(now, place.unwrap_or(next), guest);
                    first.push(place);
                    place
                }
            };
            new.push(place);
            taken.push(place);
        }
        let are_there = self.guests.inboxes().map(|inbox| !inbox.is_gone());
        self.outbound.handle_guests(are_there.collect(), &first);
        self.with_will = with_will(&self.settings.guests, settings.status_topic.is_some());
        self.update_subscriptions(now, &new);
        if session == SessionChange::New {
            self.next_session = Some(Box::new(settings));
            self.handle_reconnect(now);
        }
        taken
    }

    /// Whether a place is that of a guest that is gone.
    pub fn is_gone(&self, guest: GuestId) -> bool {
        self.guests.inbox(guest).is_gone()
    }

    /// Whether a guest has anything of its own.
    pub fn has_anything(&self, guest: GuestId) -> bool {
        self.belongings(guest) != Belongings::default()
    }

    /// How much a guest has of its own.
    pub fn belongings(&self, guest: GuestId) -> Belongings {
        Belongings {
            letters: self.list.len_of(guest),
            values: self.kept[guest.index()].values().len(),
            timers: self.timers.set_by(guest),
            outcomes: self.guests.inbox(guest).outcomes(),
        }
    }

    fn all_guests(&self) -> impl Iterator<Item = GuestId> + use<> {
        (0..self.settings.guests.len()).map(GuestId::at)
    }

    /// Whether nothing is left of a guest that is gone.
    fn is_free(&self, guest: GuestId) -> bool {
        let inbox = self.guests.inbox(guest);
        inbox.is_gone()
            && !inbox.is_running()
            && !self.has_anything(guest)
            && !self.outbound.is_used_by(guest)
    }

    /// The place of a guest of this name that is gone and that all is kept for, but for
    /// these.
    fn place_kept_for(&self, name: &str, but: &[Option<GuestId>]) -> Option<GuestId> {
        self.all_guests().find(|guest| {
            *self.settings.guests[guest.index()].name == *name
                && self.is_gone_and_kept(*guest)
                && !but.contains(&Some(*guest))
        })
    }

    /// Whether a guest is gone and all is kept for it.
    fn is_gone_and_kept(&self, guest: GuestId) -> bool {
        self.guests.inbox(guest).gone() == Some(GoneGuests::Keep)
    }

    /// A guest is gone; or it was already, and its things are to be dropped by now.
    fn remove_guest(&mut self, guest: GuestId) {
        let what = self.settings.gone_guests;
        if !self.is_gone(guest) {
            let settings = &mut self.settings.guests[guest.index()];
            *settings = GuestSettings::gone(settings.name.clone(), settings.work_list);
            self.link.handle_will(guest, None);
            self.gone.push(guest);
            return self.settle(guest, what);
        }
        let is_away = self.is_gone_and_kept(guest) && !self.gone.contains(&guest);
        if what == GoneGuests::Drop && !is_away {
            self.settle(guest, what);
        }
    }

    /// What a guest has that is gone stays or goes. Messages that wait for it are over.
    pub(super) fn settle(&mut self, guest: GuestId, what: GoneGuests) {
        match what {
            GoneGuests::Keep => {
                self.timers.stop(guest);
                self.clear_inbox(guest, what);
            }
            GoneGuests::Drop => {
                self.forget(guest);
                self.call_back_all(guest);
            }
        }
    }

    /// Nothing is left of a guest that is gone but its letters.
    fn forget(&mut self, guest: GuestId) {
        self.note_removed(guest);
        self.timers.remove_all(guest);
        self.kept[guest.index()] = Arc::new(Kept::new(0));
        self.clear_inbox(guest, GoneGuests::Drop);
    }

    fn clear_inbox(&mut self, guest: GuestId, what: GoneGuests) {
        let untold = self.untold(guest);
        for receipt in self.guests.remove(guest, what) {
            self.take(receipt);
        }
        self.note_dropped(guest, untold);
    }

    /// What is in memory alone has to end somewhere: of the guests that have been gone for
    /// longest nothing is kept but letters, which go out.
    fn bound_gone(&mut self) {
        if self.journal.is_on() {
            return;
        }
        let mut gone = std::mem::take(&mut self.gone);
        gone.retain(|guest| {
            let is_running = self.guests.inbox(*guest).is_running();
            self.is_gone_and_kept(*guest) && (is_running || self.has_anything(*guest))
        });
        let too_many = gone.len().saturating_sub(MAX_GONE);
        // A last call may leave more.
        let idle = gone.extract_if(.., |guest| !self.guests.inbox(*guest).is_running());
        let forgotten: Vec<_> = idle.take(too_many).collect();
        self.gone = gone;
        for guest in forgotten {
            self.forget(guest);
            self.notices.push(Notice::Forgotten { guest });
        }
    }

    /// A guest that was gone has all that was kept for it.
    fn take_back(&mut self, now: Time, guest: GuestId, settings: &GuestSettings) -> GuestId {
        self.gone.retain(|gone| *gone != guest);
        self.settings.guests[guest.index()] = settings.clone();
        self.set_max_state(guest, settings.max_state);
        let at = self.guests.inbox(guest).timer_at_call();
        self.timers.go_on(now, guest, &settings.timers.given, at);
        let (untold, status) = (self.untold(guest), self.status());
        self.guests.take_back(now, guest, settings, status);
        self.note_dropped(guest, untold);
        guest
    }

    fn add_guest(&mut self, now: Time, place: GuestId, settings: &GuestSettings) -> GuestId {
        self.gone.retain(|gone| *gone != place);
        let kept = Arc::new(Kept::new(settings.max_state));
        match self.settings.guests.get_mut(place.index()) {
            Some(before) => {
                *before = settings.clone();
                self.kept[place.index()] = kept;
            }
            None => {
                self.settings.guests.push(settings.clone());
                self.kept.push(kept);
            }
        }
        self.list.resize(self.settings.guests.len());
        self.guests.add(now, place, settings);
        self.timers.add(now, place, &settings.timers.given);
        if self.link.is_online() {
            let status = self.status();
            self.guests.change(place, |inbox| inbox.push_status(status));
        }
        place
    }

    fn set_guest(&mut self, now: Time, guest: GuestId, settings: &GuestSettings) -> GuestId {
        let before = std::mem::replace(&mut self.settings.guests[guest.index()], settings.clone());
        let (before, given) = (&before.timers.given, &settings.timers.given);
        let (gone, set) = self.timers.give(now, guest, before, given);
        for old in gone {
            self.guests.change(guest, |inbox| inbox.remove_timer(old));
        }
        for name in set {
            self.note_timer(now, guest, &name, None);
        }
        self.set_max_state(guest, settings.max_state);
        let untold = self.untold(guest);
        self.guests.set(now, guest, settings);
        self.note_dropped(guest, untold);
        guest
    }

    fn set_max_state(&mut self, guest: GuestId, max: usize) {
        let kept = &mut self.kept[guest.index()];
        if kept.max() != max {
            Arc::make_mut(kept).set_max(max);
        }
    }

    fn update_subscriptions(&mut self, now: Time, new: &[GuestId]) {
        let Settings {
            guests,
            max_qos,
            backoff,
            ..
        } = &self.settings;
        let tell = self
            .subscriptions
            .change(now, guests, new, *max_qos, *backoff);
        for (route, granted) in tell {
            self.tell_subscription(route, granted);
        }
    }

    /// The next connection begins a new session, with what was configured meanwhile.
    pub(super) fn begin_next_session(&mut self, now: Time) {
        let Some(next) = self.next_session.take() else {
            return;
        };
        self.settings = Settings {
            guests: std::mem::take(&mut self.settings.guests),
            // There may have been another change since.
            gone_guests: self.settings.gone_guests,
            ..*next
        };
        self.link
            .set(self.settings.keep_alive, self.settings.backoff);
        self.limits = session::Limits::of(&self.settings);
        self.presence.set_topic(self.settings.status_topic.clone());
        self.wills = Wills::default();
        self.client_id = None;
        // Of whatever session there was, the broker to come knows nothing.
        self.session_of = Some(NOBODY);
        self.update_subscriptions(now, &[]);
    }
}

/// Those who are asked for the last will: nobody, where the status topic takes it up.
pub(super) fn with_will(guests: &[GuestSettings], has_status_topic: bool) -> Vec<GuestId> {
    let guests = guests.iter().enumerate();
    let with_will = guests.filter(|(_, guest)| guest.has_will && !has_status_topic);
    with_will.map(|(index, _)| GuestId::at(index)).collect()
}

/// The number of no broker.
pub(super) const NOBODY: usize = usize::MAX;

impl GuestSettings {
    /// Of a guest that is gone, and may be at its last call.
    pub fn gone(name: Arc<str>, work_list: WorkListSettings) -> Self {
        Self {
            name,
            subscriptions: Vec::new(),
            retries: 0,
            retry_for: Duration::ZERO,
            has_will: false,
            outcomes: 0,
            hears_subscriptions: false,
            work_list,
            timers: TimerSettings {
                max: 0,
                given: Vec::new(),
            },
            max_state: 0,
            permissions: None,
        }
    }
}
