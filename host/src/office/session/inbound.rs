//! The receiving half of the session: which messages are being handled, which
//! have been taken, and what the broker is still to be told about them.

use std::num::NonZeroU32;

use super::by_packet_id::ByPacketId;
use super::{Delivery, Outgoing, PacketId};

/// Names a message that guests are working on. None: the broker need not be told
/// when it is taken. Good for as many guests as it was given out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::office) struct Receipt(Option<NonZeroU32>);

/// What is to be done with a message that came in.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Arrival {
    /// New: hand it to its guests, and say with this when they have taken it.
    New(Receipt),
    /// It is here already.
    Duplicate(Duplicate),
}

/// How far a message is that came in again.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Duplicate {
    /// Its guests are at it: there is nothing to answer yet.
    InHand,
    /// Its guests have taken it: answer with this.
    Taken(Outgoing),
}

#[derive(Debug)]
struct Handling {
    /// How many have not taken it. At 0 the place is free.
    guests: usize,
    /// The exchange it belongs to, unless that is gone with its session.
    exchange: Option<Delivery>,
}

#[derive(Debug, Clone, Copy)]
enum Exchange {
    /// The guests are at it.
    Handled(Receipt),
    /// They have taken it. QoS 1: PUBACK could not be sent for want of a
    /// connection. QoS 2: PUBREL is awaited.
    Taken,
}

/// Messages between the broker's PUBLISH and our last word on them.
#[derive(Debug, Default)]
pub(in crate::office) struct Inbound {
    /// By receipt, which count from 1.
    handled: Vec<Handling>,
    free: Vec<Receipt>,
    /// An id of one quality of service says nothing about the other.
    at_least_once: ByPacketId<Exchange>,
    exactly_once: ByPacketId<Exchange>,
}

impl Inbound {
    /// A message has come in that this many guests want (at least one).
    pub(in crate::office) fn handle_publish(
        &mut self,
        delivery: Delivery,
        duplicate: bool,
        guests: usize,
    ) -> Arrival {
        if let Some(duplicate) = self.known(delivery, duplicate) {
            return Arrival::Duplicate(duplicate);
        }
        let receipt = match delivery {
            Delivery::AtMostOnce => Receipt(None),
            Delivery::AtLeastOnce(id) => {
                let receipt = self.give_receipt(guests, delivery);
                self.at_least_once.insert(id, Exchange::Handled(receipt));
                receipt
            }
            Delivery::ExactlyOnce(id) => {
                let receipt = self.give_receipt(guests, delivery);
                self.exactly_once.insert(id, Exchange::Handled(receipt));
                receipt
            }
        };
        Arrival::New(receipt)
    }

    fn give_receipt(&mut self, guests: usize, delivery: Delivery) -> Receipt {
        let handling = Handling {
            guests,
            exchange: Some(delivery),
        };
        if let Some(receipt) = self.free.pop()
            && let Some(place) = self.handling(receipt)
        {
            *place = handling;
            return receipt;
        }
        self.handled.push(handling);
        Receipt(
            u32::try_from(self.handled.len())
                .ok()
                .and_then(NonZeroU32::new),
        )
    }

    fn handling(&mut self, receipt: Receipt) -> Option<&mut Handling> {
        let number = usize::try_from(receipt.0?.get()).ok()?;
        self.handled.get_mut(number - 1)
    }

    /// What to answer at once to a message that nobody wants. If it is here already,
    /// those who wanted it when it came are at it. One whose packet id is that of a
    /// QoS 2 message which is here is taken for that one.
    pub(in crate::office) fn handle_unwanted(
        &mut self,
        delivery: Delivery,
        duplicate: bool,
    ) -> Option<Outgoing> {
        match (self.known(delivery, duplicate), delivery) {
            (Some(Duplicate::InHand), _) | (None, Delivery::AtMostOnce) => None,
            (Some(Duplicate::Taken(answer)), _) => Some(answer),
            (None, Delivery::AtLeastOnce(id)) => {
                self.at_least_once.remove(id);
                Some(Outgoing::PubAck(id))
            }
            (None, Delivery::ExactlyOnce(id)) => {
                self.exactly_once.insert(id, Exchange::Taken);
                Some(Outgoing::PubRec(id))
            }
        }
    }

    /// Returns how far this message is, if it is here already. QoS 2 goes by the packet id alone
    /// ([MQTT-4.3.3-2]); a QoS 1 packet id may name a new message unless DUP
    /// says that it does not.
    fn known(&mut self, delivery: Delivery, duplicate: bool) -> Option<Duplicate> {
        match delivery {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce(id) => match self.at_least_once.get(id)? {
                Exchange::Handled(_) if duplicate => Some(Duplicate::InHand),
                Exchange::Taken if duplicate => {
                    self.at_least_once.remove(id);
                    Some(Duplicate::Taken(Outgoing::PubAck(id)))
                }
                Exchange::Handled(receipt) => {
                    let earlier = *receipt;
                    self.disown(earlier);
                    None
                }
                Exchange::Taken => None,
            },
            Delivery::ExactlyOnce(id) => match self.exactly_once.get(id)? {
                Exchange::Handled(_) => Some(Duplicate::InHand),
                Exchange::Taken => Some(Duplicate::Taken(Outgoing::PubRec(id))),
            },
        }
    }

    /// One guest has taken a message (or it was given up). Once all guests have,
    /// returns the answer to the broker. Without a connection there is none, and
    /// it is given when the broker sends the message again.
    pub(in crate::office) fn handle_taken(
        &mut self,
        receipt: Receipt,
        is_online: bool,
    ) -> Option<Outgoing> {
        let handling = self.handling(receipt)?;
        handling.guests = handling.guests.checked_sub(1)?;
        if handling.guests > 0 {
            return None;
        }
        let exchange = handling.exchange.take();
        self.free.push(receipt);
        match exchange? {
            Delivery::AtMostOnce => None,
            Delivery::AtLeastOnce(id) if is_online => {
                self.at_least_once.remove(id);
                Some(Outgoing::PubAck(id))
            }
            Delivery::AtLeastOnce(id) => {
                self.at_least_once.insert(id, Exchange::Taken);
                None
            }
            Delivery::ExactlyOnce(id) => {
                self.exactly_once.insert(id, Exchange::Taken);
                is_online.then_some(Outgoing::PubRec(id))
            }
        }
    }

    /// The message that a receipt names.
    pub(in crate::office) fn delivery(&mut self, receipt: Receipt) -> Option<Delivery> {
        self.handling(receipt)?.exchange
    }

    /// Whether a message of QoS 2 was taken, and the broker may send it again.
    pub(in crate::office) fn has_taken(&self, id: PacketId) -> bool {
        matches!(self.exactly_once.get(id), Some(Exchange::Taken))
    }

    /// A message of QoS 2 was taken in an earlier life of the gateway.
    pub(in crate::office) fn restore(&mut self, id: PacketId) {
        self.exactly_once.insert(id, Exchange::Taken);
    }

    /// The broker was not told, for want of a connection. Of QoS 2 that is remembered
    /// until PUBREL.
    pub(in crate::office) fn handle_unanswered(&mut self, answer: Outgoing) {
        if let Outgoing::PubAck(id) = answer {
            self.at_least_once.insert(id, Exchange::Taken);
        }
    }

    /// The broker ends a QoS 2 exchange. An unknown one is answered like a known
    /// one, since an earlier PUBCOMP may be lost.
    pub(in crate::office) fn handle_pubrel(&mut self, id: PacketId) -> Outgoing {
        if let Some(Exchange::Handled(receipt)) = self.exactly_once.remove(id) {
            self.disown(receipt);
        }
        Outgoing::PubComp(id)
    }

    /// The broker has forgotten the session: its packet ids mean nothing now.
    /// Messages that guests are at stay with them.
    pub(in crate::office) fn handle_session_lost(&mut self) {
        self.at_least_once = ByPacketId::default();
        self.exactly_once = ByPacketId::default();
        for handling in &mut self.handled {
            handling.exchange = None;
        }
    }

    fn disown(&mut self, receipt: Receipt) {
        if let Some(handling) = self.handling(receipt) {
            handling.exchange = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: u16) -> PacketId {
        PacketId::new(id).expect("not zero")
    }

    #[track_caller]
    fn arrive(
        inbound: &mut Inbound,
        delivery: Delivery,
        duplicate: bool,
        guests: usize,
    ) -> Receipt {
        match inbound.handle_publish(delivery, duplicate, guests) {
            Arrival::New(receipt) => receipt,
            Arrival::Duplicate(how_far) => panic!("taken for a duplicate: {how_far:?}"),
        }
    }

    #[test]
    fn acknowledged_when_the_last_guest_has_taken_it() {
        let mut inbound = Inbound::default();
        let receipt = arrive(&mut inbound, Delivery::AtLeastOnce(id(1)), false, 2);
        assert_eq!(inbound.handle_taken(receipt, true), None);
        assert_eq!(
            inbound.handle_taken(receipt, true),
            Some(Outgoing::PubAck(id(1)))
        );
        assert_eq!(inbound.handle_taken(receipt, true), None);
    }

    #[test]
    fn qos_2_is_delivered_once_until_pubrel() {
        let mut inbound = Inbound::default();
        let delivery = Delivery::ExactlyOnce(id(5));
        let receipt = arrive(&mut inbound, delivery, false, 1);
        assert_eq!(
            inbound.handle_publish(delivery, true, 1),
            Arrival::Duplicate(Duplicate::InHand)
        );
        assert_eq!(
            inbound.handle_taken(receipt, true),
            Some(Outgoing::PubRec(id(5)))
        );
        let again = Arrival::Duplicate(Duplicate::Taken(Outgoing::PubRec(id(5))));
        assert_eq!(inbound.handle_publish(delivery, true, 1), again);
        assert_eq!(inbound.handle_pubrel(id(5)), Outgoing::PubComp(id(5)));
        assert_eq!(inbound.handle_pubrel(id(5)), Outgoing::PubComp(id(5)));
        arrive(&mut inbound, delivery, false, 1);
    }

    #[test]
    fn taken_while_offline_is_acknowledged_when_it_comes_again() {
        let mut inbound = Inbound::default();
        let delivery = Delivery::AtLeastOnce(id(3));
        let receipt = arrive(&mut inbound, delivery, false, 1);
        assert_eq!(inbound.handle_taken(receipt, false), None);
        let acknowledged = Arrival::Duplicate(Duplicate::Taken(Outgoing::PubAck(id(3))));
        assert_eq!(inbound.handle_publish(delivery, true, 1), acknowledged);
        arrive(&mut inbound, delivery, false, 1);
    }

    #[test]
    fn a_lost_session_takes_its_packet_ids_with_it() {
        let mut inbound = Inbound::default();
        let old = arrive(&mut inbound, Delivery::ExactlyOnce(id(1)), false, 1);
        inbound.handle_session_lost();
        let new = arrive(&mut inbound, Delivery::ExactlyOnce(id(1)), false, 1);
        assert_eq!(inbound.handle_taken(old, true), None);
        assert_eq!(
            inbound.handle_taken(new, true),
            Some(Outgoing::PubRec(id(1)))
        );
    }

    #[test]
    fn a_reused_qos_1_id_is_a_new_message_and_acknowledged_once() {
        let mut inbound = Inbound::default();
        let old = arrive(&mut inbound, Delivery::AtLeastOnce(id(1)), false, 1);
        let new = arrive(&mut inbound, Delivery::AtLeastOnce(id(1)), false, 1);
        assert_eq!(inbound.handle_taken(old, true), None);
        assert_eq!(
            inbound.handle_taken(new, true),
            Some(Outgoing::PubAck(id(1)))
        );
    }

    #[test]
    fn a_qos_1_exchange_says_nothing_about_a_qos_2_message() {
        let mut inbound = Inbound::default();
        let old = arrive(&mut inbound, Delivery::AtLeastOnce(id(1)), false, 1);
        // Without a connection it stays, for when it comes again.
        assert_eq!(inbound.handle_taken(old, false), None);
        let new = arrive(&mut inbound, Delivery::ExactlyOnce(id(1)), false, 1);
        assert_eq!(
            inbound.handle_taken(new, true),
            Some(Outgoing::PubRec(id(1)))
        );
    }

    #[test]
    fn a_qos_2_exchange_says_nothing_about_a_qos_1_message() {
        let mut inbound = Inbound::default();
        let old = arrive(&mut inbound, Delivery::ExactlyOnce(id(1)), false, 1);
        let new = arrive(&mut inbound, Delivery::AtLeastOnce(id(1)), true, 1);
        assert_eq!(
            inbound.handle_taken(new, true),
            Some(Outgoing::PubAck(id(1)))
        );
        assert_eq!(
            inbound.handle_taken(old, true),
            Some(Outgoing::PubRec(id(1)))
        );
    }

    #[test]
    fn an_unwanted_message_overwrites_no_exchange() {
        let mut inbound = Inbound::default();
        let delivery = Delivery::ExactlyOnce(id(1));
        let receipt = arrive(&mut inbound, delivery, false, 1);
        assert_eq!(inbound.handle_unwanted(delivery, false), None);
        let in_hand = Arrival::Duplicate(Duplicate::InHand);
        assert_eq!(inbound.handle_publish(delivery, true, 1), in_hand);
        let answer = Some(Outgoing::PubRec(id(1)));
        assert_eq!(inbound.handle_taken(receipt, true), answer);
        assert_eq!(inbound.handle_unwanted(delivery, false), answer);
    }

    #[test]
    fn an_unwanted_message_of_a_reused_qos_1_id_is_acknowledged_once() {
        let mut inbound = Inbound::default();
        let delivery = Delivery::AtLeastOnce(id(1));
        let receipt = arrive(&mut inbound, delivery, false, 1);
        let answer = Some(Outgoing::PubAck(id(1)));
        assert_eq!(inbound.handle_unwanted(delivery, false), answer);
        assert_eq!(inbound.handle_taken(receipt, true), None);
    }
}
