//! The machine that the engine runs on, and a look at each of its steps.

use std::io;

use bytes::BytesMut;
use jackalope::broker::ConnectionId;
use jackalope::engine::{Machine, Step};
use jackalope::office::{
    Answer, Assignment, Call, GuestId, Incoming, Notice, Office, Outcome, OutcomeWord, Qos, Status,
    Ticket, Time,
};

use super::{Dial, MISTAKEN, Run, Side, Socket};
use jackalope::wire::Layers;

use crate::calls::End;
use crate::guests::{Finished, Key, time, to_letter};
use crate::model::{Check, ensure};
use crate::network::Arrival;
use crate::terms::Terms;
use crate::tls::{self, Server};
use crate::unwritten::Unwritten;

/// What the latest input of the post office must lead to, beside outcomes.
#[derive(Debug)]
pub(super) enum Pending {
    Nothing,
    /// Perhaps to a session.
    ConnAck {
        session_present: bool,
    },
    /// To the end of a call.
    Answer {
        guest: GuestId,
        at: u64,
        fails: bool,
        is_put_off: bool,
    },
}

impl Run {
    /// The connection that was being made is there, or will not be.
    pub(super) fn finish_dial(&mut self) -> Check {
        let side = &mut self.side;
        let is_due = |dial: &mut Dial| dial.until.is_some_and(|until| until <= side.now);
        let Some(dial) = side.dial.take_if(is_due) else {
            return Ok(());
        };
        side.deeds += 1;
        let handshake = side.handshake.clone();
        let dialed = if dial.succeeds {
            side.last_connection += 1;
            let id = ConnectionId(side.last_connection);
            side.network.open(id);
            side.core.handle_open(side.moment(), id);
            side.socket = Some(Socket {
                id,
                input: BytesMut::new(),
                is_ended: false,
                unwritten: side.tls.is_none().then(Unwritten::connect),
            });
            let tls = side.tls.as_ref().map(tls::begin).transpose()?;
            if tls.is_some() {
                side.servers.insert(id, Server::new());
            }
            let layers = Layers {
                tls,
                ..Layers::default()
            };
            Ok((&handshake, layers))
        } else {
            Err("refused".into())
        };
        self.engine.handle_dialed_through(&mut self.side, dialed);
        self.settled()
    }

    /// Ends the call that a guest is at, if it is time.
    pub(super) fn answer(&mut self, guest: usize) -> Check {
        let Some(answer) = self.side.finish_call(guest) else {
            return Ok(());
        };
        let id = GuestId(guest as u16);
        self.engine.handle_answer(&mut self.side, id, answer);
        self.settled()
    }
}

impl Side {
    /// The network has brought something for the gateway.
    pub(super) fn handle_arrival(&mut self, arrival: Arrival) {
        match (arrival, &mut self.socket) {
            (Arrival::ToGateway(id, bytes), Some(socket)) if socket.id == id => {
                socket.input.extend_from_slice(&bytes);
            }
            (Arrival::GatewayEnd(id), Some(socket)) if socket.id == id => socket.is_ended = true,
            _ => {}
        }
    }

    /// The answer of the call that a guest is at, if it is time.
    fn finish_call(&mut self, guest: usize) -> Option<Answer> {
        let running = self.guests[guest].running.as_ref()?;
        if running.until > self.now {
            return None;
        }
        let finished = self.guests[guest].finish(&mut self.tickets)?;
        self.note(|| format!("answer of {guest}: {:?}", finished.answer));
        self.deeds += 1;
        let answer = finished.answer.clone();
        self.guests[guest].finished = Some(finished);
        Some(answer)
    }

    /// What the guest has done in the call counts from now on, or never.
    fn handle_answer(&mut self, now: u64, guest: GuestId) -> Check {
        let Some(finished) = self.guests[guest.index()].finished.take() else {
            return Err(format!("{guest:?} answers no call"));
        };
        let counts = matches!(finished.answer, Answer::Done(_) | Answer::Rejected(..));
        self.timers.handle_answer(guest, &finished, counts)?;
        let Finished {
            since,
            answer,
            published,
            ..
        } = finished;
        if let Answer::Done(effects) | Answer::Rejected(_, effects) = &answer {
            for (ticket, plan) in &published {
                let letter = to_letter(*ticket, plan);
                if let Some(equals) = &mut self.equals {
                    equals.handle_posted(now, guest, *ticket);
                }
                if effects.displaced.iter().any(|it| it.ticket == *ticket) {
                    self.model.displace(guest, &letter);
                } else {
                    self.model.post(since, now, guest, &letter);
                }
            }
        }
        self.pending = Pending::Answer {
            guest,
            at: now,
            fails: matches!(answer, Answer::Failed(_)),
            is_put_off: matches!(answer, Answer::Retry(_)),
        };
        Ok(())
    }

    /// A packet of the broker, about to be handed to the post office.
    fn handle_packet(&mut self, packet: &Incoming) -> Check {
        self.note(|| format!("in {packet:?}"));
        self.deeds += 1;
        match packet {
            Incoming::Publish(publish, came_for) if self.model.online => {
                let guests = self.messages.handle_arrival(publish, came_for)?;
                // What comes again was perhaps taken before.
                if let (Some(equals), Some(key)) = (&mut self.equals, Key::of(&publish.payload))
                    && !publish.duplicate
                {
                    for guest in guests {
                        equals.handle_arrived(self.now, guest, key);
                    }
                }
            }
            Incoming::TooLarge { delivery, .. } => self.messages.handle_too_large(*delivery),
            Incoming::ConnAck {
                session_present, ..
            } => {
                let session_present = *session_present;
                self.pending = Pending::ConnAck { session_present };
                return Ok(());
            }
            _ => {}
        }
        self.model.handle_packet(self.now, packet);
        Ok(())
    }

    fn begin_session(&mut self, session_present: bool) -> Check {
        let connection = self.socket.as_ref().map(|socket| socket.id);
        let terms = connection.map(|id| self.broker_log.told(id));
        let terms = terms.unwrap_or(Terms::GENEROUS);
        self.model.handle_connected(session_present, terms);
        let known = self.session.replace(self.broker_log.session);
        if !session_present {
            self.messages.handle_new_session();
        } else if known.is_some_and(|known| known != self.broker_log.session) {
            return Err(MISTAKEN.into());
        }
        Ok(())
    }

    /// Compares what has come of the latest input of the post office with the
    /// model.
    pub(super) fn compare(&mut self, office: &mut Office) {
        let compared = self.try_compare(office);
        self.check(compared);
    }

    fn try_compare(&mut self, office: &mut Office) -> Check {
        let (mut outcomes, mut given_up) = (Vec::new(), false);
        while let Some(notice) = office.poll_notice() {
            self.note(|| format!("{notice:?}"));
            match notice {
                Notice::Outcome {
                    guest,
                    ticket,
                    outcome,
                    ..
                } => {
                    self.check_sent(ticket, outcome)?;
                    outcomes.push((guest, ticket, outcome.word()));
                }
                Notice::GivenUp { guest, call, .. } => match (&self.pending, call) {
                    (Pending::Answer { guest: answers, .. }, _) if *answers == guest => {
                        given_up = true
                    }
                    (_, Call::Message(message)) => self.messages.handle_taken(guest, &message)?,
                    (_, call) => return Err(format!("{call:?} is given up, and nobody failed")),
                },
                Notice::LetterRefused {
                    ticket, refusal, ..
                } => self.model.handle_letter_refused(ticket.0, refusal)?,
                Notice::HangUp { ticket, .. } => self.model.handle_refused(ticket.0)?,
                Notice::Offline { reason, .. } => {
                    self.model.online = false;
                    if let Some(equals) = &mut self.equals {
                        equals.handle_offline(self.now, &reason)?;
                    }
                }
                _ => {}
            }
        }
        let pending = std::mem::replace(&mut self.pending, Pending::Nothing);
        if let Pending::ConnAck { session_present } = pending
            // The post office may have given the connection up already.
            && !self.model.online
            && office.status() == Status::Online
        {
            self.begin_session(session_present)?;
        }
        for (_, ticket, outcome) in &outcomes {
            if let Some(equals) = &mut self.equals {
                equals.handle_outcome(self.now, *ticket, *outcome)?;
            }
            let origin = self.model.origin(ticket.0);
            let is_acked = origin.is_some_and(|(_, qos, _)| qos != Qos::AtMostOnce);
            if is_acked && *outcome == OutcomeWord::Delivered {
                self.broker_log.check_delivered(*ticket)?;
            }
        }
        self.model.reconcile(outcomes)?;
        ensure!(
            office.open_letters() == self.model.open(),
            "{} letters are open and should be {}",
            office.open_letters(),
            self.model.open()
        );
        if let Pending::Answer {
            guest,
            at,
            fails,
            is_put_off,
        } = pending
        {
            ensure!(
                fails || is_put_off || !given_up,
                "a call that succeeded is given up"
            );
            let end = match (fails, is_put_off) {
                (true, _) => End::Failed { given_up },
                (_, true) => End::PutOff { given_up },
                _ => End::Taken,
            };
            let goes_on = (fails || is_put_off) && !given_up;
            self.timers.handle_end(guest, fails, goes_on)?;
            self.calls
                .handle_end(at, guest, end, &mut self.model, &mut self.messages)?;
        }
        Ok(())
    }

    /// Whether a letter had been sent that was not delivered, as its outcome says.
    fn check_sent(&mut self, ticket: Ticket, outcome: Outcome) -> Check {
        match outcome {
            Outcome::Expired { sent: false } | Outcome::Displaced { sent: false } => {
                self.broker_log.handle_unsent(ticket)
            }
            Outcome::Expired { sent: true } | Outcome::Displaced { sent: true } => {
                self.model.check_sent(ticket.0)
            }
            Outcome::Delivered | Outcome::Refused(_) => Ok(()),
        }
    }

    fn unwritten(&mut self) -> Option<&mut Unwritten> {
        self.socket.as_mut()?.unwritten.as_mut()
    }

    fn look_at(&mut self, now: u64, step: Step<'_>) -> Check {
        match step {
            Step::Time | Step::Traffic | Step::Commit(_) | Step::Committed => Ok(()),
            Step::Packet(packet) => self.handle_packet(packet),
            Step::Disconnected(reason) => {
                self.note(|| format!("lost: {reason}"));
                if reason.is_hang_up() {
                    self.model.handle_hang_up(now);
                }
                self.deeds += 1;
                Ok(())
            }
            Step::Written(carried) => {
                self.model.handle_taken(carried);
                Ok(())
            }
            Step::Recalled(carried) => {
                self.note(|| format!("recalled {carried:?}"));
                if let Some(unwritten) = self.unwritten() {
                    unwritten.handle_recalled(carried)?;
                }
                self.model.handle_recalled(now, carried)
            }
            Step::Answer(guest, _) => self.handle_answer(now, guest),
            Step::Packed(dispatch) => {
                self.note(|| format!("out {:?}", dispatch.packet));
                self.deeds += 1;
                if let Some(unwritten) = self.unwritten() {
                    unwritten.handle_packed(dispatch);
                }
                self.model.handle_written(now, &dispatch.packet)?;
                self.messages.handle_written(&dispatch.packet)
            }
            Step::Call(assignment) => {
                self.note(|| format!("call {assignment:?}"));
                self.deeds += 1;
                if let (Some(equals), Call::Message(message)) = (&mut self.equals, &assignment.call)
                    && let Some(key) = Key::of(&message.payload)
                {
                    equals.handle_called(now, assignment.guest, key)?;
                }
                self.timers.handle_call(assignment)?;
                self.calls
                    .handle_call(assignment, &self.model, &mut self.messages)
            }
            Step::Connect(connect) => {
                self.note(|| format!("dial {connect:?}"));
                self.deeds += 1;
                Ok(())
            }
        }
    }
}

impl Machine for Side {
    /// The clock jumps between any two looks at it.
    fn now(&mut self) -> Time {
        match &mut self.jump {
            Some((0, millis)) => {
                let millis = *millis;
                self.jump = None;
                self.sleep(millis);
            }
            Some((looks, _)) => *looks -= 1,
            None => {}
        }
        time(self.now)
    }

    fn dial(&mut self, _: usize) {
        let is_wrong = self.socket.is_some() || self.dial.is_some();
        if is_wrong {
            self.check(Err("a second connection is made".into()));
        }
        let succeeds = self.refused_dials == 0;
        self.refused_dials = self.refused_dials.saturating_sub(1);
        self.dial = Some(Dial {
            until: (!self.dials_hang).then_some(self.now + self.network.up),
            succeeds,
        });
    }

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let count = socket.input.len().min(buffer.capacity() - buffer.len());
        if count == 0 && !socket.is_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.deeds += 1;
        buffer.extend_from_slice(&socket.input.split_to(count));
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let taken = self.network.write(self.now, socket.id, bytes);
        if let Some(unwritten) = &mut socket.unwritten {
            let offered = unwritten.handle_offered(bytes);
            let checked = offered.and_then(|()| unwritten.handle_taken(self.now, taken));
            self.check(checked);
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.deeds += 1;
        Ok(taken)
    }

    fn unacknowledged(&mut self) -> usize {
        let socket = self.socket.as_ref();
        socket.map_or(0, |socket| self.network.unacknowledged(socket.id))
    }

    fn shutdown(&mut self) {
        if let Some(socket) = &self.socket {
            self.network.end(self.now, socket.id);
        }
    }

    fn close(&mut self) {
        self.deeds += 1;
        if let Some(socket) = self.socket.take() {
            self.network.close(self.now, socket.id);
        }
    }

    fn reset(&mut self) {
        self.deeds += 1;
        self.dial = None;
        if let Some(socket) = self.socket.take() {
            self.note(|| "reset".into());
            self.network
                .abort(self.now, socket.id, self.setup.after_abort);
        }
    }

    fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        let guest = assignment.guest.index();
        let since = self.now;
        self.guests[guest].begin(since, assignment);
        // Time passes for everyone while the guest keeps the loop.
        self.now += self.guests[guest].keeps_loop();
        self.finish_call(guest)
    }

    fn observe(&mut self, now: Time, office: &mut Office, step: Step<'_>) {
        self.compare(office);
        let now = now.as_millis();
        // Letters do not expire by it: a packet comes next, or nothing.
        if !matches!(step, Step::Traffic) {
            self.model.expire(now);
        }
        let looked = self.look_at(now, step);
        self.check(looked);
    }
}
