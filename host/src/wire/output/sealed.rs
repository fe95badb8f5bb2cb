//! Packets that TLS has made records of.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use super::{OnTheirWay, Output};
use crate::office::Carried;
use crate::wire::tls::{RECORD, Tls};

/// The end of a packet of which a part is still to be sealed.
const UNKNOWN: u64 = u64::MAX;

/// Records that the kernel has not wholly taken, or what TLS itself says.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) bytes: BytesMut,
    /// Where letters end that are told when they are written, in the stream of
    /// all bytes that the kernel takes.
    letters: VecDeque<(u64, Carried)>,
}

impl Sealed {
    /// The kernel has taken so many bytes, and `taken` since the beginning.
    pub(super) fn handle_taken(
        &mut self,
        count: usize,
        taken: u64,
        written: &mut VecDeque<Carried>,
    ) {
        self.bytes.advance(count);
        while let Some((end, carried)) = self.letters.front()
            && *end <= taken
        {
            written.push_back(*carried);
            self.letters.pop_front();
        }
    }
}

impl Output {
    /// Puts all bytes through TLS.
    pub(in crate::wire) fn sealed(self) -> Self {
        Self {
            sealed: Some(Sealed::default()),
            ..self
        }
    }

    /// Makes records of packets, if the kernel has taken those before: from then on
    /// the packets are begun.
    pub(in crate::wire) fn seal(&mut self, tls: &mut Tls) {
        let Some(sealed) = &mut self.sealed else {
            return;
        };
        tls.poll_output(&mut sealed.bytes);
        if !sealed.bytes.is_empty() {
            return;
        }
        if self.bytes.is_empty() {
            tls.handle_all_sealed(&mut sealed.bytes);
        } else if tls.is_ready() {
            self.seal_records(tls);
        }
    }

    /// Makes as many records as the network is known to take at once; one, while it
    /// is not known to.
    fn seal_records(&mut self, tls: &mut Tls) {
        while !self.bytes.is_empty() {
            let count = self.next_record();
            let sealed = self.sealed.get_or_insert_default();
            tls.seal(&self.bytes[..count], &mut sealed.bytes);
            let end = sealed.bytes.len();
            self.bytes.advance(count);
            self.handle_sealed(count, self.taken + end as u64);
            if end + RECORD > self.batch {
                break;
            }
        }
    }

    /// Takes out all packets, of which none was sealed.
    pub(in crate::wire) fn discard(&mut self) {
        self.bytes.clear();
        self.packets.clear();
        self.earliest = None;
    }

    /// How many bytes go into the next record: whole packets, but for one that
    /// does not fit into any.
    fn next_record(&self) -> usize {
        let mut whole = 0;
        for packet in &self.packets {
            if whole + packet.rest > RECORD {
                break;
            }
            whole += packet.rest;
        }
        match whole {
            0 => RECORD.min(self.bytes.len()),
            whole => whole,
        }
    }

    /// So many bytes of the packets are in records, whose last one ends there.
    fn handle_sealed(&mut self, mut left: usize, end: u64) {
        while left > 0
            && let Some(packet) = self.packets.front_mut()
        {
            let part = left.min(packet.rest);
            packet.rest -= part;
            left -= part;
            let is_whole = packet.rest == 0;
            if !std::mem::replace(&mut packet.is_begun, true) {
                self.begun.extend(packet.binding);
                self.last_begun = self.last_begun.max(packet.number);
                if let Some(expires) = packet.expires {
                    let end = if is_whole { end } else { UNKNOWN };
                    OnTheirWay { end, expires }.push_to(&mut self.on_their_way);
                }
            } else if is_whole
                && let Some(last) = self.on_their_way.back_mut()
                && last.end == UNKNOWN
            {
                last.end = end;
            }
            if is_whole
                && let Some(packet) = self.packets.pop_front()
                && packet.carried.is_told_when_written()
                && let Some(sealed) = &mut self.sealed
            {
                sealed.letters.push_back((end, packet.carried));
            }
        }
        if self.packets.is_empty() {
            self.earliest = None;
        }
    }
}
