//! The contract 0.1.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::{Reply, WrongExport, check_function, convert, optional};
use crate::guest::bindings::v0_1::exports::jackalope::gateway::{handler, will};
use crate::guest::bindings::v0_1::jackalope::gateway::types;
use crate::guest::state::State;
use crate::office::{Call, Message, OutcomeWord, Qos, Status};

const HANDLER: &str = "jackalope:gateway/handler@0.1.0";
const WILL: &str = "jackalope:gateway/will@0.1.0";

pub(in crate::guest) struct Exports {
    handler: handler::GuestIndices,
    will: Option<will::GuestIndices>,
}

pub(in crate::guest) struct Functions {
    handler: handler::Guest,
    will: Option<will::Guest>,
}

impl Exports {
    pub(super) fn find(pre: &InstancePre<State>) -> Result<Self, WrongExport> {
        Ok(Self {
            handler: find_handler(pre).map_err(|error| (HANDLER, error))?,
            will: optional(pre, WILL, find_will)?,
        })
    }

    pub(super) fn load(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Functions> {
        let will = self.will.as_ref();
        Ok(Functions {
            handler: self.handler.load(&mut *store, instance)?,
            will: will.map(|will| will.load(store, instance)).transpose()?,
        })
    }

    pub(super) fn has_will(&self) -> bool {
        self.will.is_some()
    }
}

impl Functions {
    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        call: &Call,
    ) -> wasmtime::Result<Reply> {
        let handler = &self.handler;
        match call {
            Call::Connection(status) => {
                handler.call_connection(store, (*status).into()).await?;
            }
            Call::Subscription { filter, granted } => {
                let status = subscription_status(*granted);
                handler.call_subscription(store, status, filter).await?;
            }
            Call::Message(message) => {
                let verdict = handler.call_message(store, lent(message)).await?;
                return Ok(match verdict {
                    Ok(()) => Reply::Done,
                    Err(handler::Verdict::Reject(text)) => Reply::Reject(text),
                    Err(handler::Verdict::Retry(text)) => Reply::Retry(text),
                });
            }
            Call::Outcomes(outcomes) => {
                for told in outcomes {
                    let outcome = told.outcome.word().into();
                    handler
                        .call_outcome(&mut *store, told.ticket.0, outcome)
                        .await?;
                }
            }
            // There are none in this version.
            Call::Timer(_) => {}
            Call::LastWill => {
                let Some(will) = &self.will else {
                    return Ok(Reply::Will(None));
                };
                let named = will.call_last_will(store).await?;
                return Ok(Reply::Will(named.map(|will| {
                    let qos = will.qos.into();
                    convert::last_will(will.topic, will.payload, qos, will.retain)
                })));
            }
        }
        Ok(Reply::Done)
    }
}

fn find_handler(pre: &InstancePre<State>) -> wasmtime::Result<handler::GuestIndices> {
    type Status = types::ConnectionStatus;
    type Verdict = Result<(), handler::Verdict>;

    let indices = handler::GuestIndices::new(pre)?;
    check_function::<(Status,), ()>(pre, HANDLER, "connection")?;
    check_function::<(handler::SubscriptionStatus, &str), ()>(pre, HANDLER, "subscription")?;
    check_function::<(handler::IncomingMessage<'_>,), (Verdict,)>(pre, HANDLER, "message")?;
    check_function::<(types::Ticket, handler::LetterOutcome), ()>(pre, HANDLER, "outcome")?;
    Ok(indices)
}

fn find_will(pre: &InstancePre<State>) -> wasmtime::Result<will::GuestIndices> {
    let indices = will::GuestIndices::new(pre)?;
    check_function::<(), (Option<will::WillMessage>,)>(pre, WILL, "last-will")?;
    Ok(indices)
}

/// A message as a guest is lent it.
fn lent(message: &Message) -> handler::IncomingMessage<'_> {
    handler::IncomingMessage {
        topic: &message.topic,
        payload: &message.payload,
        qos: message.qos.into(),
        retained: message.retained,
        duplicate: message.duplicate,
    }
}

fn subscription_status(granted: bool) -> handler::SubscriptionStatus {
    match granted {
        true => handler::SubscriptionStatus::Subscribed,
        false => handler::SubscriptionStatus::Refused,
    }
}

impl From<types::Qos> for Qos {
    fn from(qos: types::Qos) -> Self {
        match qos {
            types::Qos::AtMostOnce => Self::AtMostOnce,
            types::Qos::AtLeastOnce => Self::AtLeastOnce,
            types::Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<Qos> for types::Qos {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
            Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<Status> for types::ConnectionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Online => Self::Online,
            Status::Offline => Self::Offline,
        }
    }
}

impl From<OutcomeWord> for handler::LetterOutcome {
    fn from(outcome: OutcomeWord) -> Self {
        match outcome {
            OutcomeWord::Delivered => Self::Delivered,
            OutcomeWord::Expired => Self::Expired,
            OutcomeWord::Displaced => Self::Displaced,
            OutcomeWord::Refused => Self::Refused,
        }
    }
}
