//! How many exchanges may be open, with a share for each guest.

use crate::office::GuestId;

/// The window of one quality of service.
///
/// Half of it is divided among the guests, at least one exchange each, and
/// nobody else can take that; the other half goes to whoever comes first. So a
/// guest whose exchanges never end stops itself alone. A single guest has all
/// of it. Where there are more guests than the window has places, nothing can be
/// set aside, and a guest has a quarter of the window at most.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// What is set aside for each guest.
    reserve: usize,
    /// How many exchanges one guest may have open at most.
    most: usize,
    /// How many are open, by guest.
    open: Vec<usize>,
    /// How many of them are not set aside for their guests.
    common: usize,
    all: usize,
    /// How many of them are of letters that have expired, by guest, and together.
    overdue: Vec<usize>,
    all_overdue: usize,
}

impl Window {
    pub(super) fn new(size: usize, guests: usize) -> Self {
        let (reserve, most) = match guests {
            0 | 1 => (size, size),
            _ if guests > size => (0, (size / 4).max(1)),
            _ => ((size / (2 * guests)).max(1), size),
        };
        Self {
            size,
            reserve,
            most,
            open: vec![0; guests],
            common: 0,
            all: 0,
            overdue: vec![0; guests],
            all_overdue: 0,
        }
    }

    /// Returns whether a guest may begin an exchange.
    pub(super) fn has_room(&self, guest: GuestId) -> bool {
        // More can be open than there are places, from a connection that had more.
        self.all < self.size && self.has_share(guest)
    }

    /// Returns whether a guest has places left in its share, be they free or not.
    fn has_share(&self, guest: GuestId) -> bool {
        let open = self.open[guest.index()];
        let common = self.size - self.reserve * self.open.len().max(1);
        open < self.most && (open < self.reserve || self.common < common)
    }

    /// Returns whether any exchange is of a letter that has expired.
    pub(super) fn has_overdue(&self) -> bool {
        self.all_overdue > 0
    }

    /// Returns whether a guest may begin none because of its own, which are all of
    /// expired letters.
    pub(super) fn is_used_up(&self) -> bool {
        let mut guests = (0_u16..)
            .map(GuestId)
            .zip(self.open.iter().zip(&self.overdue));
        guests.any(|(guest, (open, overdue))| {
            *overdue > 0 && overdue == open && !self.has_share(guest)
        })
    }

    pub(super) fn handle_begun(&mut self, guest: GuestId) {
        let open = &mut self.open[guest.index()];
        *open += 1;
        self.all += 1;
        self.common += usize::from(*open > self.reserve);
    }

    pub(super) fn handle_overdue(&mut self, guest: GuestId) {
        self.overdue[guest.index()] += 1;
        self.all_overdue += 1;
    }

    pub(super) fn handle_completed(&mut self, guest: GuestId, was_overdue: bool) {
        let open = &mut self.open[guest.index()];
        self.common -= usize::from(*open > self.reserve);
        *open -= 1;
        self.all -= 1;
        self.overdue[guest.index()] -= usize::from(was_overdue);
        self.all_overdue -= usize::from(was_overdue);
    }

    pub(super) fn clear(&mut self) {
        self.open.fill(0);
        self.overdue.fill(0);
        (self.common, self.all, self.all_overdue) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_takes_the_share_of_another(
            guests in 1..30_usize,
            steps in prop::collection::vec((0..30_u16, any::<bool>()), 0..400),
        ) {
            const SIZE: usize = 20;
            let mut window = Window::new(SIZE, guests);
            let mut open = vec![0; guests];
            for (guest, begins) in steps {
                let id = GuestId(guest % guests as u16);
                if begins && window.has_room(id) {
                    window.handle_begun(id);
                    open[id.index()] += 1;
                } else if !begins && open[id.index()] > 0 {
                    window.handle_completed(id, false);
                    open[id.index()] -= 1;
                }
                prop_assert!(open.iter().sum::<usize>() <= SIZE);
                for (index, open) in open.iter().enumerate() {
                    let share = if guests == 1 { SIZE } else { SIZE / (2 * guests).min(SIZE) };
                    if guests <= SIZE && *open < share {
                        prop_assert!(window.has_room(GuestId(index as u16)));
                    }
                }
            }
        }
    }

    #[test]
    fn one_of_two_can_have_three_quarters() {
        let mut window = Window::new(20, 2);
        let mut open = 0;
        while window.has_room(GuestId(0)) {
            window.handle_begun(GuestId(0));
            open += 1;
        }
        assert_eq!(open, 15);
        assert!(window.has_room(GuestId(1)));
    }

    #[test]
    fn where_guests_outnumber_the_places_one_of_them_has_a_quarter() {
        let mut window = Window::new(20, 21);
        let mut open = 0;
        while window.has_room(GuestId(0)) {
            window.handle_begun(GuestId(0));
            open += 1;
        }
        assert_eq!(open, 5);
        assert!(window.has_room(GuestId(20)));
    }
}
