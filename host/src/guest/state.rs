//! What the host keeps for one instance of a guest.

use std::time::Duration;

use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use super::engine::Engine;
use super::failure::OutOfTime;
use super::limits::GuestOptions;
use super::meter::Meter;
use super::output::Output;
use super::ticker::TICK;
use super::tray::Desk;
use crate::office::Assignment;

/// The data of a guest's store.
pub(super) struct State {
    pub(super) desk: Desk,
    pub(super) meter: Meter,
    /// How often it may still go on after a tick.
    ticks_left: u64,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// A store for one instance, under the limits of its guest.
pub(super) fn store(engine: &Engine, options: &GuestOptions, output: &Output) -> Store<State> {
    let state = State {
        desk: Desk::new(engine.tickets(), options.max_packet_size),
        meter: Meter::new(options.limits.memory),
        ticks_left: 0,
        wasi: wasi(options, output),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.meter);
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        state.ticks_left = state.ticks_left.checked_sub(1).ok_or(OutOfTime)?;
        // Tokio's own yield lets the runtime look at sockets and timers before
        // it goes on with the guest; waking the task at once would not.
        let others_first = Box::pin(tokio::task::yield_now());
        Ok(UpdateDeadline::YieldCustom(1, others_first))
    });
    store
}

/// Readies a store for a call: an empty tray and the full time.
pub(super) fn begin(store: &mut Store<State>, assignment: &Assignment, call_time: Duration) {
    let state = store.data_mut();
    state.desk.begin(assignment);
    state.meter.begin();
    state.ticks_left = ticks(call_time);
    store.set_epoch_deadline(1);
}

/// How many ticks a call may see. The first comes too early by up to one.
fn ticks(call_time: Duration) -> u64 {
    let ticks = call_time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

fn wasi(options: &GuestOptions, output: &Output) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.envs(&options.grants.env)
        .stdout(output.stdout())
        .stderr(output.stderr())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    wasi.build()
}
