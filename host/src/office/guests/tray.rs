//! What a call has published, until it has succeeded.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Displaced, Effects, Room};
use crate::office::rarely::Rarely;
use crate::office::{DisplacedBy, Letter, NotAccepted, Overflow, Priority, Ticket};

/// The letters of one call. It holds no more than the work list of its guest does, and
/// those that have to go are the same that would have to go there.
#[derive(Debug, Default)]
pub struct Tray {
    /// In the order in which they were published.
    letters: VecDeque<Letter>,
    /// Those that gave their places to younger ones or found none.
    displaced: Vec<Displaced>,
    /// How many bytes `letters` take, by their size.
    bytes: usize,
    /// How many of them have each priority.
    count: [usize; 3],
    /// The latest of each replace key that was published, until it was displaced.
    keyed: Rarely<Option<Ticket>>,
    /// How many letters of the work list give their places up to these, and how many
    /// bytes they take.
    replaced: (usize, usize),
}

impl Tray {
    /// How many letters the call has accepted.
    #[inline]
    pub fn accepted(&self) -> usize {
        self.displaced.len() + self.letters.len()
    }

    /// Checks whether there is room for one more of this [size](Letter::size) and with
    /// this replace key.
    ///
    /// # Errors
    /// It is too large, or there is none.
    #[inline]
    pub fn check(&self, room: &Room, key: Option<&str>, size: usize) -> Result<(), NotAccepted> {
        let (mut letters, mut bytes) = (self.letters.len() + 1, self.bytes + size);
        if key.is_some() || self.replaced.0 > 0 {
            (letters, bytes) = self.needs(room, key, (letters, bytes));
        }
        room.check_room(self.accepted(), size, (letters, bytes))
    }

    /// How many of so many letters, of how many bytes, with one more of this key, are to
    /// find a place of their own.
    fn needs(
        &self,
        room: &Room,
        key: Option<&str>,
        (mut letters, mut bytes): (usize, usize),
    ) -> (usize, usize) {
        let (mut replaced, mut replaced_bytes) = self.replaced;
        if let Some(key) = key {
            if let Some(letter) = self.place_of(key).and_then(|it| self.letters.get(it)) {
                (letters, bytes) = (letters - 1, bytes - letter.size());
            }
            let (listed, listed_bytes) = self.listed(room, key);
            (replaced, replaced_bytes) = (replaced + listed, replaced_bytes + listed_bytes);
        }
        (
            letters.saturating_sub(replaced),
            bytes.saturating_sub(replaced_bytes),
        )
    }

    /// Puts a letter into it that was accepted.
    #[inline]
    pub fn put(&mut self, room: &Room, letter: Letter) {
        if let Some(key) = &letter.replace_key {
            self.replace(room, key.clone(), letter.ticket);
        }
        self.bytes += letter.size();
        self.count[letter.priority as usize] += 1;
        self.letters.push_back(letter);
        while (self.letters.len() > room.keep || self.bytes > room.keep_bytes)
            && let Some(place) = self.least(room.overflow)
        {
            self.displace(place, DisplacedBy::Overflow);
        }
    }

    /// A letter comes that takes the place of the others of its key.
    #[inline(never)]
    fn replace(&mut self, room: &Room, key: Arc<str>, ticket: Ticket) {
        let (listed, bytes) = self.listed(room, &key);
        self.replaced = (self.replaced.0 + listed, self.replaced.1 + bytes);
        if let Some(place) = self.place_of(&key) {
            self.displace(place, DisplacedBy::ReplaceKey);
        }
        self.keyed.insert(key, Some(ticket));
    }

    /// Hands over what was published.
    #[inline]
    pub fn take(&mut self) -> Effects {
        if self.accepted() == 0 {
            return Effects::default();
        }
        let Self {
            letters, displaced, ..
        } = std::mem::take(self);
        Effects {
            displaced,
            letters,
            ..Effects::default()
        }
    }

    /// The letter that is the first to go.
    fn least(&self, overflow: Overflow) -> Option<usize> {
        if overflow != Overflow::DropOldest {
            return self.letters.len().checked_sub(1);
        }
        let has_some = |priority: &Priority| self.count[*priority as usize] > 0;
        let lowest = Priority::ALL.into_iter().find(has_some)?;
        let mut letters = self.letters.iter();
        letters.position(|letter| letter.priority == lowest)
    }

    /// Where the letter of this key is.
    fn place_of(&self, key: &str) -> Option<usize> {
        let ticket = (*self.keyed.get(key)?)?;
        let letters = &self.letters;
        letters.binary_search_by_key(&ticket, |it| it.ticket).ok()
    }

    /// How many letters of the work list, of how many bytes, give their places up when
    /// the first letter of a key is published.
    fn listed(&self, room: &Room, key: &str) -> (usize, usize) {
        let is_first = !self.keyed.contains_key(key);
        let keys = room.replaceable.as_ref().filter(|_| is_first);
        let size = keys.and_then(|keys| keys.size_of(key));
        size.map_or((0, 0), |size| (1, size))
    }

    fn displace(&mut self, place: usize, by: DisplacedBy) {
        if let Some(letter) = self.letters.remove(place) {
            self.bytes -= letter.size();
            self.count[letter.priority as usize] -= 1;
            if let Some(latest) = letter.replace_key.and_then(|key| self.keyed.get_mut(&key)) {
                *latest = None;
            }
            self.displaced.push(Displaced {
                ticket: letter.ticket,
                tag: letter.tag,
                by,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::office::{Payload, Qos};
    use Priority::{High, Low, Normal};

    fn room(keep: usize, overflow: Overflow) -> Room {
        Room {
            not_kept: None,
            accept: usize::MAX,
            free: usize::MAX,
            free_bytes: usize::MAX,
            replaceable: None,
            keep,
            keep_bytes: usize::MAX,
            overflow,
            max_qos: Qos::ExactlyOnce,
            carries_properties: true,
            timers: 0,
            permissions: None,
            permitted: usize::MAX,
        }
    }

    fn letter(ticket: u64, priority: Priority) -> Letter {
        Letter {
            ticket: Ticket(ticket),
            topic: "t".into(),
            payload: Payload::new([]),
            qos: Qos::AtLeastOnce,
            retain: false,
            ttl: Duration::from_secs(1),
            when_off: None,
            priority,
            replace_key: None,
            tag: None,
            properties: None,
        }
    }

    /// Which letters of these priorities stay, and which go, in their order.
    #[track_caller]
    fn check(room: &Room, letters: &[Priority], stay: &[u64], go: &[u64]) {
        let mut tray = Tray::default();
        for (number, priority) in (0..).zip(letters) {
            tray.put(room, letter(number, *priority));
        }
        assert_eq!(tray.accepted(), letters.len());
        let Effects {
            letters, displaced, ..
        } = tray.take();
        let letters = letters.iter().map(|letter| letter.ticket.0);
        assert_eq!(letters.collect::<Vec<_>>(), stay);
        let displaced = displaced.iter();
        assert!(displaced.clone().all(|it| it.by == DisplacedBy::Overflow));
        assert_eq!(displaced.map(|it| it.ticket.0).collect::<Vec<_>>(), go);
        assert_eq!(tray.accepted(), 0);
    }

    #[test]
    fn of_more_than_the_work_list_holds_the_least_go() {
        let two = room(2, Overflow::DropOldest);
        check(&two, &[Normal; 4], &[2, 3], &[0, 1]);
        check(&two, &[High, Low, Normal, Low], &[0, 2], &[1, 3]);
        check(&two, &[High, High, Normal, High], &[1, 3], &[2, 0]);
        check(&two, &[], &[], &[]);
    }

    #[test]
    fn by_drop_newest_the_youngest_go() {
        let two = room(2, Overflow::DropNewest);
        check(&two, &[Low, Normal, High, High], &[0, 1], &[2, 3]);
    }

    #[test]
    fn of_one_key_the_last_stays() {
        let mut tray = Tray::default();
        let four = room(4, Overflow::DropOldest);
        for (number, key) in (0..).zip([Some("k"), None, Some("k"), Some("l"), Some("k")]) {
            let replace_key = key.map(Arc::from);
            tray.put(
                &four,
                Letter {
                    replace_key,
                    ..letter(number, Normal)
                },
            );
        }
        let Effects {
            letters, displaced, ..
        } = tray.take();
        let stay: Vec<_> = letters.iter().map(|letter| letter.ticket.0).collect();
        assert_eq!(stay, [1, 3, 4]);
        let replaced = [0, 2].map(|number| Displaced {
            ticket: Ticket(number),
            tag: None,
            by: DisplacedBy::ReplaceKey,
        });
        assert_eq!(displaced, replaced);
    }

    #[test]
    fn bytes_count_as_well() {
        let size = letter(0, Normal).size();
        let for_two = Room {
            keep_bytes: 3 * size - 1,
            ..room(100, Overflow::DropOldest)
        };
        check(&for_two, &[Normal, Low, Normal], &[0, 2], &[1]);
    }
}
