//! `[guest.permissions]` in the whole binary: what is not permitted is answered with the
//! rule, and nothing of it reaches the broker.

use jackalope_tests::{ECHO, FakeBroker, GatewayOptions, WILL};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const PERMISSIONS: &str = "[guest.permissions]\npublish = ['allowed/#']\nmax-qos = 1\n\
    retain = false\nmin-ttl = '1s'\nmax-ttl = '1m'\nrate = '3/h'\nreconnect = false";

#[test]
fn nothing_that_is_not_permitted_reaches_the_broker() {
    let broker = FakeBroker::start(BINARY, "mqttv311", &[]);
    let mut gateway = GatewayOptions::new(BINARY, broker.port())
        .config("version = '3.1.1'")
        .guest("asks", ECHO, &["echo/#"], PERMISSIONS)
        .guest("no-will", WILL, &[], "[guest.permissions]\nwill = false")
        .guest("other-will", WILL, &[], PERMISSIONS)
        .start();
    for (guest, rule) in [
        ("no-will", "`permissions.will` is false"),
        (
            "other-will",
            "`permissions.publish` does not allow the topic",
        ),
    ] {
        let is_it =
            |line: &String| line.contains(&format!("guest=\"{guest}\"")) && line.contains(rule);
        let log = gateway
            .log
            .wait_until(rule, |lines| lines.iter().any(is_it));
        let line = log.into_iter().find(is_it).unwrap_or_default();
        assert!(line.contains("its last will is not used"), "{line}");
    }
    gateway.log.wait_for("subscribed filter=echo/#");

    let ask = |topic: &str, order: &str| broker.publish(&["-t", topic, "-q", "1", "-m", order]);
    for (order, rule) in [
        (
            "topic=forbidden/a",
            "`permissions.publish` does not allow the topic",
        ),
        (
            "topic=allowed/a qos=2",
            "`permissions.max-qos` allows no more than QoS 1",
        ),
        (
            "topic=allowed/a retain=true",
            "`permissions.retain` does not allow",
        ),
        (
            "topic=allowed/a ttl-ms=999",
            "`permissions.min-ttl` allows no ttl below 1s",
        ),
        (
            "topic=allowed/a ttl-ms=60001",
            "`permissions.max-ttl` allows no ttl above 60s",
        ),
        // What was refused has used up nothing: three are left.
        (
            "topic=allowed/b count=10",
            "`permissions.rate` allows no more for now than 3 letters an hour, 3 at once",
        ),
    ] {
        // What comes last counts.
        ask("echo/post", &format!("ttl-ms=30000 {order}"));
        let line = gateway.log.wait_for(&format!("NotPermitted(\"{rule}"));
        assert!(line.contains("guest=\"asks\""), "{line}");
    }
    ask("echo/reconnect", "");
    let expect = "its reconnect is ignored: `permissions.reconnect` is false";
    gateway.log.wait_for(expect);

    gateway.signal("TERM");
    assert!(gateway.wait().success());
    gateway.log.wait_for_end();
    assert_eq!(gateway.log.count("NotPermitted("), 5 + 7);
    broker.expect("jackalope closed: disconnect");
    let lines = broker.process.out.all();
    let sent = |packet: &str| -> Vec<_> {
        let of_gateway = format!("jackalope > {packet}");
        let begin = |line: &String| {
            line.split_once(&of_gateway)
                .map(|(_, rest)| rest.to_owned())
        };
        lines.iter().filter_map(begin).collect()
    };
    assert_eq!(
        sent("CONNECT"),
        [" clean keep-alive=60"],
        "one, without a will"
    );
    let published = [0, 1, 2].map(|it| format!(" q1 id={} allowed/b 1 bytes \"{it}\"", it + 2));
    assert_eq!(sent("PUBLISH"), published);
    broker.expect_no_violation();
}
