//! What belongs to a packet id.

use super::PacketId;

/// How many ids share a page.
const PAGE: usize = 64;

#[derive(Debug)]
struct Page<T> {
    items: [Option<T>; PAGE],
    taken: usize,
}

/// A table by packet id. Ids are handed out one after the other, by us as by
/// brokers, so those in use lie close together: a few pages hold them all, and
/// finding one takes two steps.
#[derive(Debug)]
pub(super) struct ByPacketId<T> {
    /// Those that hold something, and room for the others.
    pages: Vec<Option<Box<Page<T>>>>,
    /// The page that became empty last, for the next that is needed.
    spare: Option<Box<Page<T>>>,
}

impl<T> Default for ByPacketId<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            spare: None,
        }
    }
}

impl<T> ByPacketId<T> {
    pub(super) fn get(&self, id: PacketId) -> Option<&T> {
        let (page, item) = place(id);
        self.pages.get(page)?.as_ref()?.items[item].as_ref()
    }

    pub(super) fn get_mut(&mut self, id: PacketId) -> Option<&mut T> {
        let (page, item) = place(id);
        self.pages.get_mut(page)?.as_mut()?.items[item].as_mut()
    }

    /// Puts something in the place of what is there, if anything is.
    pub(super) fn insert(&mut self, id: PacketId, new: T) {
        let (page, item) = place(id);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let spare = &mut self.spare;
        let page = self.pages[page].get_or_insert_with(|| {
            spare.take().unwrap_or_else(|| {
                Box::new(Page {
                    items: std::array::from_fn(|_| None),
                    taken: 0,
                })
            })
        });
        page.taken += usize::from(page.items[item].replace(new).is_none());
    }

    pub(super) fn remove(&mut self, id: PacketId) -> Option<T> {
        let (number, item) = place(id);
        let place = self.pages.get_mut(number)?;
        let page = place.as_mut()?;
        let removed = page.items[item].take()?;
        page.taken -= 1;
        if page.taken == 0 {
            self.spare = place.take();
        }
        Some(removed)
    }

    /// All that there is, by ascending id.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        let pages = self.pages.iter().flatten();
        pages.flat_map(|page| page.items.iter().flatten())
    }

    /// All that there is, by ascending id.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (PacketId, &mut T)> {
        let pages = self.pages.iter_mut().enumerate();
        pages.flat_map(|(number, page)| {
            let items = page.iter_mut().flat_map(|page| page.items.iter_mut());
            items.enumerate().filter_map(move |(item, it)| {
                let id = u16::try_from(number * PAGE + item).ok()?;
                Some((PacketId::new(id)?, it.as_mut()?))
            })
        })
    }
}

fn place(id: PacketId) -> (usize, usize) {
    let id = usize::from(id.get());
    (id / PAGE, id % PAGE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map(steps in prop::collection::vec((1..300_u16, prop::option::of(any::<u8>())), 0..300)) {
            let (mut table, mut model) = (ByPacketId::default(), BTreeMap::new());
            for (id, item) in steps {
                // At both ends, and in between.
                let id = PacketId::new(if id % 2 == 0 { id } else { u16::MAX - id / 2 }).expect("not zero");
                match item {
                    Some(item) => {
                        table.insert(id, item);
                        model.insert(id, item);
                    }
                    None => prop_assert_eq!(table.remove(id), model.remove(&id)),
                }
                prop_assert_eq!(table.get(id), model.get(&id));
                prop_assert_eq!(table.get_mut(id), model.get_mut(&id));
            }
            prop_assert!(table.iter_mut().eq(model.iter_mut().map(|(id, item)| (*id, item))));
        }
    }
}
