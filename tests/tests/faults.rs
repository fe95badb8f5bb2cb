//! The gateway against a broker that misbehaves on demand.

use jackalope::broker::{
    Ack, Broker, ConnectReturnCode, Core, Event, Fault, Message, Options, Packet, PacketType, QoS,
    Times,
};
use jackalope_tests::{ECHO, Gateway, GatewayOptions, PATIENCE};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const CLIENT: &str = "jackalope";

/// Waits for something of the broker, for so long and no longer.
async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("it does not happen")
}

/// A fake broker, and a gateway with the echo guest that comes back fast.
struct Site {
    broker: Broker,
    gateway: Gateway,
}

impl Site {
    async fn start(config: &str) -> Self {
        Self::start_with(config, []).await
    }

    /// With faults from the beginning.
    async fn start_with(config: &str, faults: impl IntoIterator<Item = Fault>) -> Self {
        let broker = Broker::start(Options::default())
            .await
            .expect("127.0.0.1 has free ports");
        for fault in faults {
            broker.inject(fault);
        }
        let gateway = GatewayOptions::new(BINARY, broker.address().port())
            .config("backoff = { min = \"20ms\", max = \"40ms\" }")
            // The broker speaks no other: another one would be a violation.
            .config("version = \"3.1.1\"")
            .config(config)
            .guest("echo", ECHO, &["echo/in/+", "echo/post"], "")
            .start();
        let site = Self { broker, gateway };
        site.is_subscribed().await;
        site
    }

    async fn is_subscribed(&self) {
        assert!(
            in_time(
                self.broker
                    .wait_until(|core| core.subscriptions(CLIENT).count() == 2)
            )
            .await
        );
    }

    fn say(&self, text: &str, qos: QoS) {
        self.broker
            .publish("echo/in/x", text.to_owned(), qos, false)
            .expect("it is valid");
    }

    /// Waits until the guest has sent this back, however often.
    async fn expect_echo(&self, text: &str) {
        assert!(in_time(self.broker.wait_until(|core| has_echo(core, text))).await);
    }

    /// Says it until the guest has sent it back: while the gateway is away, a clean
    /// session misses what is published.
    async fn expect_echo_at_last(&self, text: &str) {
        while self.echoes(text) == 0 {
            self.is_subscribed().await;
            self.say(text, QoS::ExactlyOnce);
            let is_over = |core: &Core| has_echo(core, text) || !core.is_connected(CLIENT);
            assert!(in_time(self.broker.wait_until(is_over)).await);
        }
    }

    /// How many of these the broker has accepted.
    fn echoes(&self, text: &str) -> usize {
        self.broker
            .messages()
            .iter()
            .filter(|it| is_echo(it, text))
            .count()
    }

    /// Nothing that the gateway did was against the rules.
    #[track_caller]
    fn check(&self) {
        assert_eq!(self.broker.violations(), []);
    }
}

fn is_echo(message: &Message, text: &str) -> bool {
    message.topic == "echo/out/x" && message.payload == text
}

fn has_echo(core: &Core, text: &str) -> bool {
    core.messages().iter().any(|it| is_echo(it, text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_at_every_quality_of_service() {
    let site = Site::start("").await;
    for (text, qos) in [
        ("zero", QoS::AtMostOnce),
        ("one", QoS::AtLeastOnce),
        ("two", QoS::ExactlyOnce),
    ] {
        site.say(text, qos);
        site.expect_echo(text).await;
        assert_eq!(site.echoes(text), 1);
    }
    site.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_in_the_middle_of_a_packet_is_made_again() {
    let site = Site::start("").await;
    for (round, fault) in [
        Fault::DropNow,
        Fault::DropInMiddle,
        Fault::DropAfter(1, PacketType::Publish),
        Fault::TakeOver(CLIENT.into()),
    ]
    .into_iter()
    .enumerate()
    {
        site.broker.inject(fault);
        site.expect_echo_at_last(&format!("round {round}")).await;
    }
    site.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_acknowledged_is_sent_again_after_a_reconnect() {
    for clean in [true, false] {
        let site = Site::start(&format!("clean-session = {clean}")).await;
        site.broker.inject(Fault::WithholdAcks(vec![
            Ack::PubAck,
            Ack::PubRec,
            Ack::PubComp,
        ]));
        for number in 0..10 {
            let qos = if number % 2 == 0 {
                QoS::AtLeastOnce
            } else {
                QoS::ExactlyOnce
            };
            site.say(&number.to_string(), qos);
        }
        let mut publishes = 0;
        let all = site.broker.wait_for(|event| {
            let is_echo = matches!(
                event,
                Event::Received {
                    packet: Packet::Publish(_),
                    ..
                }
            );
            publishes += usize::from(is_echo);
            publishes == 10
        });
        assert!(in_time(all).await.is_some());
        site.broker.clear_faults();
        site.broker.inject(Fault::DropNow);
        for number in 0..10 {
            site.expect_echo(&number.to_string()).await;
        }
        if !clean {
            assert_eq!(site.echoes("1"), 1, "QoS 2 in a kept session");
        }
        site.check();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicated_acknowledgements_do_no_harm() {
    let site = Site::start("").await;
    site.broker.inject(Fault::DuplicateAcks);
    for number in 0..50 {
        let qos = if number % 2 == 0 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        site.say(&number.to_string(), qos);
    }
    for number in 0..50 {
        site.expect_echo(&number.to_string()).await;
        assert_eq!(site.echoes(&number.to_string()), 1);
    }
    assert_eq!(site.gateway.log.count("offline"), 0);
    site.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_reading_and_answering_is_left() {
    let site = Site::start("keep-alive = \"1s\"").await;
    site.broker.inject(Fault::StopReading);
    site.gateway
        .log
        .wait_for("silent for one and a half keep-alives");
    site.broker.inject(Fault::ResumeReading);
    // The broker still has the old connection when the new one comes.
    let again = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("subscribed filter=echo/in/+"))
            .count()
            >= 2
    };
    site.gateway.log.wait_until("a second subscription", again);
    // A machine that is busy for a second and a half may be silent for as long itself.
    site.expect_echo_at_last("again").await;
    site.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_refuses_for_a_while_is_asked_again() {
    let refuse = Fault::RefuseConnect(ConnectReturnCode::ServiceUnavailable, Times::Next(3));
    let site = Site::start_with("", [refuse]).await;
    // Lines are read from the log in a thread of its own.
    site.gateway.log.wait_for(" online ");
    assert_eq!(
        site.gateway.log.count("it is unavailable (return code 3)"),
        3
    );
    site.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_subscription_leaves_the_others_and_is_tried_again() {
    let broker = Broker::start(Options::default())
        .await
        .expect("127.0.0.1 has free ports");
    broker.inject(Fault::RefuseSubscription("echo/in/+".into()));
    let gateway = GatewayOptions::new(BINARY, broker.address().port())
        .config("backoff = { min = \"20ms\", max = \"40ms\" }")
        .config("version = \"3.1.1\"")
        .guest("echo", ECHO, &["echo/in/+", "echo/post"], "")
        .start();
    let is_refused = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("refused the subscription"))
            .count()
            >= 3
    };
    gateway.log.wait_until("three refusals", is_refused);
    broker.clear_faults();
    let site = Site { broker, gateway };
    site.is_subscribed().await;
    site.say("now", QoS::AtLeastOnce);
    site.expect_echo("now").await;
    assert_eq!(site.gateway.log.count("offline"), 0);
    site.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_large_is_given_up_alone() {
    let site = Site::start("max-packet-size = \"1KiB\"").await;
    site.say(&"x".repeat(100_000), QoS::AtLeastOnce);
    site.say("small", QoS::AtLeastOnce);
    site.expect_echo("small").await;
    site.gateway.log.wait_for("larger than max-packet-size");
    assert_eq!(site.gateway.log.count("offline"), 0);
    site.check();
}
