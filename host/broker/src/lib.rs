//! The fake broker: MQTT 3.1.1 for development and tests, with faults on
//! demand.
//!
//! [`Core`] is the broker as a pure state machine: bytes, time and faults come
//! in, bytes and events go out. It reads no clock, opens no socket and draws no
//! lots, so the same inputs give the same outputs. [`Broker`] is the same core
//! behind a TCP listener:
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use jackalope_broker::{Broker, Event, Fault, Options};
//!
//! let broker = Broker::start(Options::default()).await?;
//! println!("a client may connect to {}", broker.address());
//! broker.inject(Fault::DropInMiddle);
//! broker.wait_for(|event| matches!(event, Event::Closed { .. })).await;
//! assert_eq!(broker.violations(), []);
//! # Ok(())
//! # }
//! ```
//!
//! It is strict where an everyday broker is lenient: whatever the
//! specification calls a protocol violation closes the connection and is
//! counted with its rule. It shares nothing with the client but the packet
//! codec, so that one cannot hide the other's mistakes.

mod core;
mod listener;
mod options;

mod event;
mod fault;
mod message;
mod time;
mod violation;

mod incoming;
mod outgoing;
mod session;

mod connect;
mod frame;
mod reader;
mod text;
mod topic;

#[cfg(test)]
mod tests;

pub use self::core::{Core, Output};
pub use event::{CloseReason, ConnectionId, Event, Peer};
pub use fault::{Ack, Fault, Times};
pub use listener::{Broker, Events};
pub use message::{Message, PublishError};
pub use options::{CoreOptions, DeliverQos2, Options};
pub use time::Time;
pub use violation::Violation;

pub use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet};
pub use rumqttc::mqttbytes::{PacketType, QoS};
