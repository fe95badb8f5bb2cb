//! The same echo as the guest's, without a gateway: rumqttc's `AsyncClient`, as
//! its documentation shows it. Something to measure the gateway against.
//!
//! `plain-echo PORT`

use anyhow::Context;
use rumqttc::{AsyncClient, Event, MqttOptions, NetworkOptions, Packet, QoS};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port = std::env::args()
        .nth(1)
        .context("plain-echo PORT")?
        .parse()?;
    let mut options = MqttOptions::new("plain-echo", "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 100);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
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
