//! `publish` of the contract 0.1.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};

use super::{DEFAULT_OPTIONS, Options, add_status_and_reconnect};
use crate::guest::bindings::v0_1::jackalope::gateway::jackalope::{PublishError, PublishOptions};
use crate::guest::bindings::v0_1::jackalope::gateway::types;
use crate::guest::state::State;
use crate::office::{NotAccepted, Payload, Ticket};

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("jackalope:gateway/jackalope@0.1.0")?;
    interface.func_wrap("publish", publish)?;
    add_status_and_reconnect::<types::ConnectionStatus>(&mut interface)
}

type Published = (Result<types::Ticket, PublishError>,);

fn publish(
    mut store: StoreContextMut<'_, State>,
    (topic, payload, options): (WasmStr, WasmList<u8>, Option<PublishOptions>),
) -> wasmtime::Result<Published> {
    let options = options.map_or(DEFAULT_OPTIONS, |options| Options {
        qos: options.qos.into(),
        retain: options.retain,
        ttl: Duration::from_millis(options.ttl_ms),
        ..DEFAULT_OPTIONS
    });
    let name = topic.to_str(&store)?;
    let gateway = &store.data().gateway;
    let checked = gateway.check(&name, &options).and_then(|topic| {
        gateway.check_room(&topic, payload.len(), options.qos, 0, None)?;
        Ok(topic)
    });
    let topic = match checked {
        Ok(topic) => topic,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let payload = Payload::new(payload.as_le_slice(&store));
    let gateway = &mut store.data_mut().gateway;
    let Ticket(number) = gateway.accept(topic, payload, &options, |_| ());
    Ok((Ok(number),))
}

impl From<NotAccepted> for PublishError {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::Topic(_) => Self::InvalidTopic(error.to_string()),
            NotAccepted::Qos(max) => Self::InvalidQos(max.into()),
            NotAccepted::Ttl => Self::InvalidTtl,
            NotAccepted::TooLarge(max) => Self::PayloadTooLarge(max as u64),
            NotAccepted::NotPermitted(_) | NotAccepted::LargerThanWorkList(..) => {
                Self::NotPermitted
            }
            NotAccepted::Full | NotAccepted::NotKept(_) | NotAccepted::Stopping => {
                Self::WorkListFull
            }
            // There is neither in this version.
            NotAccepted::Tag | NotAccepted::ReplaceKey => Self::NotPermitted,
        }
    }
}
