//! A gateway that goes on with another configuration, without an end of its session.

use std::collections::BTreeMap;

use tracing::info;

use super::control::UnknownGuest;
use super::dropped::{Dropped, warn_of_dropped};
use super::{ConnectionOptions, ControlSender, Gateway, Handler};
use crate::clock;
use crate::office::{GoneGuests, GuestId, SessionChange, Settings};

/// What a gateway is made of from now on.
#[derive(Debug)]
pub struct Change {
    /// All guests that there are to be, by their names. One that is new has a handler;
    /// so has one that another takes the place of, which it does when the call that it
    /// is at is over. One without stays as it is. What each of them has stays with its
    /// name: letters, outcomes, messages, state and timers. What becomes of what those have
    /// that are gone is said in the [settings](Settings::gone_guests).
    pub guests: Vec<(String, Option<Handler>)>,
    /// What the post office is told; its guests are described in the order of `guests`.
    pub settings: Settings,
    /// How the broker is reached, if in another way than before. Then the connection
    /// ends, and the next one begins a new session.
    pub connection: Option<ConnectionOptions>,
}

/// What a [`Change`] has changed: names of guests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// Those that were not there.
    pub added: Vec<String>,
    /// Those that another one has taken the place of.
    pub replaced: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those of whom all is dropped that they had, and how much that was.
    pub dropped: Vec<Dropped>,
    /// Whether a new session begins.
    pub reconnects: bool,
    /// Why it cannot be kept on disk at the moment that it is dropped, if so: should the
    /// gateway start anew before it can be, what they had is there again.
    pub not_kept: Option<String>,
}

impl Gateway {
    /// Carries a change out. If a guest without a handler is not there, nothing is
    /// changed.
    pub(super) fn change(&mut self, change: Change) -> Result<Changed, UnknownGuest> {
        let Change {
            guests,
            settings,
            connection,
        } = change;
        let before: BTreeMap<String, GuestId> = self
            .named_guests()
            .map(|(guest, name)| (name.to_owned(), guest))
            .collect();
        let mut places = Vec::new();
        for (name, handler) in &guests {
            let place = before.get(name).copied();
            if place.is_none() && handler.is_none() {
                return Err(UnknownGuest);
            }
            places.push(place);
        }
        let mut changed = Changed {
            reconnects: connection.is_some(),
            dropped: match settings.gone_guests {
                GoneGuests::Keep => Vec::new(),
                GoneGuests::Drop => self.those_to_drop(&guests),
            },
            ..Changed::default()
        };
        let session = match connection {
            Some(connection) => {
                self.set_connection(connection);
                SessionChange::New
            }
            None => SessionChange::None,
        };
        let office = self.engine.office_mut();
        let now = clock::now();
        let taken = office.handle_changed(now, settings, &places, session);
        // Their places may have other names from here on.
        self.machine.log.drain(now, office);
        warn_of_dropped(&changed.dropped);
        if self.check_payloads().is_err() {
            self.machine.log.observer().followers().withhold_payloads();
        }
        for (name, guest) in before {
            if !guests.iter().any(|(stays, _)| *stays == name) {
                self.machine.guests.remove(guest);
                info!(guest = name, "guest removed");
                changed.removed.push(name);
            }
        }
        for ((name, handler), (guest, place)) in guests.into_iter().zip(taken.iter().zip(places)) {
            match (handler, place) {
                (Some(handler), None) => {
                    info!(guest = name, "guest added");
                    match self.engine.office().standing(*guest).is_at_call {
                        true => self.machine.guests.take_back(*guest, handler),
                        false => self.machine.guests.add(*guest, handler),
                    }
                    self.machine.log.set_name(*guest, name.clone());
                    changed.added.push(name);
                }
                (Some(handler), Some(_)) => {
                    self.machine.guests.replace(*guest, handler);
                    self.install(*guest);
                    changed.replaced.push(name);
                }
                (None, _) => {}
            }
        }
        Ok(changed)
    }

    /// The guests that are not among these and have something.
    fn those_to_drop(&self, guests: &[(String, Option<Handler>)]) -> Vec<Dropped> {
        let office = self.engine.office();
        let is_there = |name: &str| {
            name == ControlSender::NAME || guests.iter().any(|(stays, _)| stays == name)
        };
        let gone = self.places().filter(|(_, name)| !is_there(name));
        let gone = gone.filter(|(guest, _)| office.has_anything(*guest));
        gone.map(|(guest, name)| Dropped::new(name.to_owned(), office.belongings(guest)))
            .collect()
    }

    /// From the next connection on.
    fn set_connection(&mut self, connection: ConnectionOptions) {
        let servers = connection.servers.len();
        self.engine.set_brokers(servers, connection.server_return);
        self.machine.log.set_login(connection.identity(), servers);
        self.machine.connection = connection;
    }
}
