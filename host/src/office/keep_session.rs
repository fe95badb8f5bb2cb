//! How the session goes: connections begin and end, messages and answers to
//! subscriptions come in.

use super::guests::Inbox;
use super::routing::{Route, Ruling, Verdict, WrongCount};
use super::session::{Arrival, Duplicate, Receipt};
use super::{
    Call, Disconnection, GuestId, Message, Notice, Office, Origin, Outcome, PacketId, Publish, Qos,
    Reason, Refused, Status, SubscriptionId, Terms, Time,
};

impl Office {
    pub(super) fn handle_connack(&mut self, now: Time, session_present: bool, terms: Terms) {
        if !self.link.is_connecting() {
            if self.link.is_online() {
                self.give_up(
                    now,
                    Disconnection::Violation("there is one CONNACK a connection"),
                );
            }
            return;
        }
        if session_present && self.asked_for_new_session {
            let rule = "a clean session begins without session present [MQTT-3.2.2-1]";
            return self.give_up(now, Disconnection::Violation(rule));
        }
        let is_another = self.session_of.replace(self.broker) != Some(self.broker);
        if let Some((topic, refusal)) = self.wills.handle_accepted() {
            self.notices.push(Notice::WillRefused { topic, refusal });
        }
        let round_trip = self.link.handle_connected(now, terms.keep_alive);
        self.outbound
            .handle_connected(now, round_trip, &mut self.list);
        if session_present {
            self.outbound.handle_session_kept(now, &mut self.ids);
            self.note_session_found();
        } else {
            self.outbound
                .handle_session_lost(&mut self.list, &mut self.ids);
            self.inbound.handle_session_lost();
            self.note_session();
        }
        let most = terms.receive_maximum;
        let for_letters = self.presence.handle_connected(session_present, most);
        self.outbound.handle_receive_maximum(for_letters);
        let ids = &mut self.ids;
        let refused =
            self.subscriptions
                .handle_connected(now, &terms, session_present, is_another, ids);
        self.handle_terms(terms);
        self.list.rewind();
        self.displace_superseded();
        self.notices.push(Notice::Online { session_present });
        self.guests.tell_status(Status::Online);
        self.tell_verdicts(refused);
    }

    fn handle_terms(&mut self, terms: Terms) {
        self.limits.max_packet_size = terms.max_packet_size;
        self.limits.properties = terms.properties;
        self.limits.max_qos = terms.max_qos.min(self.settings.max_qos);
        self.limits.retain_available = terms.retain_available;
        self.limits.carries_properties = terms.carries_properties;
        // A name that was given once is ours for as long as the gateway runs.
        self.client_id = self.client_id.take().or(terms.client_id);
    }

    pub(super) fn handle_publish(
        &mut self,
        now: Time,
        publish: Publish,
        came_for: &[SubscriptionId],
        origin: Origin,
    ) {
        if self.shutdown.is_some() {
            return;
        }
        let Publish {
            topic,
            payload,
            delivery,
            retain,
            duplicate,
            properties,
            lifetime,
        } = publish;
        let mut guests = std::mem::take(&mut self.routed);
        guests.clear();
        self.subscriptions.route(&topic, came_for, &mut guests);
        if guests.is_empty() {
            self.routed = guests;
            self.notices.push(Notice::Unrouted { topic });
            let answer = self.inbound.handle_unwanted(delivery, duplicate);
            self.answer(answer);
            return;
        }
        match self
            .inbound
            .handle_publish(delivery, duplicate, guests.len())
        {
            Arrival::Duplicate(Duplicate::InHand) => {}
            Arrival::Duplicate(Duplicate::Taken(answer)) => self.answer(Some(answer)),
            Arrival::New(receipt) => {
                let qos = delivery.qos();
                let Some((last, others)) = guests.split_last() else {
                    return;
                };
                let message = Message {
                    topic,
                    payload,
                    qos,
                    retained: retain,
                    duplicate,
                    subscription: self.subscriptions.filter(*last).clone(),
                    properties,
                    expires: lifetime.map(|lifetime| now + lifetime),
                    origin,
                };
                self.notices.push_detail(|| Notice::Received {
                    message: message.clone(),
                    guests: guests.iter().map(|(guest, _)| *guest).collect(),
                });
                for route in others {
                    let message = Message {
                        subscription: self.subscriptions.filter(*route).clone(),
                        ..message.clone()
                    };
                    self.deliver(route.0, message, receipt);
                }
                self.deliver(last.0, message, receipt);
            }
        }
        self.routed = guests;
    }

    /// Puts a message into the inbox of one guest. Where there is no room for it,
    /// it is over for this guest.
    pub(super) fn deliver(&mut self, guest: GuestId, message: Message, receipt: Receipt) {
        if self.guests.inbox(guest).has_room_for(&message) {
            self.guests
                .change(guest, |inbox| inbox.push_message(message, receipt));
            return;
        }
        self.notices.push(match message.qos {
            Qos::AtMostOnce => Notice::Dropped {
                guest,
                topic: message.topic.clone(),
                count: self.guests.change(guest, Inbox::count_dropped),
            },
            Qos::AtLeastOnce | Qos::ExactlyOnce => Notice::GivenUp {
                guest,
                call: Call::Message(message),
                error: "too many messages wait for this guest".into(),
            },
        });
        self.take(receipt);
    }

    pub(super) fn handle_suback(
        &mut self,
        now: Time,
        id: PacketId,
        granted: &[Result<Qos, Reason>],
    ) {
        let ids = &mut self.ids;
        let verdicts =
            match self
                .subscriptions
                .handle_suback(now, id, granted, ids, &mut self.random)
            {
                Ok(verdicts) => verdicts,
                Err(WrongCount) => {
                    let rule = "a SUBACK has a return code for each filter [MQTT-3.8.4-5]";
                    return self.give_up(now, Disconnection::Violation(rule));
                }
            };
        let Some(verdicts) = verdicts else {
            self.notices.push(Notice::Unexpected { packet: "SUBACK" });
            return;
        };
        if !self.subscriptions.is_unanswered(now) {
            self.outbound.handle_subscribed();
        }
        self.tell_verdicts(verdicts);
    }

    pub(super) fn handle_unsuback(&mut self, id: PacketId, refused: Option<Reason>) {
        match self.subscriptions.handle_unsuback(id, &mut self.ids) {
            Some(filter) => self.notices.push(Notice::Unsubscribed { filter, refused }),
            None => self.notices.push(Notice::Unexpected { packet: "UNSUBACK" }),
        }
    }

    fn tell_verdicts(&mut self, verdicts: Vec<Verdict>) {
        for verdict in verdicts {
            let filter = verdict.filter;
            let granted = matches!(verdict.ruling, Ruling::Granted(_));
            for route in verdict.tell {
                self.tell_subscription(route, granted);
            }
            self.notices.push(match verdict.ruling {
                Ruling::Granted(qos) => Notice::Subscribed { filter, qos },
                Ruling::HangsUp { next_try } => Notice::SubscriptionHangsUp { filter, next_try },
                Ruling::Refused { reason, next_try } => Notice::SubscriptionRefused {
                    filter,
                    reason,
                    next_try,
                },
            });
        }
    }

    pub(super) fn tell_subscription(&mut self, route: Route, granted: bool) {
        let call = Call::Subscription {
            filter: self.subscriptions.filter(route).as_str().clone(),
            granted,
        };
        self.guests
            .change(route.0, |inbox| inbox.push_subscription(call));
    }

    /// Ends a connection from this side.
    pub(super) fn give_up(&mut self, now: Time, reason: Disconnection) {
        self.close = Some(reason.clone());
        self.disconnect(now, reason);
    }

    /// Returns why, as far as is known now.
    pub(super) fn disconnect(&mut self, now: Time, reason: Disconnection) -> Disconnection {
        let was_online = self.link.is_online();
        let refused = match self.link.is_connecting() {
            true => self.wills.handle_ended(&reason),
            false => None,
        };
        let reason = refused
            .as_ref()
            .map_or(reason, |(said, ..)| Disconnection::Will(*said));
        self.answers.clear();
        for answer in self.journal.take_answers() {
            self.inbound.handle_unanswered(answer);
        }
        if was_online && reason.is_hang_up() {
            self.handle_hang_up(now);
        }
        self.outbound.handle_disconnected();
        self.presence.handle_disconnected(&reason);
        if self.shutdown.is_some() {
            self.link.stop();
        }
        let next_try = self
            .link
            .handle_disconnected(now, &reason, &mut self.random);
        self.notices.push(Notice::Offline {
            reason: reason.clone(),
            next_try,
            hang_ups: self.link.hang_ups(),
        });
        if let Some((_, topic, refusal)) = refused {
            self.notices.push(Notice::WillRefused { topic, refusal });
        }
        if was_online {
            self.guests.tell_status(Status::Offline);
        }
        reason
    }

    /// The broker has hung up, perhaps because of a subscription or a letter.
    fn handle_hang_up(&mut self, now: Time) {
        let subscriptions = self.subscriptions.handle_hang_up(now, &mut self.random);
        let may_be_one = subscriptions.is_some();
        let refused = subscriptions.unwrap_or_default();
        if !refused.is_empty() {
            return self.tell_verdicts(refused);
        }
        if self.presence.is_unanswered() {
            // What came before all letters is more likely than any of them.
            if !may_be_one {
                self.notices.push(Notice::StatusUnanswered);
            }
            return;
        }
        if let Some(key) = self.outbound.handle_hang_up(now, &mut self.list)
            && let Some(entry) = self.list.get(key)
        {
            self.notices.push(Notice::HangUp {
                guest: entry.guest,
                ticket: entry.ticket,
                topic: entry.topic.clone(),
            });
            self.conclude(key, Outcome::Refused(Refused::HangsUp));
        }
    }
}
