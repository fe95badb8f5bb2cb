//! `state` of the contract 0.2.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};

use crate::guest::bindings::v0_2::jackalope::gateway::state::StateError;
use crate::guest::state::State;
use crate::office::{MAX_KEY, NotWritten, Payload};

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("jackalope:gateway/state@0.2.0")?;
    interface.func_wrap("get", |store: Store<'_>, (key,): (WasmStr,)| {
        let key = key.to_str(&store)?;
        let value = store.data().gateway.state.get(&key);
        Ok((value.map(|value| value.to_vec()),))
    })?;
    interface.func_wrap("set", set)?;
    interface.func_wrap("delete", |mut store: Store<'_>, (key,): (WasmStr,)| {
        // A longer one is not there, and is not copied.
        let key = key.to_str(&store)?;
        if key.len() <= MAX_KEY {
            let key = key.into_owned();
            store.data_mut().gateway.state.delete(&key);
        }
        Ok(())
    })?;
    interface.func_wrap("keys", |store: Store<'_>, (prefix,): (WasmStr,)| {
        let prefix = prefix.to_str(&store)?;
        Ok((store.data().gateway.state.keys(&prefix),))
    })
}

fn set(
    mut store: Store<'_>,
    (key, value): (WasmStr, WasmList<u8>),
) -> wasmtime::Result<(Result<(), StateError>,)> {
    let name = key.to_str(&store)?;
    if let Some(why) = store.data().gateway.room.not_kept.clone() {
        return Ok((Err(NotWritten::NotKept(why).into()),));
    }
    // Nothing that is too large is copied.
    if let Err(error) = store.data().gateway.state.check(&name, value.len()) {
        return Ok((Err(error.into()),));
    }
    let name = name.into_owned();
    let value = Payload::new(value.as_le_slice(&store));
    let set = store.data_mut().gateway.state.set(&name, value);
    Ok((set.map_err(StateError::from),))
}

impl From<NotWritten> for StateError {
    fn from(why: NotWritten) -> Self {
        match why {
            NotWritten::KeyTooLong => Self::KeyTooLong(MAX_KEY as u32),
            NotWritten::Full(left) => Self::Full(left as u64),
            NotWritten::NotKept(why) => Self::NotKept(why.to_string()),
        }
    }
}
