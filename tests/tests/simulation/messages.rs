//! The naive model of the receiving half: which messages the broker has sent,
//! and which of them guests have taken.

use std::collections::{BTreeMap, BTreeSet};

use jackalope::broker::{Packet, QoS};
use jackalope::office::{Delivery, GuestId, Message, Outgoing, PacketId, Publish, Qos};

use crate::guests::Key;
use crate::model::{Check, ensure};
use crate::schedule::Setup;

type Kind = (Key, Qos);

/// One message of QoS 1 or 2 on its way, from the first PUBLISH until the
/// broker has its last acknowledgement.
#[derive(Debug)]
struct Instance {
    id: u16,
    kind: Kind,
    topic: String,
    /// The session has gone before.
    is_lost: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// What each guest subscribes to.
    filters: Vec<Vec<&'static str>>,
    instances: Vec<Instance>,
    /// What the broker has under way, by packet id.
    open: BTreeMap<u16, usize>,
    /// What the gateway has seen of it.
    seen: BTreeMap<PacketId, usize>,
    /// How often the broker has sent it.
    sent: BTreeMap<Kind, u64>,
    taken: BTreeMap<(Kind, usize), u64>,
    /// What was too large to be read.
    unread: BTreeSet<Kind>,
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

    fn receivers(&self, kind: Kind, topic: &str) -> Vec<usize> {
        if self.unread.contains(&kind) {
            return Vec::new();
        }
        (0..self.filters.len())
            .filter(|guest| {
                self.filters[*guest]
                    .iter()
                    .any(|filter| matches(filter, topic))
            })
            .collect()
    }

    /// The broker has sent a PUBLISH, or tried to.
    pub(crate) fn handle_sent(&mut self, packet: &Packet) -> Check {
        let Packet::Publish(publish) = packet else {
            return Ok(());
        };
        let Some(key) = Key::of(&publish.payload) else {
            return Err("the broker has sent a strange payload".into());
        };
        let kind = (key, publish.qos.into());
        *self.sent.entry(kind).or_default() += 1;
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
        self.open.insert(publish.packet_id, self.instances.len());
        self.instances.push(Instance {
            id: publish.packet_id,
            kind,
            topic: publish.topic.clone(),
            is_lost: false,
        });
        Ok(())
    }

    /// The broker has an acknowledgement.
    pub(crate) fn handle_received(&mut self, packet: &Packet) -> Check {
        match packet {
            Packet::PubAck(id) => self.finish(*id, Qos::AtLeastOnce),
            Packet::PubComp(id) => self.finish(*id, Qos::ExactlyOnce),
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
    pub(crate) fn handle_arrival(&mut self, publish: &Publish) -> Result<Vec<usize>, String> {
        let Some(key) = Key::of(&publish.payload) else {
            return Err("a strange payload has arrived".into());
        };
        let kind = (key, publish.delivery.qos());
        if let Some(id) = publish.delivery.packet_id() {
            let index = self.latest(id, kind)?;
            self.seen.insert(id, index);
        }
        let guests = self.receivers(kind, &publish.topic);
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
            self.unread.insert(self.instances[index].kind);
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
        let Instance { kind, topic, .. } = &self.instances[index];
        let before = self.instances[..index]
            .iter()
            .filter(|other| other.kind == *kind && !other.is_lost)
            .count() as u64;
        for guest in self.receivers(*kind, topic) {
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
            let is_it = |instance: &&Instance| instance.kind == kind;
            self.instances.iter().filter(is_it).count() as u64
        } else {
            self.sent.get(&kind).copied().unwrap_or(0)
        };
        ensure!(
            *taken <= most,
            "guest {guest:?} has taken {kind:?} {taken} times, it was sent {most} times"
        );
        Ok(())
    }

    pub(crate) fn is_quiet(&self) -> bool {
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

fn kind(message: &Message) -> Result<Kind, String> {
    let key = Key::of(&message.payload).ok_or("a guest is called with a strange payload")?;
    Ok((key, message.qos))
}

/// Whether a filter of the simulation matches: there is no `#` but at the end,
/// and no topic begins with `$`.
fn matches(filter: &str, topic: &str) -> bool {
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
