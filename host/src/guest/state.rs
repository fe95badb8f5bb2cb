//! What the host keeps for one instance of a guest.

use std::time::Duration;

use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use super::engine::Engine;
use super::failure::OutOfTime;
use super::gateway_imports::GatewayImports;
use super::limits::GuestOptions;
use super::meter::Meter;
use super::output::Output;
use super::patience::Yields;
use super::ticker::{EPOCH, EPOCHS_A_TICK};
use crate::office::Assignment;

/// How many handles of host resources, streams for example, a guest may hold,
/// those that it lends to a call of the host included: so it can not poll more
/// of them at once.
const HANDLES: usize = 1_000;

/// How many random bytes a guest may ask for at once: as many as a browser gives
/// at once. More of them keep the thread for too long.
const RANDOM_BYTES: u64 = 65_536;

/// The data of a guest's store.
pub(super) struct State {
    pub(super) gateway: GatewayImports,
    pub(super) meter: Meter,
    /// The same as those of `within`.
    pub(super) yields: Yields,
    /// How often it may still go on when it has to give the thread back.
    epochs_left: u64,
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
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES);
    let yields = Yields::default();
    let state = State {
        gateway: GatewayImports::new(
            engine.tickets(),
            options.max_packet_size,
            options.settings.clone(),
        ),
        meter: Meter::new(options.limits.memory, yields.clone()),
        yields,
        epochs_left: 0,
        wasi: wasi(options, output),
        table,
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter_async(|state| &mut state.meter);
    store.set_max_component_handles(HANDLES);
    // What one call of the host may copy out of the guest. More than all it has
    // would be the same bytes several times.
    store.set_hostcall_fuel(options.limits.memory);
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        state.epochs_left = state.epochs_left.checked_sub(1).ok_or(OutOfTime)?;
        let yields = state.yields.clone();
        let others_first = Box::pin(async move { yields.yield_now().await });
        Ok(UpdateDeadline::YieldCustom(1, others_first))
    });
    store
}

/// Readies a store for a call.
pub(super) fn begin(store: &mut Store<State>, assignment: &Assignment) {
    let state = store.data_mut();
    state.gateway.begin(assignment);
    state.meter.begin();
}

/// Lets the guest compute for so long from now, if not twice as long: the
/// thread comes back at any moment within an epoch, and each part of one counts.
///
/// [`within`] is the limit. This one ends a loop where the runtime's clock stands
/// still.
///
/// [`within`]: super::patience::within
pub(super) fn give_time(store: &mut Store<State>, time: Duration) {
    let epochs = 2 * time.as_nanos().div_ceil(EPOCH.as_nanos());
    store.data_mut().epochs_left = u64::try_from(epochs).unwrap_or(u64::MAX);
    store.set_epoch_deadline(EPOCHS_A_TICK);
}

fn wasi(options: &GuestOptions, output: &Output) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.envs(&options.grants.env)
        .stdout(output.stdout())
        .stderr(output.stderr())
        .max_random_size(RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    options.clocks.set(&mut wasi);
    wasi.build()
}
