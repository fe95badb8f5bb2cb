//! The same echo as the guest's, without a gateway: rumqttc's `AsyncClient`, as
//! its documentation shows it. Something to measure the gateway against.
//!
//! `plain-echo PORT [threads]`

use jackalope_tests::plain;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};

fn main() -> anyhow::Result<()> {
    plain::run(echo)
}

async fn echo(client: AsyncClient, mut events: EventLoop) -> anyhow::Result<()> {
    client.subscribe("echo/in/+", QoS::ExactlyOnce).await?;
    // Publishing from the loop that polls would wait for itself, and so would a
    // bounded channel between the two.
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<rumqttc::Publish>();
    tokio::spawn(async move {
        while let Some(message) = receiver.recv().await {
            let topic = message.topic.replacen("echo/in", "echo/out", 1);
            if client
                .publish_bytes(topic, message.qos, false, message.payload)
                .await
                .is_err()
            {
                return;
            }
        }
    });
    loop {
        if let Event::Incoming(Packet::Publish(message)) = events.poll().await? {
            sender.send(message)?;
        }
    }
}
