//! What the plain programs have in common, against which the gateway is
//! measured: rumqttc's `AsyncClient`, as its documentation shows it.
//!
//! `tests/plain-tls` is a package of its own with this same file in it: with TLS,
//! rumqttc brings along what no other program here is to be built with.

use std::future::Future;

use anyhow::{Context, bail};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS, Transport};

/// Runs a plain program: `NAME PORT [threads]`. It runs on one thread, as
/// rumqttc's examples do and as it is faster, or with `threads` on as many as
/// tokio likes.
pub fn run<F>(program: impl FnOnce(AsyncClient, EventLoop) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().context("PORT [threads]")?.parse()?;
    let mut runtime = match arguments.next().as_deref() {
        None => tokio::runtime::Builder::new_current_thread(),
        Some("threads") => tokio::runtime::Builder::new_multi_thread(),
        Some(other) => bail!("`{other}` is not `threads`"),
    };
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async {
        let (client, events) = connect(port, Transport::Tcp);
        program(client, events).await
    })
}

/// The same echo as the guest's: from `echo/in/+` to `echo/out/…`.
pub async fn echo(client: AsyncClient, mut events: EventLoop) -> anyhow::Result<()> {
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

/// A client of the broker at this port, over this transport.
pub fn connect(port: u16, transport: Transport) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new("plain", "127.0.0.1", port);
    options.set_transport(transport);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 100);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    (client, events)
}
