//! TLS, against a real mosquitto.

use std::fs;

use jackalope_tests::{
    Certificates, Gateway, GatewayOptions, Mosquitto, Proxy, check_letters_arrive,
    check_no_command_comes_late, free_port,
};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// Lines of the table of TLS that name this certificate.
fn identity(certificates: &Certificates, name: &str) -> String {
    format!(
        "certificate-file = {:?}\nkey-file = {:?}",
        certificates.path(&format!("{name}.pem")),
        certificates.path(&format!("{name}.key"))
    )
}

/// Starts a gateway with these lines in the table of TLS.
fn start(broker: &Mosquitto, certificates: &Certificates, lines: &str) -> Gateway {
    GatewayOptions::secure(BINARY, broker.secure_port(), certificates)
        .config(lines)
        .start()
}

/// Brokers that speak TLS 1.2 alone, and 1.3 alone, with these lines.
fn both_versions(certificates: &Certificates, lines: &str) -> [Mosquitto; 2] {
    let only_13 = format!("{lines}tls_version tlsv1.3");
    [
        Mosquitto::secure_by_tls_12(certificates, lines),
        Mosquitto::secure(certificates, &only_13),
    ]
}

#[track_caller]
fn check_offline(gateway: &Gateway, reason: &str) {
    let line = gateway.log.wait_for("offline");
    assert!(line.contains(reason), "{line}");
}

#[test]
fn letters_of_every_size_and_quality_arrive() {
    let certificates = Certificates::new();
    for broker in both_versions(&certificates, "") {
        let gateway = GatewayOptions::secure(BINARY, broker.secure_port(), &certificates);
        check_letters_arrive(&broker, gateway, "mqtts://127.0.0.1:", 50_000);
    }
}

#[test]
fn the_end_in_good_order() {
    let certificates = Certificates::new();
    let broker = Mosquitto::secure(&certificates, "");
    let wills = broker.subscribe("will", 1);
    let marks = broker.subscribe("mark", 1);
    let options = GatewayOptions::secure(BINARY, broker.secure_port(), &certificates);
    let mut gateway = options
        .config("[last-will]\ntopic = \"will\"\npayload = \"gone\"")
        .start();
    gateway.log.wait_for(" online ");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    broker.publish("mark", "");
    marks.wait_for(1);
    assert_eq!(wills.messages(), [""; 0], "DISCONNECT takes the will back");
}

#[test]
fn versions_and_protocols() {
    let certificates = Certificates::new();
    let [old, new] = both_versions(&certificates, "");
    let gateway = start(&old, &certificates, "min-version = \"1.3\"");
    check_offline(
        &gateway,
        "the broker speaks no version of TLS that tls.min-version allows",
    );
    let lines = "min-version = \"1.3\"\nalpn = [\"mqtt\"]";
    start(&new, &certificates, lines).log.wait_for(" online ");
}

#[test]
fn a_broker_that_wants_certificates() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    ours.issue("gateway", &["gateway"]);
    theirs.issue("gateway", &["gateway"]);
    for broker in both_versions(&ours, "require_certificate true\n") {
        let gateway = start(&broker, &ours, &identity(&ours, "gateway"));
        gateway.log.wait_for(" online ");

        let gateway = start(&broker, &ours, "");
        check_offline(
            &gateway,
            "the broker wants a certificate of this gateway; \
             name it in tls.certificate-file and tls.key-file",
        );

        let gateway = start(&broker, &ours, &identity(&theirs, "gateway"));
        check_offline(
            &gateway,
            "the broker refused the certificate of tls.certificate-file: it does not know the CA",
        );
    }
}

#[test]
fn certificates_out_of_time() {
    let certificates = Certificates::new();
    certificates.issue_between("gateway", &["gateway"], 2000, 2001);
    for broker in both_versions(&certificates, "require_certificate true\n") {
        check_offline(
            &start(&broker, &certificates, &identity(&certificates, "gateway")),
            "the broker refused the certificate of tls.certificate-file: it has expired",
        );
    }
    for (years, what) in [
        (
            (2000, 2001),
            "the broker's certificate expired at 2001-01-01 00:00:00 UTC; this machine's clock says ",
        ),
        ((3000, 3001), "this machine's clock is behind: it says "),
    ] {
        certificates.issue_between("broker", &["127.0.0.1"], years.0, years.1);
        let broker = Mosquitto::secure(&certificates, "");
        check_offline(&start(&broker, &certificates, ""), what);
    }
}

#[test]
fn a_broker_that_is_not_the_right_one() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let broker = Mosquitto::secure(&ours, "");
    check_offline(
        &start(&broker, &theirs, ""),
        "the broker's certificate is signed by no CA of tls.ca-file",
    );
    check_offline(
        &start(&broker, &ours, "server-name = \"other.example\""),
        "the broker's certificate is for 127.0.0.1, localhost and not for other.example; \
         if that is the right broker, say its name in tls.server-name",
    );
    start(&broker, &ours, "server-name = \"localhost\"")
        .log
        .wait_for(" online ");
}

#[test]
fn a_port_without_tls() {
    let certificates = Certificates::new();
    let broker = Mosquitto::secure(&certificates, "");
    let gateway = GatewayOptions::secure(BINARY, broker.port(), &certificates).start();
    check_offline(
        &gateway,
        "the server closed the connection without a word of TLS; \
         perhaps there is no TLS on this port (mqtt:// or ws://)",
    );
}

#[test]
fn files_are_read_again_for_each_connection() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    ours.issue("gateway", &["gateway"]);
    theirs.issue("gateway", &["gateway"]);
    let broker = Mosquitto::secure(&ours, "require_certificate true");
    let gateway = start(&broker, &theirs, &identity(&theirs, "gateway"));
    check_offline(&gateway, "is signed by no CA of tls.ca-file");

    let rotate = |name: &str| {
        fs::copy(ours.path(name), theirs.path(name)).expect("it can be written");
    };
    rotate("ca.pem");
    gateway.log.wait_for("it does not know the CA");
    rotate("gateway.key");
    gateway
        .log
        .wait_for("does not belong to the certificate in tls.certificate-file");
    rotate("gateway.pem");
    gateway.log.wait_for(" online ");
    fs::remove_file(theirs.path("gateway.key")).expect("it is there");
    gateway.signal("USR1");
    let key = theirs.path("gateway.key");
    gateway
        .log
        .wait_for(&format!("key file {key} cannot be read: No such file"));
}

#[test]
fn a_command_that_could_not_be_sent_in_time_is_never_sent() {
    let certificates = Certificates::new();
    let broker = Mosquitto::secure(&certificates, "");
    let network = Proxy::to(broker.secure_port());
    let gateway = GatewayOptions::secure(BINARY, network.port(), &certificates);
    check_no_command_comes_late(&broker, &network, gateway);
}

#[test]
fn a_port_of_tls_that_is_spoken_to_without_is_warned_of() {
    let gateway = GatewayOptions::new(BINARY, 8883).start();
    gateway.log.wait_for(" starts ");
    let warning = "port 8883 is usually one of TLS; its address begins with mqtts://";
    assert_eq!(gateway.log.count(warning), 1);
}

#[test]
fn a_password_file_that_anybody_can_read_is_warned_of() {
    let file = tempfile::NamedTempFile::new().expect("there is a place for it");
    let path = file.path().display().to_string();
    for (mode, count) in [(0o644, 1), (0o640, 1), (0o600, 0), (0o400, 0)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(file.path(), mode).expect("it is ours");
        let gateway = GatewayOptions::new(BINARY, free_port())
            .config(&format!("user-name = \"u\"\npassword-file = {path:?}"))
            .start();
        gateway.log.wait_for(" starts ");
        let warned = gateway.log.count(&format!("run `chmod 600 {path}`"));
        assert_eq!(warned, count);
    }
}

#[test]
fn a_password_that_anybody_can_read_is_warned_of() {
    let warned = |server: &str| {
        let gateway = GatewayOptions::new(BINARY, free_port())
            .config("user-name = \"u\"")
            .env("JACKALOPE_PASSWORD", "p")
            .env("JACKALOPE_SERVER", server)
            .start();
        gateway.log.wait_for(" starts ");
        gateway.log.count("the password goes to")
    };
    assert_eq!(warned("no-such-host.invalid"), 1);
    assert_eq!(warned("ws://no-such-host.invalid/mqtt"), 1);
    for fine in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "ws://localhost/mqtt",
        "mqtts://no-such-host.invalid",
        "wss://no-such-host.invalid/mqtt",
    ] {
        assert_eq!(warned(fine), 0, "{fine}");
    }
}
