//! Packet ids: one allocator for everything that needs one ([MQTT-2.3.1-2]).

use super::PacketId;

const WORDS: usize = 1 << (16 - 6);

/// Hands packet ids out and never hands a live one out again.
#[derive(Debug)]
pub(in crate::office) struct PacketIds {
    live: Box<[u64; WORDS]>,
    /// Where the search for a free id goes on: an id rests for as long as
    /// possible before it is used again.
    next: u16,
}

impl PacketIds {
    /// Starts at `first`. A gateway that resumes a session of an earlier life
    /// starts at random, so that its ids are unlikely to meet those that the
    /// broker may still remember.
    pub(in crate::office) fn starting_at(first: u16) -> Self {
        Self {
            live: Box::new([0; WORDS]),
            next: first,
        }
    }

    /// Returns a free id. None: all 65,535 are live.
    pub(in crate::office) fn allocate(&mut self) -> Option<PacketId> {
        for _ in 0..=u16::MAX {
            let candidate = self.next;
            self.next = self.next.wrapping_add(1);
            if let Some(id) = PacketId::new(candidate)
                && !self.is_live(id)
            {
                let (word, bit) = place(id);
                self.live[word] |= bit;
                return Some(id);
            }
        }
        None
    }

    /// Makes an id free again.
    pub(in crate::office) fn release(&mut self, id: PacketId) {
        let (word, bit) = place(id);
        self.live[word] &= !bit;
    }

    fn is_live(&self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        self.live[word] & bit != 0
    }
}

fn place(id: PacketId) -> (usize, u64) {
    (usize::from(id.get() >> 6), 1 << (id.get() & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_handed_out_once_and_zero_never() {
        let mut ids = PacketIds::starting_at(65_000);
        let mut seen = std::collections::BTreeSet::new();
        while let Some(id) = ids.allocate() {
            assert!(seen.insert(id));
        }
        assert_eq!(seen.len(), 65_535);

        let freed = *seen.first().expect("ids were handed out");
        ids.release(freed);
        assert_eq!(ids.allocate(), Some(freed));
        assert_eq!(ids.allocate(), None);
    }

    #[test]
    fn a_freed_id_rests() {
        let mut ids = PacketIds::starting_at(1);
        let first = ids.allocate().expect("all are free");
        ids.release(first);
        assert_ne!(ids.allocate(), Some(first));
    }
}
