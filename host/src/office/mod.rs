//! The post office: a pure state machine.

mod call;
mod letter;
mod packet;
mod settings;
mod time;
pub mod topic;

pub use call::{Answer, Assignment, Call, Message, Room, Status, Tray};
pub use letter::{GuestId, Letter, Outcome, Payload, Qos, Ticket};
pub use packet::{Connect, Delivery, Incoming, LastWill, Outgoing, PacketId, Publish};
pub use settings::{BackoffSettings, GuestSettings, Overflow, Settings, WorkListSettings};
pub use time::Time;
