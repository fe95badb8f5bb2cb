//! The session with the broker: the connection, the exchanges in both
//! directions, and their packets.

mod backoff;
mod by_packet_id;
mod inbound;
mod link;
mod outbound;
mod packet;
mod packet_ids;

pub(super) use backoff::{Backoff, Random, doubled};
pub(super) use inbound::{Arrival, Duplicate, Inbound, Receipt};
pub use link::Disconnection;
pub(super) use link::{Dial, Due, Link};
pub(super) use outbound::{Acked, Next, Outbound};
pub use outbound::{QOS1_WINDOW, QOS2_WINDOW};
pub use packet::{
    Carried, Connect, Delivery, Dispatch, Incoming, LastWill, MAX_PACKET_SIZE,
    MAX_REMAINING_LENGTH, Outgoing, Outlook, PacketId, Publish, max_payload, publish_size,
};
pub(super) use packet_ids::PacketIds;
