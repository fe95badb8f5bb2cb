//! MQTT 5: its packets, and how they are read and written.
//!
//! The core knows no other packets; those of MQTT 3.1.1 become these when they
//! arrive and are made of them when they leave, in `convert`. Reading and
//! writing is done here rather than by the codec, which leaves out most checks,
//! so that what the codec does is no part of what a client is tested with.

mod packet;
mod property;
mod read;
mod reason;
mod text;
mod write;

pub use packet::{
    Acknowledgement, ConnAck, Connect, Disconnect, LastWill, Packet, Publish, RetainHandling,
    SubAck, Subscribe, SubscribeFilter, Unsubscribe,
};
pub use property::{Properties, Property};
pub(super) use read::{read, read_connect};
pub use reason::Reason;
pub(super) use write::write;
