//! What guests export, in each version of the contract that the host serves.

mod convert;
mod v0_1;
mod v0_2;
mod version;

use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentNamedList, Instance, InstancePre, Lift, Lower};

use super::state::State;
use crate::office::{Answer, Assignment, LastWill};

pub use version::ContractVersion;
pub(super) use version::{SERVED, version_of};

/// What a component exports of the contract.
pub(super) enum Exports {
    V0_1(v0_1::Exports),
    V0_2(v0_2::Exports),
}

/// The same of an instance, ready to be called.
pub(super) enum Functions {
    V0_1(v0_1::Functions),
    V0_2(v0_2::Functions),
}

/// An interface whose functions or types are not those of the contract, and what the
/// engine says about it.
pub(super) type WrongExport = (&'static str, wasmtime::Error);

/// What a guest has answered, in the words of no version.
enum Reply {
    Done,
    Reject(String),
    Retry(String),
    /// The last will that it names, or what is wrong with it.
    Will(Option<Result<LastWill, String>>),
}

impl Exports {
    /// Finds them, and checks their types.
    pub(super) fn find(
        pre: &InstancePre<State>,
        version: ContractVersion,
    ) -> Result<Self, WrongExport> {
        Ok(match version {
            ContractVersion::V0_1 => Self::V0_1(v0_1::Exports::find(pre)?),
            ContractVersion::V0_2 => Self::V0_2(v0_2::Exports::find(pre)?),
        })
    }

    pub(super) fn load(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Functions> {
        Ok(match self {
            Self::V0_1(exports) => Functions::V0_1(exports.load(store, instance)?),
            Self::V0_2(exports) => Functions::V0_2(exports.load(store, instance)?),
        })
    }

    pub(super) fn version(&self) -> ContractVersion {
        match self {
            Self::V0_1(_) => ContractVersion::V0_1,
            Self::V0_2(_) => ContractVersion::V0_2,
        }
    }

    /// Whether the guest looks at its settings before it begins.
    pub(super) fn has_configure(&self) -> bool {
        match self {
            Self::V0_1(_) => false,
            Self::V0_2(exports) => exports.has_configure(),
        }
    }

    /// Whether the guest may name the last will.
    pub(super) fn has_will(&self) -> bool {
        match self {
            Self::V0_1(exports) => exports.has_will(),
            Self::V0_2(exports) => exports.has_will(),
        }
    }

    /// How many outcomes it is told at once.
    pub(super) fn outcomes(&self) -> usize {
        match self {
            Self::V0_1(_) => 1,
            Self::V0_2(exports) => exports.outcomes(),
        }
    }

    /// Whether it is called by timers.
    pub(super) fn hears_timers(&self) -> bool {
        match self {
            Self::V0_1(_) => false,
            Self::V0_2(exports) => exports.hears_timers(),
        }
    }

    /// Whether it hears of its subscriptions.
    pub(super) fn hears_subscriptions(&self) -> bool {
        match self {
            Self::V0_1(_) => true,
            Self::V0_2(exports) => exports.hears_subscriptions(),
        }
    }
}

impl Functions {
    /// Has a new instance look at its settings. Returns what it says is wrong.
    pub(super) async fn configure(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<(), String>> {
        let configured = match self {
            Self::V0_1(_) => return Ok(Ok(())),
            Self::V0_2(functions) => functions.configure(store).await?,
        };
        Ok(configured.map_err(convert::reason))
    }

    /// Makes a call. One that the guest does not export succeeds and does nothing.
    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        assignment: &Assignment,
    ) -> wasmtime::Result<Answer> {
        let reply = match self {
            // In a box, so that both together are not larger than the latest alone.
            Self::V0_1(functions) => Box::pin(functions.call(store, &assignment.call)).await?,
            Self::V0_2(functions) => functions.call(store, assignment).await?,
        };
        let effects = store.data_mut().gateway.take_effects();
        Ok(match reply {
            Reply::Done => Answer::Done(effects),
            Reply::Reject(text) => Answer::Rejected(convert::reason(text), effects),
            Reply::Retry(text) => Answer::Retry(convert::reason(text)),
            Reply::Will(None) => Answer::Will(None),
            Reply::Will(Some(Ok(will))) => Answer::Will(Some(will)),
            Reply::Will(Some(Err(text))) => Answer::Failed(text),
        })
    }
}

/// Finds an interface that a component need not export.
fn optional<T>(
    pre: &InstancePre<State>,
    interface: &'static str,
    find: fn(&InstancePre<State>) -> wasmtime::Result<T>,
) -> Result<Option<T>, WrongExport> {
    match pre.component().get_export_index(None, interface) {
        Some(_) => find(pre).map(Some).map_err(|error| (interface, error)),
        None => Ok(None),
    }
}

/// Whether an exported function has the types that it will be called with. The
/// generated code looks at them only when there is an instance, which is too
/// late for a message about the file.
fn check_function<Params, Results>(
    pre: &InstancePre<State>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()>
where
    Params: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    let component = pre.component();
    let interface = component.get_export_index(None, interface);
    match component.get_export(interface.as_ref(), function) {
        Some((ComponentItem::ComponentFunc(ty), _)) => ty
            .typecheck::<Params, Results>(&pre.instance_type())
            .map_err(|error| error.context(format!("the function `{function}`"))),
        _ => Err(wasmtime::Error::msg(format!(
            "`{function}` is not a function"
        ))),
    }
}
