//! The session with the broker: the connection, the exchanges in both
//! directions, and their packets.

mod backoff;
mod by_packet_id;
mod inbound;
mod link;
mod outbound;
mod packet;
mod packet_ids;
mod presence;
mod reason;
mod wills;

pub(super) use backoff::{Backoff, Random, doubled};
pub(super) use inbound::{Arrival, Duplicate, Inbound, Receipt};
pub use link::Disconnection;
pub(super) use link::{Dial, Due, Link};
pub use outbound::Refusal;
pub(super) use outbound::{
    Acked, FIRST_PAUSE, LONGEST_PAUSE, Limits, Outbound, RIGHT_AFTER, SUSPECT, to_packet,
};
pub use outbound::{QOS1_WINDOW, QOS2_WINDOW};
pub use packet::{
    Carried, Connect, Delivery, Dispatch, Incoming, LastWill, MAX_PACKET_SIZE,
    MAX_REMAINING_LENGTH, MAX_SUBSCRIPTION_ID, Outgoing, Outlook, PacketId, Publish,
    SubscriptionId, Terms, filter_size, max_payload, properties_size, publish_size,
    publish_size_with, subscribe_size,
};
pub(super) use packet_ids::PacketIds;
pub(super) use presence::Presence;
pub use reason::Reason;
use reason::Remedy;
pub use wills::WillRefusal;
pub(super) use wills::Wills;
