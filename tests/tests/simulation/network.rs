//! The line between gateway and broker: bytes that take their time, in both
//! directions, and that a break can part anywhere.

use std::collections::{BTreeMap, VecDeque};

use jackalope::broker::ConnectionId;

use crate::random::Random;
use crate::schedule::CutPlan;

/// When what a silent line was given arrives.
const NEVER: u64 = u64::MAX;

/// What the network brings.
#[derive(Debug)]
pub(crate) enum Arrival {
    ToBroker(ConnectionId, Vec<u8>),
    /// The gateway's end is closed.
    BrokerEnd(ConnectionId),
    ToGateway(ConnectionId, Vec<u8>),
    /// The broker's end is closed.
    GatewayEnd(ConnectionId),
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Pipe {
    /// Pieces with their times of arrival; an empty one is the end.
    pieces: VecDeque<(u64, Vec<u8>)>,
    /// Nothing arrives any more.
    is_dead: bool,
    /// What is put in stays in.
    is_silent: bool,
    /// The end was put in.
    is_ended: bool,
}

#[derive(Debug, Default)]
struct Line {
    up: Pipe,
    down: Pipe,
}

/// All connections, the former ones too.
#[derive(Debug)]
pub(crate) struct Network {
    lines: BTreeMap<ConnectionId, Line>,
    random: Random,
    split: u64,
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) capacity: usize,
}

impl Network {
    pub(crate) fn new(seed: u64, split: u64) -> Self {
        Self {
            lines: BTreeMap::new(),
            random: Random::new(!seed),
            split,
            up: 1,
            down: 1,
            capacity: usize::MAX,
        }
    }

    pub(crate) fn open(&mut self, id: ConnectionId) {
        self.lines.insert(id, Line::default());
    }

    /// Takes bytes of the gateway as a kernel does; how many.
    pub(crate) fn write(&mut self, now: u64, id: ConnectionId, bytes: &[u8]) -> usize {
        let Some(line) = self.lines.get_mut(&id) else {
            return bytes.len();
        };
        let under_way: usize = line.up.pieces.iter().map(|(_, piece)| piece.len()).sum();
        let taken = bytes.len().min(self.capacity.saturating_sub(under_way));
        line.up
            .push(now + self.up, &bytes[..taken], &mut self.random, self.split);
        taken
    }

    /// The gateway closes in good order: what the kernel has still arrives.
    pub(crate) fn close(&mut self, now: u64, id: ConnectionId) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.down = Pipe::dead();
            line.up.end(now + self.up);
        }
        self.sweep();
    }

    /// The gateway lets go: of what is under way, so many percent still arrive.
    pub(crate) fn abort(&mut self, now: u64, id: ConnectionId, percent: u64) {
        if let Some(line) = self.lines.get_mut(&id) {
            let keep = line.up.len() * percent as usize / 100;
            line.up.truncate(keep);
            line.down = Pipe::dead();
            line.up.end(now + self.up);
        }
        self.sweep();
    }

    /// The broker has sent something.
    pub(crate) fn send(&mut self, now: u64, id: ConnectionId, bytes: &[u8]) {
        if let Some(line) = self.lines.get_mut(&id) {
            let at = now + self.down;
            line.down.push(at, bytes, &mut self.random, self.split);
        }
    }

    /// The broker closes: what it has sent before still arrives.
    pub(crate) fn close_by_broker(&mut self, now: u64, id: ConnectionId) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.up = Pipe::dead();
            line.down.end(now + self.down);
        }
        self.sweep();
    }

    /// The line of a connection breaks.
    pub(crate) fn cut(&mut self, now: u64, id: ConnectionId, cut: CutPlan) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.up.cut(now, cut.up, cut.broker_notices);
            line.down.cut(now, cut.down, cut.gateway_notices);
        }
    }

    /// All lines break, and everyone notices.
    pub(crate) fn cut_all(&mut self, now: u64) {
        for pipe in self
            .lines
            .values_mut()
            .flat_map(|line| [&mut line.up, &mut line.down])
            .filter(|pipe| !pipe.is_dead)
        {
            *pipe = Pipe::default();
            pipe.end(now);
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let is_quiet = |pipe: &Pipe| pipe.next(true).is_none();
        self.lines
            .values()
            .all(|line| is_quiet(&line.up) && is_quiet(&line.down))
    }

    /// When something arrives next, as far as the broker reads.
    pub(crate) fn next_arrival(&self, broker_reads: bool) -> Option<u64> {
        self.lines
            .values()
            .flat_map(|line| [line.up.next(broker_reads), line.down.next(true)])
            .flatten()
            .min()
    }

    /// Something that has arrived by now.
    pub(crate) fn poll(&mut self, now: u64, broker_reads: bool) -> Option<Arrival> {
        for (&id, line) in &mut self.lines {
            if line.up.next(broker_reads).is_some_and(|at| at <= now) {
                let (_, piece) = line.up.pieces.pop_front()?;
                return Some(if piece.is_empty() {
                    line.up.is_dead = true;
                    Arrival::BrokerEnd(id)
                } else {
                    Arrival::ToBroker(id, piece)
                });
            }
            if line.down.next(true).is_some_and(|at| at <= now) {
                let (_, piece) = line.down.pieces.pop_front()?;
                return Some(if piece.is_empty() {
                    line.down.is_dead = true;
                    Arrival::GatewayEnd(id)
                } else {
                    Arrival::ToGateway(id, piece)
                });
            }
        }
        None
    }

    /// Forgets connections on which nothing can happen.
    fn sweep(&mut self) {
        self.lines
            .retain(|_, line| !(line.up.is_dead && line.down.is_dead));
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
        self.pieces.iter().map(|(_, piece)| piece.len()).sum()
    }

    fn next(&self, reads: bool) -> Option<u64> {
        let (at, piece) = self.pieces.front()?;
        (!self.is_dead && *at != NEVER && (reads || piece.is_empty())).then_some(*at)
    }

    fn push(&mut self, at: u64, bytes: &[u8], random: &mut Random, split: u64) {
        if self.is_ended || bytes.is_empty() {
            return;
        }
        if self.is_silent {
            self.pieces.push_back((NEVER, bytes.to_vec()));
            return;
        }
        let mut rest = bytes;
        let mut at = self
            .pieces
            .back()
            .map_or(at, |(earlier, _)| at.max(*earlier));
        while split > 0 && rest.len() > 1 && random.one_in(2) {
            let (piece, tail) = rest.split_at(1 + random.below(rest.len() as u64 - 1) as usize);
            self.pieces.push_back((at, piece.to_vec()));
            at += random.below(split + 1);
            rest = tail;
        }
        self.pieces.push_back((at, rest.to_vec()));
    }

    fn end(&mut self, at: u64) {
        if !self.is_silent && !std::mem::replace(&mut self.is_ended, true) {
            let at = self
                .pieces
                .back()
                .map_or(at, |(earlier, _)| at.max(*earlier));
            self.pieces.push_back((at, Vec::new()));
        }
    }

    /// Keeps the first so many bytes.
    fn truncate(&mut self, mut keep: usize) {
        self.pieces.retain_mut(|(_, piece)| {
            piece.truncate(keep);
            keep -= piece.len();
            !piece.is_empty()
        });
        self.is_ended = false;
    }

    fn cut(&mut self, now: u64, arrive: u64, is_noticed: bool) {
        if self.is_dead || self.is_silent {
            return;
        }
        let len = self.len() as u64;
        self.truncate((arrive % (len + 1)) as usize);
        for (at, _) in &mut self.pieces {
            *at = now;
        }
        if is_noticed {
            self.end(now);
        } else {
            self.is_silent = true;
        }
    }
}
