//! The listener, by sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) input: BytesMut,
}

impl Client {
    pub(super) async fn open(broker: &Broker) -> Self {
        Self {
            #[expect(
                clippy::disallowed_methods,
                reason = "a client that is not the gateway"
            )]
            stream: TcpStream::connect(broker.address()).await.unwrap(),
            input: BytesMut::new(),
        }
    }

    pub(super) async fn connect(broker: &Broker, client: &str) -> Self {
        let mut this = Self::open(broker).await;
        this.send(Packet::Connect(connect(client))).await;
        assert_eq!(this.read().await.unwrap(), "CONNACK accepted");
        this
    }

    async fn send(&mut self, packet: Packet) {
        self.stream.write_all(&encode(&packet)).await.unwrap();
    }

    /// The next packet; `None` when the broker has closed the connection.
    pub(super) async fn read(&mut self) -> Option<String> {
        loop {
            if let Ok(packet) = Packet::read(&mut self.input, usize::MAX) {
                return Some(line(&packet));
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// What is told of a client that does not read.
const NOT_READING: &str = "a closed: the client does not read what it is sent";

/// Runs a test against a broker of its own, for at most ten seconds.
fn run(test: impl AsyncFnOnce(Broker)) {
    run_with(Options::default(), test);
}

pub(super) fn run_with(options: Options, test: impl AsyncFnOnce(Broker)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let broker = Broker::start(options).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a bound on the test")]
        tokio::time::timeout(seconds(10), test(broker))
            .await
            .unwrap();
    });
}

#[test]
fn two_clients_talk() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        a.send(subscribe(1, &[("t/#", 1)])).await;
        assert_eq!(a.read().await.unwrap(), "SUBACK id=1 q1");
        let mut b = Client::connect(&broker, "b").await;
        b.send(publish(1, 5, "t/1", "hi")).await;
        assert_eq!(b.read().await.unwrap(), "PUBACK id=5");
        assert_eq!(
            a.read().await.unwrap(),
            "PUBLISH q1 id=1 t/1 2 bytes \"hi\""
        );
        broker.publish("t/2", "ho", QoS::AtMostOnce, false).unwrap();
        assert_eq!(a.read().await.unwrap(), "PUBLISH q0 t/2 2 bytes \"ho\"");
        let topics: Vec<_> = broker.messages().into_iter().map(|m| m.topic).collect();
        assert_eq!(topics, ["t/1", "t/2"]);
        assert_eq!(broker.violations(), []);
    });
}

#[test]
fn large_messages_pass() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        a.send(subscribe(1, &[("t", 0)])).await;
        a.read().await.unwrap();
        let payload = vec![b'x'; 1_000_000];
        for _ in 0..10 {
            broker
                .publish("t", payload.clone(), QoS::AtMostOnce, false)
                .unwrap();
        }
        for _ in 0..10 {
            let line = a.read().await.unwrap();
            assert!(line.starts_with("PUBLISH q0 t 1000000 bytes"));
        }
    });
}

#[test]
fn events_can_be_waited_for() {
    run(async |broker| {
        let mut events = broker.events();
        let client = Client::connect(&broker, "a").await;
        assert!(broker.wait_until(|core| core.is_connected("a")).await);
        drop(client);
        let closed = |event: &Event| matches!(event, Event::Closed { .. });
        let event = broker.wait_for(closed).await.unwrap();
        assert_eq!(event.to_string(), "a closed: connection lost");
        // What is past is found, too; and each reader has its own place.
        assert_eq!(broker.wait_for(closed).await.unwrap(), event);
        assert_eq!(
            events.next_event().await.unwrap().to_string(),
            "#1 connected"
        );
        assert_eq!(events.wait_for(closed).await.unwrap(), event);
        broker.stop().await;
        while events.next_event().await.is_some() {}
    });
}

#[test]
fn a_late_reader_begins_with_the_first_event_kept() {
    run(async |_| {
        let options = Options {
            events_kept: 2,
            ..Options::default()
        };
        let broker = Broker::start(options).await.unwrap();
        let mut events = broker.events();
        Client::connect(&broker, "a").await;
        let mut lines = || events.poll_event().map(|event| event.to_string());
        assert_eq!(lines().as_deref(), Some("a session created"));
        assert_eq!(lines().as_deref(), Some("a < CONNACK accepted"));
    });
}

#[test]
fn a_connection_is_cut_in_the_middle() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        broker.inject(Fault::DropInMiddle);
        a.send(publish(1, 5, "t", "hi")).await;
        assert_eq!(a.read().await, None);
        assert_eq!(a.input, [0x40, 0x02][..]);
    });
}

#[test]
fn a_refused_client_reads_why() {
    run(async |broker| {
        let code = ConnectReturnCode::BadUserNamePassword;
        broker.inject(Fault::RefuseConnect(code, Times::Next(1)));
        let mut a = Client::open(&broker).await;
        a.send(Packet::Connect(connect("a"))).await;
        let line = "CONNACK refused: user name or password";
        assert_eq!(a.read().await.unwrap(), line);
        assert_eq!(a.read().await, None);
    });
}

#[test]
fn what_is_due_happens() {
    run(async |broker| {
        broker.inject(Fault::DelayConnect(Duration::from_millis(20)));
        let mut a = Client::connect(&broker, "a").await;
        broker.inject(Fault::DelayAcks(Duration::from_millis(20)));
        a.send(publish(1, 5, "t", "hi")).await;
        assert_eq!(a.read().await.unwrap(), "PUBACK id=5");
    });
}

#[test]
fn nothing_is_read_until_reading_resumes() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        broker.inject(Fault::StopReading);
        a.send(publish(1, 5, "t", "hi")).await;
        let mut b = Client::open(&broker).await;
        let opened = |event: &Event| event.to_string() == "#2 connected";
        broker.wait_for(opened).await.unwrap();
        b.send(Packet::Connect(connect("b"))).await;
        assert_eq!(broker.messages().len(), 0);
        broker.inject(Fault::ResumeReading);
        assert_eq!(a.read().await.unwrap(), "PUBACK id=5");
        assert_eq!(b.read().await.unwrap(), "CONNACK accepted");
    });
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        a.send(subscribe(1, &[("t", 0)])).await;
        a.read().await.unwrap();
        let payload = Bytes::from(vec![0; 1_000_000]);
        for _ in 0..80 {
            let payload = payload.clone();
            broker
                .publish("t", payload, QoS::AtMostOnce, false)
                .unwrap();
        }
        let closed = |event: &Event| event.to_string() == NOT_READING;
        broker.wait_for(closed).await.unwrap();
    });
}

/// What a client has not read stays where it is counted, however often its task runs
/// meanwhile.
#[test]
fn a_client_that_does_not_read_has_no_more_memory_than_any_other() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        a.send(subscribe(1, &[("t", 0)])).await;
        a.read().await.unwrap();
        let mut b = Client::connect(&broker, "b").await;
        let payload = "x".repeat(1_000_000);
        let mut events = broker.events();
        // More than the bound and what two kernels take.
        for id in 1..=200 {
            b.send(publish(1, id, "t", &payload)).await;
            assert_eq!(b.read().await.unwrap(), format!("PUBACK id={id}"));
            while let Some(event) = events.poll_event() {
                if let Event::Closed { peer, reason } = event {
                    assert_eq!(
                        (peer.to_string(), reason),
                        ("a".into(), CloseReason::Unread)
                    );
                    return;
                }
            }
        }
        panic!("it is still there");
    });
}

#[test]
fn who_reads_late_reads_everything() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        a.send(subscribe(1, &[("t", 0)])).await;
        a.read().await.unwrap();
        let mut b = Client::connect(&broker, "b").await;
        let sent: Vec<_> = (1..=300)
            .map(|id: u16| id.to_string().repeat(30_000))
            .collect();
        for (id, payload) in (1..).zip(&sent) {
            b.send(publish(1, id, "t", payload)).await;
            b.read().await.unwrap();
        }
        for payload in sent {
            assert_eq!(a.read().await.unwrap(), line(&publish(0, 0, "t", &payload)));
        }
    });
}

#[test]
fn a_broker_stops_and_another_takes_its_address() {
    run(async |broker| {
        let mut a = Client::connect(&broker, "a").await;
        let address = broker.address();
        broker.stop().await;
        assert_eq!(a.read().await, None);
        let options = Options {
            address,
            ..Options::default()
        };
        let broker = Broker::start(options).await.unwrap();
        Client::connect(&broker, "a").await;
    });
}

#[test]
fn a_dropped_broker_closes_its_connections() {
    run(async |broker| {
        let other = Broker::start(Options::default()).await.unwrap();
        let mut a = Client::connect(&broker, "a").await;
        let mut b = Client::connect(&other, "b").await;
        drop(broker);
        assert_eq!(a.read().await, None);
        b.send(Packet::PingReq).await;
        assert_eq!(b.read().await.unwrap(), "PINGRESP");
    });
}
