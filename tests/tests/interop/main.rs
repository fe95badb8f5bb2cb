//! The gateway against brokers of many hands: what of it works with which.
//!
//! A broker is a value of `brokers`, a subject a function over it, and a case both
//! together: a test of its own. A broker that is not installed is said to be
//! skipped, on standard error. `cargo test -p jackalope-tests --test interop table`
//! prints the table that the README has.

// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

mod brokers;
mod case;
mod place;
mod server;
mod subjects;
mod table;

use brokers::{AEDES, AMQTT, MOSQUITTO, RABBITMQ, Transport, Version};
use case::run;
use subjects::{oversize, publish, refused, restart, retained, status, takeover, version, will};

/// All subjects over one broker and version, as tests.
macro_rules! cases {
    ($module:ident, $broker:expr, $version:expr) => {
        mod $module {
            use super::*;

            cases! { @ $broker, $version,
                over_tcp: |case| publish::check(case, Transport::Tcp),
                over_tls: |case| publish::check(case, Transport::Tls),
                over_mutual_tls: |case| publish::check(case, Transport::MutualTls),
                over_websocket: |case| publish::check(case, Transport::WebSocket),
                over_websocket_and_tls: |case| publish::check(case, Transport::SecureWebSocket),
                a_certificate_of_a_stranger: publish::check_stranger,
                retained: retained::check,
                will: will::check,
                status: status::check,
                restart_at_qos_1: |case| restart::check(case, 1),
                restart_at_qos_2: |case| restart::check(case, 2),
                takeover: takeover::check,
                refused_topic: refused::check_topic,
                refused_subscription: refused::check_subscription,
                large_letter: oversize::check_large,
                oversize_letter: oversize::check_letter,
                oversize_message: oversize::check_message,
            }
        }
    };
    (@ $broker:expr, $version:expr, $($name:ident: $subject:expr,)*) => {
        $(#[test] fn $name() { run(&$broker, $version, $subject); })*
    };
}

cases!(mosquitto_in_3_1_1, MOSQUITTO, Version::V311);
cases!(mosquitto_in_5, MOSQUITTO, Version::V5);
cases!(rabbitmq_in_3_1_1, RABBITMQ, Version::V311);
cases!(amqtt_in_3_1_1, AMQTT, Version::V311);
cases!(aedes_in_3_1_1, AEDES, Version::V311);

/// Which version is spoken when either is allowed, or 5 alone.
macro_rules! versions {
    ($($name:ident: $broker:expr,)*) => {
        mod versions {
            use super::*;

            $(#[test] fn $name() { run(&$broker, Version::V5, version::check); })*
        }
    };
}

versions! {
    mosquitto: MOSQUITTO,
    rabbitmq: RABBITMQ,
    amqtt: AMQTT,
    aedes: AEDES,
}
