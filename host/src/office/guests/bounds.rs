//! How much may wait for one guest.

use super::Message;
use crate::office::Qos;

/// A message of QoS 0 is not taken in when so many messages wait already, or so
/// many bytes with it.
const MAX_MESSAGES: usize = 1_000;
const MAX_BYTES: usize = 4 << 20;

/// For messages of QoS 1 and 2 the bounds are so many times as high. A broker has
/// a window of them, so it takes one without a window to come that far.
const WITH_ACKNOWLEDGEMENT: usize = 2;

/// What a message takes beside topic and payload, in bytes: its place in the
/// queue, which doubles when it grows, and the heads of two allocations. A user
/// property takes no more.
const OVERHEAD: usize = 256;

/// Whether one more message may wait where so many do, which take so many bytes.
/// Where none waits there is room for any.
pub(super) fn have_room(waiting: usize, bytes: usize, message: &Message) -> bool {
    let times = match message.qos {
        Qos::AtMostOnce => 1,
        Qos::AtLeastOnce | Qos::ExactlyOnce => WITH_ACKNOWLEDGEMENT,
    };
    waiting == 0 || (waiting < times * MAX_MESSAGES && bytes + cost(message) <= times * MAX_BYTES)
}

/// What a message takes in memory, in bytes, if its guest alone has it.
pub(super) fn cost(message: &Message) -> usize {
    let properties = message.properties.as_ref();
    let properties = properties.map_or(0, |it| it.size() + it.user.len() * OVERHEAD);
    message.topic.len() + message.payload.len() + properties + OVERHEAD
}
