//! What goes out on one connection, from being encoded to being acknowledged by
//! the peer's kernel.
//!
//! Bytes pass three places, and a letter in them can expire at each:
//!
//! ```text
//! encoded                   taken by our kernel         acknowledged by the peer's
//!    |  packets, not begun  |  begun, on their way      |
//! ```
//!
//! - A packet of which no byte was taken is *recalled* when it expires: it costs
//!   nobody anything.
//! - A packet that was begun cannot be recalled. When the peer's kernel has not
//!   acknowledged it [`GRACE`] after it expired, the connection is
//!   [overdue](Output::check), and is to end by a reset, which throws away what
//!   the kernel still has.
//! - What the peer's kernel has acknowledged is out of reach.
//!
//! So that the second case stays rare on a network that is slow but alive, the
//! pace at which the peer acknowledges is measured, and [`Output::outlook`] says
//! when a packet would arrive that is begun now. No more is on its way than the
//! network carries within a second, or while nothing is known of it, than it has
//! shown to carry: what its kernel would take beyond that could only come late, and
//! it would stand before whatever has less time.
//!
//! A layer below, such as TLS, turns packets into other bytes when they are
//! begun: what it has made of a packet counts as taken from the packet.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::pace::Pace;
use crate::office::{Carried, Outlook, Time};

/// How long after its expiry a packet that was begun in time may be on its way.
pub const GRACE: Duration = Duration::from_secs(2);

/// How many bytes are encoded before they are written, while the network takes
/// all of them at once: enough for the system call not to matter.
pub(super) const BATCH: usize = 64 << 10;

/// The same once it does not.
pub(super) const SLOW_BATCH: usize = 16 << 10;

/// Why a connection is of no more use, although nobody has ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Bytes of a letter that has expired may still be on their way.
    Overdue,
    /// Nothing was taken or acknowledged for too long.
    Silent,
}

/// Packets that the kernel has not wholly taken.
#[derive(Debug)]
struct Packet {
    /// How many bytes of it are left.
    rest: usize,
    is_begun: bool,
    expires: Option<Time>,
    carried: Carried,
}

/// Bytes that the kernel has taken, up to a place in the stream.
#[derive(Debug, PartialEq, Eq)]
struct OnTheirWay {
    end: u64,
    expires: Time,
}

/// The sending half of a connection.
#[derive(Debug)]
pub struct Output {
    bytes: BytesMut,
    packets: VecDeque<Packet>,
    /// No packet that is not begun expires before.
    earliest: Option<Time>,
    /// How many bytes the kernel has ever taken, and how many of them the peer
    /// has acknowledged.
    taken: u64,
    acknowledged: u64,
    /// What expires of the bytes on their way. Of two packets the later one
    /// counts when it expires first, as it arrives last: so both `end` and
    /// `expires` grow from front to back.
    on_their_way: VecDeque<OnTheirWay>,
    /// When a byte was last taken or acknowledged, or the first one came.
    progress: Time,
    longest_silence: Duration,
    batch: usize,
    /// Whether the kernel did not take all that it was given last.
    is_blocked: bool,
    pace: Pace,
    /// What the kernel has wholly taken, and what it will never be given, that
    /// nobody has asked for yet.
    written: VecDeque<Carried>,
    recalled: VecDeque<Carried>,
}

impl Output {
    /// Nothing goes out yet. A network that neither takes nor acknowledges
    /// anything for `longest_silence` is given up.
    pub fn new(now: Time, longest_silence: Duration, pace: Pace) -> Self {
        Self {
            bytes: BytesMut::new(),
            packets: VecDeque::new(),
            earliest: None,
            taken: 0,
            acknowledged: 0,
            on_their_way: VecDeque::new(),
            progress: now,
            longest_silence,
            batch: SLOW_BATCH,
            is_blocked: false,
            pace,
            written: VecDeque::new(),
            recalled: VecDeque::new(),
        }
    }

    /// What is to be written next. Nothing in it has expired if
    /// [`poll_recalled`](Self::poll_recalled) was asked at this moment.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether all was taken and acknowledged.
    pub fn is_done(&self) -> bool {
        self.bytes.is_empty() && !self.is_awaiting()
    }

    /// Whether bytes were taken that are not known to be acknowledged.
    pub fn is_awaiting(&self) -> bool {
        self.acknowledged < self.taken
    }

    /// Whether a packet can be added: the network took the last batch, the one at
    /// hand is not full, and neither is the network.
    pub fn has_room(&self) -> bool {
        !self.is_blocked && self.bytes.len() < self.batch && !self.is_full()
    }

    /// Whether as much is on its way as the network should have. Nobody tells when
    /// this changes: it is to be [looked at](Self::next_look).
    pub fn is_full(&self) -> bool {
        self.ahead() >= self.pace.limit()
    }

    /// When to ask again what the peer has acknowledged, after `looked`, if
    /// something waits for that.
    pub fn next_look(&self, looked: Time) -> Time {
        self.pace.next_look(looked)
    }

    fn ahead(&self) -> u64 {
        self.taken - self.acknowledged + self.bytes.len() as u64
    }

    /// Whether the kernel has not taken all that it was given last. It is to be
    /// given the rest when the socket is writable.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// When a packet would arrive that is begun after all that is here.
    pub fn outlook(&self) -> Outlook {
        self.pace.outlook(self.ahead())
    }

    /// What was learnt of the network, for the next connection.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// When [`check`](Self::check) can first fail, and what has expired is first
    /// to be recalled.
    pub fn next_timeout(&self) -> Option<Time> {
        let overdue = self.on_their_way.front().map(|bytes| bytes.expires + GRACE);
        let is_waiting = self.is_awaiting() || !self.bytes.is_empty();
        let silent = is_waiting.then(|| self.progress + self.longest_silence);
        [overdue, silent, self.earliest].into_iter().flatten().min()
    }

    /// Whether the connection can go on. What the peer has acknowledged must
    /// have been [told](Self::handle_unacknowledged) at this moment.
    pub fn check(&self, now: Time) -> Result<(), Stuck> {
        let bytes = self.on_their_way.front();
        if bytes.is_some_and(|bytes| bytes.expires + GRACE <= now) {
            return Err(Stuck::Overdue);
        }
        let is_waiting = self.is_awaiting() || !self.bytes.is_empty();
        if is_waiting && self.progress + self.longest_silence <= now {
            return Err(Stuck::Silent);
        }
        Ok(())
    }

    /// Adds a packet that `encode` appends.
    pub fn push<E>(
        &mut self,
        now: Time,
        expires: Option<Time>,
        carried: Carried,
        encode: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.bytes.len();
        encode(&mut self.bytes)?;
        let rest = self.bytes.len() - before;
        if before == 0 && !self.is_awaiting() {
            self.progress = now;
        }
        if let Some(expires) = expires {
            self.earliest = Some(
                self.earliest
                    .map_or(expires, |earliest| earliest.min(expires)),
            );
        }
        match self.packets.back_mut() {
            // What never expires needs no place of its own.
            Some(last) if expires.is_none() && last.is_plain() && carried == Carried::Nothing => {
                last.rest += rest;
            }
            _ => self.packets.push_back(Packet {
                rest,
                is_begun: false,
                expires,
                carried,
            }),
        }
        Ok(())
    }

    /// Takes out a packet that has expired before it was begun. To be asked
    /// until there is none.
    pub fn poll_recalled(&mut self, now: Time) -> Option<Carried> {
        if self.earliest.is_some_and(|earliest| earliest <= now) {
            self.recall(now);
        }
        self.recalled.pop_front()
    }

    fn recall(&mut self, now: Time) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let (packets, recalled) = (&mut self.packets, &mut self.recalled);
        packets.retain(|packet| {
            let part = bytes.split_to(packet.rest);
            if packet.has_expired(now) {
                recalled.push_back(packet.carried);
                return false;
            }
            self.bytes.extend_from_slice(&part);
            true
        });
        let waiting = packets.iter().filter(|packet| !packet.is_begun);
        self.earliest = waiting.filter_map(|packet| packet.expires).min();
        self.is_blocked &= !self.bytes.is_empty();
    }

    /// Takes out everything that is not begun: the connection is to end.
    pub fn clear(&mut self) {
        let begun = self.packets.front().filter(|packet| packet.is_begun);
        let (packets, bytes) = begun.map_or((0, 0), |packet| (1, packet.rest));
        self.packets.truncate(packets);
        self.bytes.truncate(bytes);
        self.earliest = None;
    }

    /// The kernel has taken so many of the [bytes](Self::bytes).
    pub fn handle_taken(&mut self, now: Time, count: usize) {
        self.is_blocked = count < self.bytes.len();
        self.batch = if self.is_blocked { SLOW_BATCH } else { BATCH };
        if count == 0 {
            return;
        }
        self.pace.handle_taken(now, self.is_awaiting());
        self.progress = now;
        self.bytes.advance(count);
        let mut left = count;
        while left > 0
            && let Some(packet) = self.packets.front_mut()
        {
            if !std::mem::replace(&mut packet.is_begun, true)
                && let Some(expires) = packet.expires
            {
                let end = self.taken + packet.rest as u64;
                while self
                    .on_their_way
                    .back()
                    .is_some_and(|last| expires <= last.expires)
                {
                    self.on_their_way.pop_back();
                }
                self.on_their_way.push_back(OnTheirWay { end, expires });
            }
            let part = left.min(packet.rest);
            packet.rest -= part;
            left -= part;
            self.taken += part as u64;
            if packet.rest == 0
                && let Some(packet) = self.packets.pop_front()
                && packet.carried.is_told_when_written()
            {
                self.written.push_back(packet.carried);
            }
        }
        if self.packets.is_empty() {
            self.earliest = None;
        }
    }

    /// The kernel takes nothing at the moment.
    pub fn handle_blocked(&mut self) {
        self.is_blocked = true;
        self.batch = SLOW_BATCH;
    }

    /// What the kernel has wholly taken since the last time.
    pub fn poll_written(&mut self) -> Option<Carried> {
        self.written.pop_front()
    }

    /// Of all that the kernel has taken, the peer's has not acknowledged so many
    /// bytes.
    pub fn handle_unacknowledged(&mut self, now: Time, count: usize) {
        let is_limited = self.is_blocked || self.is_full();
        let acknowledged = self
            .taken
            .saturating_sub(count as u64)
            .max(self.acknowledged);
        let news = acknowledged - self.acknowledged;
        self.acknowledged = acknowledged;
        if news > 0 {
            self.progress = now;
        }
        self.pace
            .handle_acknowledged(now, news, self.taken - acknowledged, is_limited);
        while self
            .on_their_way
            .front()
            .is_some_and(|bytes| bytes.end <= acknowledged)
        {
            self.on_their_way.pop_front();
        }
    }
}

impl Packet {
    /// Whether nothing has to be known of it but its length.
    fn is_plain(&self) -> bool {
        self.expires.is_none() && self.carried == Carried::Nothing
    }

    fn has_expired(&self, now: Time) -> bool {
        !self.is_begun && self.expires.is_some_and(|expires| expires <= now)
    }
}
