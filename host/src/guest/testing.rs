//! Guests for the unit tests, written as text: they need no toolchain.

use std::sync::Arc;

use super::{Component, Engine, Guest, GuestOptions};
use crate::office::{Assignment, Call, GuestId, Message, Payload, Qos, Room, Status};

/// A guest in the text format. Each export has a body of core WebAssembly
/// which the tests replace; without one it does nothing.
///
/// Bodies can use
/// - `(call $post (i32.const n))`: publishes the byte `n` to the topic `t`
///   without options
/// - `(call $publish topic topic-len payload payload-len some qos retain ttl
///   result)`, `(call $status)`, `(call $reconnect)`: the host's functions,
///   lowered
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
        let Self {
            connection,
            subscription,
            message,
            outcome,
            last_will,
            start,
            more,
            pages,
            imports,
            handler,
            connection_type,
        } = self;
        let will = if last_will.is_some() { WILL } else { "" };
        let last_will = last_will.unwrap_or("i32.const 64");
        format!(
            r#"(component
  (import "{imports}" (instance $host
    (type $qos' (enum "at-most-once" "at-least-once" "exactly-once"))
    (export "qos" (type $qos (eq $qos')))
    (type $status' (enum "online" "offline"))
    (export "connection-status" (type $status (eq $status')))
    (type $options' (record (field "qos" $qos) (field "retain" bool) (field "ttl-ms" u64)))
    (export "publish-options" (type $options (eq $options')))
    (type $error' (variant
      (case "invalid-topic" string) (case "invalid-qos" $qos) (case "invalid-ttl")
      (case "payload-too-large" u64) (case "not-permitted") (case "work-list-full")))
    (export "publish-error" (type $error (eq $error')))
    (export "publish" (func
      (param "topic" string) (param "payload" (list u8)) (param "options" (option $options))
      (result (result u64 (error $error)))))
    (export "status" (func (result $status)))
    (export "reconnect" (func))))

  (core module $Memory
    (memory (export "memory") {pages})
    (data (i32.const 16) "t")
    (data (i32.const 32) "because")
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32)
      (param $size i32) (result i32)
      (global.set $free
        (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (local.get $size)))))
  (core instance $memory (instantiate $Memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))

  (core func $publish (canon lower (func $host "publish") (memory $mem) (realloc $realloc)))
  (core func $status-now (canon lower (func $host "status")))
  (core func $reconnect (canon lower (func $host "reconnect")))

  (core module $Main
    (import "memory" "memory" (memory 1))
    (import "host" "publish"
      (func $publish (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "host" "status" (func $status (result i32)))
    (import "host" "reconnect" (func $reconnect))
    (global $calls (mut i32) (i32.const 0))
    (func $post (param $byte i32)
      (i32.store8 (i32.const 128) (local.get $byte))
      (call $publish
        (i32.const 16) (i32.const 1) (i32.const 128) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)
        (i32.const 192)))
    (func $start {start})
    (start $start)
    (func (export "connection") (param $status i32) {connection})
    (func (export "subscription")
      (param $status i32) (param $filter i32) (param $filter-len i32) {subscription})
    (func (export "message")
      (param $topic i32) (param $topic-len i32) (param $payload i32) (param $payload-len i32)
      (param $qos i32) (param $retained i32) (param $duplicate i32) (result i32) {message})
    (func (export "outcome") (param $ticket i64) (param $outcome i32) {outcome})
    (func (export "last-will") (result i32) {last_will})
    {more})
  (core instance $main (instantiate $Main
    (with "memory" (instance $memory))
    (with "host" (instance
      (export "publish" (func $publish))
      (export "status" (func $status-now))
      (export "reconnect" (func $reconnect))))))

  (type $qos' (enum "at-most-once" "at-least-once" "exactly-once"))
  (export $qos "qos" (type $qos'))
  (type $status' (enum "online" "offline"))
  (export $status "connection-status" (type $status'))
  (type $subscription' (enum "subscribed" "refused"))
  (export $subscription "subscription-status" (type $subscription'))
  (type $message' (record
    (field "topic" string) (field "payload" (list u8)) (field "qos" $qos)
    (field "retained" bool) (field "duplicate" bool)))
  (export $message "incoming-message" (type $message'))
  (type $verdict' (variant (case "reject" string) (case "retry" string)))
  (export $verdict "verdict" (type $verdict'))
  (type $outcome' (enum "delivered" "expired" "displaced" "refused"))
  (export $outcome "letter-outcome" (type $outcome'))

  (func $do-connection {connection_type}
    (canon lift (core func $main "connection")))
  (func $do-subscription (param "status" $subscription) (param "topic-filter" string)
    (canon lift (core func $main "subscription") (memory $mem) (realloc $realloc)))
  (func $do-message (param "message" $message) (result (result (error $verdict)))
    (canon lift (core func $main "message") (memory $mem) (realloc $realloc)))
  (func $do-outcome (param "ticket" u64) (param "outcome" $outcome)
    (canon lift (core func $main "outcome")))
  (instance $handler
    (export "connection" (func $do-connection))
    (export "subscription" (func $do-subscription))
    (export "message" (func $do-message))
    (export "outcome" (func $do-outcome)))
  (export "{handler}" (instance $handler))
  {will})"#
        )
    }
}

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
            accept: usize::MAX,
            keep: 100,
        },
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
        payload: Payload::new(payload.to_vec()),
        qos: Qos::ExactlyOnce,
        retained: true,
        duplicate: false,
    }))
}
