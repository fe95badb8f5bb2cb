//! Guests for the unit tests, written as text: they need no toolchain.

use std::sync::Arc;

use super::{Component, Engine, Guest, GuestOptions};
use crate::office::{
    Assignment, Call, GuestId, Kept, LetterOutcome, MAX_STATE, Message, Origin, Outcome, Overflow,
    Payload, Qos, Room, Status, Ticket, Time,
};

/// A guest in the text format. Each export has a body of core WebAssembly
/// which the tests replace; without one it does nothing.
///
/// Bodies can use
/// - `(call $post (i32.const n))`: publishes the byte `n` to the topic `t`
///   without options
/// - `(call $publish topic topic-len payload payload-len some qos retain ttl
///   result)`, `(call $status)`, `(call $reconnect)`: the host's functions,
///   lowered
/// - `(call $sleep nanoseconds)`, `(call $print text text-len)`,
///   `(call $print-at-once text text-len)`, `(call $poll count)`,
///   `(call $get-random len result)`, `(call $get-insecure-random len result)`:
///   WASI
/// - `$calls`, a global that starts at 0 and belongs to the instance
/// - the memory, one page of it, with `t` at 16, `because` at 32 and a place
///   for results at 64.
pub(super) struct GuestText {
    /// `(param $status i32)`
    pub(super) connection: &'static str,
    /// `(param $status i32) (param $filter i32) (param $filter-len i32)`
    pub(super) subscription: &'static str,
    /// `(param $topic i32) (param $topic-len i32) (param $payload i32)
    /// (param $payload-len i32) (param $qos i32) (param $retained i32)
    /// (param $duplicate i32) (result i32)`: where the result lies. At 64
    /// there is an `ok`.
    pub(super) message: &'static str,
    /// `(param $ticket i64) (param $outcome i32)`
    pub(super) outcome: &'static str,
    /// `(result i32)`: where the result lies. Without a body there is no `will`.
    pub(super) last_will: Option<&'static str>,
    /// The start function.
    pub(super) start: &'static str,
    /// More fields of the core module.
    pub(super) more: &'static str,
    /// The pages of its memory at the start.
    pub(super) pages: u32,
    /// The version of the interface that it imports.
    pub(super) imports: &'static str,
    /// The interface that it exports.
    pub(super) handler: &'static str,
    /// What its `connection` takes.
    pub(super) connection_type: &'static str,
}

impl Default for GuestText {
    fn default() -> Self {
        Self {
            connection: "",
            subscription: "",
            message: "i32.const 64",
            outcome: "",
            last_will: None,
            start: "",
            more: "",
            pages: 1,
            imports: "jackalope:gateway/jackalope@0.1.0",
            handler: "jackalope:gateway/handler@0.1.0",
            connection_type: "(param \"status\" $status)",
        }
    }
}

impl GuestText {
    /// The component.
    pub(super) fn bytes(&self) -> Vec<u8> {
        wat::parse_str(self.text()).expect("the text of a component")
    }

    /// The component, compiled.
    pub(super) fn load(&self, engine: &Engine) -> Component {
        Component::from_bytes(engine, "test.wasm", &self.bytes()).expect("a guest")
    }

    /// A guest with the default options.
    pub(super) fn guest(&self) -> Guest {
        self.guest_with(|_| {})
    }

    /// A guest with changed options.
    pub(super) fn guest_with(&self, change: impl FnOnce(&mut GuestOptions)) -> Guest {
        let mut options = GuestOptions::new("test");
        change(&mut options);
        Guest::new(&self.load(&engine()), options)
    }

    fn text(&self) -> String {
        let will = if self.last_will.is_some() { WILL } else { "" };
        [
            ("{connection}", self.connection),
            ("{subscription}", self.subscription),
            ("{message}", self.message),
            ("{outcome}", self.outcome),
            ("{last-will}", self.last_will.unwrap_or("i32.const 64")),
            ("{start}", self.start),
            ("{more}", self.more),
            ("{pages}", &self.pages.to_string()),
            ("{imports}", self.imports),
            ("{handler}", self.handler),
            ("{connection-type}", self.connection_type),
            ("{will}", will),
        ]
        .iter()
        .fold(TEXT.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }
}

const TEXT: &str = include_str!("testing.wat");

const WILL: &str = r#"
  (type $will' (record
    (field "topic" string) (field "payload" (list u8)) (field "qos" $qos)
    (field "retain" bool)))
  (export $last-will "will-message" (type $will'))
  (func $do-last-will (result (option $last-will))
    (canon lift (core func $main "last-will") (memory $mem)))
  (instance $will (export "last-will" (func $do-last-will)))
  (export "jackalope:gateway/will@0.1.0" (instance $will))"#;

/// A body for `message` that answers with the verdict of this case, `because`.
macro_rules! verdict {
    ($case:literal) => {
        concat!(
            "(i32.store8 (i32.const 64) (i32.const 1))",
            "(i32.store8 (i32.const 68) (i32.const ",
            $case,
            "))",
            "(i32.store (i32.const 72) (i32.const 32))",
            "(i32.store (i32.const 76) (i32.const 7))",
            "i32.const 64"
        )
    };
}
pub(super) use verdict;

/// An engine of its own for a test.
pub(super) fn engine() -> Engine {
    Engine::start().expect("an engine")
}

/// A call with room for a hundred letters, offline.
pub(super) fn assignment(call: Call) -> Assignment {
    Assignment {
        guest: GuestId(0),
        call,
        status: Status::Offline,
        room: Room {
            not_kept: None,
            accept: usize::MAX,
            free: usize::MAX,
            free_bytes: usize::MAX,
            replaceable: None,
            keep: 100,
            keep_bytes: usize::MAX,
            overflow: Overflow::DropOldest,
            max_qos: Qos::ExactlyOnce,
            carries_properties: true,
            timers: 100,
            permissions: None,
            permitted: usize::MAX,
        },
        timers: None,
        kept: Arc::new(Kept::new(MAX_STATE)),
        now: Time::default(),
    }
}

/// `connection(offline)`
pub(super) fn connection() -> Assignment {
    assignment(Call::Connection(Status::Offline))
}

/// `message`
pub(super) fn message(topic: &str, payload: &[u8]) -> Assignment {
    assignment(Call::Message(Message {
        topic: Arc::from(topic),
        payload: Payload::new(payload),
        qos: Qos::ExactlyOnce,
        retained: true,
        duplicate: false,
        subscription: "#".parse().expect("it is valid"),
        properties: None,
        expires: None,
        origin: Origin::Broker,
    }))
}

/// `outcome`, of one letter
pub(super) fn outcome(ticket: u64, outcome: Outcome) -> Assignment {
    assignment(Call::Outcomes(vec![LetterOutcome {
        ticket: Ticket(ticket),
        tag: None,
        outcome,
    }]))
}
