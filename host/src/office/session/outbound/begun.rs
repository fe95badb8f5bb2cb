//! Of which letters the network has taken anything.

use super::Outbound;
use crate::office::work_list::{Entry, Key, WorkList};
use crate::office::{Qos, Ticket};

impl Outbound {
    /// Of what this connection was given that carries something, the network has
    /// taken a byte of the first `count`, but for those that were recalled.
    ///
    /// Until the broker has answered CONNECT, what was taken on the connection before
    /// counts: nothing of a letter is in the bytes of this one.
    #[inline]
    pub(in crate::office) fn handle_begun(&mut self, count: u64) {
        self.taken = self.taken.max(count);
    }

    /// Whether the network has taken any of a letter.
    pub(in crate::office) fn was_sent(&self, entry: &Entry) -> bool {
        let is_begun = |number: u64| number != 0 && number <= self.taken;
        entry.was_sent
            || match entry.packet_id {
                Some(id) => {
                    let exchange = self.exchanges.get(id);
                    exchange.is_some_and(|exchange| is_begun(exchange.number))
                }
                None => {
                    let unwritten = self.unwritten.iter();
                    let mut begun = unwritten.take_while(|(.., number)| is_begun(*number));
                    let is_it = |(ticket, ..): &(Ticket, Key, u64)| *ticket == entry.ticket;
                    entry.qos == Qos::AtMostOnce && begun.any(is_it)
                }
            }
    }

    /// A connection begins, which was given nothing. What the one before has taken
    /// is kept in mind.
    pub(super) fn begin_connection(&mut self, list: &mut WorkList) {
        for (_, exchange) in self.exchanges.iter_mut() {
            let number = std::mem::take(&mut exchange.number);
            if number != 0
                && number <= self.taken
                && let Some(entry) = exchange.letter.and_then(|key| list.get_mut(key))
            {
                entry.was_sent = true;
            }
        }
        for (ticket, key, number) in self.unwritten.drain(..) {
            if number <= self.taken
                && let Some(entry) = list.get_mut(key)
                && entry.ticket == ticket
            {
                entry.was_sent = true;
            }
        }
        (self.handed_out, self.taken) = (0, 0);
    }
}
