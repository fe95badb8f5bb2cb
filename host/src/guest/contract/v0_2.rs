//! The contract 0.2.

mod words;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::{Reply, WrongExport, check_function, convert, optional};
use crate::guest::bindings::v0_2::exports::jackalope::gateway::{
    configure, handler, outcomes, subscriptions, timer_handler, will,
};
use crate::guest::bindings::v0_2::jackalope::gateway::types;
use crate::guest::state::State;
use crate::office::{Assignment, Call, MAX_OUTCOMES};

const CONFIGURE: &str = "jackalope:gateway/configure@0.2.0";
const HANDLER: &str = "jackalope:gateway/handler@0.2.0";
const OUTCOMES: &str = "jackalope:gateway/outcomes@0.2.0";
const SUBSCRIPTIONS: &str = "jackalope:gateway/subscriptions@0.2.0";
const TIMER_HANDLER: &str = "jackalope:gateway/timer-handler@0.2.0";
const WILL: &str = "jackalope:gateway/will@0.2.0";

pub(in crate::guest) struct Exports {
    configure: Option<configure::GuestIndices>,
    handler: handler::GuestIndices,
    outcomes: Option<outcomes::GuestIndices>,
    subscriptions: Option<subscriptions::GuestIndices>,
    timers: Option<timer_handler::GuestIndices>,
    will: Option<will::GuestIndices>,
}

pub(in crate::guest) struct Functions {
    configure: Option<configure::Guest>,
    handler: handler::Guest,
    outcomes: Option<outcomes::Guest>,
    subscriptions: Option<subscriptions::Guest>,
    timers: Option<timer_handler::Guest>,
    will: Option<will::Guest>,
}

impl Exports {
    pub(super) fn find(pre: &InstancePre<State>) -> Result<Self, WrongExport> {
        Ok(Self {
            configure: optional(pre, CONFIGURE, find_configure)?,
            handler: find_handler(pre).map_err(|error| (HANDLER, error))?,
            outcomes: optional(pre, OUTCOMES, find_outcomes)?,
            subscriptions: optional(pre, SUBSCRIPTIONS, find_subscriptions)?,
            timers: optional(pre, TIMER_HANDLER, find_timer_handler)?,
            will: optional(pre, WILL, find_will)?,
        })
    }

    pub(super) fn load(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Functions> {
        let (outcomes, subscriptions) = (self.outcomes.as_ref(), self.subscriptions.as_ref());
        Ok(Functions {
            configure: self
                .configure
                .as_ref()
                .map(|it| it.load(&mut *store, instance))
                .transpose()?,
            handler: self.handler.load(&mut *store, instance)?,
            outcomes: outcomes
                .map(|it| it.load(&mut *store, instance))
                .transpose()?,
            subscriptions: subscriptions
                .map(|it| it.load(&mut *store, instance))
                .transpose()?,
            timers: self
                .timers
                .as_ref()
                .map(|it| it.load(&mut *store, instance))
                .transpose()?,
            will: self
                .will
                .as_ref()
                .map(|it| it.load(&mut *store, instance))
                .transpose()?,
        })
    }

    pub(super) fn has_configure(&self) -> bool {
        self.configure.is_some()
    }

    pub(super) fn has_will(&self) -> bool {
        self.will.is_some()
    }

    pub(super) fn outcomes(&self) -> usize {
        match &self.outcomes {
            Some(_) => MAX_OUTCOMES,
            None => 0,
        }
    }

    pub(super) fn hears_timers(&self) -> bool {
        self.timers.is_some()
    }

    pub(super) fn hears_subscriptions(&self) -> bool {
        self.subscriptions.is_some()
    }
}

impl Functions {
    pub(super) async fn configure(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<(), String>> {
        match &self.configure {
            Some(configure) => configure.call_configure(store).await,
            None => Ok(Ok(())),
        }
    }

    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        assignment: &Assignment,
    ) -> wasmtime::Result<Reply> {
        match &assignment.call {
            Call::Connection(status) => {
                let status = (*status).into();
                self.handler.call_connection(store, status).await?;
            }
            Call::Message(message) => {
                let levels = message.subscription.levels(&message.topic);
                let user = words::user_properties(message.properties.as_deref());
                let lent = words::message(message, assignment.now, &levels, &user);
                // In a box of its own: each layer of the engine has a place for the
                // whole message, and every call would be as large.
                let called = Box::pin(self.handler.call_message(store, lent));
                let verdict = called.await?;
                return Ok(match verdict {
                    Ok(()) => Reply::Done,
                    Err(handler::Verdict::Reject(text)) => Reply::Reject(text),
                    Err(handler::Verdict::Retry(text)) => Reply::Retry(text),
                });
            }
            Call::Outcomes(told) => {
                if let Some(outcomes) = &self.outcomes {
                    let lent: Vec<_> = told.iter().map(words::outcome).collect();
                    outcomes.call_outcome(store, &lent).await?;
                }
            }
            Call::Subscription { filter, granted } => {
                if let Some(subscriptions) = &self.subscriptions {
                    let status = words::subscription_status(*granted);
                    subscriptions
                        .call_subscription(store, status, filter)
                        .await?;
                }
            }
            Call::Timer(due) => {
                if let Some(timers) = &self.timers {
                    let lent = words::due_timer(due, assignment.now);
                    Box::pin(timers.call_timer(store, lent)).await?;
                }
            }
            Call::LastWill => {
                let Some(will) = &self.will else {
                    return Ok(Reply::Will(None));
                };
                let named = Box::pin(will.call_last_will(store)).await?;
                return Ok(Reply::Will(named.map(words::last_will)));
            }
        }
        Ok(Reply::Done)
    }
}

fn find_configure(pre: &InstancePre<State>) -> wasmtime::Result<configure::GuestIndices> {
    let indices = configure::GuestIndices::new(pre)?;
    check_function::<(), (Result<(), String>,)>(pre, CONFIGURE, "configure")?;
    Ok(indices)
}

fn find_handler(pre: &InstancePre<State>) -> wasmtime::Result<handler::GuestIndices> {
    type Verdict = Result<(), handler::Verdict>;

    let indices = handler::GuestIndices::new(pre)?;
    check_function::<(types::ConnectionStatus,), ()>(pre, HANDLER, "connection")?;
    check_function::<(handler::IncomingMessage<'_>,), (Verdict,)>(pre, HANDLER, "message")?;
    Ok(indices)
}

fn find_outcomes(pre: &InstancePre<State>) -> wasmtime::Result<outcomes::GuestIndices> {
    let indices = outcomes::GuestIndices::new(pre)?;
    check_function::<(&[outcomes::LetterOutcome<'_>],), ()>(pre, OUTCOMES, "outcome")?;
    Ok(indices)
}

fn find_subscriptions(pre: &InstancePre<State>) -> wasmtime::Result<subscriptions::GuestIndices> {
    type Status = subscriptions::SubscriptionStatus;

    let indices = subscriptions::GuestIndices::new(pre)?;
    check_function::<(Status, &str), ()>(pre, SUBSCRIPTIONS, "subscription")?;
    Ok(indices)
}

fn find_timer_handler(pre: &InstancePre<State>) -> wasmtime::Result<timer_handler::GuestIndices> {
    let indices = timer_handler::GuestIndices::new(pre)?;
    check_function::<(timer_handler::DueTimer<'_>,), ()>(pre, TIMER_HANDLER, "timer")?;
    Ok(indices)
}

fn find_will(pre: &InstancePre<State>) -> wasmtime::Result<will::GuestIndices> {
    let indices = will::GuestIndices::new(pre)?;
    check_function::<(), (Option<will::WillMessage>,)>(pre, WILL, "last-will")?;
    Ok(indices)
}
