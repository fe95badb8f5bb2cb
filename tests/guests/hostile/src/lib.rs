//! A guest that does whatever a guest should not do: the payload of a message
//! on `hostile/do` names it. What it publishes goes to `hostile/out`.
//!
//! `publish-100-mib` needs a memory limit of 256 MiB to get as far as the host,
//! and in a debug build it and `publish-100000` can need more than a second.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use bindings::exports::jackalope::gateway::handler::{Guest, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{self, LetterOutcome};
use bindings::jackalope::gateway::jackalope::publish;
use bindings::jackalope::gateway::types::ConnectionStatus;

mod bindings {
    #![allow(unsafe_code)]

    use super::Hostile;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/reporting",
        generate_all,
    });
    export!(Hostile);
}

const MIB: usize = 1 << 20;

thread_local! {
    /// How often `retry-twice` and `publish-then-retry` were tried.
    static TRIES: Cell<u32> = const { Cell::new(0) };
}

struct Hostile;

impl Guest for Hostile {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        match message.payload.as_slice() {
            b"loop" => loop {
                black_box(());
            },
            b"eat" => eat(),
            b"recurse" => println!("{}", recurse(0)),
            b"panic" => panic!("as asked for"),
            #[expect(clippy::disallowed_methods, reason = "as asked for")]
            b"sleep" => std::thread::sleep(Duration::from_secs(3_600)),
            b"print-forever" => loop {
                println!("as asked for");
            },
            b"publish-100-mib" => {
                let answer = publish("hostile/out", &vec![b'x'; 100 * MIB], None);
                println!("{answer:?}");
            }
            b"publish-100000" => publish_many(100_000),
            b"publish-then-trap" => {
                post("then trap");
                panic!("as asked for");
            }
            b"publish-then-reject" => {
                post("then reject");
                return Err(Verdict::Reject("as asked for".to_string()));
            }
            // At the first try "first" and a retry, at the second "second".
            b"publish-then-retry" => {
                if TRIES.replace(1) == 0 {
                    post("first");
                    return Err(Verdict::Retry("as asked for".to_string()));
                }
                TRIES.set(0);
                post("second");
            }
            b"retry-twice" => {
                if TRIES.get() < 2 {
                    TRIES.set(TRIES.get() + 1);
                    return Err(Verdict::Retry("as asked for".to_string()));
                }
                TRIES.set(0);
                println!("taken");
            }
            b"retry" => return Err(Verdict::Retry("as asked for".to_string())),
            b"answer-itself" => {
                // Accepted or not: there are enough of them.
                let _ = publish("hostile/do", b"answer-itself", None);
            }
            b"reject" => return Err(Verdict::Reject("as asked for".to_string())),
            _ => return Err(Verdict::Reject("no such misdeed".to_string())),
        }
        Ok(())
    }
}

impl outcomes::Guest for Hostile {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        for LetterOutcome { ticket, fate, .. } in outcomes {
            println!("{ticket}: {fate:?}");
        }
    }
}

/// Takes memory until there is no more, and uses it.
fn eat() -> ! {
    loop {
        black_box(vec![1_u8; MIB].leak());
    }
}

/// Calls itself until the stack of the host's side is used up. The frames in the
/// guest's own memory are small, so that this is not used up first.
fn recurse(depth: u64) -> u64 {
    match black_box(depth) {
        u64::MAX => depth,
        depth => recurse(depth + 1) + 1,
    }
}

fn publish_many(count: u32) {
    let accepted = (0..count)
        .filter(|number| publish("hostile/out", number.to_string().as_bytes(), None).is_ok())
        .count();
    println!("accepted={accepted} refused={}", count as usize - accepted);
}

fn post(payload: &str) {
    println!("{:?}", publish("hostile/out", payload.as_bytes(), None));
}
