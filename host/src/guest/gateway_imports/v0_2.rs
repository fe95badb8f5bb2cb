//! `publish` of the contract 0.2, and what a guest may import beside it.

mod state;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{ComponentType, Lift, Linker, WasmList, WasmStr};
use wasmtime::{AsContextMut, StoreContextMut};

use super::{DEFAULT_OPTIONS, Options, Properties, Refused, add_status_and_reconnect};
use crate::guest::bindings::v0_2::jackalope::gateway::jackalope::{
    Priority, PublishError, WhenOff,
};
use crate::guest::bindings::v0_2::jackalope::gateway::types;
use crate::guest::state::State;
use crate::office::{
    self, MAX_REPLACE_KEY, MAX_TAG, NotAccepted, Payload, Ticket, check_replace_key, check_tag,
    topic,
};

/// `publish-options`, with nothing copied.
#[derive(ComponentType, Lift)]
#[component(record)]
struct PublishOptions {
    qos: types::Qos,
    retain: bool,
    #[component(name = "ttl-ms")]
    ttl_ms: u64,
    #[component(name = "after-reboot")]
    after_reboot: Option<WhenOff>,
    priority: Priority,
    #[component(name = "replace-key")]
    replace_key: Option<WasmStr>,
    tag: Option<WasmStr>,
    properties: Option<LentProperties>,
}

/// `properties`, with nothing copied.
#[derive(ComponentType, Lift)]
#[component(record)]
struct LentProperties {
    #[component(name = "content-type")]
    content_type: Option<WasmStr>,
    #[component(name = "response-topic")]
    response_topic: Option<WasmStr>,
    #[component(name = "correlation-data")]
    correlation_data: Option<WasmList<u8>>,
    #[component(name = "user-properties")]
    user_properties: WasmList<(WasmStr, WasmStr)>,
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("jackalope:gateway/jackalope@0.2.0")?;
    interface.func_wrap("publish", publish)?;
    add_status_and_reconnect::<types::ConnectionStatus>(&mut interface)?;
    let mut settings = linker.instance("jackalope:gateway/settings@0.2.0")?;
    settings.func_wrap("get", |store: StoreContextMut<'_, State>, ()| {
        Ok((store.data().gateway.settings.clone(),))
    })?;
    state::add_to_linker(linker)
}

type Published = (Result<types::Ticket, PublishError>,);

/// The error of the guest, or else of the engine.
type Checked<T> = wasmtime::Result<Result<T, Refused>>;

fn publish(
    mut store: StoreContextMut<'_, State>,
    (topic, payload, options): (WasmStr, WasmList<u8>, Option<PublishOptions>),
) -> wasmtime::Result<Published> {
    let (options, [replace_key, tag], properties) = match options {
        None => (DEFAULT_OPTIONS, [None, None], None),
        Some(lent) => {
            let options = Options {
                qos: lent.qos.into(),
                retain: lent.retain,
                ttl: Duration::from_millis(lent.ttl_ms),
                when_off: lent.after_reboot.map(office::WhenOff::from),
                priority: lent.priority.into(),
            };
            (options, [lent.replace_key, lent.tag], lent.properties)
        }
    };
    let name = topic.to_str(&store)?;
    let topic = match store.data().gateway.check(&name, &options) {
        Ok(topic) => topic,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let tag = match copy_checked(&store, tag, check_tag)? {
        Ok(tag) => tag,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let replace_key = match copy_checked(&store, replace_key, check_replace_key)? {
        Ok(key) => key,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let properties = match properties {
        None => None,
        Some(lent) => match copy_properties(&mut store, &lent)? {
            Ok(properties) => Some(properties).filter(|it| !it.is_empty()),
            Err(error) => return Ok((Err(error.into()),)),
        },
    };
    let size = properties.as_ref().map_or(0, Properties::size);
    let gateway = &store.data().gateway;
    if size > 0 && !gateway.room.carries_properties {
        return Ok((Err(PublishError::NeedsMqtt5),));
    }
    let key = replace_key.as_deref();
    if let Err(error) = gateway.check_room(&topic, payload.len(), options.qos, size, key) {
        return Ok((Err(error.into()),));
    }
    let payload = Payload::new(payload.as_le_slice(&store));
    let gateway = &mut store.data_mut().gateway;
    let Ticket(number) = gateway.accept(topic, payload, &options, |letter| {
        letter.tag = tag;
        letter.replace_key = replace_key;
        letter.properties = properties.map(Arc::new);
    });
    Ok((Ok(number),))
}

/// Copies a text, if there is one, that is looked at before.
#[inline]
fn copy_checked(
    store: &StoreContextMut<'_, State>,
    text: Option<WasmStr>,
    check: fn(&str) -> Result<(), NotAccepted>,
) -> Checked<Option<Arc<str>>> {
    match text {
        None => Ok(Ok(None)),
        Some(text) => copy_there(store, &text, check),
    }
}

fn copy_there(
    store: &StoreContextMut<'_, State>,
    text: &WasmStr,
    check: fn(&str) -> Result<(), NotAccepted>,
) -> Checked<Option<Arc<str>>> {
    let text = text.to_str(store)?;
    Ok(match check(&text) {
        Ok(()) => Ok(Some(Arc::from(&*text))),
        Err(error) => Err(error.into()),
    })
}

/// Copies properties that are no larger than a packet may be. Each is looked at
/// before it is copied.
fn copy_properties(
    store: &mut StoreContextMut<'_, State>,
    lent: &LentProperties,
) -> Checked<Properties> {
    let max = store.data().gateway.max_packet_size;
    let mut properties = Properties::default();
    if let Some(text) = &lent.content_type {
        match copy_text(store, text, "content type")? {
            Ok(text) => properties.content_type = Some(text),
            Err(error) => return Ok(Err(error)),
        }
    }
    if let Some(text) = &lent.response_topic {
        let text = text.to_str(&*store)?;
        if let Err(error) = topic::check_name(&text) {
            return Ok(Err(Refused::ResponseTopic(error)));
        }
        properties.response_topic = Some(Arc::from(&*text));
    }
    if let Some(data) = &lent.correlation_data {
        if data.len() > Properties::LONGEST {
            let error = "the correlation data is longer than 65,535 bytes";
            return Ok(Err(Refused::Property(error.to_owned())));
        }
        properties.correlation_data = Some(Payload::new(data.as_le_slice(&*store)));
    }
    let mut size = properties.size();
    for place in 0..lent.user_properties.len() {
        let Some(pair) = lent.user_properties.get(store.as_context_mut(), place) else {
            break;
        };
        let (name, value) = pair?;
        let pair = (
            copy_text(store, &name, "name of a user property")?,
            copy_text(store, &value, "value of a user property")?,
        );
        let (name, value) = match pair {
            (Ok(name), Ok(value)) => (name, value),
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
        };
        size += Properties::user_size(&name, &value);
        if size > max {
            return Ok(Err(NotAccepted::TooLarge(0).into()));
        }
        properties.user.push((name, value));
    }
    Ok(Ok(properties))
}

fn copy_text(store: &StoreContextMut<'_, State>, text: &WasmStr, what: &str) -> Checked<Arc<str>> {
    let text = text.to_str(store)?;
    Ok(match Properties::check_text(&text) {
        Ok(()) => Ok(Arc::from(&*text)),
        Err(error) => Err(Refused::Property(format!("the {what} {error}"))),
    })
}

impl From<Priority> for office::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

impl From<WhenOff> for office::WhenOff {
    fn from(when_off: WhenOff) -> Self {
        match when_off {
            WhenOff::Count => Self::Count,
            WhenOff::Pause => Self::Pause,
            WhenOff::Drop => Self::Drop,
        }
    }
}

impl From<Refused> for PublishError {
    fn from(error: Refused) -> Self {
        match error {
            Refused::NotAccepted(error) => error.into(),
            Refused::ResponseTopic(error) => {
                Self::InvalidTopic(format!("the response topic {error}"))
            }
            Refused::Property(text) => Self::InvalidProperty(text),
        }
    }
}

impl From<NotAccepted> for PublishError {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::Topic(_) => Self::InvalidTopic(error.to_string()),
            NotAccepted::Qos(max) => Self::InvalidQos(max.into()),
            NotAccepted::Ttl => Self::InvalidTtl,
            NotAccepted::Tag => Self::TagTooLong(MAX_TAG as u32),
            NotAccepted::TooLarge(max) => Self::PayloadTooLarge(max as u64),
            NotAccepted::NotPermitted(_) | NotAccepted::LargerThanWorkList(..) => {
                Self::NotPermitted(error.to_string())
            }
            NotAccepted::ReplaceKey => Self::ReplaceKeyTooLong(MAX_REPLACE_KEY as u32),
            NotAccepted::NotKept(why) => Self::NotKept(why.to_string()),
            NotAccepted::Full | NotAccepted::Stopping => Self::WorkListFull,
        }
    }
}
