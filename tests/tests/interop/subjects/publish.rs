//! Messages of each quality of service, there and back.

use jackalope_tests::{Certificates, ECHO};

use crate::brokers::Transport;
use crate::case::{Case, Skipped};

pub(crate) fn check(case: Case, transport: Transport) -> Result<(), Skipped> {
    case.needs(transport)?;
    let site = case.site();
    let echoes = site.subscribe("echo/out/+", 2);
    let gateway = site
        .gateway(transport)
        .guest("echo", ECHO, &["echo/in/+"], "")
        .start();
    let line = gateway.log.wait_for("subscribed filter=echo/in/+");
    let granted = format!("qos={}", case.broker.grants);
    assert!(line.contains(&granted), "{line}");
    for qos in [0, 1, 2] {
        site.publish("echo/in/x", qos, &format!("with {qos}"));
        echoes.wait_for_message(&format!("echo/out/x 0 with {qos}"));
    }
    // An answer is sent as the message came, and is at an end.
    let outcomes = |lines: &[String]| {
        let is_outcome = |line: &&String| line.contains("letter delivered");
        lines.iter().filter(is_outcome).count() == 3
    };
    gateway.log.wait_until("three outcomes", outcomes);
    assert_eq!(echoes.messages().len(), 3);
    assert_eq!(gateway.log.count("offline"), 0, "the session has held");
    Ok(())
}

/// A broker that knows who its clients are does not let this one in.
pub(crate) fn check_stranger(case: Case) -> Result<(), Skipped> {
    case.needs(Transport::MutualTls)?;
    let site = case.site();
    let strangers = Certificates::new();
    strangers.issue("gateway", &["gateway"]);
    let gateway = site
        .gateway(Transport::MutualTls)
        .env(
            "JACKALOPE_TLS_CERTIFICATE_FILE",
            &strangers.path("gateway.pem"),
        )
        .env("JACKALOPE_TLS_KEY_FILE", &strangers.path("gateway.key"))
        .start();
    let line = gateway.log.wait_for("offline");
    // Not all of them say why, and one that closes with CONNECT unread resets.
    let expected = [
        "the broker refused the certificate of tls.certificate-file",
        "the broker closed the connection",
        "the connection was reset",
    ];
    assert!(expected.iter().any(|end| line.contains(end)), "{line}");
    assert_eq!(gateway.log.count(" online"), 0);
    Ok(())
}
