//! Guests, called as the gateway calls them.

use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use jackalope::guest::{Component, Engine, Guest, GuestOptions};
use jackalope::office::{
    Answer, Assignment, Call, GuestId, Kept, LetterOutcome, MAX_STATE, Message, Origin, Outcome,
    Overflow, Payload, Qos, Room, Status, Time,
};
use tokio::runtime::Runtime;

use crate::ECHO;

/// The topic of messages that the guest publishes again.
pub const ECHOED: &str = "echo/in/bench";

/// What a guest has written down: nothing.
static KEPT: LazyLock<Arc<Kept>> = LazyLock::new(|| Arc::new(Kept::new(MAX_STATE)));

/// A guest under all the limits of the host.
pub struct Hosted(Guest);

impl Hosted {
    /// The guest `echo` with its instance made.
    pub fn start() -> Self {
        Self::of(ECHO)
    }

    /// A guest with its instance made.
    pub fn of(component: &str) -> Self {
        let engine = Engine::start().expect("the machine runs WebAssembly");
        let component = Component::load(&engine, Path::new(component)).expect("it was built");
        let mut hosted = Self::new(Guest::new(&component, GuestOptions::new("guest")));
        hosted.call(&connection());
        hosted
    }

    /// A guest that was not called yet.
    pub fn new(guest: Guest) -> Self {
        Self(guest)
    }

    /// One call, polled as the gateway does: until it is over where a tick of
    /// the clock interrupts it. Within the context of a [`runtime`].
    pub fn call(&mut self, assignment: &Assignment) -> Answer {
        let mut cx = Context::from_waker(Waker::noop());
        let mut call = pin!(self.0.call(assignment));
        loop {
            if let Poll::Ready(answer) = call.as_mut().poll(&mut cx) {
                return answer;
            }
        }
    }

    /// A message that is published again, and the outcome of the letter.
    pub fn echo(&mut self, message: &Assignment) {
        let Answer::Done(effects) = self.call(message) else {
            panic!("it fails");
        };
        for letter in effects.letters {
            self.call(&assignment(Call::Outcomes(vec![LetterOutcome {
                ticket: letter.ticket,
                tag: letter.tag,
                outcome: Outcome::Delivered,
            }])));
        }
    }
}

/// What a call that is interrupted takes its timer from.
pub fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .build()
        .expect("the machine has timers")
}

/// The emptiest call there is.
pub fn connection() -> Assignment {
    assignment(Call::Connection(Status::Offline))
}

/// A message with so many bytes.
pub fn message(topic: &str, payload: usize) -> Assignment {
    message_with(topic, Payload::new(vec![b'x'; payload]))
}

/// A message with this payload.
pub fn message_with(topic: &str, payload: Payload) -> Assignment {
    assignment(Call::Message(Message {
        topic: topic.into(),
        payload,
        qos: Qos::AtLeastOnce,
        retained: false,
        duplicate: false,
        subscription: "#".parse().expect("it is valid"),
        properties: None,
        expires: None,
        origin: Origin::Broker,
    }))
}

/// A call of the guest, which keeps nothing from one to the next.
pub fn assignment(call: Call) -> Assignment {
    Assignment {
        guest: GuestId(0),
        call,
        status: Status::Online,
        room: Room {
            not_kept: None,
            accept: 100,
            free: usize::MAX,
            free_bytes: usize::MAX,
            replaceable: None,
            keep: 100,
            keep_bytes: usize::MAX,
            overflow: Overflow::DropOldest,
            max_qos: Qos::ExactlyOnce,
            carries_properties: false,
            timers: 100,
            permissions: None,
            permitted: usize::MAX,
        },
        timers: None,
        kept: KEPT.clone(),
        now: Time::default(),
    }
}
