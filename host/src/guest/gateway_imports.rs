//! Serves what a guest imports from `jackalope:gateway/jackalope`.
//!
//! By hand and not by the generated bindings: those copy all that a guest gives out
//! of it before anybody can look at the sizes.

mod v0_1;
mod v0_2;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Lower};

use super::state::State;
use crate::office::{
    Assignment, Call, Effects, Letter, MAX_TAG, Payload, Properties, Qos, Room, Status, Ticket,
    max_payload, properties_size, topic,
};

/// The ttl of a letter whose guest names none.
const DEFAULT_TTL_MS: u64 = 60 * 60 * 1000;

/// What the functions work on: one guest, one call at a time.
pub(super) struct GatewayImports {
    tickets: Arc<AtomicU64>,
    max_packet_size: usize,
    status: Status,
    room: Room,
    effects: Effects,
}

/// How a message is to be published, without what is copied last.
struct Options {
    qos: Qos,
    retain: bool,
    ttl_ms: u64,
}

/// Without options.
const DEFAULT_OPTIONS: Options = Options {
    qos: Qos::AtLeastOnce,
    retain: false,
    ttl_ms: DEFAULT_TTL_MS,
};

/// Why a message is not accepted, as the contract says it.
enum NotAccepted {
    InvalidTopic(String),
    InvalidQos(Qos),
    InvalidTtl,
    TagTooLong,
    InvalidProperty(String),
    PayloadTooLarge(u64),
    WorkListFull,
}

impl GatewayImports {
    /// For one guest; tickets come from the counter of the whole host.
    pub(super) fn new(tickets: Arc<AtomicU64>, max_packet_size: usize) -> Self {
        Self {
            tickets,
            max_packet_size,
            status: Status::Offline,
            room: Room {
                accept: 0,
                keep: 1,
                max_qos: Qos::ExactlyOnce,
                carries_properties: false,
            },
            effects: Effects::default(),
        }
    }

    /// A call begins, without effects so far.
    pub(super) fn begin(&mut self, assignment: &Assignment) {
        self.status = assignment.status;
        self.room = assignment.room;
        if assignment.call == Call::LastWill {
            // Its answer has no effects, and what can not be kept is not accepted.
            self.room.accept = 0;
        }
        self.effects = Effects::default();
    }

    /// A call has succeeded: hands out what it asked for.
    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// What is looked at first.
    fn check_options(&self, topic: &str, options: &Options) -> Result<(), NotAccepted> {
        topic::check_name(topic)
            .map_err(|error| NotAccepted::InvalidTopic(format!("the topic {error}")))?;
        if options.qos > self.room.max_qos {
            return Err(NotAccepted::InvalidQos(self.room.max_qos));
        }
        if options.ttl_ms == 0 {
            return Err(NotAccepted::InvalidTtl);
        }
        Ok(())
    }

    /// What is looked at last: whether there is room for it.
    fn check_room(
        &self,
        topic: &str,
        payload: usize,
        qos: Qos,
        properties: usize,
    ) -> Result<(), NotAccepted> {
        let properties = properties_size(0, properties);
        match max_payload(self.max_packet_size, topic, qos, properties) {
            Some(max) if payload <= max => {}
            max => {
                let max = u64::try_from(max.unwrap_or(0)).unwrap_or(u64::MAX);
                return Err(NotAccepted::PayloadTooLarge(max));
            }
        }
        let accepted = self.effects.displaced.len() + self.effects.letters.len();
        if accepted >= self.room.accept {
            return Err(NotAccepted::WorkListFull);
        }
        Ok(())
    }

    fn accept(
        &mut self,
        topic: Arc<str>,
        payload: Payload,
        options: &Options,
        tag: Option<Arc<str>>,
        properties: Option<Arc<Properties>>,
    ) -> Ticket {
        // Relaxed: the counter guards nothing, its values only have to differ.
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.effects.letters.push_back(Letter {
            ticket,
            topic,
            payload,
            qos: options.qos,
            retain: options.retain,
            ttl: Duration::from_millis(options.ttl_ms),
            tag,
            properties,
        });
        if self.effects.letters.len() > self.room.keep
            && let Some(oldest) = self.effects.letters.pop_front()
        {
            self.effects.displaced.push((oldest.ticket, oldest.tag));
        }
        ticket
    }
}

/// Defines the functions of the interface in all versions that are served.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    v0_1::add_to_linker(linker)?;
    v0_2::add_to_linker(linker)
}

/// Those that are the same in all versions but for their types.
fn add_status_and_reconnect<Known>(
    interface: &mut LinkerInstance<'_, State>,
) -> wasmtime::Result<()>
where
    Known: From<Status> + Lower + 'static,
    (Known,): wasmtime::component::ComponentNamedList,
{
    interface.func_wrap("status", |store: StoreContextMut<'_, State>, ()| {
        let status = Known::from(store.data().gateway.status);
        Ok((status,))
    })?;
    interface.func_wrap("reconnect", |mut store: StoreContextMut<'_, State>, ()| {
        store.data_mut().gateway.effects.reconnect = true;
        Ok(())
    })
}
