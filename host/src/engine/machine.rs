//! What an engine runs on.

use std::io;

use bytes::BytesMut;

use crate::office::{
    Answer, Assignment, Carried, Change, Connect, Disconnection, Dispatch, GuestId, Incoming,
    Office, Time,
};

/// The clock, the network and the guests of an engine. Nothing here waits.
///
/// There is one connection at a time: [`dial`](Self::dial) begins it, and
/// [`close`](Self::close) or [`reset`](Self::reset) ends it, also while it is
/// still being made. Reads and writes answer
/// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is nothing to read, or
/// no room, at the moment.
pub trait Machine {
    /// The time. Never goes back.
    fn now(&mut self) -> Time;

    /// Begins to make a connection to a broker, which are numbered from 0; what comes
    /// of it goes to [`Engine::handle_dialed`](super::Engine::handle_dialed).
    fn dial(&mut self, broker: usize);

    /// Begins to look whether a broker can be reached, beside the connection to
    /// another. If so, [`Engine::handle_reachable`](super::Engine::handle_reachable)
    /// is told.
    fn look(&mut self, broker: usize) {
        let _ = broker;
    }

    /// Appends what there is to read, as far as the buffer has capacity. 0 bytes
    /// are the end.
    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize>;

    /// Gives bytes to the kernel, which takes so many of them.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// How many bytes the kernel has taken and the peer's has not acknowledged.
    fn unacknowledged(&mut self) -> usize;

    /// Says to the peer that nothing more is written.
    fn shutdown(&mut self);

    /// Lets go of a connection on which all is done.
    fn close(&mut self);

    /// Lets go of the connection and of all that the peer has not acknowledged.
    fn reset(&mut self);

    /// Calls a guest. Returns its answer, unless the call takes longer; then it
    /// goes to [`Engine::handle_answer`](super::Engine::handle_answer).
    fn call(&mut self, assignment: Assignment) -> Option<Answer>;

    /// Begins to keep what has changed, all or nothing, when what was to be kept before
    /// is. When that is done, [`Engine::handle_committed`](super::Engine::handle_committed)
    /// is told, once for each. For a post office that
    /// [is durable](crate::office::Settings::is_durable) alone.
    fn commit(&mut self, changes: Vec<Change>) {
        let _ = changes;
    }

    /// Is told what is about to happen in the post office, and what has come out
    /// of it.
    #[inline]
    fn observe(&mut self, now: Time, office: &mut Office, step: Step<'_>) {
        let _ = (now, office, step);
    }
}

/// One step of a turn. The first ones go into the post office, the last ones
/// have come out of it.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// Time has passed, or the post office is asked what is to be done.
    Time,
    /// Something was read, perhaps not a whole packet.
    Traffic,
    /// The broker has sent a packet.
    Packet(&'a Incoming),
    /// The connection is gone, or could not be made.
    Disconnected(&'a Disconnection),
    /// The kernel has taken the last byte of a packet.
    Written(Carried),
    /// A packet has expired before its first byte was taken, and never will be.
    Recalled(Carried),
    /// A guest has answered.
    Answer(GuestId, &'a Answer),
    /// A packet goes into the batch at hand.
    Packed(&'a Dispatch),
    /// A guest is called.
    Call(&'a Assignment),
    /// A connection is made.
    Connect(&'a Connect),
    /// What has changed is to be kept.
    Commit(&'a [Change]),
    /// It is kept.
    Committed,
}
