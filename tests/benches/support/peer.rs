//! What a contender talks to, in the end.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::task::{Context, Poll};
use std::time::Duration;

use jackalope_tests::{Certificates, Mosquitto};
use tokio::net::{TcpListener, TcpStream};

use super::contender::{Contender, Kind};
use super::cpu::{self, Cpu};
use super::link::Link;
use super::packet::{self, PINGRESP, Packet, Publish};
use super::within;

/// Where contender and peer meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere else: the peer is all the broker that there is, and acknowledges
    /// at once.
    Sink,
    /// At a mosquitto of their own, of which the peer is a client.
    Mosquitto,
}

/// What a contender talks to. It acknowledges whatever arrives.
#[derive(Debug)]
pub(crate) struct Peer {
    links: Vec<Link>,
    /// The link on which the contender reads, once it is known.
    subscriber: Option<usize>,
    broker: Option<Mosquitto>,
}

impl Peer {
    /// Starts a contender, and waits until it has subscribed. `greeting` is the
    /// payload of a message to `to`; it is what a subscriber at mosquitto gets
    /// first of all, and must lead to exactly one message on `from`.
    pub(crate) async fn meet(
        place: Place,
        kind: &Kind,
        to: &str,
        from: &str,
        greeting: &[u8],
    ) -> (Contender, Self) {
        let meeting = async {
            match place {
                Place::Sink => Self::be_broker(kind).await,
                Place::Mosquitto => Self::be_client(kind, to, from, greeting).await,
            }
        };
        within(Duration::ZERO, "the start of a contender", meeting).await
    }

    async fn be_broker(kind: &Kind) -> (Contender, Self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("127.0.0.1 has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let certificates = Certificates::new();
        let contender = Contender::start(kind, port, &certificates);
        let mut links = Vec::new();
        for _ in 0..kind.connections() {
            let (stream, _) = listener.accept().await.expect("it connects");
            links.push(match kind.is_secure() {
                true => Link::secure(stream, &certificates),
                false => Link::new(stream),
            });
        }
        let mut peer = Self {
            links,
            subscriber: None,
            broker: None,
        };
        while peer.subscriber.is_none() {
            peer.progress(|_| panic!("a message before there was anything to say"))
                .await;
        }
        (contender, peer)
    }

    async fn be_client(kind: &Kind, to: &str, from: &str, greeting: &[u8]) -> (Contender, Self) {
        // As many messages on their way as the peer allows, and no fewer.
        let broker = Mosquitto::with(
            "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true",
        );
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port()))
            .await
            .expect("it is up");
        let mut link = Link::new(stream);
        link.output.extend(packet::connect());
        link.output.extend(packet::subscribe(from));
        link.output.extend(packet::publish(to, true, greeting));
        let mut peer = Self {
            links: vec![link],
            subscriber: Some(0),
            broker: Some(broker),
        };
        let broker = peer.broker.as_ref().expect("it was just put there");
        let contender = Contender::start(kind, broker.port(), &Certificates::new());
        let mut greeted = 0;
        while greeted == 0 {
            peer.progress(|_| greeted += 1).await;
        }
        (contender, peer)
    }

    /// Whether the contender speaks MQTT 5.
    pub(crate) fn is_v5(&self) -> bool {
        self.subscriber.is_some_and(|index| self.links[index].is_v5)
    }

    /// Where to put packets for the contender; they leave with the next
    /// [`progress`](Self::progress).
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.links[self.subscriber.expect("it has subscribed")].output
    }

    /// Waits for something to arrive, answers it, and shows what was published.
    pub(crate) async fn progress(&mut self, mut handle: impl FnMut(Publish<'_>)) {
        poll_fn(|cx| self.poll_progress(cx, &mut handle)).await;
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(Publish<'_>),
    ) -> Poll<()> {
        let mut is_ready = false;
        for (index, link) in self.links.iter_mut().enumerate() {
            if link.poll_progress(cx).is_pending() {
                continue;
            }
            is_ready = true;
            while let Some((packet, is_v5, output)) = link.next_packet() {
                match packet {
                    Packet::Publish(publish) => {
                        match publish.qos {
                            0 => {}
                            1 => packet::append_answer(packet::PUBACK, publish.id, output),
                            _ => packet::append_answer(packet::PUBREC, publish.id, output),
                        }
                        handle(publish);
                    }
                    Packet::PubRec(id) => packet::append_answer(packet::PUBREL, id, output),
                    Packet::PubRel(id) => packet::append_answer(packet::PUBCOMP, id, output),
                    Packet::Connect(_) => output.extend_from_slice(packet::connack(is_v5)),
                    Packet::Subscribe(id, filters) => {
                        packet::append_suback(id, filters, is_v5, output);
                        self.subscriber = Some(index);
                    }
                    Packet::PingReq => output.extend_from_slice(&PINGRESP),
                    Packet::SubAck | Packet::Other => {}
                }
            }
        }
        if is_ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Processor time of the peer so far, and of mosquitto where there is one.
    pub(crate) fn cpu(&self) -> Cpu {
        let broker = self.broker.as_ref().map(Mosquitto::id);
        cpu::of([std::process::id()].into_iter().chain(broker))
    }
}
