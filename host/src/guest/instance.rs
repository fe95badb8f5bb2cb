//! A live instance of a guest, and the calls of its exports.

use std::pin::pin;

use wasmtime::Store;

use super::component::Component;
use super::contract::Functions;
use super::failure::Failure;
use super::limits::GuestOptions;
use super::output::Output;
use super::patience::{Yields, within};
use super::state::{self, State};
use crate::office::{Answer, Assignment};

/// An instance that can be called. After a call that has not succeeded it is
/// dead.
pub(super) struct Instance {
    store: Store<State>,
    yields: Yields,
    functions: Functions,
}

impl Instance {
    /// Makes an instance, for a call if there is one: its start function runs under
    /// the same limits, and what it publishes belongs to the call.
    pub(super) async fn start(
        component: &Component,
        options: &GuestOptions,
        output: &Output,
        assignment: Option<&Assignment>,
    ) -> Result<Self, Failure> {
        let time = options.limits.call_time;
        let mut store = state::store(component.engine(), options, output);
        if let Some(assignment) = assignment {
            state::begin(&mut store, assignment);
        }
        state::give_time(&mut store, time);
        let yields = store.data().yields.clone();
        let bound = within(time, &yields, pin!(bind(component, &mut store))).await;
        let failure = match bound {
            Some(Ok(functions)) => {
                let mut instance = Self {
                    store,
                    yields,
                    functions,
                };
                if component.exports_configure() {
                    instance.configure(options).await?;
                }
                return Ok(instance);
            }
            Some(Err(error)) => failure(&error, &store, options),
            None => Failure::TooLong(time),
        };
        Err(failure.not_started())
    }

    /// Has the guest look at its settings, under the limits of a call. Nothing that it
    /// asks for meanwhile has an effect.
    async fn configure(&mut self, options: &GuestOptions) -> Result<(), Failure> {
        let time = options.limits.call_time;
        state::give_time(&mut self.store, time);
        let before = self.store.data_mut().gateway.hold();
        let Self {
            store,
            yields,
            functions,
        } = self;
        let configured = within(time, yields, pin!(functions.configure(store))).await;
        let failure = match configured {
            Some(Ok(Ok(()))) => {
                self.store.data_mut().gateway.go_on(before);
                return Ok(());
            }
            Some(Ok(Err(text))) => Failure::Settings(text),
            Some(Err(error)) => failure(&error, &self.store, options),
            None => Failure::TooLong(time),
        };
        Err(failure.not_started())
    }

    /// Readies an instance that has been called before for the next call.
    pub(super) fn begin(&mut self, assignment: &Assignment) {
        state::begin(&mut self.store, assignment);
    }

    /// Whether a call can keep its thread for longer than a tick.
    pub(super) fn is_large(&self) -> bool {
        self.store.data().meter.is_large()
    }

    /// Makes the call.
    pub(super) async fn call(
        &mut self,
        options: &GuestOptions,
        assignment: &Assignment,
    ) -> Result<Answer, Failure> {
        let time = options.limits.call_time;
        state::give_time(&mut self.store, time);
        let Self {
            store,
            yields,
            functions,
        } = self;
        let dispatched = functions.call(store, assignment);
        let answered = within(time, yields, pin!(dispatched)).await;
        match answered {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(failure(&error, &self.store, options)),
            None => Err(Failure::TooLong(time)),
        }
    }
}

async fn bind(component: &Component, store: &mut Store<State>) -> wasmtime::Result<Functions> {
    let instance = component.pre().instantiate_async(&mut *store).await?;
    component.contract().load(store, &instance)
}

fn failure(error: &wasmtime::Error, store: &Store<State>, options: &GuestOptions) -> Failure {
    // The backtrace is for whoever wrote the guest.
    tracing::debug!(guest = options.name, "call failed: {error:?}");
    Failure::new(error, &store.data().meter, &options.limits)
}
