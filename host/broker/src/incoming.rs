//! What a client has under way to the broker: its packet ids in use.

use std::collections::BTreeMap;

use super::packet::{Publish, QoS};
use super::violation::Violation;

/// The packet ids that a client uses, from the packet that needs an
/// acknowledgement until the last acknowledgement is sent.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    exchanges: BTreeMap<u16, Exchange>,
}

#[derive(Debug)]
enum Exchange {
    /// SUBSCRIBE, waiting for SUBACK.
    Subscribe,
    /// PUBLISH with QoS 1, waiting for PUBACK.
    AtLeastOnce,
    /// PUBLISH with QoS 2, waiting for PUBREL.
    ExactlyOnce(Publish),
    /// PUBREL, waiting for PUBCOMP.
    Released,
}

/// What a PUBLISH with a packet id is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// To be delivered.
    New,
    /// QoS 2 and here already: to be acknowledged only.
    Duplicate,
}

impl Incoming {
    /// A PUBLISH with QoS 1 or 2. `limit` is for open QoS 2 exchanges.
    pub(super) fn handle_publish(
        &mut self,
        publish: &Publish,
        limit: usize,
    ) -> Result<Arrival, Violation> {
        let exactly_once = publish.qos == QoS::ExactlyOnce;
        match self.exchanges.get(&publish.packet_id) {
            Some(Exchange::AtLeastOnce) if publish.dup && !exactly_once => {}
            Some(Exchange::ExactlyOnce(first)) if publish.dup && same(first, publish) => {
                return Ok(Arrival::Duplicate);
            }
            Some(_) => return Err(Violation::PacketIdInUse),
            None if exactly_once && self.open_exchanges() >= limit => {
                return Err(Violation::TooManyExchanges);
            }
            None => {}
        }
        let exchange = if exactly_once {
            Exchange::ExactlyOnce(publish.clone())
        } else {
            Exchange::AtLeastOnce
        };
        self.exchanges.insert(publish.packet_id, exchange);
        Ok(Arrival::New)
    }

    /// A PUBREL: answers the message it releases, if it is the first one.
    pub(super) fn handle_pubrel(&mut self, id: u16) -> Result<Option<Publish>, Violation> {
        match self.exchanges.remove(&id) {
            Some(Exchange::ExactlyOnce(publish)) => {
                self.exchanges.insert(id, Exchange::Released);
                Ok(Some(publish))
            }
            Some(Exchange::Released) => {
                self.exchanges.insert(id, Exchange::Released);
                Ok(None)
            }
            Some(Exchange::AtLeastOnce | Exchange::Subscribe) => Err(Violation::WrongAck),
            // PUBCOMP was lost, or the session was.
            None => Ok(None),
        }
    }

    /// A SUBSCRIBE.
    pub(super) fn handle_subscribe(&mut self, id: u16) -> Result<(), Violation> {
        self.check_free(id)?;
        self.exchanges.insert(id, Exchange::Subscribe);
        Ok(())
    }

    /// That a packet which is answered at once may use an id.
    pub(super) fn check_free(&self, id: u16) -> Result<(), Violation> {
        if self.exchanges.contains_key(&id) {
            return Err(Violation::PacketIdInUse);
        }
        Ok(())
    }

    /// The last acknowledgement of an exchange is sent: the id is free again.
    pub(super) fn handle_finished(&mut self, id: u16) {
        self.exchanges.remove(&id);
    }

    /// The connection is closed: only what belongs to messages is kept
    /// (section 3.1.2.4).
    pub(super) fn handle_closed(&mut self) {
        self.exchanges
            .retain(|_, exchange| !matches!(exchange, Exchange::Subscribe));
    }

    fn open_exchanges(&self) -> usize {
        self.exchanges
            .values()
            .filter(|exchange| matches!(exchange, Exchange::ExactlyOnce(_) | Exchange::Released))
            .count()
    }
}

/// Whether two PUBLISH packets with one id are the same message.
fn same(first: &Publish, again: &Publish) -> bool {
    first.qos == again.qos && first.topic == again.topic && first.payload == again.payload
}
