//! A broker that is killed with a thousand letters on their way.

use jackalope_tests::{ECHO, Gateway, GatewayOptions, Mosquitto, Proxy, Subscriber};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const LETTERS: usize = 1_000;

/// A gateway with the echo guest, over a network that can be cut.
struct Site {
    broker: Mosquitto,
    network: Proxy,
    gateway: Gateway,
}

impl Site {
    fn start() -> Self {
        let broker = Mosquitto::start();
        let network = Proxy::to(broker.port());
        let gateway = GatewayOptions::new(BINARY, network.port())
            .config("backoff = { min = \"50ms\", max = \"100ms\" }")
            .config("work-list = { max = 2000 }")
            .env("JACKALOPE_LOG", "debug")
            .guest("echo", ECHO, &["echo/post", "echo/report"], "")
            .start();
        let site = Self {
            broker,
            network,
            gateway,
        };
        site.wait_online(1);
        site
    }

    /// Has the guest publish its letters, numbered from 0, on `out`.
    fn post(&self, qos: u8, ttl_ms: u64) {
        let order = format!("count={LETTERS} qos={qos} ttl-ms={ttl_ms} topic=out");
        self.broker
            .publish_with(&["-q", "0", "-t", "echo/post", "-m", &order]);
    }

    fn kill_broker(&mut self) {
        self.broker.kill();
        self.network.cut();
        self.gateway.log.wait_for("offline:");
    }

    /// The broker comes back with a subscriber, and only then the network.
    fn bring_back(&mut self) -> Subscriber {
        self.broker.restart();
        let subscriber = self.broker.subscribe("out", 0);
        self.network.restore();
        self.wait_online(2);
        subscriber
    }

    /// Waits until the gateway hears all that it wants to, for this time.
    fn wait_online(&self, times: usize) {
        for filter in ["echo/post", "echo/report"] {
            let line = format!("subscribed filter={filter}");
            let is_so = |lines: &[String]| {
                lines.iter().filter(|have| have.contains(&line)).count() >= times
            };
            self.gateway.log.wait_until(&line, is_so);
        }
    }

    /// Waits until the log has told this of all letters.
    #[track_caller]
    fn wait_for_letters(&self, what: &str) {
        let line = format!("letter {what}");
        let is_so =
            |lines: &[String]| lines.iter().filter(|have| have.contains(&line)).count() >= LETTERS;
        self.gateway.log.wait_until(&line, is_so);
    }

    /// Asks the guest what it was told until that is this.
    #[track_caller]
    fn expect_tally(&self, expect: &str) {
        let tallies = self.broker.subscribe("echo/tally", 0);
        let mut last = String::new();
        for asked in 1..=100 {
            self.broker.publish("echo/report", "");
            last = tallies.wait_for(asked).swap_remove(asked - 1);
            if last.contains(expect) && last.contains("wrong=0") {
                return;
            }
        }
        assert_eq!(last, expect, "it does not become so");
    }
}

fn numbers(messages: &[String]) -> Vec<usize> {
    let number = |message: &String| message.rsplit(' ').next()?.parse().ok();
    messages.iter().filter_map(number).collect()
}

#[track_caller]
fn check_back_in_time(qos: u8) {
    let mut site = Site::start();
    let before = site.broker.subscribe("out", 0);
    // Enough for some hundred letters: the rest is on its way when it happens.
    site.network.allow(4_000);
    site.post(qos, 3_600_000);
    before.wait_for(50);
    site.kill_broker();
    let after = site.bring_back();

    // The last letter goes out last.
    after.wait_for_message(&format!("out 0 {}", LETTERS - 1));
    site.expect_tally(&format!(
        "delivered={LETTERS} expired=0 displaced=0 refused=0"
    ));
    // It comes back by itself, and may get the last letters as well.
    let before = before.wait_for_another_subscription();
    let arrived = [numbers(&before), numbers(&after.messages())].concat();
    let mut firsts = Vec::new();
    let mut seen = [false; LETTERS];
    for number in arrived {
        if !std::mem::replace(&mut seen[number], true) {
            firsts.push(number);
        }
    }
    assert_eq!(
        firsts,
        (0..LETTERS).collect::<Vec<_>>(),
        "each arrives, in order"
    );
}

#[track_caller]
fn check_back_too_late(qos: u8) {
    let mut site = Site::start();
    let before = site.broker.subscribe("out", 0);
    site.network.allow(0);
    site.post(qos, 1_500);
    // Else the broker may be gone before it has handed the order on.
    site.wait_for_letters("accepted");
    site.broker.kill();
    site.network.cut();
    site.wait_for_letters("expired");
    let after = site.bring_back();

    site.expect_tally(&format!(
        "delivered=0 expired={LETTERS} displaced=0 refused=0"
    ));
    assert_eq!(before.messages(), [""; 0]);
    assert_eq!(after.messages(), [""; 0]);
}

#[test]
fn qos_1_letters_arrive_in_order_when_the_broker_is_back_in_time() {
    check_back_in_time(1);
}

#[test]
fn qos_2_letters_arrive_in_order_when_the_broker_is_back_in_time() {
    check_back_in_time(2);
}

#[test]
fn qos_1_letters_expire_when_the_broker_is_back_too_late() {
    check_back_too_late(1);
}

#[test]
fn qos_2_letters_expire_when_the_broker_is_back_too_late() {
    check_back_too_late(2);
}
