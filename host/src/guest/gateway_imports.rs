//! Serves what a guest imports from `jackalope:gateway/jackalope`.
//!
//! By hand and not by the generated bindings: those copy topic and payload out
//! of the guest before anybody can look at their sizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};

use super::bindings::jackalope::gateway::jackalope::{PublishError, PublishOptions};
use super::bindings::jackalope::gateway::types;
use super::state::State;
use crate::office::{
    Assignment, Call, Effects, Letter, Payload, Qos, Room, Status, Ticket, max_payload, topic,
};

const INTERFACE: &str = "jackalope:gateway/jackalope@0.1.0";

/// What `publish` takes when it is given no options.
const DEFAULT_OPTIONS: PublishOptions = PublishOptions {
    qos: types::Qos::AtLeastOnce,
    retain: false,
    ttl_ms: 60 * 60 * 1000,
};

/// What the functions work on: one guest, one call at a time.
pub(super) struct GatewayImports {
    tickets: Arc<AtomicU64>,
    max_packet_size: usize,
    status: Status,
    room: Room,
    effects: Effects,
}

impl GatewayImports {
    /// For one guest; tickets come from the counter of the whole host.
    pub(super) fn new(tickets: Arc<AtomicU64>, max_packet_size: usize) -> Self {
        Self {
            tickets,
            max_packet_size,
            status: Status::Offline,
            room: Room { accept: 0, keep: 1 },
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

    fn check(
        &self,
        topic: &str,
        payload: usize,
        options: &PublishOptions,
    ) -> Result<(), PublishError> {
        topic::check_name(topic)
            .map_err(|error| PublishError::InvalidTopic(format!("the topic {error}")))?;
        if options.ttl_ms == 0 {
            return Err(PublishError::InvalidTtl);
        }
        match max_payload(self.max_packet_size, topic, options.qos.into()) {
            Some(max) if payload <= max => {}
            max => {
                let max = u64::try_from(max.unwrap_or(0)).unwrap_or(u64::MAX);
                return Err(PublishError::PayloadTooLarge(max));
            }
        }
        let accepted = self.effects.displaced.len() + self.effects.letters.len();
        if accepted >= self.room.accept {
            return Err(PublishError::WorkListFull);
        }
        Ok(())
    }

    fn accept(&mut self, topic: Arc<str>, payload: Payload, options: &PublishOptions) -> Ticket {
        // Relaxed: the counter guards nothing, its values only have to differ.
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.effects.letters.push_back(Letter {
            ticket,
            topic,
            payload,
            qos: Qos::from(options.qos),
            retain: options.retain,
            ttl: Duration::from_millis(options.ttl_ms),
        });
        if self.effects.letters.len() > self.room.keep
            && let Some(oldest) = self.effects.letters.pop_front()
        {
            self.effects.displaced.push(oldest.ticket);
        }
        ticket
    }
}

/// Defines the functions of the interface.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("publish", publish)?;
    interface.func_wrap("status", |store: StoreContextMut<'_, State>, ()| {
        let status: types::ConnectionStatus = store.data().gateway.status.into();
        Ok((status,))
    })?;
    interface.func_wrap("reconnect", |mut store: StoreContextMut<'_, State>, ()| {
        store.data_mut().gateway.effects.reconnect = true;
        Ok(())
    })
}

type Published = (Result<types::Ticket, PublishError>,);

fn publish(
    mut store: StoreContextMut<'_, State>,
    (topic, payload, options): (WasmStr, WasmList<u8>, Option<PublishOptions>),
) -> wasmtime::Result<Published> {
    let options = options.unwrap_or(DEFAULT_OPTIONS);
    let name = topic.to_str(&store)?;
    let gateway = &store.data().gateway;
    if let Err(error) = gateway.check(&name, payload.len(), &options) {
        return Ok((Err(error),));
    }
    let topic = Arc::from(&*name);
    let payload = Payload::new(payload.as_le_slice(&store));
    let Ticket(number) = store.data_mut().gateway.accept(topic, payload, &options);
    Ok((Ok(number),))
}
