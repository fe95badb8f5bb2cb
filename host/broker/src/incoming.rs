//! What a client has under way to the broker: its packet ids in use.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::QoS;
use super::v5::Publish;
use super::violation::Violation;

/// The packet ids that a client uses, from the packet that needs an
/// acknowledgement until the last acknowledgement is sent.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    exchanges: BTreeMap<u16, Exchange>,
    /// Of which messages this connection has brought a PUBLISH.
    here: BTreeSet<u16>,
}

#[derive(Debug)]
enum Exchange {
    /// SUBSCRIBE, waiting for SUBACK.
    Subscribe,
    /// PUBLISH with QoS 1, waiting for PUBACK.
    AtLeastOnce,
    /// PUBLISH with QoS 2, waiting for PUBREL.
    ExactlyOnce(Publish),
    /// The same, but its message is not taken.
    Refused(Publish),
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

/// What a PUBREL releases.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// A message.
    Message(Box<Publish>),
    /// Nothing, as its message was released before or is not taken.
    Nothing,
    /// Nothing, as there is no such exchange.
    Unknown,
}

/// How many exchanges a client may have open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Of QoS 2, in MQTT 3.1.1.
    ExactlyOnce(usize),
    /// Of QoS 1 and 2, in MQTT 5.
    ReceiveMaximum(u16),
}

impl Incoming {
    /// A PUBLISH with QoS 1 or 2.
    pub(super) fn handle_publish(
        &mut self,
        publish: &Publish,
        limit: Limit,
    ) -> Result<Arrival, Violation> {
        if let Limit::ReceiveMaximum(_) = limit
            && publish.dup
            && self.here.contains(&publish.packet_id)
        {
            return Err(Violation::ResentTooEarly);
        }
        let exactly_once = publish.qos == QoS::ExactlyOnce;
        match self.exchanges.get(&publish.packet_id) {
            Some(Exchange::AtLeastOnce) if publish.dup && !exactly_once => {}
            // The PUBREC that has refused it ended the exchange, whoever has seen it
            // ([MQTT-4.3.3-11] of MQTT 5).
            Some(Exchange::Refused(first))
                if matches!(limit, Limit::ReceiveMaximum(_))
                    && publish.dup
                    && same(first, publish) => {}
            Some(Exchange::ExactlyOnce(first) | Exchange::Refused(first))
                if publish.dup && same(first, publish) =>
            {
                self.here.insert(publish.packet_id);
                return Ok(Arrival::Duplicate);
            }
            Some(_) => return Err(Violation::PacketIdInUse),
            None => self.check_limit(limit, exactly_once)?,
        }
        let exchange = if exactly_once {
            Exchange::ExactlyOnce(publish.clone())
        } else {
            Exchange::AtLeastOnce
        };
        self.exchanges.insert(publish.packet_id, exchange);
        self.here.insert(publish.packet_id);
        Ok(Arrival::New)
    }

    /// The message of a QoS 2 exchange that is open is not taken.
    pub(super) fn refuse(&mut self, id: u16) {
        if let Some(Exchange::ExactlyOnce(publish)) = self.exchanges.remove(&id) {
            self.exchanges.insert(id, Exchange::Refused(publish));
        }
    }

    /// A PUBREL: answers what it releases.
    pub(super) fn handle_pubrel(&mut self, id: u16) -> Result<Released, Violation> {
        match self.exchanges.remove(&id) {
            Some(Exchange::ExactlyOnce(publish)) => {
                self.exchanges.insert(id, Exchange::Released);
                Ok(Released::Message(Box::new(publish)))
            }
            Some(Exchange::Released | Exchange::Refused(_)) => {
                self.exchanges.insert(id, Exchange::Released);
                Ok(Released::Nothing)
            }
            Some(Exchange::AtLeastOnce | Exchange::Subscribe) => Err(Violation::WrongAck),
            // PUBCOMP was lost, or the session was.
            None => Ok(Released::Unknown),
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
        self.here.remove(&id);
    }

    /// The connection is closed: only what belongs to messages is kept
    /// (section 3.1.2.4).
    pub(super) fn handle_closed(&mut self) {
        self.here.clear();
        self.exchanges
            .retain(|_, exchange| !matches!(exchange, Exchange::Subscribe));
    }

    fn check_limit(&self, limit: Limit, exactly_once: bool) -> Result<(), Violation> {
        match limit {
            Limit::ExactlyOnce(limit) => {
                let open = self.exchanges.values().filter(|exchange| {
                    !matches!(exchange, Exchange::AtLeastOnce | Exchange::Subscribe)
                });
                if exactly_once && open.count() >= limit {
                    return Err(Violation::TooManyExchanges);
                }
            }
            Limit::ReceiveMaximum(limit) => {
                // Of this connection: the quota begins anew with each (section 4.9).
                if self.here.len() >= limit.into() {
                    return Err(Violation::ReceiveMaximumExceeded);
                }
            }
        }
        Ok(())
    }
}

/// Whether two PUBLISH packets with one id are the same message.
fn same(first: &Publish, again: &Publish) -> bool {
    first.qos == again.qos && first.topic == again.topic && first.payload == again.payload
}
