//! What became of the letters.

use std::collections::BTreeMap;
use std::fmt;

use crate::bindings::exports::jackalope::gateway::outcomes::Fate;
use crate::bindings::jackalope::gateway::types::Ticket;

/// Counts since this instance of the guest began. After a trap the guest begins
/// anew, and outcomes of what it sent before are `wrong` to it.
pub(crate) struct Tally {
    /// Letters without an outcome so far, and whether they count.
    pending: BTreeMap<Ticket, bool>,
    accepted: u64,
    delivered: u64,
    expired: u64,
    displaced: u64,
    refused: u64,
    wrong: u64,
    /// How often a publish was answered with an error.
    pub(crate) unaccepted: u64,
    /// How often a session with the broker has begun.
    pub(crate) online: u64,
}

impl Tally {
    pub(crate) const fn new() -> Self {
        Self {
            pending: BTreeMap::new(),
            accepted: 0,
            delivered: 0,
            expired: 0,
            displaced: 0,
            refused: 0,
            wrong: 0,
            unaccepted: 0,
            online: 0,
        }
    }

    pub(crate) fn accepted(&mut self, ticket: Ticket) {
        self.accepted += 1;
        self.expect(ticket, true);
    }

    pub(crate) fn report_accepted(&mut self, ticket: Ticket) {
        self.expect(ticket, false);
    }

    fn expect(&mut self, ticket: Ticket, counts: bool) {
        if self.pending.insert(ticket, counts).is_some() {
            // Two letters of one ticket.
            self.wrong += 1;
        }
    }

    pub(crate) fn count(&mut self, ticket: Ticket, fate: Fate) {
        let count = match (self.pending.remove(&ticket), fate) {
            // Not published by this instance, or a second outcome.
            (None, _) => &mut self.wrong,
            (Some(false), _) => return,
            (Some(true), Fate::Delivered) => &mut self.delivered,
            (Some(true), Fate::Expired(_)) => &mut self.expired,
            (Some(true), Fate::Displaced(_)) => &mut self.displaced,
            (Some(true), Fate::Refused(_)) => &mut self.refused,
        };
        *count += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "delivered={} expired={} displaced={} refused={} online={} wrong={} accepted={} unaccepted={}",
            self.delivered,
            self.expired,
            self.displaced,
            self.refused,
            self.online,
            self.wrong,
            self.accepted,
            self.unaccepted
        )
    }
}
