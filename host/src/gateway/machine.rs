//! The machine that the gateway runs on: its clock, its network and its guests.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;

use super::ConnectionOptions;
use super::dial::Dialer;
use super::guests::Guests;
use super::keeper::Keeper;
use super::log::Log;
use super::probe::Probe;
use super::server::Server;
use super::socket::Socket;
use crate::clock;
use crate::engine::{Machine, Step};
use crate::login::HeaderSource;
use crate::office::{Answer, Assignment, Change, Office, Time};

/// The machine that the gateway runs on.
#[derive(Debug)]
pub(super) struct RealMachine {
    /// Of the connections to come.
    pub(super) connection: ConnectionOptions,
    pub(super) socket: Socket,
    pub(super) probe: Probe,
    pub(super) guests: Guests,
    pub(super) log: Log,
    /// None: nothing outlives the gateway.
    pub(super) keeper: Option<Keeper>,
}

impl RealMachine {
    fn way_to(&self, broker: usize) -> (Arc<Dialer>, Server, Arc<[HeaderSource]>) {
        let ConnectionOptions {
            dialer,
            servers,
            headers,
            ..
        } = &self.connection;
        (dialer.clone(), servers[broker].clone(), headers.clone())
    }
}

impl Machine for RealMachine {
    fn now(&mut self) -> Time {
        clock::now()
    }

    fn dial(&mut self, broker: usize) {
        let (dialer, server, headers) = self.way_to(broker);
        if self.connection.servers.len() > 1 {
            self.log.set_server(server.to_string());
        }
        let login = self.connection.login.clone();
        self.socket = Socket::dial(dialer, server, headers, login);
    }

    fn look(&mut self, broker: usize) {
        let (dialer, server, headers) = self.way_to(broker);
        self.probe.begin(dialer, server, headers);
    }

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.socket.tcp()?.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.tcp()?.write(bytes)
    }

    fn unacknowledged(&mut self) -> usize {
        // Where it cannot be told, the connection is gone, and reading will tell.
        let count = self.socket.tcp().and_then(|tcp| tcp.unacknowledged());
        count.unwrap_or(usize::MAX)
    }

    fn shutdown(&mut self) {
        // What fails here fails because there is no connection any more.
        let _ = self.socket.tcp().and_then(|tcp| tcp.shutdown());
    }

    fn close(&mut self) {
        self.socket = Socket::None;
    }

    fn reset(&mut self) {
        if let Socket::Open(tcp) = std::mem::replace(&mut self.socket, Socket::None) {
            tcp.reset();
        }
    }

    fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        self.guests.call(assignment)
    }

    fn commit(&mut self, changes: Vec<Change>) {
        if let Some(keeper) = &mut self.keeper {
            keeper.commit(clock::now(), changes);
        }
    }

    fn observe(&mut self, now: Time, office: &mut Office, step: Step<'_>) {
        match step {
            Step::Call(assignment) => self.log.handle_call(now, office, assignment),
            Step::Answer(guest, answer) => self.log.handle_answer(guest, answer),
            // What there is to say is about the server before.
            Step::Connect(_) => self.log.drain(now, office),
            _ => {}
        }
    }
}
