//! A fake broker of MQTT 3.1.1 and MQTT 5 for development and for tests of
//! clients, with faults on demand.
//!
//! [`Broker`] listens on a port of its own and stops when it is dropped. A test
//! of whatever client tells it what is to go wrong, and asks it what has
//! happened:
//!
//! ```
//! use std::time::Duration;
//!
//! use jackalope_broker::{Broker, ConnectReturnCode, Fault, Options, QoS, Times};
//! use rumqttc::{AsyncClient, MqttOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Broker::start(Options::default()).await?;
//! let unavailable = ConnectReturnCode::ServiceUnavailable;
//! broker.inject(Fault::RefuseConnect(unavailable, Times::Next(2)));
//!
//! // The client under test: does it try again?
//! let address = broker.address();
//! let options = MqttOptions::new("meter-7", address.ip().to_string(), address.port());
//! let (client, mut events) = AsyncClient::new(options, 10);
//! tokio::spawn(async move { loop { let _ = events.poll().await; } });
//! client.publish("meters/7", rumqttc::QoS::AtLeastOnce, true, "42 kWh").await?;
//!
//! // What is waited for may never happen: the test has to give up.
//! let arrives = broker.wait_until(|core| core.messages().len() == 1);
//! assert!(tokio::time::timeout(Duration::from_secs(10), arrives).await?);
//!
//! let message = &broker.messages()[0];
//! assert_eq!(message.topic, "meters/7");
//! assert_eq!(message.payload, "42 kWh");
//! assert_eq!((message.qos, message.retain), (QoS::AtLeastOnce, true));
//! assert_eq!(broker.violations(), []);
//! # Ok(())
//! # }
//! ```
//!
//! [`Core`] is the same broker without the listener, a pure state machine:
//! bytes, time and faults come in, bytes and events go out. It reads no clock,
//! opens no socket and draws no lots, so the same inputs give the same outputs.
//!
//! It is strict where an everyday broker is lenient: whatever the
//! specification calls a protocol violation closes the connection and is
//! counted with its rule. It shares nothing with the client of this repository
//! but the packet codec of MQTT 3.1.1, so that one cannot hide the other's
//! mistakes; and what is public here is not the codec's, so that no client needs
//! the same one.
//!
//! MQTT 5 is spoken beside 3.1.1, on the same port, with whoever says so in
//! CONNECT; so are WebSocket and, if it is [asked for](Options::tls), TLS. Its packets are in [`v5`], and in [`Packet::V5`] of the events; what
//! the broker can not do is chosen in [`CoreOptions`].

mod certificates;
mod core;
mod listener;
mod options;

mod event;
mod fault;
mod message;
mod packet;
mod time;
mod violation;

mod incoming;
mod outgoing;
mod session;

mod codec;
mod connect;
mod convert;
mod frame;
mod reader;
mod text;
mod topic;

pub mod v5;

#[cfg(test)]
mod tests;

pub use self::core::{Core, Output};
pub use certificates::Certificates;
pub use event::{CloseReason, ConnectionId, Event, Peer, TlsError};
pub use fault::{Ack, Fault, FaultError, Times};
pub use listener::{Broker, Events};
pub use message::{Message, PublishError};
pub use options::{CoreOptions, DeliverQos2, Options, Permissions, TlsOptions};
pub use packet::{Connect, ConnectReturnCode, LastWill, Login, Packet, PacketType, Publish, QoS};
pub use time::Time;
pub use violation::Violation;
