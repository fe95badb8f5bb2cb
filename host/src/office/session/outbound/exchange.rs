//! One exchange with the broker.

use super::window::Window;
use crate::office::work_list::Key;
use crate::office::{GuestId, Time};

/// One exchange with the broker. It can outlive its letter: an id is free only
/// when the broker has said so.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) guest: GuestId,
    /// Its letter, until that has its outcome.
    pub(super) letter: Option<Key>,
    /// When its PUBLISH was first handed out, and when last.
    pub(super) begun: Time,
    pub(super) sent: Time,
    /// Nothing that makes the broker deliver is sent from this moment on.
    pub(super) deadline: Time,
    pub(super) stage: Stage,
    /// Whether the deadline passed before the exchange was over.
    pub(super) is_overdue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// QoS 1: PUBLISH sent, PUBACK awaited.
    Published1,
    /// QoS 2: PUBLISH sent, PUBREC awaited.
    Published2,
    /// QoS 2: PUBREC received, PUBREL to be sent, at which the broker delivers.
    Received,
    /// QoS 2: PUBREL sent, PUBCOMP awaited.
    Released,
    /// QoS 2: the deadline passed before PUBREL, which is never sent. The id
    /// stays taken until the broker forgets the session.
    Abandoned {
        /// Whether PUBREC has come.
        is_answered: bool,
    },
}

impl Exchange {
    pub(super) fn mark_overdue(&mut self, window: &mut Window) {
        if !std::mem::replace(&mut self.is_overdue, true) {
            window.handle_overdue(self.guest);
        }
    }

    /// PUBREL is never sent. Returns whether there is nothing that the broker could
    /// still answer.
    pub(super) fn abandon(&mut self, window: &mut Window) -> bool {
        self.mark_overdue(window);
        let is_answered = match self.stage {
            Stage::Published1 | Stage::Published2 => false,
            Stage::Received | Stage::Released => true,
            Stage::Abandoned { is_answered } => is_answered,
        };
        self.stage = Stage::Abandoned { is_answered };
        is_answered
    }
}
