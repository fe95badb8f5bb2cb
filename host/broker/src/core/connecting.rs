//! How connections and sessions begin.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Phase;
use super::{Core, Work};
use crate::convert;
use crate::event::{CloseReason, ConnectionId, Event};
use crate::options::Permissions;
use crate::packet::{ConnectReturnCode, QoS};
use crate::session::Session;
use crate::time::Time;
use crate::v5::{Acknowledgement, ConnAck, Connect, Packet, Properties, Property, Reason};
use crate::violation::Violation;

impl Core {
    pub(super) fn handle_connect(
        &mut self,
        now: Time,
        id: ConnectionId,
        connect: Connect,
    ) -> Result<(), Violation> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        if connection.phase != Phase::New {
            return Err(Violation::SecondConnect);
        }
        if self.faults.never_answer_connect {
            connection.phase = Phase::Ignored;
        } else if let Some(delay) = self.faults.connect_delay {
            connection.phase = Phase::Waiting;
            self.schedule(now + delay, id, Work::AnswerConnect(connect));
        } else {
            self.answer_connect(now, id, connect);
        }
        Ok(())
    }

    pub(super) fn answer_connect(&mut self, now: Time, id: ConnectionId, connect: Connect) {
        let Some(v5) = self.connections.get(&id).map(|connection| connection.v5) else {
            return;
        };
        if let Some(reason) = self.refusal(v5, &connect) {
            return self.refuse_connect(now, id, v5, reason);
        }
        let unnamed = connect.client_id.is_empty();
        if unnamed && !connect.clean_start && !v5 {
            // [MQTT-3.1.3-8]
            self.send_connack(now, id, ConnectReturnCode::BadClientId);
            return self.violate(now, id, Violation::ClientIdMissing);
        }
        let client: Arc<str> = if unnamed {
            self.invent_client_id()
        } else {
            connect.client_id.as_str().into()
        };
        self.take_over(now, &client);
        // Publishing the will of the former connection can cut this one.
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let wanted = connect.properties.session_expiry().unwrap_or(0);
        let (keep_alive, session_expiry) = if v5 {
            (
                self.options.server_keep_alive.unwrap_or(connect.keep_alive),
                wanted.min(self.options.session_expiry_maximum),
            )
        } else {
            (connect.keep_alive, wanted)
        };
        let properties = &connect.properties;
        connection.phase = Phase::Connected;
        connection.client = Some(client.clone());
        connection.user.clone_from(&connect.user_name);
        connection.last_heard = now;
        connection.patience =
            (keep_alive > 0).then(|| Duration::from_secs(keep_alive.into()) * 3 / 2);
        connection.wants_session = wanted > 0;
        connection.aliases.outgoing_maximum = properties.topic_alias_maximum();
        connection.receive_maximum = properties.receive_maximum();
        connection.maximum_packet_size =
            (properties.maximum_packet_size()).and_then(|size| usize::try_from(size).ok());
        let answer = self.connack_properties(&client, &connect, session_expiry);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.will = connect.last_will;
        }
        let present = self.begin_session(now, &client, id, connect.clean_start, session_expiry);
        let connack = ConnAck {
            reason: Reason::Success,
            session_present: present,
            properties: answer,
        };
        self.send(now, id, Packet::ConnAck(connack));
        self.resume_sending(now, &client, id);
    }

    /// Why a client is not let in.
    fn refusal(&mut self, v5: bool, connect: &Connect) -> Option<Reason> {
        if v5 && let Some(reason) = self.faults.refuse_connect_v5() {
            return Some(reason);
        }
        if let Some(code) = self.faults.refuse_connect() {
            return Some(convert::reason(code));
        }
        if !self.knows(connect) {
            // Return code 4 is for what is malformed.
            return Some(if v5 {
                Reason::BadUserNameOrPassword
            } else {
                Reason::NotAuthorized
            });
        }
        let will = connect.last_will.as_ref();
        let permissions = self.permissions(connect.user_name.as_deref());
        if will.is_some_and(|will| !permissions.may_publish(&will.topic)) {
            return Some(Reason::NotAuthorized);
        }
        if !v5 {
            return None;
        }
        if connect.properties.has_authentication_method() {
            // [MQTT-4.12.0-1]
            return Some(Reason::BadAuthenticationMethod);
        }
        match &connect.last_will {
            // [MQTT-3.2.2-12], [MQTT-3.2.2-13]
            Some(will) if will.qos > self.options.maximum_qos => Some(Reason::QosNotSupported),
            Some(will) if will.retain && !self.options.retain_available => {
                Some(Reason::RetainNotSupported)
            }
            _ => None,
        }
    }

    fn knows(&self, connect: &Connect) -> bool {
        let users = &self.options.users;
        let password = connect.password.as_deref();
        users.is_empty()
            || connect.user_name.as_ref().is_some_and(|name| {
                users.get(name).map(String::as_bytes) == Some(password.unwrap_or_default())
            })
    }

    /// What a user may do.
    fn permissions(&self, user: Option<&str>) -> &Permissions {
        let permissions = user.and_then(|user| self.options.permissions.get(user));
        permissions.unwrap_or(Permissions::EVERYTHING)
    }

    /// What the user of a connection may do.
    pub(super) fn permissions_of(&self, id: ConnectionId) -> &Permissions {
        let connection = self.connections.get(&id);
        self.permissions(connection.and_then(|connection| connection.user.as_deref()))
    }

    fn refuse_connect(&mut self, now: Time, id: ConnectionId, v5: bool, reason: Reason) {
        self.send_connack_v5(now, id, reason);
        let reason = if v5 {
            CloseReason::RefusedWith(reason)
        } else {
            CloseReason::Refused(convert::code(reason))
        };
        self.close(now, id, reason);
    }

    /// What a client is told of its session and of this broker; what is left
    /// out is as the client expects it.
    fn connack_properties(
        &self,
        client: &str,
        connect: &Connect,
        session_expiry: u32,
    ) -> Properties {
        let options = &self.options;
        let mut properties = Properties::default();
        let mut tell = |told: bool, property: Property| {
            if told {
                properties.push(property);
            }
        };
        tell(
            connect.properties.session_expiry().unwrap_or(0) != session_expiry,
            Property::SessionExpiry(session_expiry),
        );
        tell(
            connect.client_id.is_empty(),
            Property::AssignedClientId(client.to_owned()),
        );
        if let Some(keep_alive) = options.server_keep_alive {
            tell(true, Property::ServerKeepAlive(keep_alive));
        }
        let window = options.receive_maximum.max(1);
        tell(window < u16::MAX, Property::ReceiveMaximum(window));
        let aliases = options.topic_alias_maximum;
        tell(aliases > 0, Property::TopicAliasMaximum(aliases));
        let size = u32::try_from(options.max_packet_size).unwrap_or(u32::MAX);
        tell(size > 0, Property::MaximumPacketSize(size));
        let qos = options.maximum_qos;
        tell(qos < QoS::ExactlyOnce, Property::MaximumQos(qos));
        tell(!options.retain_available, Property::RetainAvailable(false));
        tell(
            !options.wildcard_available,
            Property::WildcardAvailable(false),
        );
        tell(
            !options.subscription_ids_available,
            Property::SubscriptionIdsAvailable(false),
        );
        tell(!options.shared_available, Property::SharedAvailable(false));
        properties
    }

    /// Gives a session to a connection; whether there was one already.
    fn begin_session(
        &mut self,
        now: Time,
        client: &Arc<str>,
        id: ConnectionId,
        clean: bool,
        expiry: u32,
    ) -> bool {
        if clean {
            self.end_session(now, client);
        }
        let present = self.sessions.contains_key(client);
        let session = self
            .sessions
            .entry(client.clone())
            .or_insert_with(|| Session::new(expiry));
        session.connection = Some(id);
        session.expiry = expiry;
        session.ends = None;
        // [MQTT-3.1.3-9] of MQTT 5: the client is back in time.
        session.will = None;
        let client = client.clone();
        self.events.push_back(if present {
            Event::SessionResumed {
                client,
                in_flight: session.outgoing.in_flight(),
                waiting: session.outgoing.waiting(),
            }
        } else {
            Event::SessionCreated { client }
        });
        present
    }

    fn resume_sending(&mut self, now: Time, client: &str, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        for packet_id in session.outgoing.resume() {
            let ack = Acknowledgement::new(packet_id, Reason::Success);
            self.send(now, id, Packet::PubRel(ack));
        }
        self.send_waiting(now, client);
    }

    /// Refuses a connection, as MQTT 3.1.1 names it.
    pub(super) fn send_connack(&mut self, now: Time, id: ConnectionId, code: ConnectReturnCode) {
        self.send_connack_v5(now, id, convert::reason(code));
    }

    /// Refuses a connection.
    pub(super) fn send_connack_v5(&mut self, now: Time, id: ConnectionId, reason: Reason) {
        let connack = ConnAck {
            reason,
            session_present: false,
            properties: Properties::default(),
        };
        self.send(now, id, Packet::ConnAck(connack));
    }

    /// A client id for a client that has none ([MQTT-3.1.3-6]).
    fn invent_client_id(&mut self) -> Arc<str> {
        loop {
            self.last_client += 1;
            let client = format!("client-{}", self.last_client);
            if !self.sessions.contains_key(client.as_str()) {
                return client.into();
            }
        }
    }
}
