//! A place for gateways that come one after the other.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::Instant;

use jackalope_tests::{
    Gateway, GatewayOptions, Mosquitto, PATIENCE, Proxy, Subscriber, TELLER, run_to_end, texts,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::BINARY;

/// What all gateways here have in common: a broker that keeps their session, a network
/// that can be cut, and the directory of the work list.
pub(crate) struct Site {
    pub(crate) broker: Mosquitto,
    pub(crate) network: Proxy,
    place: TempDir,
    /// Of the work list.
    directory: PathBuf,
}

/// What the guest hears.
const FILTERS: &[&str] = &["tell/in", "tell/timer", "tell/report"];

impl Site {
    pub(crate) fn new() -> Self {
        let place = TempDir::new().expect("there is a place for temporary files");
        let directory = place.path().join("letters");
        Self::over(place, directory)
    }

    /// With the work list in this directory.
    pub(crate) fn over(place: TempDir, directory: PathBuf) -> Self {
        // What waits for a gateway that is away is not thrown away.
        let broker =
            Mosquitto::with("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0");
        let network = Proxy::to(broker.port());
        Self {
            broker,
            network,
            place,
            directory,
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// A gateway without guests, and with more keys of its work list.
    pub(crate) fn without_guests(&self, keys: &str) -> GatewayOptions {
        let (directory, cache) = (&self.directory, self.path().join("cache"));
        let socket = self.socket();
        GatewayOptions::new(BINARY, self.network.port())
            .config("client-id = \"kept\"\nclean-session = false\nsession-expiry = \"1h\"")
            .config("backoff = { min = \"50ms\", max = \"100ms\" }")
            .config(&format!("control-socket = {socket:?}"))
            .config(&format!("cache-directory = {cache:?}"))
            .config(&format!(
                "[work-list]\nmax = 100000\nstore = \"disk\"\ndirectory = {directory:?}\n{keys}"
            ))
    }

    /// A gateway with the guest that tells.
    pub(crate) fn options(&self, keys: &str) -> GatewayOptions {
        self.without_guests(keys)
            .guest("teller", TELLER, FILTERS, "")
    }

    pub(crate) fn start(&self) -> Gateway {
        self.options("").start()
    }

    /// Starts one that is online, and hears what it wants to.
    pub(crate) fn start_online(&self) -> Gateway {
        let gateway = self.start();
        for filter in FILTERS {
            gateway.log.wait_for(&format!("subscribed filter={filter}"));
        }
        gateway
    }

    pub(crate) fn cut(&self, gateway: &Gateway) {
        self.network.cut();
        gateway.log.wait_for("offline:");
    }

    pub(crate) fn subscribe(&self, topic: &str) -> Subscriber {
        self.broker.subscribe(topic, 2)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("run/control.sock")
    }

    /// Runs a command of the binary that speaks to the gateway.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let socket = self.socket().display().to_string();
        let environment = [("JACKALOPE_CONTROL_SOCKET", &*socket)];
        run_to_end(BINARY, self.path(), arguments, &environment)
    }

    /// The same, which must exit with this code; returns what it prints.
    #[track_caller]
    pub(crate) fn expect(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let printed = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        printed
    }

    /// Hands a message to the guest.
    #[track_caller]
    pub(crate) fn send(&self, topic: &str, payload: &str) {
        self.expect(&["send", "teller", topic, payload], 0);
    }

    /// Waits until there are so many letters, and all that has happened is kept.
    #[track_caller]
    pub(crate) fn wait_for_letters(&self, count: u64) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let listed = self.expect(&["letters", "--json"], 0);
            let listed: Value = serde_json::from_str(&listed).expect("it is JSON");
            if listed["total"] == count {
                break;
            }
            assert!(Instant::now() < give_up, "no {count} letters: {listed}");
            thread::yield_now();
        }
        // What is answered is kept, and all that was before.
        self.expect(&["publish", "barrier", "--qos", "0", "--ttl", "1ms"], 0);
    }

    /// Asks the guest what it has counted, until that is this.
    #[track_caller]
    pub(crate) fn wait_for_report(&self, expected: &str) {
        let reports = self.subscribe("report");
        let give_up = Instant::now() + PATIENCE;
        for asked in 1.. {
            self.broker.publish("tell/report", "");
            let last = reports.wait_for(asked).swap_remove(asked - 1);
            if last == format!("report 0 {expected}") {
                return;
            }
            assert!(Instant::now() < give_up, "{last} and not {expected}");
        }
    }
}

/// Of messages the words behind topic and mark of being kept.
pub(crate) fn words(message: &str) -> Vec<&str> {
    message.split(' ').skip(2).collect()
}

/// The ticket that `jackalope publish` has printed.
#[track_caller]
pub(crate) fn ticket(printed: &str) -> u64 {
    let word = printed.split_whitespace().nth(1);
    word.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no ticket: {printed}"))
}
