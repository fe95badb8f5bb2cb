//! What goes between the gateway and its broker.

use jackalope::office::{
    Carried, Disconnection, GuestId, Incoming, Message, Outgoing, Outlook, PacketId, Qos, Terms,
    Ticket, WhenOff,
};

use super::life::TOPICS;
use super::{Handling, QUALITIES, Run, SECOND};

impl Run<'_> {
    pub(super) fn connect(&mut self) {
        if self.life.is_online {
            return;
        }
        if self.random.one_in(2) || self.is_kind {
            self.pass(SECOND);
        }
        let broker = match self.is_kind {
            true => 0,
            false => self.random.below(self.setup.brokers),
        };
        let broker = usize::try_from(broker).expect("there are two");
        self.life.office.set_broker(broker, false);
        let now = self.clocks.running();
        let Some(connect) = self.life.office.poll_connect(now) else {
            return;
        };
        if let Some(clean_session) = self.next_clean_session.take() {
            self.setup.clean_session = clean_session;
        }
        if self.random.one_in(6) && !self.is_kind {
            let reason = Disconnection::Refused(3);
            self.life.office.handle_disconnected(now, reason);
            return;
        }
        let forgets = self.random.one_in(8) && !self.is_kind;
        let keeps = self.brokers[broker].has_session && !connect.clean_session && !forgets;
        let session = self.number();
        let life = &mut self.life;
        (life.broker, life.is_online, life.handed_out) = (broker, true, 0);
        self.note(|| format!("  to broker {broker}, session kept: {keeps}"));
        self.brokers[broker].connect(keeps, session);
        let ends_with_connection = connect.clean_session && self.random.one_in(2);
        self.brokers[broker].has_session = !self.setup.clean_session && !ends_with_connection;
        if !keeps {
            for handling in self.life.handling.values_mut() {
                handling.exchange = None;
            }
            if self.keeps_session() || !self.setup.clean_session {
                self.live.received.clear();
                self.live.changes += 1;
                self.live.session = Some(match self.setup.clean_session {
                    true => NO_SESSION,
                    false => (broker, session),
                });
            }
        }
        if keeps && !self.keeps_session() {
            self.live.changes += 1;
            self.live.session = Some((broker, self.brokers[broker].session));
        }
        let connack = Incoming::ConnAck {
            session_present: keeps,
            terms: Terms::default(),
        };
        self.life.office.handle_packet(now, connack);
        self.listen();
    }

    pub(super) fn lose_connection(&mut self) {
        if !self.life.is_online {
            return;
        }
        let arrived = self.random.below(4);
        (0..arrived).for_each(|_| self.brokers[self.life.broker].read());
        let reason = Disconnection::Failed("the network is gone".into());
        let now = self.clocks.running();
        self.life.office.handle_disconnected(now, reason);
        self.handle_disconnected();
    }

    pub(super) fn handle_disconnected(&mut self) {
        self.life.is_online = false;
        let broker = &mut self.brokers[self.life.broker];
        let keeps = broker.has_session;
        broker.disconnect(keeps);
    }

    pub(super) fn message(&mut self) {
        let topic = self.random.pick(&TOPICS);
        let qos = self.random.pick(&QUALITIES);
        let number = self.number();
        let broker = &mut self.brokers[self.life.broker];
        if self.life.is_online || broker.has_session {
            broker.publish(number, topic, qos, self.life.is_online);
        }
    }

    // ---- out ----

    pub(super) fn write(&mut self, most: u64) {
        for _ in 0..most {
            let now = self.clocks.running();
            let dispatch = self.life.office.poll_packet(now, Outlook::default());
            self.listen();
            let Some(dispatch) = dispatch else {
                return;
            };
            self.note(|| format!("  > {:?}", dispatch.packet));
            let ticket = self.check_packet(&dispatch.packet);
            self.life.handed_out += u64::from(dispatch.carried != Carried::Nothing);
            self.life.office.handle_begun(self.life.handed_out);
            if let Carried::Letter(ticket) = dispatch.carried {
                self.life.delivered.insert(ticket);
                self.life.office.handle_written(now, dispatch.carried);
            }
            let broker = &mut self.brokers[self.life.broker];
            broker.to_broker.push_back((dispatch.packet, ticket));
            self.listen();
        }
    }

    /// Returns which letter it is about.
    fn check_packet(&mut self, packet: &Outgoing) -> Option<Ticket> {
        match packet {
            Outgoing::Publish(publish) => {
                let number = publish.topic.strip_prefix("t/").expect("a letter");
                let ticket = Ticket(number.parse().expect("a ticket"));
                if let Some(id) = publish.delivery.packet_id() {
                    self.life.ids.insert(id, ticket);
                }
                self.check_letter(ticket);
                Some(ticket)
            }
            Outgoing::PubRel(id) => {
                let ticket = self.life.ids[id];
                // What was displaced meanwhile is delivered all the same.
                if self.live.letters.contains_key(&ticket) {
                    self.check_letter(ticket);
                }
                Some(ticket)
            }
            Outgoing::PubAck(id) | Outgoing::PubRec(id) => {
                self.check_acknowledged(*id);
                None
            }
            Outgoing::PubComp(id) => {
                let is_release_lost =
                    self.keeps_session() && self.durable.received.contains_key(id);
                assert!(
                    !is_release_lost,
                    "PUBCOMP {id} before the release is durable"
                );
                None
            }
            _ => None,
        }
    }

    fn check_letter(&mut self, ticket: Ticket) {
        let is_durable = self.durable.letters.contains_key(&ticket);
        assert!(is_durable, "{ticket:?} is sent before it is durable");
        let letter = &self.live.letters[&ticket];
        let clocks = &self.clocks;
        let is_of_this_boot = clocks.is_of_this_boot(letter.posted);
        let counts = !is_of_this_boot && letter.when_off == WhenOff::Count;
        if clocks.are_right() || !counts {
            let is_over = clocks.is_over(letter.posted, letter.ttl, letter.when_off);
            assert!(!is_over, "{ticket:?} is sent after its ttl");
        }
        if clocks.are_right() && counts {
            assert!(self.life.has_seen_trust, "{ticket:?} is to be held");
        }
        if !is_of_this_boot {
            self.see("letter sent in another boot");
        }
        if self.life.restored.contains(&ticket) {
            self.see("letter sent in another life");
        }
        if counts && self.life.was_held {
            self.see("letter sent that was held");
        }
    }

    fn check_acknowledged(&mut self, id: PacketId) {
        let broker = &self.brokers[self.life.broker];
        let Some(message) = broker.message(id) else {
            return;
        };
        let number = message.number;
        if self.life.is_wanted(message.topic) && !self.life.unwanted.contains(&number) {
            let taken = self.live.taken.get(&number);
            let is_durable = taken.is_some_and(|changes| *changes <= self.durable.changes);
            assert!(is_durable, "message {number} is acknowledged too early");
        }
        if !self.life.handed.contains(&number) && self.durable.taken.contains_key(&number) {
            self.see("message known from another life");
        }
    }

    // ---- in ----

    pub(super) fn read(&mut self) {
        if !self.life.is_online {
            return;
        }
        let broker = &mut self.brokers[self.life.broker];
        let Some((packet, ticket)) = broker.to_client.pop_front() else {
            return;
        };
        self.note(|| format!("  < {packet:?}"));
        if let (Incoming::PubAck(_) | Incoming::PubComp(_), Some(ticket)) = (&packet, ticket) {
            self.life.delivered.insert(ticket);
        }
        match &packet {
            Incoming::PubRel(id) if self.keeps_session() => {
                self.live.received.remove(id);
                self.live.changes += 1;
            }
            Incoming::Publish(publish, _) if !self.life.is_wanted(&publish.topic) => {
                self.life.unwanted.insert(number_of(&publish.payload));
            }
            _ => {}
        }
        self.life
            .office
            .handle_packet(self.clocks.running(), packet);
        self.listen();
    }

    pub(super) fn handle_received(&mut self, message: &Message, places: &[GuestId]) {
        let number = number_of(&message.payload);
        let is_again = message.qos == Qos::ExactlyOnce && self.live.taken.contains_key(&number);
        assert!(!is_again, "message {number} is handed out again");
        let broker = &self.brokers[self.life.broker];
        let mut sent = broker.messages.iter();
        let delivery = sent.find(|it| it.number == number).map(|it| it.delivery);
        let id = delivery.and_then(|it| it.packet_id());
        let handling = Handling {
            guests: places.iter().copied().collect(),
            exchange: Some(id.filter(|_| message.qos == Qos::ExactlyOnce)),
        };
        self.life.handed.insert(number);
        self.life.handling.insert(number, handling);
    }

    /// Whether the session at hand is kept.
    fn keeps_session(&self) -> bool {
        self.live.session.is_some_and(|it| it != NO_SESSION)
    }

    /// A guest has taken a message.
    pub(super) fn handle_taken(&mut self, place: GuestId, number: u64) {
        let Some(handling) = self.life.handling.get_mut(&number) else {
            return;
        };
        let was_at_it = handling.guests.remove(&place);
        if !was_at_it || !handling.guests.is_empty() {
            return;
        }
        let exchange = self.life.handling.remove(&number);
        if let Some(Some(id)) = exchange.and_then(|it| it.exchange)
            && self.keeps_session()
        {
            self.live.received.insert(id, number);
            self.live.changes += 1;
        }
        // One of QoS 1 may be handed out again while its acknowledgement waits.
        let changes = self.live.changes;
        self.live.taken.entry(number).or_insert(changes);
    }
}

/// There was one before the one at hand, which ends with its connection.
const NO_SESSION: (usize, u64) = (usize::MAX, 0);

/// The number of a message.
pub(super) fn number_of(payload: &[u8]) -> u64 {
    let number = str::from_utf8(payload).ok().and_then(|it| it.parse().ok());
    number.expect("it is a number")
}
