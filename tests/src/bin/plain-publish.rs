//! The same bursts as the guest's (`tests/guests/burst`), without a gateway:
//! rumqttc's `AsyncClient`, as its documentation shows it. Something to measure
//! the gateway against. The window is that of rumqttc: 100 letters.
//!
//! `plain-publish PORT [threads]`

use anyhow::Context;
use jackalope_tests::plain;
use rumqttc::{AsyncClient, Event, EventLoop, Outgoing, Packet, QoS};

/// A burst as it is asked for.
#[derive(Clone, Copy)]
struct Burst {
    count: usize,
    qos: QoS,
    size: usize,
}

impl Burst {
    /// Reads `count=1000 window=100 qos=1 size=64`.
    fn parse(order: &[u8]) -> Option<Self> {
        let words = std::str::from_utf8(order).ok()?.split(' ');
        let mut values = words.map(|word| word.split_once('=')?.1.parse::<usize>().ok());
        let count = values.next()??;
        let _window = values.next()??;
        let qos = rumqttc::qos(u8::try_from(values.next()??).ok()?).ok()?;
        let size = values.next()??.max(8);
        Some(Self { count, qos, size })
    }

    async fn publish(self, client: AsyncClient) -> Result<(), rumqttc::ClientError> {
        for number in 0..self.count {
            let mut payload = vec![b'x'; self.size];
            payload[..8].copy_from_slice(format!("{number:08x}").as_bytes());
            client
                .publish("burst/out", self.qos, false, payload)
                .await?;
        }
        Ok(())
    }

    /// Whether this says that one more letter is as delivered as its quality of
    /// service has it.
    fn is_delivery(&self, event: &Event) -> bool {
        match self.qos {
            QoS::AtMostOnce => matches!(event, Event::Outgoing(Outgoing::Publish(_))),
            QoS::AtLeastOnce => matches!(event, Event::Incoming(Packet::PubAck(_))),
            QoS::ExactlyOnce => matches!(event, Event::Incoming(Packet::PubComp(_))),
        }
    }
}

fn main() -> anyhow::Result<()> {
    plain::run(bursts)
}

async fn bursts(client: AsyncClient, mut events: EventLoop) -> anyhow::Result<()> {
    client.subscribe("burst/start", QoS::ExactlyOnce).await?;
    let mut burst = None;
    let mut delivered = 0;
    loop {
        let event = events.poll().await?;
        if let Event::Incoming(Packet::Publish(order)) = &event {
            let order = Burst::parse(&order.payload).context("no such burst")?;
            (burst, delivered) = (Some(order), 0);
            tokio::spawn(order.publish(client.clone()));
        }
        let Some(order) = &burst else { continue };
        delivered += usize::from(order.is_delivery(&event));
        if delivered == order.count {
            // Nothing else is in the queue: there is room.
            client.try_publish("burst/done", QoS::AtMostOnce, false, delivered.to_string())?;
            burst = None;
        }
    }
}
