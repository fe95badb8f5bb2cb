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
//! TLS turns packets into records when the kernel has taken those before, one at a
//! time while the network is slow: a packet is begun when a byte of it is in a record,
//! and all that is counted from then on are the bytes of records.

mod sealed;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::pace::Pace;
use super::v5::Binding;
use crate::office::{Carried, Outlook, Time};
use sealed::Sealed;

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

/// Packets that the kernel, or TLS, has not wholly taken.
#[derive(Debug)]
struct Packet {
    /// How many bytes of it are left.
    rest: usize,
    is_begun: bool,
    expires: Option<Time>,
    carried: Carried,
    /// The alias that it gives a meaning to.
    binding: Option<Binding>,
    /// Its place among all that carry something; 0 for any other.
    number: u64,
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
    /// The packets, as far as neither the kernel nor TLS has taken them.
    bytes: BytesMut,
    packets: VecDeque<Packet>,
    /// How many packets that carry something were ever added, and the place of the
    /// last that was begun among them.
    added: u64,
    last_begun: u64,
    /// No packet that is not begun expires before.
    earliest: Option<Time>,
    /// With TLS, its records.
    sealed: Option<Sealed>,
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
    begun: VecDeque<Binding>,
}

impl Output {
    /// Nothing goes out yet. A network that neither takes nor acknowledges
    /// anything for `longest_silence` is given up.
    pub fn new(now: Time, longest_silence: Duration, pace: Pace) -> Self {
        Self {
            bytes: BytesMut::new(),
            packets: VecDeque::new(),
            added: 0,
            last_begun: 0,
            earliest: None,
            sealed: None,
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
            begun: VecDeque::new(),
        }
    }

    /// What is to be written next. Nothing in it has expired if
    /// [`poll_recalled`](Self::poll_recalled) was asked at this moment.
    pub fn bytes(&self) -> &[u8] {
        match &self.sealed {
            None => &self.bytes,
            Some(sealed) => &sealed.bytes,
        }
    }

    /// How many bytes the kernel has not taken.
    pub fn unwritten(&self) -> usize {
        let sealed = self.sealed.as_ref();
        self.bytes.len() + sealed.map_or(0, |sealed| sealed.bytes.len())
    }

    /// Whether all was taken and acknowledged.
    pub fn is_done(&self) -> bool {
        self.unwritten() == 0 && !self.is_awaiting()
    }

    /// Whether bytes were taken that are not known to be acknowledged.
    pub fn is_awaiting(&self) -> bool {
        self.acknowledged < self.taken
    }

    /// Whether a packet can be added: the network took the last batch, the one at
    /// hand is not full, and neither is the network.
    pub fn has_room(&self) -> bool {
        !self.is_blocked && self.unwritten() < self.batch && !self.is_full()
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
        self.taken - self.acknowledged + self.unwritten() as u64
    }

    /// Whether the kernel has not taken all that it was given last. It is to be
    /// given the rest when the socket is writable.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// What is to be expected of a packet that is begun after all that is here.
    pub fn outlook(&self, now: Time) -> Outlook {
        self.pace.outlook(now, self.ahead())
    }

    /// What was learnt of the network, for the next connection.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// When [`check`](Self::check) can first fail, and what has expired is first
    /// to be recalled.
    pub fn next_timeout(&self) -> Option<Time> {
        let overdue = self.on_their_way.front().map(|bytes| bytes.expires + GRACE);
        let is_waiting = !self.is_done();
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
        let is_waiting = !self.is_done();
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
        let (before, is_done) = (self.bytes.len(), self.is_done());
        encode(&mut self.bytes)?;
        let rest = self.bytes.len() - before;
        if is_done {
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
            _ => {
                let carries = u64::from(carried != Carried::Nothing);
                self.added += carries;
                self.packets.push_back(Packet {
                    rest,
                    is_begun: false,
                    expires,
                    carried,
                    binding: None,
                    number: self.added * carries,
                });
            }
        }
        Ok(())
    }

    /// The letter that was added last gives an alias its meaning.
    pub(super) fn set_binding(&mut self, binding: Binding) {
        if let Some(last) = self.packets.back_mut() {
            last.binding = Some(binding);
        }
    }

    /// An alias that has its meaning from now on: the packet that says so was begun.
    pub(super) fn poll_begun(&mut self) -> Option<Binding> {
        self.begun.pop_front()
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
        let mut recalled = std::mem::take(&mut self.recalled);
        self.retain(|packet| {
            let has_expired = packet.has_expired(now);
            if has_expired {
                recalled.push_back(packet.carried);
            }
            !has_expired
        });
        self.recalled = recalled;
        let waiting = self.packets.iter().filter(|packet| !packet.is_begun);
        self.earliest = waiting.filter_map(|packet| packet.expires).min();
        self.is_blocked &= self.unwritten() > 0;
    }

    /// Takes out every letter that is not begun: the connection is to end.
    pub fn clear(&mut self) {
        self.retain(|packet| packet.is_begun || packet.is_plain());
        self.earliest = None;
    }

    fn retain(&mut self, mut keep: impl FnMut(&Packet) -> bool) {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.packets.retain(|packet| {
            let part = bytes.split_to(packet.rest);
            let is_kept = keep(packet);
            if is_kept {
                self.bytes.extend_from_slice(&part);
            }
            is_kept
        });
    }

    /// The kernel has taken so many of the [bytes](Self::bytes).
    pub fn handle_taken(&mut self, now: Time, count: usize) {
        self.is_blocked = count < self.bytes().len();
        self.batch = if self.is_blocked { SLOW_BATCH } else { BATCH };
        if count == 0 {
            return;
        }
        self.pace.handle_taken(now);
        self.progress = now;
        if let Some(sealed) = &mut self.sealed {
            self.taken += count as u64;
            return sealed.handle_taken(count, self.taken, &mut self.written);
        }
        self.bytes.advance(count);
        let mut left = count;
        while left > 0
            && let Some(packet) = self.packets.front_mut()
        {
            if !std::mem::replace(&mut packet.is_begun, true) {
                self.begun.extend(packet.binding);
                self.last_begun = self.last_begun.max(packet.number);
                if let Some(expires) = packet.expires {
                    let end = self.taken + packet.rest as u64;
                    OnTheirWay { end, expires }.push_to(&mut self.on_their_way);
                }
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

    /// Of all packets that carry something, the place of the last that was begun;
    /// those before it were begun, too, or recalled.
    pub fn last_begun(&self) -> u64 {
        self.last_begun
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

impl OnTheirWay {
    fn push_to(self, others: &mut VecDeque<Self>) {
        while others
            .back()
            .is_some_and(|last| self.expires <= last.expires)
        {
            others.pop_back();
        }
        others.push_back(self);
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

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;
    use crate::office::Ticket;

    const SILENCE: Duration = Duration::from_secs(60);

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn output() -> Output {
        Output::new(at(0), SILENCE, Pace::default())
    }

    fn push(output: &mut Output, now: Time, number: u64, len: usize, expires: Option<Time>) {
        let carried = match expires {
            Some(_) => Carried::Letter(Ticket(number)),
            None => Carried::Nothing,
        };
        let encode = |bytes: &mut BytesMut| {
            bytes.put_bytes(number as u8, len);
            Ok::<_, ()>(())
        };
        assert_eq!(output.push(now, expires, carried, encode), Ok(()));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Push {
            len: usize,
            ttl: Option<u64>,
        },
        /// The kernel takes so many percent of what it is given.
        Take(usize),
        /// The peer acknowledges so many percent of what it has not.
        Acknowledge(usize),
        Pass(u64),
        Clear,
    }

    fn act() -> impl Strategy<Value = Act> {
        let ttl = prop_oneof![Just(None), (1..5_000_u64).prop_map(Some)];
        prop_oneof![
            4 => (1..50_usize, ttl).prop_map(|(len, ttl)| Act::Push { len, ttl }),
            3 => (0..=100_usize).prop_map(Act::Take),
            2 => (0..=100_usize).prop_map(Act::Acknowledge),
            2 => (0..3_000_u64).prop_map(Act::Pass),
            1 => Just(Act::Clear),
        ]
    }

    /// A packet, the naive way: where it lies in the stream, if it does.
    #[derive(Debug)]
    struct Naive {
        number: u64,
        len: usize,
        taken: usize,
        end: usize,
        expires: Option<Time>,
    }

    proptest! {
        #[test]
        fn letters_are_found_again_in_the_bytes(acts in prop::collection::vec(act(), 0..80)) {
            let (mut output, mut now) = (output(), at(0));
            let mut packets: Vec<Naive> = Vec::new();
            let (mut taken, mut acknowledged) = (0, 0);
            for (number, act) in (0..).zip(acts) {
                let (mut recalled, mut written) = (Vec::new(), Vec::new());
                match act {
                    Act::Push { len, ttl } => {
                        let expires = ttl.map(|ttl| now + Duration::from_millis(ttl));
                        push(&mut output, now, number, len, expires);
                        packets.push(Naive { number, len, taken: 0, end: usize::MAX, expires });
                    }
                    Act::Take(percent) => {
                        let mut count = output.bytes().len() * percent / 100;
                        output.handle_taken(now, count);
                        for packet in packets.iter_mut().filter(|packet| packet.taken < packet.len) {
                            if count == 0 {
                                break;
                            }
                            if packet.taken == 0 {
                                packet.end = taken + packet.len;
                            }
                            let part = count.min(packet.len - packet.taken);
                            packet.taken += part;
                            (count, taken) = (count - part, taken + part);
                            if packet.taken == packet.len && packet.expires.is_some() {
                                written.push(packet.number);
                            }
                        }
                    }
                    Act::Acknowledge(percent) => {
                        acknowledged += (taken - acknowledged) * percent / 100;
                        output.handle_unacknowledged(now, taken - acknowledged);
                    }
                    Act::Pass(millis) => now = now + Duration::from_millis(millis),
                    Act::Clear => {
                        output.clear();
                        packets.retain(|packet| packet.taken > 0 || packet.expires.is_none());
                    }
                }
                packets.retain(|packet| {
                    let is_over = packet.taken == 0 && packet.expires.is_some_and(|at| at <= now);
                    if is_over {
                        recalled.push(packet.number);
                    }
                    !is_over
                });

                let tickets = |carried| match carried {
                    Carried::Letter(Ticket(number)) => number,
                    other => panic!("{other:?}"),
                };
                let polled = std::iter::from_fn(|| output.poll_recalled(now).map(tickets));
                prop_assert_eq!(polled.collect::<Vec<_>>(), recalled);
                let polled = std::iter::from_fn(|| output.poll_written().map(tickets));
                prop_assert_eq!(polled.collect::<Vec<_>>(), written);
                let rest: Vec<u8> = packets
                    .iter()
                    .flat_map(|packet| vec![packet.number as u8; packet.len - packet.taken])
                    .collect();
                prop_assert_eq!(output.bytes(), &rest[..]);
                let on_their_way = packets.iter().filter(|packet| {
                    packet.taken > 0 && acknowledged < packet.end
                });
                let latest = on_their_way.filter_map(|packet| packet.expires).min();
                let latest = latest.map(|expires| expires + GRACE);
                let is_overdue = latest.is_some_and(|latest| latest <= now);
                prop_assert_eq!(output.check(now) == Err(Stuck::Overdue), is_overdue);
                if let Some(latest) = latest {
                    prop_assert!(output.next_timeout().is_some_and(|at| at <= latest));
                }
                prop_assert_eq!(output.is_done(), rest.is_empty() && taken == acknowledged);
            }
        }
    }

    #[test]
    fn a_letter_that_was_begun_ends_the_connection_when_it_is_late() {
        let mut output = output();
        push(&mut output, at(0), 1, 100, Some(at(5_000)));
        output.handle_taken(at(10), 1);
        assert_eq!(output.poll_recalled(at(6_000)), None, "it was begun");
        assert_eq!(output.bytes().len(), 99);
        assert_eq!(output.check(at(6_999)), Ok(()));
        assert_eq!(output.check(at(7_000)), Err(Stuck::Overdue));
        output.handle_taken(at(6_000), 99);
        output.handle_unacknowledged(at(6_999), 1);
        assert_eq!(output.check(at(7_000)), Err(Stuck::Overdue));
        output.handle_unacknowledged(at(6_999), 0);
        assert_eq!(output.check(at(7_000)), Ok(()));
        assert_eq!(output.next_timeout(), None);
    }

    #[test]
    fn a_network_that_does_nothing_is_given_up_and_one_that_does_little_is_not() {
        let mut output = output();
        let silence = 60_000;
        push(&mut output, at(1_000), 0, 1_000, None);
        output.handle_blocked();
        assert_eq!(output.check(at(1_000 + silence - 1)), Ok(()));
        assert_eq!(output.check(at(1_000 + silence)), Err(Stuck::Silent));
        output.handle_taken(at(50_000), 1_000);
        for step in 1..100 {
            let now = 50_000 + step * 59_999;
            output.handle_unacknowledged(at(now), 1_000 - step as usize);
            assert_eq!(output.check(at(now + 59_999)), Ok(()));
        }
        assert_eq!(
            output.check(at(50_000 + 99 * 59_999 + silence)),
            Err(Stuck::Silent)
        );
    }

    #[test]
    fn a_batch_is_bounded_and_smaller_where_the_network_is_slow() {
        let fill = |output: &mut Output, now| {
            while output.has_room() {
                push(output, now, 0, 1_000, Some(now + SILENCE));
            }
            output.bytes().len()
        };
        let mut output = output();
        assert!((SLOW_BATCH..SLOW_BATCH + 1_000).contains(&fill(&mut output, at(0))));
        // The network carries all of it at once, again and again.
        for now in (0..10).map(at) {
            fill(&mut output, now);
            output.handle_taken(now, output.bytes().len());
            output.handle_unacknowledged(now, 0);
        }
        assert!((BATCH..BATCH + 1_000).contains(&fill(&mut output, at(10))));
        output.handle_taken(at(10), 1);
        assert!(!output.has_room() && output.is_blocked());
        output.handle_blocked();
        output.clear();
        assert_eq!(output.bytes().len(), 999, "it was begun");
        output.handle_taken(at(10), 999);
        output.handle_unacknowledged(at(10), 0);
        assert!((BATCH..BATCH + 1_000).contains(&fill(&mut output, at(11))));
        output.handle_blocked();
        assert!(!output.has_room());
    }
}
