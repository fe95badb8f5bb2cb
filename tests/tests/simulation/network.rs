//! The network between gateway and broker: bytes that take their time, in both
//! directions, and that a break can part anywhere.
//!
//! The gateway's kernel is part of it: it takes more than the link carries, goes
//! on sending what it has taken, counts what the broker's has not acknowledged,
//! throws it away at a reset, and sleeps when the machine does.

use std::collections::{BTreeMap, VecDeque};

use jackalope::broker::ConnectionId;

use crate::schedule::CutPlan;
use jackalope_tests::Random;

/// When what a silent link was given arrives.
const NEVER: u64 = u64::MAX;

/// How many bytes a slow link carries at once.
const SEGMENT: usize = 64;

/// What the network brings.
#[derive(Debug)]
pub(crate) enum Arrival {
    ToBroker(ConnectionId, Piece),
    /// The gateway's end is closed.
    BrokerEnd(ConnectionId),
    ToGateway(ConnectionId, Vec<u8>),
    /// The broker's end is closed.
    GatewayEnd(ConnectionId),
}

/// Bytes that arrive together. None at all are the end.
#[derive(Debug)]
pub(crate) struct Piece {
    /// When the kernel begins to send it: until then a reset throws it away.
    start: u64,
    /// When it arrives.
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    /// Whether it was on the link already when the connection was reset, or when the
    /// machine fell asleep, and nobody could take it back.
    pub(crate) is_out_of_reach: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Pipe {
    pieces: VecDeque<Piece>,
    /// When the link is done with what it was given.
    free_at: u64,
    /// How many bytes a break has taken, which nobody acknowledges.
    lost: usize,
    /// Nothing arrives any more.
    is_dead: bool,
    /// What is put in stays in.
    is_silent: bool,
    /// The end was put in.
    is_ended: bool,
}

#[derive(Debug, Default)]
struct Connection {
    up: Pipe,
    down: Pipe,
}

/// All connections, former ones included.
#[derive(Debug)]
pub(crate) struct Network {
    connections: BTreeMap<ConnectionId, Connection>,
    random: Random,
    split: u64,
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// How many bytes the gateway's kernel takes that were not acknowledged.
    pub(crate) capacity: usize,
    /// How many bytes a second the link carries up.
    pub(crate) pace: Option<u64>,
    /// Whether nothing is carried for the time being.
    pub(crate) is_frozen: bool,
}

impl Network {
    pub(crate) fn new(seed: u64, split: u64) -> Self {
        Self {
            connections: BTreeMap::new(),
            random: Random::new(!seed),
            split,
            up: 1,
            down: 1,
            capacity: usize::MAX,
            pace: None,
            is_frozen: false,
        }
    }

    pub(crate) fn open(&mut self, id: ConnectionId) {
        self.connections.insert(id, Connection::default());
    }

    /// Takes bytes of the gateway as a kernel does; how many.
    pub(crate) fn write(&mut self, now: u64, id: ConnectionId, bytes: &[u8]) -> usize {
        let room = self.capacity.saturating_sub(self.unacknowledged(id));
        let Some(connection) = self.connections.get_mut(&id) else {
            return bytes.len();
        };
        let taken = bytes.len().min(room);
        let (up, random, split) = (&mut connection.up, &mut self.random, self.split);
        let Some(pace) = self.pace else {
            up.push(now, now + self.up, &bytes[..taken], random, split);
            return taken;
        };
        for segment in bytes[..taken].chunks(SEGMENT) {
            let start = now.max(up.free_at);
            up.free_at = start + (segment.len() as u64 * 1_000).div_ceil(pace);
            up.push(start, up.free_at + self.up, segment, random, split);
        }
        taken
    }

    /// How many bytes of the gateway have not arrived.
    pub(crate) fn unacknowledged(&self, id: ConnectionId) -> usize {
        let up = self.connections.get(&id).map(|connection| &connection.up);
        up.map_or(0, |up| up.len() + up.lost)
    }

    /// The gateway's machine sleeps for so long: its kernel sends nothing.
    pub(crate) fn sleep(&mut self, from: u64, millis: u64) {
        for connection in self.connections.values_mut() {
            let up = &mut connection.up;
            up.free_at += millis;
            for piece in up.pieces.iter_mut().filter(|piece| piece.at != NEVER) {
                if piece.start > from {
                    piece.start += millis;
                    piece.at += millis;
                } else if !self.is_frozen {
                    // It is on the link, and arrives while the machine sleeps.
                    piece.is_out_of_reach = true;
                }
            }
        }
    }

    /// The link carries again what it was given.
    pub(crate) fn thaw(&mut self, now: u64) {
        if std::mem::replace(&mut self.is_frozen, false) {
            let pieces = self.connections.values_mut().flat_map(|connection| {
                let Connection { up, down } = connection;
                up.pieces.iter_mut().chain(&mut down.pieces)
            });
            for piece in pieces {
                piece.at = piece.at.max(now);
            }
        }
    }

    /// The gateway writes no more.
    pub(crate) fn end(&mut self, now: u64, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.up.end(now + self.up);
        }
    }

    /// The gateway closes in good order: what the kernel has still arrives.
    pub(crate) fn close(&mut self, now: u64, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.down = Pipe::dead();
            connection.up.end(now + self.up);
        }
        self.sweep();
    }

    /// The gateway lets go: of what is under way, so many percent still arrive.
    pub(crate) fn abort(&mut self, now: u64, id: ConnectionId, percent: u64) {
        if let Some(connection) = self.connections.get_mut(&id) {
            // A link that carries nothing has nothing on it.
            let is_frozen = self.is_frozen;
            let up = &mut connection.up;
            up.pieces
                .retain(|piece| piece.start <= now && !is_frozen && piece.at != NEVER);
            let keep = up.len() * percent as usize / 100;
            up.truncate(keep);
            for piece in &mut up.pieces {
                piece.is_out_of_reach = true;
            }
            connection.down = Pipe::dead();
            connection.up.end(now + self.up);
        }
        self.sweep();
    }

    /// The broker has sent something.
    pub(crate) fn send(&mut self, now: u64, id: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let at = now + self.down;
            let (random, split) = (&mut self.random, self.split);
            connection.down.push(now, at, bytes, random, split);
        }
    }

    /// The broker closes: what it has sent before still arrives.
    pub(crate) fn close_by_broker(&mut self, now: u64, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.up = Pipe::dead();
            connection.down.end(now + self.down);
        }
        self.sweep();
    }

    /// The link of a connection breaks.
    pub(crate) fn cut(&mut self, now: u64, id: ConnectionId, cut: CutPlan) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.up.cut(now, cut.up, cut.broker_notices);
            connection.down.cut(now, cut.down, cut.gateway_notices);
        }
    }

    /// All links break, and everyone notices.
    pub(crate) fn cut_all(&mut self, now: u64) {
        for pipe in self
            .connections
            .values_mut()
            .flat_map(|connection| [&mut connection.up, &mut connection.down])
            .filter(|pipe| !pipe.is_dead)
        {
            *pipe = Pipe {
                lost: pipe.len() + pipe.lost,
                ..Pipe::default()
            };
            pipe.end(now);
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let is_quiet = |pipe: &Pipe| pipe.next(true).is_none();
        self.connections
            .values()
            .all(|connection| is_quiet(&connection.up) && is_quiet(&connection.down))
    }

    /// When something arrives next, as far as the broker reads.
    pub(crate) fn next_arrival(&self, broker_reads: bool) -> Option<u64> {
        self.connections
            .values()
            .filter(|_| !self.is_frozen)
            .flat_map(|connection| [connection.up.next(broker_reads), connection.down.next(true)])
            .flatten()
            .min()
    }

    /// Something that has arrived by now.
    pub(crate) fn poll(&mut self, now: u64, broker_reads: bool) -> Option<Arrival> {
        if self.is_frozen {
            return None;
        }
        for (&id, connection) in &mut self.connections {
            let Connection { up, down } = connection;
            if up.next(broker_reads).is_some_and(|at| at <= now) {
                let piece = up.pieces.pop_front()?;
                up.is_dead |= piece.bytes.is_empty();
                return Some(match piece.bytes.is_empty() {
                    true => Arrival::BrokerEnd(id),
                    false => Arrival::ToBroker(id, piece),
                });
            }
            if down.next(true).is_some_and(|at| at <= now) {
                let piece = down.pieces.pop_front()?;
                down.is_dead |= piece.bytes.is_empty();
                return Some(match piece.bytes.is_empty() {
                    true => Arrival::GatewayEnd(id),
                    false => Arrival::ToGateway(id, piece.bytes),
                });
            }
        }
        None
    }

    /// Forgets connections on which nothing can happen.
    fn sweep(&mut self) {
        self.connections
            .retain(|_, connection| !(connection.up.is_dead && connection.down.is_dead));
    }
}

impl Pipe {
    fn dead() -> Self {
        Self {
            is_dead: true,
            ..Self::default()
        }
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    fn next(&self, reads: bool) -> Option<u64> {
        let piece = self.pieces.front()?;
        let is_read = reads || piece.bytes.is_empty();
        (!self.is_dead && piece.at != NEVER && is_read).then_some(piece.at)
    }

    /// Puts a piece behind all others. It arrives no earlier than they do.
    fn push_piece(&mut self, start: u64, at: u64, bytes: Vec<u8>) {
        let at = self.pieces.back().map_or(at, |last| at.max(last.at));
        self.pieces.push_back(Piece {
            start,
            at,
            bytes,
            is_out_of_reach: false,
        });
    }

    fn push(&mut self, start: u64, at: u64, bytes: &[u8], random: &mut Random, split: u64) {
        if self.is_ended {
            self.lost += bytes.len();
            return;
        }
        if self.is_silent {
            return self.push_piece(start, NEVER, bytes.to_vec());
        }
        let (mut rest, mut at) = (bytes, at);
        while split > 0 && rest.len() > 1 && random.one_in(2) {
            let (piece, tail) = rest.split_at(1 + random.below(rest.len() as u64 - 1) as usize);
            self.push_piece(start, at, piece.to_vec());
            at += random.below(split + 1);
            rest = tail;
        }
        self.push_piece(start, at, rest.to_vec());
    }

    fn end(&mut self, at: u64) {
        if !self.is_silent && !std::mem::replace(&mut self.is_ended, true) {
            self.push_piece(0, at, Vec::new());
        }
    }

    /// Keeps the first so many bytes.
    fn truncate(&mut self, mut keep: usize) {
        self.pieces.retain_mut(|piece| {
            piece.bytes.truncate(keep);
            keep -= piece.bytes.len();
            !piece.bytes.is_empty()
        });
        self.is_ended = false;
    }

    fn cut(&mut self, now: u64, arrive: u64, is_noticed: bool) {
        if self.is_dead || self.is_silent {
            return;
        }
        let len = self.len();
        self.truncate((arrive % (len as u64 + 1)) as usize);
        self.lost += len - self.len();
        for piece in &mut self.pieces {
            piece.at = now;
        }
        if is_noticed {
            self.end(now);
        } else {
            self.is_silent = true;
        }
    }
}
