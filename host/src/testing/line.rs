//! The network in memory: it carries bytes at once, or not at all.

use bytes::BytesMut;

use super::happening::Network;
use crate::broker::{ConnectionId, Core, Output};
use crate::office::{Connect, Disconnection, Incoming, Outgoing, Time};
use crate::wire::{self, DecodeError, Decoder, Handshake};

/// The network between a post office and a broker.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) network: Network,
    handshake: Handshake,
    /// How many connections there have been.
    connections: u64,
    open: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    decoder: Decoder,
    input: BytesMut,
}

/// What has come from the broker.
pub(super) enum Read {
    /// Nothing more.
    Nothing,
    Packet(Incoming),
    /// The connection is to end, or has ended.
    End(Disconnection),
}

impl Line {
    /// A network without a connection.
    pub(super) fn new(network: Network, handshake: Handshake) -> Self {
        Self {
            network,
            handshake,
            connections: 0,
            open: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens a connection and sends CONNECT.
    pub(super) fn dial(
        &mut self,
        now: Time,
        connect: &Connect,
        broker: &mut Core,
    ) -> Result<(), Disconnection> {
        if self.network == Network::Down {
            return Err(Disconnection::Failed("the network is down".into()));
        }
        let bytes = wire::encode_connect(&self.handshake, connect).map_err(failed)?;
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.open = Some(Connection {
            id,
            decoder: Decoder::new(self.handshake.max_packet_size),
            input: BytesMut::new(),
        });
        broker.handle_open(now.into(), id);
        broker.handle_bytes(now.into(), id, &bytes);
        Ok(())
    }

    /// The next thing that comes from the broker.
    pub(super) fn read(&mut self, broker: &mut Core) -> Read {
        loop {
            if let Some(open) = &mut self.open {
                match open.decoder.decode(&mut open.input) {
                    Ok(Some(packet)) => return Read::Packet(packet),
                    Ok(None) => {}
                    Err(error) => return Read::End(failed(error)),
                }
            }
            match (broker.poll_output(), &mut self.open) {
                (Some(Output::Send(id, bytes)), Some(open)) if id == open.id => {
                    open.input.extend_from_slice(&bytes);
                }
                (Some(Output::Close(id)), Some(open)) if id == open.id => {
                    return Read::End(Disconnection::Closed);
                }
                // For a connection that is gone.
                (Some(_), _) => {}
                (None, _) => return Read::Nothing,
            }
        }
    }

    pub(super) fn write(
        &mut self,
        now: Time,
        packet: Outgoing,
        broker: &mut Core,
    ) -> Result<(), Disconnection> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let mut bytes = BytesMut::new();
        wire::encode(packet, &mut bytes).map_err(failed)?;
        broker.handle_bytes(now.into(), open.id, &bytes);
        Ok(())
    }

    /// Sends DISCONNECT, so that the broker does not publish the last will.
    pub(super) fn say_goodbye(&mut self, now: Time, broker: &mut Core) {
        // There is nothing in it that could not be written.
        let _ = self.write(now, Outgoing::Disconnect, broker);
    }

    /// Ends the connection; whether there was one.
    pub(super) fn hang_up(&mut self, now: Time, broker: &mut Core) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        broker.handle_closed(now.into(), open.id);
        true
    }
}

fn failed(error: DecodeError) -> Disconnection {
    match error {
        DecodeError::Refused(code) => Disconnection::Refused(code),
        DecodeError::Violation(rule) => Disconnection::Violation(rule),
        error => Disconnection::Failed(error.to_string()),
    }
}
