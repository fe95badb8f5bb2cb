//! A guest that publishes a reading whenever a timer is due: to `readings/{timer}`, how
//! late that was and how many were missed.
//!
//! Its own timers it sets, cancels and lists as messages ask for, which are named by the
//! last level of their topic. A payload is a name and perhaps a number of milliseconds.

use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::timer_handler::{DueTimer, Guest as TimerHandler};
use bindings::jackalope::gateway::jackalope::publish;
use bindings::jackalope::gateway::timers::{self, Repetition, Schedule, Timer};
use bindings::jackalope::gateway::types::ConnectionStatus;

mod bindings {
    #![allow(unsafe_code)]

    use super::Sensor;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/with-timers",
        generate_all,
    });
    export!(Sensor);
}

struct Sensor;

impl TimerHandler for Sensor {
    fn timer(due: DueTimer) {
        if due.name == "broken" {
            panic!("it is broken");
        }
        let reading = format!("late {} missed {}", due.late_ms, due.missed);
        answer(&format!("readings/{}", due.name), &reading);
    }
}

impl Handler for Sensor {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        let text = String::from_utf8_lossy(&message.payload);
        let (name, number) = text.split_once(' ').unwrap_or((&text, ""));
        let ms = number.parse().unwrap_or(0);
        let set = |schedule| {
            let set = timers::set(name, schedule);
            answer(
                "answers",
                &set.map_or_else(|error| format!("{error:?}"), |()| "set".into()),
            );
        };
        let every = Schedule::Every(Repetition {
            first_ms: None,
            period_ms: ms,
        });
        match message.topic.rsplit('/').next() {
            Some("every") => set(every),
            Some("after") => set(Schedule::After(ms)),
            Some("set-and-trap") => {
                set(every);
                panic!("as asked for");
            }
            Some("set-and-retry") => {
                set(every);
                return Err(Verdict::Retry("as asked for".into()));
            }
            Some("cancel") => answer("answers", &format!("{}", timers::cancel(name))),
            _ => {
                let listed: Vec<_> = timers::list().iter().map(described).collect();
                answer("answers", &listed.join(", "));
            }
        }
        Ok(())
    }
}

fn described(timer: &Timer) -> String {
    let Timer {
        name,
        due_in_ms,
        period_ms,
    } = timer;
    match period_ms {
        Some(period) => format!("{name} in {due_in_ms} every {period}"),
        None => format!("{name} in {due_in_ms}"),
    }
}

fn answer(topic: &str, text: &str) {
    // A full work list is none of its business.
    let _ = publish(topic, text.as_bytes(), None);
}
