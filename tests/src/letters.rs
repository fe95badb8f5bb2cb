//! Letters of every size and quality, by the guest that publishes bursts.

use crate::{BURST, GatewayOptions, Mosquitto};

/// They all arrive, those of `large` bytes of payload as well. The log says that the
/// gateway connects to a server with this beginning.
#[track_caller]
pub fn check_letters_arrive(
    broker: &Mosquitto,
    gateway: GatewayOptions,
    server: &str,
    large: usize,
) {
    let gateway = gateway.guest("burst", BURST, &["burst/start"], "").start();
    gateway.log.wait_for("subscribed filter=burst/start");
    let line = gateway.log.wait_for(" starts ");
    assert!(line.contains(&format!("server={server}")), "{line}");
    let done = broker.subscribe("burst/done", 0);
    for (bursts, (qos, size)) in [(0, 40), (1, 40), (2, 40), (0, large), (1, large)]
        .into_iter()
        .enumerate()
    {
        let order = format!("count=50 window=10 qos={qos} size={size}");
        broker.publish("burst/start", &order);
        let lines = done.wait_for(bursts + 1);
        assert!(lines[bursts].ends_with(" 50"), "{lines:?}");
    }
}
