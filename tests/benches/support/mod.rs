//! What the benchmarks of processes have in common.
//!
//! A [`Contender`](contender::Contender) is a process, or two, that talks MQTT.
//! A [`Peer`](peer::Peer) is what it talks to: either the other end of its
//! connection, a sink that knows nothing but what this takes, or a client of
//! the mosquitto that both are connected to. Either way the peer counts what
//! arrives and says how long it took.

// Each benchmark uses its part of it.
#![allow(dead_code)]

pub(crate) mod contender;
pub(crate) mod cpu;
mod link;
pub(crate) mod packet;
pub(crate) mod peer;
pub(crate) mod run;
pub(crate) mod table;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use jackalope_tests::PATIENCE;
use packet::Publish;

/// Runs a benchmark on one thread, which is all that a peer needs.
pub(crate) fn block_on(bench: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the machine has sockets and timers");
    runtime.block_on(bench);
}

/// Waits for something that takes so long, and far longer than that if it must.
pub(crate) async fn within<T>(takes: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(takes + PATIENCE, future).await {
        Ok(it) => it,
        Err(_) => panic!("{what}: it does not come to an end; something was lost"),
    }
}

/// The messages of one row of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages {
    /// 0 to 2.
    pub(crate) qos: u8,
    /// The size of each payload in bytes.
    pub(crate) payload: usize,
}

impl Messages {
    /// What is measured.
    pub(crate) const ALL: [Self; 6] = [
        Self::new(0, 64),
        Self::new(1, 64),
        Self::new(2, 64),
        Self::new(0, 4096),
        Self::new(1, 4096),
        Self::new(2, 4096),
    ];

    pub(crate) const fn new(qos: u8, payload: usize) -> Self {
        Self { qos, payload }
    }

    /// Panics unless it is the message of this number.
    #[track_caller]
    pub(crate) fn check(self, publish: &Publish<'_>, topic: &str, number: u32) {
        assert_eq!(publish.topic, topic.as_bytes());
        assert_eq!(
            publish.number(),
            Some(number),
            "lost, out of order or there twice"
        );
        let (qos, payload) = (publish.qos, publish.payload.len());
        assert_eq!((qos, payload), (self.qos, self.payload));
    }
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload {
            kib if kib % 1024 == 0 => write!(f, "QoS {}, {} KiB", self.qos, kib / 1024),
            bytes => write!(f, "QoS {}, {bytes} B", self.qos),
        }
    }
}
