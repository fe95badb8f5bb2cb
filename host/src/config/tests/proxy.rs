//! From where, and through whom.

use super::*;
use crate::login::{Credentials, PasswordSource, UserName};
use crate::wire::Secret;

#[test]
fn a_proxy_needs_no_more_than_its_address() {
    for (url, host, port) in [
        ("http://proxy:3128", "proxy", 3128),
        ("http://proxy/", "proxy", 80),
        ("http://[::1]:1", "::1", 1),
    ] {
        let config = load(&format!("proxy.url = '{url}'")).unwrap();
        let proxy = config.proxy.unwrap();
        assert_eq!((&*proxy.address.host, proxy.address.port), (host, port));
        assert_eq!(proxy.login, None);
    }
}

#[test]
fn a_login_may_come_from_the_environment_alone() {
    let variables = [
        ("JACKALOPE_PROXY_URL", "http://proxy"),
        ("JACKALOPE_PROXY_USER_NAME", "u"),
        ("JACKALOPE_PROXY_PASSWORD", "s3cret"),
    ];
    let config = load_with("", &variables).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    let login = config.proxy.unwrap().login;
    let expect = Credentials {
        user_name: UserName::Given("u".into()),
        password: PasswordSource::Given(Secret::new("s3cret".into()).unwrap()),
    };
    assert_eq!(login, Some(expect));
    let both = [
        variables[0],
        variables[1],
        variables[2],
        ("JACKALOPE_PROXY_PASSWORD_FILE", "/no/such/file"),
    ];
    let error = load_with("", &both).unwrap_err().to_string();
    assert!(error.contains("set one of them"), "{error}");
    let error = load_with("", &variables[1..]).unwrap_err().to_string();
    assert_eq!(
        error,
        "JACKALOPE_PROXY_USER_NAME: a proxy needs an address, proxy.url"
    );
    let without_name = [variables[0], variables[2]];
    let error = load_with("", &without_name).unwrap_err().to_string();
    assert_eq!(
        error,
        "JACKALOPE_PROXY_PASSWORD: needs a user name, too, proxy.user-name"
    );
}

#[test]
fn what_is_no_proxy_is_refused() {
    const FORM: &str = r#"is not a proxy; write e.g. "http://proxy.example:3128""#;
    for (line, expect) in [
        ("url = 'proxy'", format!(r#"2:7: proxy.url: "proxy" {FORM}"#)),
        ("url = 1", format!("2:7: proxy.url: 1 {FORM}")),
        (
            "url = 'https://proxy'",
            r#"2:7: proxy.url: "https://proxy" asks for a proxy that is spoken to through TLS, which is not supported; write "http://…""#.into(),
        ),
        (
            "url = 'http://u:s3cret@proxy'",
            "2:7: proxy.url: holds a user name, which has a key of its own, proxy.user-name".into(),
        ),
        (
            "url = 'http://proxy:0'",
            r#"2:7: proxy.url: "http://proxy:0" has a wrong port; write a number from 1 to 65535"#.into(),
        ),
        ("", "1:1: proxy: a proxy needs an address, proxy.url".into()),
        (
            "url = 'http://p'\nuser-name = 'a:b'",
            r#"3:13: proxy.user-name: "a:b" holds a colon or a control character, which no proxy can tell apart"#.into(),
        ),
        (
            "url = 'http://p'\nuser-name = 'u'\npassword-file = '/no/such/file'",
            r#"4:17: proxy.password-file: "/no/such/file" cannot be read: No such file or directory (os error 2)"#.into(),
        ),
    ] {
        check_refused(&format!("[proxy]\n{line}"), &expect);
    }
}

#[test]
fn where_connections_begin() {
    let config = load("interface = 'eth0'\nlocal-address = '192.0.2.1'").unwrap();
    assert_eq!(config.binding.interface.as_deref(), Some("eth0"));
    assert_eq!(config.binding.address, Some([192, 0, 2, 1].into()));
    for name in ["", "a b", "a/b", "sixteen-letters-"] {
        check_refused(
            &format!("interface = '{name}'"),
            &format!(
                r#"1:13: interface: "{name}" is not the name of a network interface; write e.g. "eth0""#
            ),
        );
    }
    check_refused(
        "local-address = 'eth0'",
        r#"1:17: local-address: "eth0" is not an IP address; write e.g. "192.0.2.10""#,
    );
}
