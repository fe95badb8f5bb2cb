//! What the post office may write.

use jackalope::office::{Delivery, Outgoing, PacketId, Publish, Qos};

use super::{Check, Exchange, Model, Stage, ensure};
use crate::guests::Key;

impl Model {
    /// A packet that the post office wants written at this moment.
    pub(crate) fn handle_written(&mut self, now: u64, packet: &Outgoing) -> Check {
        match packet {
            Outgoing::Publish(publish) => self.handle_publish(now, publish),
            Outgoing::PubRel(id) => self.handle_pubrel(now, *id),
            Outgoing::Subscribe { id, .. } => {
                ensure!(!self.is_live(*id), "id {id} of a SUBSCRIBE is in use");
                self.subscribes.insert(*id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn is_live(&self, id: PacketId) -> bool {
        self.exchanges.contains_key(&id) || self.subscribes.contains(&id)
    }

    fn handle_publish(&mut self, now: u64, publish: &Publish) -> Check {
        let Some(Key::Letter(ticket)) = Key::of(&publish.payload) else {
            return Err("a PUBLISH that is no letter".into());
        };
        let Some(known) = self.letters.get(&ticket) else {
            return Err(format!("letter {ticket} was never accepted, and is sent"));
        };
        ensure!(
            now < known.deadline,
            "letter {ticket} is sent at {now} and expired at {}",
            known.deadline
        );
        ensure!(
            self.is_open(ticket),
            "letter {ticket} is sent after its outcome"
        );
        let refusal = self.refusal(known);
        ensure!(
            refusal.is_none(),
            "letter {ticket} is sent although {refusal:?}"
        );
        ensure!(
            (known.qos, known.retain, &known.topic)
                == (publish.delivery.qos(), publish.retain, &publish.topic),
            "letter {ticket} is sent otherwise than it was written"
        );
        let open = self.exchanges.values().filter(|exchange| exchange.is_here);
        let most = usize::from(self.terms.receive_maximum);
        ensure!(
            known.qos == Qos::AtMostOnce || open.count() < most,
            "letter {ticket} is sent with {most} open"
        );
        let (guest, priority, place) = (known.guest.index(), known.priority, known.place);
        let latest = &mut self.latest[guest][priority as usize];
        ensure!(
            *latest < place,
            "letter {ticket} is sent from place {place}, after that of letter {latest}"
        );
        *latest = place;
        self.seen.insert(ticket);
        let higher = self.lists[guest].iter().find(|other| {
            let other_known = &self.letters[other];
            other_known.priority > priority
                && !self.seen.contains(other)
                && self.refusal(other_known).is_none()
        });
        ensure!(
            higher.is_none(),
            "letter {ticket} is sent before letter {higher:?}, which has a higher priority"
        );
        if let Some(known) = self.letters.get_mut(&ticket) {
            known.is_handed_over = true;
        }
        match publish.delivery {
            Delivery::AtMostOnce => {
                ensure!(!publish.duplicate, "letter {ticket}: DUP with QoS 0");
                Ok(())
            }
            Delivery::AtLeastOnce(id) | Delivery::ExactlyOnce(id) => {
                self.handle_exchange(now, ticket, id, publish)
            }
        }
    }

    fn handle_exchange(&mut self, now: u64, ticket: u64, id: PacketId, publish: &Publish) -> Check {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            ensure!(
                exchange.ticket == ticket,
                "id {id} of letter {} is used again for letter {ticket}",
                exchange.ticket
            );
            ensure!(
                exchange.stage == Stage::Published,
                "letter {ticket} is sent again after its PUBREC"
            );
            ensure!(publish.duplicate, "letter {ticket} is sent again, no DUP");
            ensure!(!exchange.is_sent, "letter {ticket} is sent twice");
            (exchange.is_sent, exchange.is_here, exchange.sent) = (true, true, now);
            return Ok(());
        }
        ensure!(!publish.duplicate, "letter {ticket}: DUP, first time");
        ensure!(!self.is_live(id), "id {id} is in use");
        let other = self.exchanges.values().find(|other| other.ticket == ticket);
        ensure!(other.is_none(), "letter {ticket} is in flight twice");
        self.exchanges.insert(
            id,
            Exchange {
                ticket,
                qos: publish.delivery.qos(),
                stage: Stage::Published,
                is_sent: true,
                is_here: true,
                sent: now,
            },
        );
        Ok(())
    }

    fn handle_pubrel(&mut self, now: u64, id: PacketId) -> Check {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return Err(format!("PUBREL {id} belongs to nothing"));
        };
        let ticket = exchange.ticket;
        ensure!(
            exchange.stage != Stage::Published,
            "PUBREL for letter {ticket} before PUBREC"
        );
        ensure!(!exchange.is_sent, "PUBREL for letter {ticket} twice");
        exchange.stage = Stage::Released;
        exchange.is_sent = true;
        self.seen.insert(ticket);
        let deadline = self.letters.get(&ticket).map_or(0, |known| known.deadline);
        ensure!(
            now < deadline,
            "PUBREL for letter {ticket} at {now}, which expired at {deadline}"
        );
        Ok(())
    }
}
