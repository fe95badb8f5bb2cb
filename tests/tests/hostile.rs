//! Guests that do what they should not: it costs them their call, and nobody
//! else anything.

use jackalope_tests::{ECHO, Gateway, GatewayOptions, HOSTILE, Mosquitto, WILL};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// More than the host needs for itself with two guests of 64 MiB and their
/// letters, in a build without optimization.
const MEMORY_KIB: u64 = 600 * 1024;

/// Two guests in one gateway: one hostile, one that echoes.
struct Site {
    broker: Mosquitto,
    gateway: Gateway,
}

impl Site {
    /// With a keep-alive far below the time that the hostile guest may take.
    fn start(keys: &str) -> Self {
        let broker = Mosquitto::start();
        let gateway = GatewayOptions::new(BINARY, broker.port())
            .config("keep-alive = \"2s\"")
            .guest("hostile", HOSTILE, &["hostile/do"], keys)
            .guest("echo", ECHO, &["echo/in/+"], "")
            .start();
        gateway.log.wait_for("subscribed filter=hostile/do");
        gateway.log.wait_for("subscribed filter=echo/in/+");
        Self { broker, gateway }
    }

    /// Has the guest do it, waits for what the log says about it, and checks
    /// that nobody else has noticed.
    #[track_caller]
    fn check(&self, deed: &str, log: &[&str]) {
        let out = self.broker.subscribe("echo/out/+", 1);
        self.broker
            .publish_with(&["-q", "0", "-t", "hostile/do", "-m", deed]);
        self.broker.publish("echo/in/one", "during or after it");
        out.wait_for_message("echo/out/one 0 during or after it");
        for text in log {
            self.gateway.log.wait_for(text);
        }
        self.broker.publish("echo/in/two", "after it");
        out.wait_for_message("echo/out/two 0 after it");
        assert_eq!(
            self.gateway.log.count(" online "),
            1,
            "the session has held"
        );
        assert_eq!(self.gateway.log.count("offline"), 0, "the session has held");
        let peak = self.gateway.peak_memory_kib();
        assert!(peak < MEMORY_KIB, "{peak} KiB");
    }
}

#[test]
fn nobody_waits_for_an_endless_loop() {
    let site = Site::start("retries = 0\nlimits = { call-time = \"60s\" }");
    let out = site.broker.subscribe("echo/out/+", 1);
    site.broker
        .publish_with(&["-q", "0", "-t", "hostile/do", "-m", "loop"]);
    site.broker.publish("echo/in/meanwhile", "x");
    out.wait_for_message("echo/out/meanwhile 0 x");
    assert_eq!(
        site.gateway.log.count("given up"),
        0,
        "the echo did not wait for the loop"
    );
}

#[test]
fn an_endless_loop_ends_and_keep_alive_goes_on() {
    let site = Site::start("retries = 0\nlimits = { call-time = \"5s\" }");
    site.check("loop", &["given up", "took longer than 5s"]);
    let line = site.gateway.log.wait_for("given up");
    assert!(
        line.contains(r#"guest="hostile" call=message hostile/do"#),
        "{line}"
    );
    assert!(line.contains("took longer than 5s"), "{line}");
}

#[test]
fn a_message_that_always_fails_is_tried_again_three_times_and_given_up() {
    let site = Site::start("");
    site.check("panic", &["given up", "hostile/do"]);
    assert_eq!(site.gateway.log.count("a call failed"), 3);
    assert_eq!(site.gateway.log.count("given up"), 1);
    site.gateway.log.wait_for("as asked for");
}

#[test]
fn memory_is_limited() {
    Site::start("retries = 0").check("eat", &["given up", "64 MiB"]);
}

#[test]
fn endless_recursion_is_a_trap() {
    Site::start("retries = 0").check("recurse", &["given up", "stack"]);
}

#[test]
fn a_sleeping_guest_runs_out_of_time() {
    Site::start("retries = 0").check("sleep", &["given up", "took longer than 1s"]);
}

#[test]
fn a_guest_that_prints_for_ever_does_not_fill_the_log() {
    let site = Site::start("retries = 0");
    site.check("print-forever", &["given up"]);
    assert!(site.gateway.log.all().len() < 1_000);
}

#[test]
fn a_payload_of_100_mib_is_refused() {
    Site::start("limits = { memory = \"256MiB\", call-time = \"60s\" }")
        .check("publish-100-mib", &["PayloadTooLarge"]);
}

#[test]
fn of_100000_letters_in_one_call_the_youngest_100_are_kept() {
    let site = Site::start("limits = { call-time = \"60s\" }");
    let out = site.broker.subscribe("hostile/out", 0);
    site.check(
        "publish-100000",
        &["accepted", "letters displaced", "letters=10000"],
    );
    let messages = out.wait_for(100);
    assert_eq!(messages.len(), 100);
}

#[test]
fn what_a_failed_call_published_is_not_sent() {
    let site = Site::start("retries = 1");
    let out = site.broker.subscribe("hostile/out", 0);
    site.check("publish-then-trap", &["given up"]);
    site.check("publish-then-reject", &["message rejected"]);
    site.check("publish-then-retry", &["message put off"]);
    out.wait_for_message("hostile/out 0 then reject");
    assert_eq!(
        out.messages()
            .iter()
            .filter(|message| message.contains("trap"))
            .count(),
        0
    );
}

#[test]
fn a_guest_that_asks_for_a_retry_gets_it() {
    let site = Site::start("");
    site.check("retry-twice", &["message put off", "taken guest="]);
    assert_eq!(site.gateway.log.count("message put off"), 2);
}

#[test]
fn what_it_rejects_again_and_again_is_counted() {
    const TIMES: usize = 500;
    const COUNT: &str = "message rejected, again and again guest=\"hostile\" more=";
    let mut site = Site::start("retries = 0");
    let order = ["-q", "1", "-t", "hostile/do", "-m"];
    let times = ["publish-then-reject", "--repeat", &TIMES.to_string()];
    site.broker.publish_with(&[&order[..], &times].concat());
    site.broker.publish_with(&[&order[..], &["panic"]].concat());
    site.gateway.log.wait_for("given up");
    site.gateway.signal("TERM");
    site.gateway.wait();
    site.gateway.log.wait_for_end();
    let (mut lines, mut counted) = (0, 0);
    for line in site.gateway.log.all() {
        if let Some((_, count)) = line.split_once(COUNT) {
            counted += count.parse::<usize>().expect("it is a number");
        } else if line.contains("message rejected") {
            lines += 1;
        }
    }
    assert_eq!(lines + counted, TIMES);
    assert!(lines < TIMES / 5, "{lines}");
}

#[test]
fn a_guest_names_the_last_will() {
    let broker = Mosquitto::start();
    let wills = broker.subscribe("wills/#", 1);
    let mut gateway = GatewayOptions::new(BINARY, broker.port())
        .config("last-will = { topic = \"wills/configured\" }")
        .guest("will", WILL, &[], "")
        .start();
    gateway.log.wait_for(" online ");
    gateway.signal("KILL");
    gateway.wait();
    wills.wait_for_message("wills/guest 0 gone");
    assert_eq!(wills.messages().len(), 1);
}
