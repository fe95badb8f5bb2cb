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
    /// How much of it is not set aside for any guest.
    free: usize,
    /// How many exchanges one guest may have open at most.
    most: usize,
    shares: Vec<Share>,
    /// How many of the open exchanges are not set aside for their guests.
    common: usize,
    all: usize,
    /// How many of them are of letters that have expired.
    all_overdue: usize,
}

/// What one guest has of a window.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    is_gone: bool,
    /// What is set aside for it; nothing for one that is gone.
    reserve: usize,
    /// How many exchanges are open.
    open: usize,
    /// How many of them are of letters that have expired.
    overdue: usize,
}

impl Share {
    /// How many are open that were not set aside.
    fn common(self) -> usize {
        self.open.saturating_sub(self.reserve)
    }
}

impl Window {
    /// By guest: whether it is there, and not gone.
    pub(super) fn new(size: usize, are_there: &[bool]) -> Self {
        let mut window = Self {
            size,
            free: size,
            most: 0,
            shares: Vec::new(),
            common: 0,
            all: 0,
            all_overdue: 0,
        };
        window.divide(are_there);
        window
    }

    /// Divides it anew, with what is open.
    pub(super) fn divide(&mut self, are_there: &[bool]) {
        let size = self.size;
        let guests = are_there.iter().filter(|is_there| **is_there).count();
        let (reserve, most) = match guests {
            // The other half is for those that are gone, while they have letters.
            0 | 1 => (size / 2, size),
            guests if guests > size => (0, (size / 4).max(1)),
            guests => ((size / (2 * guests)).max(1), size),
        };
        (self.free, self.most) = (size - reserve * guests.max(1), most);
        self.shares.resize(are_there.len(), Share::default());
        for (share, is_there) in self.shares.iter_mut().zip(are_there) {
            share.is_gone = !is_there;
            share.reserve = if *is_there { reserve } else { 0 };
        }
        self.common = self.shares.iter().map(|share| share.common()).sum();
    }

    /// Returns whether a guest may begin an exchange.
    pub(super) fn has_room(&self, guest: GuestId) -> bool {
        // More can be open than there are places, from a connection that had more.
        self.all < self.size && self.has_share(&self.shares[guest.index()])
    }

    /// Returns whether a guest has places left in its share, be they free or not.
    fn has_share(&self, share: &Share) -> bool {
        share.open < self.most && (share.open < share.reserve || self.common < self.free)
    }

    /// Returns whether a guest has exchanges open.
    pub(super) fn is_used_by(&self, guest: GuestId) -> bool {
        self.shares[guest.index()].open > 0
    }

    /// Returns whether any exchange is of a letter that has expired.
    pub(super) fn has_overdue(&self) -> bool {
        self.all_overdue > 0
    }

    /// Returns whether a guest may begin none because of its own, which are all of
    /// expired letters. One that is gone has none to begin.
    pub(super) fn is_used_up(&self) -> bool {
        let mut shares = self.shares.iter();
        shares.any(|share| {
            let is_expired = share.overdue > 0 && share.overdue == share.open;
            is_expired && !share.is_gone && !self.has_share(share)
        })
    }

    pub(super) fn handle_begun(&mut self, guest: GuestId) {
        let share = &mut self.shares[guest.index()];
        share.open += 1;
        self.all += 1;
        self.common += usize::from(share.open > share.reserve);
    }

    pub(super) fn handle_overdue(&mut self, guest: GuestId) {
        self.shares[guest.index()].overdue += 1;
        self.all_overdue += 1;
    }

    pub(super) fn handle_completed(&mut self, guest: GuestId, was_overdue: bool) {
        let share = &mut self.shares[guest.index()];
        self.common -= usize::from(share.open > share.reserve);
        share.open -= 1;
        self.all -= 1;
        share.overdue -= usize::from(was_overdue);
        self.all_overdue -= usize::from(was_overdue);
    }

    pub(super) fn clear(&mut self) {
        for share in &mut self.shares {
            (share.open, share.overdue) = (0, 0);
        }
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
            let mut window = Window::new(SIZE, &vec![true; guests]);
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
        let mut window = Window::new(20, &[true; 2]);
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
        let mut window = Window::new(20, &[true; 21]);
        let mut open = 0;
        while window.has_room(GuestId(0)) {
            window.handle_begun(GuestId(0));
            open += 1;
        }
        assert_eq!(open, 5);
        assert!(window.has_room(GuestId(20)));
    }

    #[test]
    fn what_one_that_is_gone_has_open_comes_out_of_what_is_common() {
        let mut window = Window::new(20, &[true; 2]);
        (0..4).for_each(|_| window.handle_begun(GuestId(0)));
        window.divide(&[false, true, true]);
        let mut open = 0;
        while window.has_room(GuestId(1)) {
            window.handle_begun(GuestId(1));
            open += 1;
        }
        assert_eq!(open, 11, "its own 5, and 6 of 10 that are common");
        assert!(window.has_room(GuestId(2)), "5 are set aside for it");
        for _ in 0..4 {
            window.handle_completed(GuestId(0), false);
        }
        assert!(!window.is_used_by(GuestId(0)) && window.has_room(GuestId(1)));
    }

    #[test]
    fn one_that_is_gone_needs_no_new_session() {
        let mut window = Window::new(2, &[true; 2]);
        window.handle_begun(GuestId(0));
        window.handle_overdue(GuestId(0));
        window.handle_begun(GuestId(1));
        assert!(window.is_used_up());
        window.divide(&[false, true]);
        assert!(!window.is_used_up());
    }
}
