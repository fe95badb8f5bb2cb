//! What the post office is told: of the session, and of two guests.

use std::time::Duration;

use crate::office::{
    BackoffSettings, GoneGuests, GuestSettings, MAX_STATE, Overflow, Qos, Settings, TimerSettings,
    WorkListSettings,
};

/// The name of a guest, which subscribes to `first/+`.
pub const FIRST: &str = "first";

/// The name of another one, which subscribes to `second`.
pub const SECOND: &str = "second";

/// Each subscription that a guest may have, with a quality of service of 2 and of 1.
pub const ALL: u8 = 0b1011;

/// These settings, with these guests.
pub fn settings(guests: Vec<GuestSettings>) -> Settings {
    Settings {
        clean_session: true,
        keep_alive: Duration::from_secs(20),
        backoff: BackoffSettings {
            min: Duration::from_secs(1),
            max: Duration::from_secs(4),
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        status_topic: None,
        max_packet_size: 4_096,
        max_qos: Qos::ExactlyOnce,
        carries_properties: true,
        guests,
        is_durable: false,
        gone_guests: GoneGuests::Keep,
        sessions: Vec::new(),
        seed: 0,
    }
}

/// A guest with these subscriptions: two bits for its own one, and two for `both/#`, each
/// the highest quality of service plus one.
pub fn guest(name: &str, subscriptions: u8) -> GuestSettings {
    let own = if name == FIRST { "first/+" } else { "second" };
    let qos = |bits: u8| match bits & 0b11 {
        0 => None,
        1 => Some(Qos::AtMostOnce),
        2 => Some(Qos::AtLeastOnce),
        _ => Some(Qos::ExactlyOnce),
    };
    let wanted = [(own, subscriptions), ("both/#", subscriptions >> 2)];
    let wanted = wanted.into_iter().filter_map(|(filter, bits)| {
        let filter = filter.parse().expect("it is valid");
        qos(bits).map(|qos| (filter, qos))
    });
    GuestSettings {
        name: name.into(),
        subscriptions: wanted.collect(),
        retries: 1,
        retry_for: Duration::from_secs(60),
        has_will: false,
        outcomes: 1,
        hears_subscriptions: true,
        work_list: WorkListSettings {
            max: 5,
            max_bytes: 200,
            overflow: Overflow::DropOldest,
        },
        timers: TimerSettings::default(),
        max_state: MAX_STATE,
        permissions: None,
    }
}
