//! The timers of the contract 0.2.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmStr};

use crate::guest::bindings::v0_2::jackalope::gateway::timers::{Schedule, Timer, TimerError};
use crate::guest::state::State;
use crate::office::{self, ListedTimer, MAX_TIMER_NAME, NotSet, SHORTEST_PERIOD};

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("jackalope:gateway/timers@0.2.0")?;
    interface.func_wrap("set", set)?;
    interface.func_wrap("cancel", cancel)?;
    interface.func_wrap("list", list)
}

fn set(
    mut store: StoreContextMut<'_, State>,
    (name, schedule): (WasmStr, Schedule),
) -> wasmtime::Result<(Result<(), TimerError>,)> {
    let Some(name) = copied(&store, &name)? else {
        return Ok((Err(TimerError::InvalidName),));
    };
    let gateway = &mut store.data_mut().gateway;
    if let Some(why) = gateway.room.not_kept.clone() {
        return Ok((Err(NotSet::NotKept(why).into()),));
    }
    let (table, max) = (gateway.timers.as_deref(), gateway.room.timers);
    let timers = &mut gateway.timer_changes;
    let set = timers.set(table, max, &name, schedule.into());
    Ok((set.map_err(TimerError::from),))
}

fn cancel(mut store: StoreContextMut<'_, State>, (name,): (WasmStr,)) -> wasmtime::Result<(bool,)> {
    let Some(name) = copied(&store, &name)? else {
        return Ok((false,));
    };
    let gateway = &mut store.data_mut().gateway;
    let timers = &mut gateway.timer_changes;
    Ok((timers.cancel(gateway.timers.as_deref(), &name),))
}

fn list(store: StoreContextMut<'_, State>, (): ()) -> wasmtime::Result<(Vec<Timer>,)> {
    let gateway = &store.data().gateway;
    let timers = &gateway.timer_changes;
    let listed = timers.list(gateway.timers.as_deref(), gateway.now);
    Ok((listed.into_iter().map(Timer::from).collect(),))
}

/// What may be the name of a timer; none if it is too long for one.
fn copied(store: &StoreContextMut<'_, State>, name: &WasmStr) -> wasmtime::Result<Option<String>> {
    let name = name.to_str(store)?;
    Ok((name.len() <= MAX_TIMER_NAME).then(|| name.into_owned()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<Schedule> for office::Schedule {
    fn from(schedule: Schedule) -> Self {
        match schedule {
            Schedule::After(ms) => Self::once(Duration::from_millis(ms)),
            Schedule::Every(every) => {
                let period = Duration::from_millis(every.period_ms);
                Self {
                    first: every.first_ms.map_or(period, Duration::from_millis),
                    period: Some(period),
                }
            }
        }
    }
}

impl From<ListedTimer> for Timer {
    fn from(timer: ListedTimer) -> Self {
        Self {
            name: timer.name.to_string(),
            due_in_ms: millis(timer.due_in),
            period_ms: timer.period.map(millis),
        }
    }
}

impl From<NotSet> for TimerError {
    fn from(error: NotSet) -> Self {
        match error {
            NotSet::Name => Self::InvalidName,
            NotSet::TooShort => Self::TooShort(millis(SHORTEST_PERIOD)),
            NotSet::TooMany(max) => Self::TooMany(u32::try_from(max).unwrap_or(u32::MAX)),
            NotSet::NotKept(why) => Self::NotKept(why.to_string()),
        }
    }
}
