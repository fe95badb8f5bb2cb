//! One exchange with the broker.

use super::quota::Quota;
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
    /// Whether its PUBLISH has gone out on the present connection.
    pub(super) is_published: bool,
    /// The place of that PUBLISH among all that this connection was given. 0: it
    /// was given none.
    pub(super) number: u64,
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

impl Stage {
    /// Whether it is PUBLISH that was sent, or is to be sent again.
    pub(super) const fn is_published(self) -> bool {
        matches!(self, Self::Published1 | Self::Published2)
    }
}

impl Exchange {
    /// Of QoS 1.
    pub(super) fn mark_overdue(&mut self, qos1: &mut Window) {
        if !std::mem::replace(&mut self.is_overdue, true) {
            qos1.handle_overdue(self.guest);
        }
    }

    /// Of QoS 2.
    pub(super) fn mark_overdue2(&mut self, qos2: &mut Window, quota: &mut Quota) {
        if !std::mem::replace(&mut self.is_overdue, true) {
            qos2.handle_overdue(self.guest);
            quota.handle_overdue(self.guest);
        }
    }

    /// PUBREL is never sent. Returns whether there is nothing that the broker could
    /// still answer.
    pub(super) fn abandon(&mut self, qos2: &mut Window, quota: &mut Quota) -> bool {
        self.mark_overdue2(qos2, quota);
        let is_answered = match self.stage {
            Stage::Published1 | Stage::Published2 => false,
            Stage::Received | Stage::Released => true,
            Stage::Abandoned { is_answered } => is_answered,
        };
        self.stage = Stage::Abandoned { is_answered };
        is_answered
    }
}
