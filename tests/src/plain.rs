//! What the plain programs have in common, against which the gateway is
//! measured: rumqttc's `AsyncClient`, as its documentation shows it.

use std::future::Future;

use anyhow::{Context, bail};
use rumqttc::{AsyncClient, EventLoop, MqttOptions, NetworkOptions};

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
        let (client, events) = connect(port);
        program(client, events).await
    })
}

fn connect(port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new("plain", "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 100);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    (client, events)
}
