//! What the gateway does in a turn.

use bytes::{Buf, BytesMut};
use jackalope::broker::ConnectionId;
use jackalope::office::{Answer, Disconnection, Incoming, Office, Outgoing, Status};
use jackalope::wire::{DecodeError, Decoder, encode, encode_connect};

use super::{Dial, MISTAKEN, Run, Wire};
use crate::calls::End;
use crate::guests::{Finished, time, to_letter};
use crate::model::{Check, ensure};
use crate::network::Arrival;

/// How much is encoded before it is written.
const BATCH: usize = 16 << 10;

/// How long a batch may take without keep-alive to say so.
const WRITE_TIMEOUT: u64 = 60_000;

impl Run {
    /// Does all that can be done at this moment.
    pub(super) fn turn(&mut self) -> Check {
        self.input(Office::handle_timeout)?;
        let now = self.tick();
        if self.is_stuck(now) {
            self.lose(Disconnection::Failed("stuck".into()))?;
        }
        self.read()?;
        self.call()?;
        self.write_batch()?;
        self.close_if_due();
        self.connect()?;
        self.reconcile()?;
        self.flush();
        Ok(())
    }

    fn read(&mut self) -> Check {
        while self.wire.is_some() {
            let now = self.tick();
            if !self.office.wants_read(time(now)) {
                return Ok(());
            }
            let Some(wire) = &mut self.wire else {
                return Ok(());
            };
            match wire.decoder.decode(&mut wire.input) {
                Ok(None) => return Ok(()),
                Ok(Some(packet)) => self.handle_packet(packet)?,
                Err(DecodeError::Refused(code)) => self.lose(Disconnection::Refused(code))?,
                Err(error) => return Err(format!("the broker's bytes: {error}")),
            }
            self.deeds += 1;
            self.close_if_due();
        }
        Ok(())
    }

    fn handle_packet(&mut self, packet: Incoming) -> Check {
        self.note(|| format!("in {packet:?}"));
        let now = self.tick();
        self.model.expire(now);
        match &packet {
            Incoming::Publish(publish) if self.model.online => {
                self.messages.handle_arrival(publish)?;
            }
            Incoming::TooLarge { delivery, .. } => self.messages.handle_too_large(*delivery),
            Incoming::ConnAck { session_present } => {
                let session_present = *session_present;
                self.office.handle_packet(time(now), packet);
                // The post office may have given the connection up already.
                if !self.model.online && self.office.status() == Status::Online {
                    self.model.handle_connected(session_present);
                    self.begin_session(session_present)?;
                }
                return self.reconcile().map(|_| ());
            }
            _ => {}
        }
        self.model.handle_packet(&packet);
        self.office.handle_packet(time(now), packet);
        self.reconcile().map(|_| ())
    }

    fn begin_session(&mut self, session_present: bool) -> Check {
        let known = self.session.replace(self.broker_log.session);
        if !session_present {
            self.messages.handle_new_session();
        } else if known.is_some_and(|known| known != self.broker_log.session) {
            return Err(MISTAKEN.into());
        }
        Ok(())
    }

    fn call(&mut self) -> Check {
        for _ in 0..128 {
            let Some(assignment) = self.input(Office::poll_call)? else {
                return Ok(());
            };
            self.note(|| format!("call {assignment:?}"));
            self.deeds += 1;
            self.calls
                .handle_call(&assignment, &self.model, &mut self.messages)?;
            let guest = assignment.guest.index();
            self.guests[guest].begin(self.now, assignment);
            self.answer(guest)?;
        }
        Ok(())
    }

    /// Ends the call that a guest is at, if it is time.
    pub(super) fn answer(&mut self, guest: usize) -> Check {
        let running = self.guests[guest].running.as_ref();
        if running.is_none_or(|running| running.until > self.now) {
            return Ok(());
        }
        let Some(finished) = self.guests[guest].finish(&mut self.tickets) else {
            return Ok(());
        };
        self.note(|| format!("answer of {guest}: {:?}", finished.answer));
        self.deeds += 1;
        let now = self.tick();
        self.model.expire(now);
        let Finished {
            assignment,
            since,
            answer,
            published,
        } = finished;
        let id = assignment.guest;
        let fails = matches!(answer, Answer::Failed(_));
        let is_put_off = matches!(answer, Answer::Retry(_));
        if let Answer::Done(effects) | Answer::Rejected(_, effects) = &answer {
            let displaced = effects.displaced.len();
            for (place, (ticket, plan)) in published.iter().enumerate() {
                let letter = to_letter(*ticket, plan);
                if place < displaced {
                    self.model.displace(id, &letter);
                } else {
                    self.model.post(since, now, id, &letter);
                }
            }
        }
        self.office.handle_answer(time(now), id, answer);
        let given_up = self.reconcile()?;
        ensure!(fails || !given_up, "a call that succeeded is given up");
        let end = match (fails, is_put_off) {
            (true, _) => End::Failed { given_up },
            (_, true) => End::PutOff,
            _ => End::Taken,
        };
        self.calls
            .handle_end(id, end, &mut self.model, &mut self.messages)?;
        self.close_if_due();
        Ok(())
    }

    fn write_batch(&mut self) -> Check {
        let timeout = match self.setup.keep_alive {
            0 => WRITE_TIMEOUT,
            keep_alive => keep_alive * 1_000,
        };
        loop {
            let has_room = |wire: &Wire| wire.write_by.is_none() && wire.output.len() < BATCH;
            if !self.wire.as_ref().is_some_and(has_room) {
                break;
            }
            let now = self.tick();
            self.model.expire(now);
            let dispatch = self.office.poll_packet(time(now));
            if let Some(dispatch) = dispatch {
                self.note(|| format!("out {:?}", dispatch.packet));
                self.deeds += 1;
                self.write(now, dispatch)?;
                self.reconcile()?;
            } else {
                self.reconcile()?;
                break;
            }
        }
        let now = self.now;
        if let Some(wire) = &mut self.wire
            && wire.write_by.is_none()
            && !wire.output.is_empty()
        {
            let by = now + timeout;
            wire.write_by = Some(wire.expires.map_or(by, |expires| by.min(expires)));
        }
        Ok(())
    }

    fn is_stuck(&self, now: u64) -> bool {
        let by = self.wire.as_ref().and_then(|wire| wire.write_by);
        by.is_some_and(|by| by <= now)
    }

    /// Gives the kernel what it takes of the batch at hand.
    fn flush(&mut self) {
        if self.is_stuck(self.now) {
            return;
        }
        if let Some(wire) = &mut self.wire
            && wire.write_by.is_some()
        {
            let taken = self.network.write(self.now, wire.id, &wire.output);
            wire.output.advance(taken);
            if wire.output.is_empty() {
                (wire.write_by, wire.expires) = (None, None);
                self.deeds += 1;
            }
        }
    }

    fn connect(&mut self) -> Check {
        let now = self.tick();
        if let Some(connect) = self.office.poll_connect(time(now)) {
            ensure!(self.wire.is_none(), "a second connection is made");
            self.note(|| format!("dial {connect:?}"));
            self.deeds += 1;
            let succeeds = self.refused_dials == 0;
            self.refused_dials = self.refused_dials.saturating_sub(1);
            self.dial = Some(Dial {
                connect,
                until: (!self.dials_hang).then_some(now + self.network.up),
                succeeds,
            });
        }
        Ok(())
    }

    /// The connection that was being made is there, or will not be.
    pub(super) fn finish_dial(&mut self) -> Check {
        let is_due = |dial: &mut Dial| dial.until.is_some_and(|until| until <= self.now);
        let Some(dial) = self.dial.take_if(is_due) else {
            return Ok(());
        };
        self.deeds += 1;
        if !dial.succeeds {
            return self.lose(Disconnection::Failed("refused".into()));
        }
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        self.network.open(id);
        self.core.handle_open(time(self.now).into(), id);
        let output = encode_connect(&self.handshake, &dial.connect).map_err(|e| e.to_string())?;
        self.wire = Some(Wire {
            id,
            decoder: Decoder::new(self.setup.max_read),
            input: BytesMut::new(),
            output,
            write_by: Some(self.now + WRITE_TIMEOUT),
            expires: None,
        });
        Ok(())
    }

    /// The network has brought something for the gateway.
    pub(super) fn handle_arrival(&mut self, arrival: Arrival) -> Check {
        match arrival {
            Arrival::ToGateway(id, bytes) => {
                if let Some(wire) = self.wire.as_mut().filter(|wire| wire.id == id) {
                    wire.input.extend_from_slice(&bytes);
                    let now = self.tick();
                    self.office.handle_traffic(time(now));
                }
            }
            Arrival::GatewayEnd(id) => {
                if self.wire.as_ref().is_some_and(|wire| wire.id == id) {
                    // What came before the end is read first.
                    self.turn()?;
                }
                if self.wire.as_ref().is_some_and(|wire| wire.id == id) {
                    self.lose(Disconnection::Closed)?;
                }
            }
            Arrival::ToBroker(..) | Arrival::BrokerEnd(_) => {}
        }
        Ok(())
    }

    fn lose(&mut self, reason: Disconnection) -> Check {
        self.note(|| format!("lost: {reason}"));
        self.abort();
        self.input(|office, now| office.handle_disconnected(now, reason))
    }

    fn abort(&mut self) {
        self.dial = None;
        if let Some(wire) = self.wire.take() {
            self.network
                .abort(self.now, wire.id, self.setup.after_abort);
        }
    }

    /// The post office has no more use for the connection.
    pub(super) fn close_if_due(&mut self) {
        match self.office.poll_close() {
            Some(Disconnection::Reconnect) => {
                let Some(mut wire) = self.wire.take_if(|wire| wire.output.is_empty()) else {
                    return self.abort();
                };
                let is_encoded = encode(Outgoing::Disconnect, &mut wire.output).is_ok();
                let written = self.network.write(self.now, wire.id, &wire.output);
                if is_encoded && written == wire.output.len() {
                    self.network.close(self.now, wire.id);
                } else {
                    self.network
                        .abort(self.now, wire.id, self.setup.after_abort);
                }
            }
            Some(_) => self.abort(),
            None => {}
        }
    }
}
