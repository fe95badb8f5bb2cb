//! How many exchanges the broker lets be open together, of both qualities of
//! service.

use super::window::Window;
use crate::office::GuestId;

/// The broker's receive maximum ([MQTT-3.3.4-9]), shared by the guests like the
/// window of one quality of service.
///
/// It counts each exchange that is open, those of an earlier connection too, since
/// brokers differ in whether they do. After a reconnect it may be smaller than
/// what is open: then nothing new begins, and what is sent again waits its turn.
#[derive(Debug, Default)]
pub(super) struct Quota {
    /// None: it is so large that the windows alone decide.
    window: Option<Bound>,
}

#[derive(Debug)]
struct Bound {
    size: usize,
    window: Window,
    /// How many of the exchanges had their PUBLISH on this connection.
    published: usize,
}

impl Quota {
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// A new connection has this one: what is open is to be told it next.
    pub(super) fn new(size: usize, are_there: &[bool]) -> Self {
        Self {
            window: Some(Bound {
                size,
                window: Window::new(size, are_there),
                published: 0,
            }),
        }
    }

    /// Divides it anew among the guests that are there.
    pub(super) fn divide(&mut self, are_there: &[bool]) {
        if let Some(bound) = &mut self.window {
            bound.window.divide(are_there);
        }
    }

    /// Returns whether a guest may begin an exchange.
    pub(super) fn has_room(&self, guest: GuestId) -> bool {
        match &self.window {
            None => true,
            Some(bound) => bound.window.has_room(guest),
        }
    }

    /// Returns whether a PUBLISH may be sent again.
    pub(super) fn has_room_again(&self) -> bool {
        match &self.window {
            None => true,
            Some(bound) => bound.published < bound.size,
        }
    }

    /// Returns whether a guest may begin nothing because of exchanges of its own,
    /// which nothing but the end of the session ends.
    pub(super) fn is_used_up(&self) -> bool {
        let bound = self.window.as_ref();
        bound.is_some_and(|bound| bound.window.is_used_up())
    }

    pub(super) fn handle_begun(&mut self, guest: GuestId) {
        if let Some(bound) = &mut self.window {
            bound.window.handle_begun(guest);
        }
    }

    /// The PUBLISH of an exchange goes out, the first on this connection.
    pub(super) fn handle_published(&mut self) {
        if let Some(bound) = &mut self.window {
            bound.published += 1;
        }
    }

    /// It was not begun.
    pub(super) fn handle_unpublished(&mut self) {
        if let Some(bound) = &mut self.window {
            bound.published -= 1;
        }
    }

    /// An exchange of QoS 2 is overdue.
    pub(super) fn handle_overdue(&mut self, guest: GuestId) {
        if let Some(bound) = &mut self.window {
            bound.window.handle_overdue(guest);
        }
    }

    pub(super) fn handle_completed(
        &mut self,
        guest: GuestId,
        was_overdue: bool,
        was_published: bool,
    ) {
        if let Some(bound) = &mut self.window {
            bound.window.handle_completed(guest, was_overdue);
            bound.published -= usize::from(was_published);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// From a connection that had `earlier` exchanges open to one that allows
        /// fewer, or more.
        #[test]
        fn nothing_new_begins_beyond_the_quota(
            size in 1..30_usize,
            guests in 1..8_u16,
            earlier in prop::collection::vec(0..8_u16, 0..60),
            steps in prop::collection::vec((0..8_u16, any::<bool>()), 0..200),
        ) {
            let mut quota = Quota::new(size, &vec![true; guests.into()]);
            let mut open = Vec::new();
            for guest in earlier {
                let guest = GuestId(guest % guests);
                quota.handle_begun(guest);
                open.push((guest, false));
            }
            for (guest, begins) in steps {
                let guest = GuestId(guest % guests);
                if begins && quota.has_room(guest) {
                    prop_assert!(open.len() < size);
                    quota.handle_begun(guest);
                    quota.handle_published();
                    open.push((guest, true));
                } else if begins
                    && quota.has_room_again()
                    && let Some((_, is_published)) = open.iter_mut().find(|it| !it.1)
                {
                    quota.handle_published();
                    *is_published = true;
                } else if !begins
                    && let Some(at) = open.iter().position(|(of, _)| *of == guest)
                {
                    let (guest, was_published) = open.remove(at);
                    quota.handle_completed(guest, false, was_published);
                }
                let published = open.iter().filter(|it| it.1).count();
                prop_assert!(published <= size);
                if open.is_empty() {
                    prop_assert!(quota.has_room(guest) && quota.has_room_again());
                }
            }
        }
    }
}
