//! What the network and the broker do.

use std::time::Duration;

use jackalope::broker::{ConnectReturnCode, ConnectionId, Fault, Output, Times};

use super::{CLIENT, Run, Side};
use crate::model::Check;
use crate::network::Arrival;
use crate::schedule::FaultPlan;
use crate::tls::Server;

impl Run {
    /// Everything that is due by now, but for what the engine does by itself.
    pub(super) fn deliver(&mut self) -> Check {
        self.finish_dial()?;
        self.side.carry()?;
        for guest in 0..self.side.guests.len() {
            self.answer(guest)?;
        }
        Ok(())
    }
}

impl Side {
    /// Whether the broker reads from any connection.
    pub(super) fn broker_reads(&self) -> bool {
        !self.reading_stopped
    }

    fn carry(&mut self) -> Check {
        while let Some(arrival) = self.network.poll(self.now, self.broker_reads()) {
            self.deeds += 1;
            let now = self.moment();
            match arrival {
                Arrival::ToBroker(id, piece) => {
                    match self.servers.get_mut(&id) {
                        None => self.core.handle_bytes(now, id, &piece.bytes),
                        Some(server) => {
                            let opened = server.open(&piece.bytes)?;
                            self.send_sealed(id);
                            self.core.handle_bytes(now, id, &opened);
                            if self.servers.get(&id).is_some_and(|server| server.is_over) {
                                self.core.handle_closed(now, id);
                                self.network.close_by_broker(self.now, id);
                            }
                        }
                    }
                    self.arrives = Some(piece);
                }
                Arrival::BrokerEnd(id) => self.core.handle_closed(now, id),
                arrival => self.handle_arrival(arrival),
            }
            self.drain_broker()?;
            self.arrives = None;
        }
        let now = self.moment();
        if self.core.next_timeout().is_some_and(|at| at <= now) {
            self.deeds += 1;
            self.core.handle_timeout(now);
            self.drain_broker()?;
        }
        Ok(())
    }

    /// Takes what comes out of the broker.
    pub(super) fn drain_broker(&mut self) -> Check {
        while let Some(event) = self.core.poll_event() {
            self.note(|| format!("   broker: {event}"));
            self.broker_log
                .handle_event(self.now, &event, &self.model, &mut self.messages)?;
        }
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send(id, bytes) => match self.servers.get_mut(&id) {
                    None => self.network.send(self.now, id, &bytes),
                    Some(server) => {
                        server.seal(&bytes)?;
                        self.send_sealed(id);
                    }
                },
                Output::Close(id) => {
                    if let Some(server) = self.servers.get_mut(&id) {
                        server.finish();
                        self.send_sealed(id);
                    }
                    self.network.close_by_broker(self.now, id);
                }
            }
        }
        self.broker_log
            .look(&self.core, &self.model, self.arrives.as_ref())
    }

    /// What TLS makes of what the broker sends.
    fn send_sealed(&mut self, id: ConnectionId) {
        let bytes = self.servers.get_mut(&id).map(Server::poll_output);
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            self.network.send(self.now, id, &bytes);
        }
    }

    pub(super) fn inject(&mut self, plan: FaultPlan) -> Check {
        let fault = match plan {
            FaultPlan::RefuseConnect(times) => {
                let code = ConnectReturnCode::ServiceUnavailable;
                Fault::RefuseConnect(code, Times::Next(times))
            }
            FaultPlan::DelayConnect(millis) => Fault::DelayConnect(Duration::from_millis(millis)),
            FaultPlan::NeverAnswerConnect => Fault::NeverAnswerConnect,
            FaultPlan::DropNow => Fault::DropNow,
            FaultPlan::DropAfter(count, kind) => Fault::DropAfter(count, kind),
            FaultPlan::DropInMiddle => Fault::DropInMiddle,
            FaultPlan::Withhold(ack) => Fault::WithholdAcks(vec![ack]),
            FaultPlan::DelayAcks(millis) => Fault::DelayAcks(Duration::from_millis(millis)),
            FaultPlan::DuplicateAcks => Fault::DuplicateAcks,
            FaultPlan::RefuseSubscription(filter) => Fault::RefuseSubscription(filter.into()),
            FaultPlan::StopReading => Fault::StopReading,
            FaultPlan::ResumeReading => Fault::ResumeReading,
            FaultPlan::ForgetSession => Fault::ForgetSession(CLIENT.into()),
            FaultPlan::TakeOver => Fault::TakeOver(CLIENT.into()),
            FaultPlan::RefuseConnectV5(reason, times) => {
                Fault::RefuseConnectV5(reason, Times::Next(times))
            }
            FaultPlan::Disconnect(reason) => Fault::Disconnect(reason),
            FaultPlan::RefusePublish(filter, reason) => Fault::RefusePublish(filter.into(), reason),
        };
        match plan {
            FaultPlan::StopReading => self.reading_stopped = true,
            FaultPlan::ResumeReading => self.reading_stopped = false,
            _ => {}
        }
        self.core.inject(self.moment(), fault);
        self.drain_broker()
    }
}
