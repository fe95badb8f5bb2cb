//! A live instance of a guest, and the calls of its exports.

use std::pin::pin;

use wasmtime::Store;

use super::bindings::exports::jackalope::gateway::handler::{self, Verdict};
use super::bindings::exports::jackalope::gateway::will;
use super::component::Component;
use super::convert;
use super::failure::Failure;
use super::limits::GuestOptions;
use super::output::Output;
use super::patience::{Yields, within};
use super::state::{self, State};
use crate::office::{Answer, Assignment, Call};

/// An instance that can be called. After a call that has not succeeded it is
/// dead.
pub(super) struct Instance {
    store: Store<State>,
    yields: Yields,
    handler: handler::Guest,
    will: Option<will::Guest>,
}

impl Instance {
    /// Makes an instance for a call. Its start function runs under the same
    /// limits, and what it publishes belongs to the call.
    pub(super) async fn start(
        component: &Component,
        options: &GuestOptions,
        output: &Output,
        assignment: &Assignment,
    ) -> Result<Self, Failure> {
        let time = options.limits.call_time;
        let mut store = state::store(component.engine(), options, output);
        state::begin(&mut store, assignment);
        state::give_time(&mut store, time);
        let yields = store.data().yields.clone();
        let bound = within(time, &yields, pin!(bind(component, &mut store))).await;
        let failure = match bound {
            Some(Ok((handler, will))) => {
                return Ok(Self {
                    store,
                    yields,
                    handler,
                    will,
                });
            }
            Some(Err(error)) => failure(&error, &store, options),
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
        call: &Call,
    ) -> Result<Answer, Failure> {
        let time = options.limits.call_time;
        state::give_time(&mut self.store, time);
        let Self {
            store,
            yields,
            handler,
            will,
        } = self;
        let dispatched = dispatch(store, handler, will.as_ref(), call);
        let answered = within(time, yields, pin!(dispatched)).await;
        match answered {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(failure(&error, &self.store, options)),
            None => Err(Failure::TooLong(time)),
        }
    }
}

async fn dispatch(
    store: &mut Store<State>,
    handler: &handler::Guest,
    will: Option<&will::Guest>,
    call: &Call,
) -> wasmtime::Result<Answer> {
    let verdict = match call {
        Call::Connection(status) => {
            handler
                .call_connection(&mut *store, (*status).into())
                .await?;
            Ok(())
        }
        Call::Subscription { filter, granted } => {
            let status = convert::subscription_status(*granted);
            handler
                .call_subscription(&mut *store, status, filter)
                .await?;
            Ok(())
        }
        Call::Message(message) => {
            let message = convert::message(message);
            handler.call_message(&mut *store, message).await?
        }
        Call::Outcome(ticket, outcome) => {
            handler
                .call_outcome(&mut *store, ticket.0, (*outcome).into())
                .await?;
            Ok(())
        }
        Call::LastWill => {
            let named = match will {
                Some(will) => will.call_last_will(&mut *store).await?,
                None => None,
            };
            return Ok(match named.map(convert::last_will).transpose() {
                Ok(named) => Answer::Will(named),
                Err(text) => Answer::Failed(text),
            });
        }
    };
    let effects = store.data_mut().gateway.take_effects();
    Ok(match verdict {
        Ok(()) => Answer::Done(effects),
        Err(Verdict::Reject(text)) => Answer::Rejected(convert::reason(text), effects),
        Err(Verdict::Retry(text)) => Answer::Retry(convert::reason(text)),
    })
}

async fn bind(
    component: &Component,
    store: &mut Store<State>,
) -> wasmtime::Result<(handler::Guest, Option<will::Guest>)> {
    let instance = component.pre().instantiate_async(&mut *store).await?;
    let handler = component.handler().load(&mut *store, &instance)?;
    let will = match component.will() {
        Some(will) => Some(will.load(&mut *store, &instance)?),
        None => None,
    };
    Ok((handler, will))
}

fn failure(error: &wasmtime::Error, store: &Store<State>, options: &GuestOptions) -> Failure {
    // The backtrace is for whoever wrote the guest.
    tracing::debug!(guest = options.name, "call failed: {error:?}");
    Failure::new(error, &store.data().meter, &options.limits)
}
