//! A sensor: it takes what a probe measures, publishes it whenever its timer is due, and
//! raises an alarm above a threshold.

use std::cell::OnceCell;

use bindings::exports::jackalope::gateway::configure::Guest as Configure;
use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::timer_handler::{DueTimer, Guest as TimerHandler};
use bindings::jackalope::gateway::jackalope::{Priority, PublishOptions, publish};
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos};
use bindings::jackalope::gateway::{settings, state};
use serde_json::{Value, from_slice, from_str, json};

/// What the contract in `wit` becomes in Rust.
mod bindings {
    use super::Sensor;

    wit_bindgen::generate!({ path: "wit", world: "sensor", generate_all });
    export!(Sensor);
}

/// An alarm is worth nothing later, as the next one is due by then.
const ALARM_TTL_MS: u64 = 5_000;

struct Sensor;

struct Settings {
    topic: String,
    threshold: f64,
}

thread_local! {
    static SETTINGS: OnceCell<Settings> = const { OnceCell::new() };
}

impl Configure for Sensor {
    fn configure() -> Result<(), String> {
        let given: Value = from_str(&settings::get()).map_err(|error| error.to_string())?;
        let topic = given["topic"]
            .as_str()
            .ok_or("settings.topic is missing: name a topic")?;
        let threshold = given["threshold"]
            .as_f64()
            .ok_or("settings.threshold is not a number")?;
        let topic = topic.to_string();
        SETTINGS.with(|settings| settings.set(Settings { topic, threshold }).ok());
        Ok(())
    }
}

impl Handler for Sensor {
    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        if from_slice::<f64>(&message.payload).is_err() {
            return Err(Verdict::Reject("the value is not a number".to_string()));
        }
        state::set("value", &message.payload).map_err(|error| Verdict::Reject(format!("{error:?}")))
    }

    fn connection(_status: ConnectionStatus) {}
}

impl TimerHandler for Sensor {
    fn timer(_due: DueTimer) {
        SETTINGS.with(|settings| settings.get().map(publish_reading));
    }
}

fn publish_reading(settings: &Settings) {
    let Some(value) = number("value") else {
        return; // Nothing was measured yet.
    };
    let count = number("count").unwrap_or(0.0) as u64 + 1;
    state::set("count", count.to_string().as_bytes()).expect("there is room for a number");

    let reading = json!({ "value": value, "count": count });
    send(&settings.topic, reading, None);
    if value > settings.threshold {
        let options = PublishOptions {
            qos: Qos::AtLeastOnce,
            retain: false,
            ttl_ms: ALARM_TTL_MS,
            after_reboot: None,
            priority: Priority::High,
            replace_key: None,
            tag: None,
            properties: None,
        };
        let topic = format!("{}/alarm", settings.topic);
        send(&topic, json!({ "value": value }), Some(&options));
    }
}

fn send(topic: &str, payload: Value, options: Option<&PublishOptions>) {
    if let Err(error) = publish(topic, payload.to_string().as_bytes(), options) {
        eprintln!("{topic} is not accepted: {error:?}");
    }
}

/// What was written down, as a number.
fn number(key: &str) -> Option<f64> {
    from_slice(&state::get(key)?).ok()
}
