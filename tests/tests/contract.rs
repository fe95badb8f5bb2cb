//! The contract in `wit/`: it parses, every item of it is documented, and guests of
//! its older version do their job beside those of the latest.

use jackalope_tests::{DOOR, ECHO, FakeBroker, GatewayOptions, Mosquitto, Process};
use wit_parser::{Docs, Resolve, TypeDefKind};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// The door, built before the contract had a second version.
const OLD_DOOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/components/door-0.1.wasm");

/// The contract of the latest version, and the older one.
const DIRECTORIES: [&str; 2] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/0.1"),
];

fn contract(directory: &str) -> Resolve {
    let mut resolve = Resolve::new();
    resolve.push_dir(directory).expect("the contract parses");
    resolve
}

#[test]
fn every_item_is_documented() {
    for directory in DIRECTORIES {
        check_documented(&contract(directory));
    }
}

fn check_documented(resolve: &Resolve) {
    let mut bare = Vec::new();
    let mut check = |name: String, docs: &Docs| {
        if docs
            .contents
            .as_deref()
            .unwrap_or_default()
            .trim()
            .is_empty()
        {
            bare.push(name);
        }
    };
    for (_, package) in &resolve.packages {
        check(package.name.to_string(), &package.docs);
    }
    for (_, world) in &resolve.worlds {
        check(world.name.clone(), &world.docs);
    }
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.clone().unwrap_or_default();
        check(name.clone(), &interface.docs);
        for (function, item) in &interface.functions {
            check(format!("{name}.{function}"), &item.docs);
        }
        for (type_name, id) in &interface.types {
            let item = &resolve.types[*id];
            let name = format!("{name}.{type_name}");
            match &item.kind {
                // Named in another interface of the package, and documented there.
                TypeDefKind::Type(wit_parser::Type::Id(_)) => continue,
                TypeDefKind::Record(record) => {
                    record
                        .fields
                        .iter()
                        .for_each(|it| check(format!("{name}.{}", it.name), &it.docs));
                }
                TypeDefKind::Variant(variant) => {
                    variant
                        .cases
                        .iter()
                        .for_each(|it| check(format!("{name}.{}", it.name), &it.docs));
                }
                TypeDefKind::Enum(cases) => {
                    cases
                        .cases
                        .iter()
                        .for_each(|it| check(format!("{name}.{}", it.name), &it.docs));
                }
                _ => {}
            }
            check(name, &item.docs);
        }
    }
    assert_eq!(bare, [""; 0], "items without a word");
}

#[test]
fn the_smallest_guest_exports_a_handler_and_nothing_else() {
    let resolve = contract(DIRECTORIES[0]);
    let world = resolve
        .worlds
        .iter()
        .find(|(_, world)| world.name == "guest");
    let (_, world) = world.expect("there is a world for guests");
    let names = |items: Vec<&wit_parser::WorldKey>| -> Vec<String> {
        items
            .into_iter()
            .map(|key| resolve.name_world_key(key))
            .collect()
    };
    assert_eq!(
        names(world.exports.keys().collect()),
        ["jackalope:gateway/handler@0.2.0"]
    );
    let imports = names(world.imports.keys().collect());
    assert_eq!(
        imports,
        [
            "jackalope:gateway/types@0.2.0",
            "jackalope:gateway/jackalope@0.2.0"
        ]
    );
}

#[test]
fn a_guest_of_the_older_contract_does_its_job_beside_one_of_the_latest() {
    for version in ["mqttv311", "mqttv5"] {
        let broker = FakeBroker::start(BINARY, version, &[]);
        let gateway = GatewayOptions::new(BINARY, broker.port())
            .guest("old", OLD_DOOR, &["doors/old/request"], "")
            .guest("new", DOOR, &["doors/new/request"], "")
            .start();
        for filter in ["doors/old/request", "doors/new/request"] {
            gateway.log.wait_for(&format!("subscribed filter={filter}"));
        }
        let seen = broker.subscribe(&["-t", "doors/+/command", "-t", "doors/+/status"]);
        for door in ["old", "new"] {
            let topic = format!("doors/{door}/request");
            broker.publish(&["-q", "1", "-t", &topic, "-m", r#"{"action":"lock"}"#]);
            seen.wait_for_message(&format!(r#"doors/{door}/command 0 {{"action":"lock"}}"#));
            let status = r#"{"action":"lock","outcome":"delivered"}"#;
            seen.wait_for_message(&format!("doors/{door}/status 0 {status}"));
        }
        broker.expect_no_violation();
    }
}

#[test]
fn a_check_says_which_version_a_guest_speaks() {
    for (component, version) in [(OLD_DOOR, "contract 0.1"), (DOOR, "contract 0.2")] {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = jackalope_tests::run_to_end(BINARY, here, &["check", component], &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(version), "{text}");
    }
}

#[test]
fn what_mqtt_5_carries_goes_through_a_guest_and_back() {
    let broker = Mosquitto::start();
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .guest("echo", ECHO, &["echo/in/{x}", "echo/about/{y}"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/in/+");
    gateway.log.wait_for("subscribed filter=echo/about/+");
    let port = broker.port().to_string();
    let reader = Process::start(
        "stdbuf",
        &[
            &["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port, "-d"][..],
            &["-V", "5", "-t", "echo/out/a", "-t", "echo/said"],
            &["-F", "got %p, a %C for %R, %P"],
        ]
        .concat(),
    );
    reader.out.wait_for("Subscribed (mid");
    let publish = |topic: &str, properties: &[&[&str]]| {
        let mut arguments = vec!["-V", "5", "-q", "1", "-t", topic, "-m", "hi"];
        for property in properties {
            arguments.extend(["-D", "publish"]);
            arguments.extend(*property);
        }
        broker.publish_with(&arguments);
    };
    publish(
        "echo/in/a",
        &[
            &["content-type", "text/plain"],
            &["response-topic", "answers"],
            &["user-property", "name", "value"],
        ],
    );
    reader
        .out
        .wait_for("got hi, a text/plain for answers, name:value");
    publish("echo/about/it", &[&["message-expiry-interval", "100"]]);
    let line = reader.out.wait_for("got echo/about/{y} y=it expires=Some(");
    assert!(line.contains("Origin::Broker"), "{line}");
}
