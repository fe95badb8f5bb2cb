//! Carries commands out.

use std::sync::Arc;

use super::Gateway;
use super::control::{Command, UnknownGuest};
use super::control_sender::{Accepted, Draft, NotPublished};
use super::followers::{Following, NotFollowed};
use super::keeper::NotKept;
use super::report::{GuestReport, LetterList, Report};
use crate::clock;
use crate::office::{GuestId, NotAccepted, NotCancelled, NotHanded, Office, Payload, Rule, Status};

impl Gateway {
    /// Who asked and does not wait for the answer any more does not get it.
    pub(super) fn handle_command(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Replace(guest, handler) => {
                self.machine.guests.replace(guest, *handler);
                self.install(guest);
            }
            Command::Change(change, reply) => {
                let changed = self.change(*change);
                self.when_kept(move |_, kept| {
                    let _ = reply.send(changed.map(|mut changed| {
                        let why = kept.err().filter(|_| !changed.dropped.is_empty());
                        changed.not_kept = why.map(|not_kept| not_kept.why.to_string());
                        changed
                    }));
                });
            }
            Command::Reconnect => self.engine.office_mut().handle_reconnect(now),
            Command::RequestReconnect(reply) => {
                let from = self.operator();
                let office = self.engine.office_mut();
                let _ = reply.send(office.submit_reconnect(now, from));
            }
            Command::Deliver(topic, payload, properties) => {
                let office = self.engine.office_mut();
                office.handle_local_message(now, topic, payload, properties);
            }
            Command::Publish(draft, reply) => {
                let accepted = self.publish(draft);
                self.when_kept(move |office, kept| {
                    let _ = reply.send(match (accepted, kept) {
                        (Ok(Accepted { ticket, .. }), Err(NotKept { why, is_under_way })) => {
                            // Nobody is told that it was accepted, so it is not sent.
                            let _ = office.handle_cancel(clock::now(), ticket);
                            Err(match is_under_way {
                                true => NotPublished::MayBeKept(ticket, why),
                                false => NotPublished::NotAccepted(NotAccepted::NotKept(why)),
                            })
                        }
                        (accepted, _) => accepted.map_err(NotPublished::NotAccepted),
                    });
                });
            }
            Command::Hand {
                guest,
                topic,
                payload,
                reply,
            } => {
                let _ = reply.send(self.hand(&guest, topic, payload));
            }
            Command::Cancel(ticket, reply) => {
                let from = self.operator();
                let office = self.engine.office_mut();
                let cancelled = office.submit_cancel(now, from, ticket);
                self.when_kept(move |_, kept| {
                    let _ = reply.send(match (cancelled, kept) {
                        (Ok(_), Err(not_kept)) => Err(NotCancelled::NotKept(not_kept.why)),
                        (cancelled, _) => cancelled,
                    });
                });
            }
            Command::Letters { guest, most, reply } => {
                let _ = reply.send(self.letters(guest.as_deref(), most));
            }
            Command::Report(reply) => {
                let _ = reply.send(self.report());
            }
            Command::Follow { payloads, reply } => {
                let _ = reply.send(self.follow(payloads));
            }
        }
    }

    /// Answers when everything up to here is kept, or cannot be.
    fn when_kept(
        &mut self,
        answer: impl FnOnce(&mut Office, Result<(), NotKept>) + Send + 'static,
    ) {
        let office = self.engine.office_mut();
        match &mut self.machine.keeper {
            Some(keeper) => keeper.when_kept(office, Box::new(answer)),
            None => answer(office, Ok(())),
        }
    }

    fn publish(&mut self, draft: Draft) -> Result<Accepted, NotAccepted> {
        let Some((guest, sender)) = self.machine.guests.control_sender() else {
            return Err(NotAccepted::Full);
        };
        let letter = sender.letter(draft);
        let ticket = letter.ticket;
        let office = self.engine.office_mut();
        office.submit(clock::now(), guest, letter)?;
        Ok(sender.handle_accepted(ticket))
    }

    fn hand(
        &mut self,
        guest: &str,
        topic: Arc<str>,
        payload: Payload,
    ) -> Result<Result<(), NotHanded>, UnknownGuest> {
        let guest = self.guest_called(guest)?;
        let (now, from) = (clock::now(), self.operator());
        let office = self.engine.office_mut();
        Ok(office.submit_message(now, from, guest, topic, payload))
    }

    fn follow(&mut self, payloads: bool) -> Result<(Following, Report), NotFollowed> {
        if payloads {
            self.check_payloads()?;
        }
        // What happened before is not told.
        let (log, office) = (&mut self.machine.log, self.engine.office_mut());
        log.drain(clock::now(), office);
        let following = log.observer().followers().follow(payloads)?;
        office.set_detailed_notices(true);
        Ok((following, self.report()))
    }

    /// Whether payloads may be seen from outside.
    pub(super) fn check_payloads(&mut self) -> Result<(), Rule> {
        let from = self.operator();
        self.engine.office().check_payloads(from)
    }

    /// As which guest whoever uses the control socket is known, if there is one.
    fn operator(&mut self) -> Option<GuestId> {
        let sender = self.machine.guests.control_sender();
        sender.map(|(guest, _)| guest)
    }

    fn letters(&self, guest: Option<&str>, most: usize) -> Result<LetterList, UnknownGuest> {
        let (now, office) = (clock::now(), self.engine.office());
        // Letters of one that is gone are still on their way.
        let is_asked_for = |name: &str| guest.is_none_or(|guest| guest == name);
        if guest.is_some() && !self.places().any(|(_, name)| is_asked_for(name)) {
            return Err(UnknownGuest);
        }
        let mut list = LetterList {
            letters: Vec::new(),
            total: 0,
        };
        for (guest, name) in self.places().filter(|(_, name)| is_asked_for(name)) {
            list.total += office.standing(guest).letters;
            let left = most - list.letters.len();
            let letters = office.letters(now, guest).take(left);
            let named = letters.map(|letter| (name.to_owned(), letter));
            list.letters.extend(named);
        }
        Ok(list)
    }

    fn report(&self) -> Report {
        let (now, office) = (clock::now(), self.engine.office());
        let (machine, record) = (&self.machine, self.machine.log.record());
        let guest = |(guest, name): (GuestId, &str)| GuestReport {
            name: name.to_owned(),
            is_gone: office.is_gone(guest),
            standing: office.standing(guest),
            timers: match office.is_gone(guest) {
                true => Vec::new(),
                false => office.timers(now, guest).collect(),
            },
            last_error: record.error_of(now, guest),
        };
        let has_left = |guest: GuestId| office.is_gone(guest) && office.has_anything(guest);
        let gone = self.places().filter(|(guest, _)| has_left(*guest));
        Report {
            not_kept: office.commit_failed().map(ToString::to_string),
            held: office.held_letters(),
            version: self.engine.version().filter(|_| self.is_online()),
            broker: machine.connection.servers[self.engine.broker()].to_string(),
            client_id: machine.connection.handshake.client_id.clone(),
            guests: self.named_guests().chain(gone).map(guest).collect(),
            ..record.report(now)
        }
    }

    fn is_online(&self) -> bool {
        self.engine.office().status() == Status::Online
    }

    fn guest_called(&self, name: &str) -> Result<GuestId, UnknownGuest> {
        let mut guests = self.named_guests();
        let found = guests.find(|(_, known)| *known == name);
        found.map(|(guest, _)| guest).ok_or(UnknownGuest)
    }

    /// The guests that are there, with their names.
    pub(super) fn named_guests(&self) -> impl Iterator<Item = (GuestId, &str)> {
        let office = self.engine.office();
        self.places().filter(|(guest, _)| !office.is_gone(*guest))
    }

    /// The same with those that are gone, of whom something may be left.
    pub(super) fn places(&self) -> impl Iterator<Item = (GuestId, &str)> {
        let names = self.machine.log.names().iter();
        (0..).map(GuestId).zip(names.map(String::as_str))
    }
}
