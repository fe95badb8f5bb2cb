//! What becomes of everybody when the configuration has changed.
//!
//! A guest that stays keeps its place, and with it all that it has: letters, outcomes,
//! messages, state and timers. One that is gone leaves its place empty. What it has
//! posted goes out all the same, as it was accepted; nobody hears what became of it. The
//! place is taken by another guest when nothing is left of the one before.

use std::sync::Arc;
use std::time::Duration;

use super::session::Wills;
use super::{
    GuestId, GuestSettings, Kept, Office, Settings, Time, TimerSettings, WorkListSettings, session,
};

/// Whether a change of the configuration is one of the session as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// The session goes on, and what the settings say of it is passed over.
    None,
    /// The connection ends, and the next one begins a new session, with what the
    /// settings say of it.
    New,
}

impl Office {
    /// The guests are those of `settings` from now on; of the session it is as `session`
    /// says. `places` has for each guest the place
    /// that it has; none: it is new. Those that have none of the places are gone.
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
        for guest in self.all_guests() {
            if !places.contains(&Some(guest)) {
                self.remove_guest(guest);
            }
        }
        let free = self.all_guests().filter(|guest| self.is_free(*guest));
        let mut free = free.collect::<Vec<_>>().into_iter();
        let mut new = Vec::new();
        let mut taken = Vec::new();
        for (guest, place) in settings.guests.iter().zip(places) {
            taken.push(match place {
                Some(place) => self.set_guest(now, *place, guest),
                None => {
                    let next = GuestId::at(self.settings.guests.len());
                    let place = free.next().unwrap_or(next);
                    new.push(place);
                    self.add_guest(now, place, guest)
                }
            });
        }
        let are_there = self.guests.inboxes().map(|inbox| !inbox.is_gone());
        self.outbound.handle_guests(are_there.collect(), &new);
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

    fn all_guests(&self) -> impl Iterator<Item = GuestId> + use<> {
        (0..self.settings.guests.len()).map(GuestId::at)
    }

    /// Whether nothing is left of a guest that is gone.
    fn is_free(&self, guest: GuestId) -> bool {
        let inbox = self.guests.inbox(guest);
        inbox.is_gone()
            && !inbox.is_running()
            && self.list.len_of(guest) == 0
            && !self.outbound.is_used_by(guest)
    }

    fn remove_guest(&mut self, guest: GuestId) {
        let settings = &mut self.settings.guests[guest.index()];
        *settings = GuestSettings::gone(settings.name.clone(), settings.work_list);
        self.note_removed(guest);
        self.timers.remove_all(guest);
        self.kept[guest.index()] = Arc::new(Kept::new(0));
        self.link.handle_will(guest, None);
        self.clear_inbox(guest);
    }

    /// What waits for a guest that is gone is over.
    pub(super) fn clear_inbox(&mut self, guest: GuestId) {
        let untold = self.untold(guest);
        for receipt in self.guests.remove(guest) {
            self.take(receipt);
        }
        self.note_dropped(guest, untold);
    }

    fn add_guest(&mut self, now: Time, place: GuestId, settings: &GuestSettings) -> GuestId {
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
        for old in self.timers.give(now, guest, before, given) {
            self.guests.change(guest, |inbox| inbox.remove_timer(old));
        }
        let kept = &mut self.kept[guest.index()];
        if kept.max() != settings.max_state {
            Arc::make_mut(kept).set_max(settings.max_state);
        }
        let untold = self.untold(guest);
        self.guests.set(now, guest, settings);
        self.note_dropped(guest, untold);
        guest
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
