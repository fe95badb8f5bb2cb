//! The naive model of the receiving half: which messages the broker has sent,
//! and which of them guests have taken.

use std::collections::BTreeMap;

use jackalope::broker::{ConnectionId, Packet, QoS};
use jackalope::office::{
    Delivery, GuestId, Message, Outgoing, PacketId, Publish, Qos, SubscriptionId,
};

use crate::guests::Key;
use crate::model::{Check, ensure};
use crate::packets::{self, Seen};
use crate::schedule::Setup;

type Kind = (Key, Qos);

/// One message of QoS 1 or 2 on its way, from the first PUBLISH until the
/// broker has its last acknowledgement.
#[derive(Debug)]
struct Instance {
    id: u16,
    kind: Kind,
    /// Whom it is for.
    receivers: Vec<usize>,
    /// The session has gone before.
    is_lost: bool,
    /// From when on the broker does not send it again.
    expires: Option<u64>,
    /// It was too large to be read.
    is_unread: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// What each guest subscribes to.
    filters: Vec<Vec<&'static str>>,
    instances: Vec<Instance>,
    /// When the broker last sent anything.
    latest: u64,
    /// What the broker has under way, by packet id.
    open: BTreeMap<u16, usize>,
    /// What the gateway has seen of it.
    seen: BTreeMap<PacketId, usize>,
    /// How often the broker has sent it to each guest.
    sent: BTreeMap<(Kind, usize), u64>,
    taken: BTreeMap<(Kind, usize), u64>,
    /// The filters, by what the gateway has the broker call them.
    subscriptions: BTreeMap<u32, String>,
    /// What topic aliases stand for.
    aliases: BTreeMap<(ConnectionId, u16), String>,
    /// All messages that have come in, for each guest.
    arrived: Vec<Vec<Kind>>,
    /// How many of these the guest has been called with or passed over.
    called: Vec<usize>,
}

impl Messages {
    pub(crate) fn new(setup: &Setup) -> Self {
        let filters = |guest: &crate::schedule::GuestSetup| {
            let filters = guest.subscriptions.iter().map(|(filter, _)| *filter);
            filters.collect::<Vec<_>>()
        };
        let filters: Vec<_> = setup.guests.iter().map(filters).collect();
        Self {
            arrived: vec![Vec::new(); filters.len()],
            called: vec![0; filters.len()],
            filters,
            ..Self::default()
        }
    }

    /// Who has a filter that a message came for, or any that matches if nobody
    /// knows which.
    fn receivers(&self, came_for: &[u32], topic: &str) -> Vec<usize> {
        let came_for: Vec<_> = came_for
            .iter()
            .map(|id| self.subscriptions.get(id).map_or("", String::as_str))
            .collect();
        let is_for = |filter: &&str| {
            matches(filter, topic) && (came_for.is_empty() || came_for.contains(filter))
        };
        (0..self.filters.len())
            .filter(|guest| self.filters[*guest].iter().any(is_for))
            .collect()
    }

    /// The broker has sent a PUBLISH, or tried to.
    pub(crate) fn handle_sent(
        &mut self,
        now: u64,
        connection: ConnectionId,
        packet: &Packet,
    ) -> Check {
        self.latest = now;
        let Seen::Publish(publish) = packets::look(packet) else {
            return Ok(());
        };
        let Some(key) = Key::of(publish.payload) else {
            return Err("the broker has sent a strange payload".into());
        };
        let topic = match publish.alias {
            Some(alias) if publish.topic.is_empty() => self.aliases[&(connection, alias)].clone(),
            Some(alias) => {
                let topic = publish.topic.to_owned();
                self.aliases.insert((connection, alias), topic.clone());
                topic
            }
            None => publish.topic.to_owned(),
        };
        let kind = (key, publish.qos.into());
        let receivers = self.receivers(&publish.came_for, &topic);
        for guest in &receivers {
            *self.sent.entry((kind, *guest)).or_default() += 1;
        }
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        if publish.dup {
            ensure!(
                self.open.contains_key(&publish.packet_id),
                "the broker has sent {key:?} again, which is not under way"
            );
            return Ok(());
        }
        let expires = publish.expiry.map(|secs| now + u64::from(secs) * 1_000);
        if let Some(former) = self.open.insert(publish.packet_id, self.instances.len()) {
            ensure!(
                self.instances[former].is_expired(now),
                "{key:?} has the packet id of a message that is under way"
            );
            self.instances[former].is_lost = true;
        }
        self.instances.push(Instance {
            id: publish.packet_id,
            kind,
            receivers,
            is_lost: false,
            expires,
            is_unread: false,
        });
        Ok(())
    }

    /// The broker has an acknowledgement.
    pub(crate) fn handle_received(&mut self, packet: &Packet) -> Check {
        match packets::look(packet) {
            Seen::PubAck(id) => self.finish(id, Qos::AtLeastOnce),
            Seen::PubComp(id) => self.finish(id, Qos::ExactlyOnce),
            Seen::Subscribe(filters, Some(id)) => {
                ensure!(filters.len() == 1, "{filters:?} have one identifier");
                let known = self.subscriptions.insert(id, filters[0].to_owned());
                ensure!(
                    known.is_none_or(|known| known == filters[0]),
                    "{id} is the identifier of {filters:?} and of another filter"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, id: u16, qos: Qos) -> Check {
        if let Some(&index) = self.open.get(&id)
            && self.instances[index].kind.1 == qos
        {
            self.open.remove(&id);
            self.check_taken(index, "the broker was told that it is")?;
        }
        Ok(())
    }

    /// The broker has lost the session.
    pub(crate) fn handle_lost(&mut self) {
        for index in std::mem::take(&mut self.open).into_values() {
            self.instances[index].is_lost = true;
        }
    }

    /// The gateway begins a new session.
    pub(crate) fn handle_new_session(&mut self) {
        self.seen.clear();
    }

    /// The gateway has read a message. Returns whom it goes to.
    pub(crate) fn handle_arrival(
        &mut self,
        publish: &Publish,
        came_for: &[SubscriptionId],
    ) -> Result<Vec<usize>, String> {
        let Some(key) = Key::of(&publish.payload) else {
            return Err("a strange payload has arrived".into());
        };
        let kind = (key, publish.delivery.qos());
        if let Some(id) = publish.delivery.packet_id() {
            let index = self.latest(id, kind)?;
            self.seen.insert(id, index);
        }
        let came_for: Vec<_> = came_for.iter().map(|id| id.get()).collect();
        let guests = self.receivers(&came_for, &publish.topic);
        for guest in &guests {
            self.arrived[*guest].push(kind);
        }
        Ok(guests)
    }

    /// The gateway has read the beginning of a message that is too large: the
    /// broker's latest with that id.
    pub(crate) fn handle_too_large(&mut self, delivery: Delivery) {
        if let Some(id) = delivery.packet_id()
            && let Some(index) = self
                .instances
                .iter()
                .rposition(|instance| instance.id == id.get())
        {
            self.seen.insert(id, index);
            self.instances[index].is_unread = true;
        }
    }

    fn latest(&self, id: PacketId, kind: Kind) -> Result<usize, String> {
        let is_it = |instance: &Instance| instance.id == id.get() && instance.kind == kind;
        self.instances
            .iter()
            .rposition(is_it)
            .ok_or_else(|| format!("{kind:?} has arrived and was never sent"))
    }

    /// The gateway writes an acknowledgement.
    pub(crate) fn handle_written(&mut self, packet: &Outgoing) -> Check {
        let (Outgoing::PubAck(id) | Outgoing::PubRec(id)) = packet else {
            return Ok(());
        };
        match self.seen.get(id) {
            Some(index) => self.check_taken(*index, "acknowledged"),
            None => Err(format!("{id} is acknowledged and was not received")),
        }
    }

    /// That all guests have taken a message and all like it before.
    fn check_taken(&self, index: usize, what: &str) -> Check {
        let Instance {
            kind,
            receivers,
            is_unread,
            ..
        } = &self.instances[index];
        for &guest in receivers.iter().filter(|_| !is_unread) {
            let is_before = |other: &&Instance| {
                // One that has expired may never have come.
                let has_come = !other.is_lost && !other.is_expired(self.latest);
                let counts = has_come && !other.is_unread;
                other.kind == *kind && counts && other.receivers.contains(&guest)
            };
            let before = self.instances[..index].iter().filter(is_before).count() as u64;
            let taken = self.taken(*kind, guest);
            ensure!(
                taken > before,
                "{kind:?} is {what}, guest {guest} has taken it {taken} times"
            );
        }
        Ok(())
    }

    fn taken(&self, kind: Kind, guest: usize) -> u64 {
        self.taken.get(&(kind, guest)).copied().unwrap_or(0)
    }

    /// A guest is called with a message that it has not been called with.
    pub(crate) fn handle_call(&mut self, guest: GuestId, message: &Message) -> Check {
        let kind = kind(message)?;
        let guest = guest.index();
        let rest = &self.arrived[guest][self.called[guest]..];
        let Some(position) = rest.iter().position(|arrived| *arrived == kind) else {
            return Err(format!(
                "guest {guest} is called with {kind:?}, out of order or too often"
            ));
        };
        self.called[guest] += position + 1;
        Ok(())
    }

    /// A guest has taken a message, or has been given up on it.
    pub(crate) fn handle_taken(&mut self, guest: GuestId, message: &Message) -> Check {
        let kind = kind(message)?;
        let taken = self.taken.entry((kind, guest.index())).or_default();
        *taken += 1;
        let most = if kind.1 == Qos::ExactlyOnce {
            let is_it = |instance: &&Instance| {
                instance.kind == kind && instance.receivers.contains(&guest.index())
            };
            self.instances.iter().filter(is_it).count() as u64
        } else {
            self.sent.get(&(kind, guest.index())).copied().unwrap_or(0)
        };
        ensure!(
            *taken <= most,
            "guest {guest:?} has taken {kind:?} {taken} times, it was sent {most} times"
        );
        Ok(())
    }

    /// Whether all is done with, or has expired: then it is not sent again.
    pub(crate) fn is_quiet(&mut self, now: u64) -> bool {
        let instances = &mut self.instances;
        self.open.retain(|_, index| {
            let instance = &mut instances[*index];
            instance.is_lost |= instance.is_expired(now);
            !instance.is_lost
        });
        self.open.is_empty()
    }

    /// At the very end: nothing has got lost.
    pub(crate) fn check_complete(&self) -> Check {
        ensure!(self.open.is_empty(), "messages stay under way");
        for (index, instance) in self.instances.iter().enumerate() {
            if !instance.is_lost {
                self.check_taken(index, "done with")?;
            }
        }
        Ok(())
    }
}

impl Instance {
    fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

fn kind(message: &Message) -> Result<Kind, String> {
    let key = Key::of(&message.payload).ok_or("a guest is called with a strange payload")?;
    Ok((key, message.qos))
}

/// Whether a filter of the simulation matches: there is no `#` but at the end,
/// and no topic begins with `$`.
fn matches(filter: &str, topic: &str) -> bool {
    let filter = match filter.strip_prefix("$share/") {
        Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
        None => filter,
    };
    if filter == "#" {
        return true;
    }
    if let Some(parent) = filter.strip_suffix("/#") {
        return topic == parent || topic.starts_with(&format!("{parent}/"));
    }
    let (filter, topic): (Vec<_>, Vec<_>) =
        (filter.split('/').collect(), topic.split('/').collect());
    let pairs = filter.iter().zip(&topic);
    filter.len() == topic.len() && pairs.clone().all(|(f, t)| *f == "+" || f == t)
}
