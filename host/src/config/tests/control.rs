//! From where the gateway can be operated.

use super::*;

#[track_caller]
fn check_control(text: &str, expect: ControlConfig) {
    check(text, |config| config.control = expect);
}

#[test]
fn a_socket_or_an_address_or_neither() {
    let socket = |path: &str| ControlConfig::Socket(path.into());
    check_control("control-socket = '/run/c.sock'", socket("/run/c.sock"));
    check_control("control-socket = 'c.sock'", socket("/etc/c.sock"));
    check_control("control-socket = ''", ControlConfig::None);
    for text in ["127.0.0.1:0", "[::1]:9"] {
        let address = ControlConfig::Address {
            address: text.parse().unwrap(),
            token_file: "/etc/token".into(),
        };
        let text = format!("control-address = '{text}'\ncontrol-token-file = 'token'");
        check_control(&text, address);
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = "control-socket = '/run/c.sock'";
    let config = load_with(file, &[("JACKALOPE_CONTROL_SOCKET", "here.sock")]).unwrap();
    assert_eq!(config.control, ControlConfig::Socket("here.sock".into()));
    let variables = [
        ("JACKALOPE_CONTROL_ADDRESS", "127.0.0.1:9"),
        ("JACKALOPE_CONTROL_TOKEN_FILE", "token"),
    ];
    let expect = ControlConfig::Address {
        address: "127.0.0.1:9".parse().unwrap(),
        token_file: "token".into(),
    };
    assert_eq!(load_with("", &variables).unwrap().control, expect);
}

#[test]
fn what_would_let_others_in_is_refused() {
    check_refused(
        "control-address = '127.0.0.1:9'",
        "1:19: control-address: \"127.0.0.1:9\" needs a control-token-file: any user of this \
         machine can reach it",
    );
    check_refused(
        "control-address = '0.0.0.0:9'\ncontrol-token-file = 't'",
        "1:19: control-address: \"0.0.0.0:9\" can be reached from other machines; \
         write 127.0.0.1 or [::1]",
    );
    check_refused(
        "control-address = 'localhost'\ncontrol-token-file = 't'",
        "1:19: control-address: \"localhost\" is no address; write e.g. \"127.0.0.1:9883\"",
    );
    check_refused(
        "control-token-file = 't'",
        "1:22: control-token-file: \"t\" is for a control-address, which is missing",
    );
    check_refused(
        "control-socket = 's'\ncontrol-address = '127.0.0.1:9'",
        "2:19: control-address: \"127.0.0.1:9\" is there together with control-socket; \
         take one of them away",
    );
}

#[test]
fn the_built_in_handler_hears_of_topics_where_there_is_no_guest() {
    let config = load("subscriptions = ['a/#']\nshow-payloads = true").unwrap();
    assert_eq!(
        config.subscriptions,
        [("a/#".parse().unwrap(), Qos::AtLeastOnce)]
    );
    assert!(config.show_payloads);
    let config = load_with("", &[("JACKALOPE_SHOW_PAYLOADS", "true")]).unwrap();
    assert!(config.show_payloads);
    check_refused(
        "subscriptions = ['a/#']\n[[guest]]\ncomponent = 'd'",
        "1:18: subscriptions: are those of the built-in handler, which there is only without \
         guests; those of a guest stand in its [[guest]]",
    );
}

#[test]
fn a_path_that_no_socket_can_have() {
    let long = format!("control-socket = '/{}'", "x".repeat(107));
    let error = load(&long).unwrap_err().to_string();
    assert!(
        error.ends_with("is longer than the 107 bytes of a socket's path"),
        "{error}"
    );
    check_refused(
        "control-socket = 1",
        "1:18: control-socket: 1 is not a text; put it in quotes",
    );
}

#[test]
fn what_may_be_sent_is_written_as_for_guests() {
    let table = "[control-permissions]\n";
    check(&format!("{table}will = false"), |config| {
        config.control_permissions = Some(Permissions {
            will: false,
            ..Permissions::default()
        });
    });
    check_refused(
        &format!("{table}publish = ['$share/g/a']"),
        "2:11: control-permissions.publish: \"$share/g/a\" is a shared subscription, to which \
         nobody publishes",
    );
    check_refused(
        &format!("{table}burst = 5"),
        "2:9: control-permissions.burst: 5 is allowed only together with rate",
    );
    check_refused(
        &format!("{table}will = true"),
        "2:8: control-permissions.will: true is for guests: nobody else chooses the last will",
    );
    check_refused(
        "control-permissions = 1",
        "1:23: control-permissions: found integer `1`, expected a table",
    );
}

#[test]
fn what_else_may_be_asked_for_is_everything_unless_it_is_said() {
    let table = "[control-permissions]\n";
    let with = |keys: &str| {
        let config = load(&format!("{table}{keys}")).unwrap();
        config.control_permissions.unwrap().operate
    };
    assert_eq!(with("retain = true"), Operate::default());
    let all = "send = ['doors/+']\nsend-to = ['door', 'hall']\ncancel = 'own'\n\
               reload = false\npayloads = false";
    let expect = Operate {
        send: Some(vec!["doors/+".parse().unwrap()]),
        send_to: Some(vec!["door".into(), "hall".into()]),
        cancel: Cancel::Own,
        reload: false,
        payloads: false,
    };
    assert_eq!(with(all), expect);
    assert_eq!(with("send = []").send, Some(vec![]));
    assert_eq!(with("send-to = []").send_to, Some(vec![]));
    for (key, error) in [
        (
            "send = false",
            "2:8: control-permissions.send: false is not a list of topic filters; \
             write e.g. [\"doors/#\"]",
        ),
        (
            "send-to = 'door'",
            "2:11: control-permissions.send-to: \"door\" is not a list of names of guests; \
             write e.g. [\"door\"]",
        ),
        (
            "send-to = ['a door']",
            "2:11: control-permissions.send-to: \"a door\" is not a name; write 1 to 64 of \
             A-Z, a-z, 0-9, _ and -",
        ),
        (
            "cancel = true",
            "2:10: control-permissions.cancel: true does not say which letters; write \"all\", \
             or \"own\" for those that came over the control socket",
        ),
        (
            "reload = 'no'",
            "2:10: control-permissions.reload: \"no\" is neither true nor false",
        ),
        (
            "payloads = 0",
            "2:12: control-permissions.payloads: 0 is neither true nor false",
        ),
    ] {
        check_refused(&format!("{table}{key}"), error);
    }
    let of_guest = "[[guest]]\ncomponent = 'd'\n[guest.permissions]\nreload = true";
    let error = load(of_guest).unwrap_err().to_string();
    assert!(error.contains("unknown key `reload`"), "{error}");
}
