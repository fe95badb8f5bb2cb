//! How much room letters take up within the bounds of their list, and which of them gives
//! its own up first.

use super::{GuestId, Key, Priority, Queue, WorkList, some_key};

impl Queue {
    /// How many letters, and how many bytes, count towards the bounds of the list.
    fn room(&self) -> (usize, usize) {
        let (letters, bytes) = self.roomless;
        (self.len - letters, self.bytes - bytes)
    }
}

impl WorkList {
    /// How many bytes the letters of one guest take, by their size.
    pub(in crate::office) fn bytes_of(&self, guest: GuestId) -> usize {
        let queues = self.lists[guest.index()].queues.iter();
        queues.map(|queue| queue.bytes).sum()
    }

    /// How many letters of one guest, and how many bytes, count towards its bounds.
    pub(in crate::office) fn room_of(&self, guest: GuestId) -> (usize, usize) {
        sum(self.lists[guest.index()].queues.iter().map(Queue::room))
    }

    /// The same of those that have a higher priority than this.
    pub(in crate::office) fn above(&self, guest: GuestId, priority: Priority) -> (usize, usize) {
        let queues = &self.lists[guest.index()].queues[priority as usize + 1..];
        sum(queues.iter().map(Queue::room))
    }

    /// How many do not, as they have given their room up.
    pub(in crate::office) fn roomless_of(&self, guest: GuestId) -> (usize, usize) {
        let queues = self.lists[guest.index()].queues.iter();
        sum(queues.map(|queue| queue.roomless))
    }

    /// The letter of a guest that is the first to give its place up: of those of the
    /// lowest priority that take room, the one that has been there for longest, but for
    /// this one.
    pub(in crate::office) fn least(&self, guest: GuestId, but: Option<Key>) -> Option<Key> {
        let mut queues = self.lists[guest.index()].queues.iter();
        queues.find_map(|queue| {
            let mut at = queue.first;
            loop {
                let key = some_key(at)?;
                let entry = self.get(key)?;
                if Some(key) != but && !entry.is_roomless() {
                    return Some(key);
                }
                at = entry.next;
            }
        })
    }

    /// A letter with a key gives its room to a younger one, and goes out all the same.
    pub(in crate::office) fn give_room_up(&mut self, key: Key) {
        let Some(entry) = self.get_mut(key) else {
            return;
        };
        let (guest, priority, size) = (entry.guest, entry.priority, entry.size());
        if let Some(extras) = &mut entry.extras
            && !std::mem::replace(&mut extras.is_roomless, true)
        {
            let queue = self.lists[guest.index()].queue(priority);
            queue.roomless = sum([queue.roomless, (1, size)].into_iter());
        }
    }
}

fn sum(rooms: impl Iterator<Item = (usize, usize)>) -> (usize, usize) {
    let add = |(letters, bytes), (more, more_bytes)| (letters + more, bytes + more_bytes);
    rooms.fold((0, 0), add)
}
