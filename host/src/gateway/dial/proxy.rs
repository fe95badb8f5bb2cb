//! Through a proxy of HTTP: CONNECT (RFC 9110, section 9.3.6).

use std::fmt;
use std::io;

use bytes::BytesMut;
use data_encoding::BASE64;

use crate::shown::shown;
use crate::wire::{Address, HttpAnswer, HttpStatus, Login, NotHttp, Tcp};

/// How much is looked at at once.
const PIECE: usize = 4 << 10;

/// Why there is no way through a proxy. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProxyError {
    /// It answers something else.
    Status {
        status: HttpStatus,
        has_login: bool,
        location: Option<String>,
        broker: Address,
    },
    /// What it answers is not HTTP, or has no end.
    Answer(NotHttp),
    /// It has closed the connection instead.
    Closed,
    /// The connection to it was lost.
    Lost(String),
}

/// Asks for a connection to the broker. Not a byte is read beyond the answer: what
/// follows is the broker's.
pub(super) async fn connect(
    tcp: &mut Tcp,
    broker: &Address,
    login: Option<&Login>,
) -> Result<(), ProxyError> {
    let lost = |error: io::Error| ProxyError::Lost(error.to_string());
    tcp.send(request(broker, login).as_bytes())
        .await
        .map_err(lost)?;
    let (mut head, mut piece) = (BytesMut::new(), [0; PIECE]);
    loop {
        let count = tcp.peek(&mut piece).await.map_err(lost)?;
        if count == 0 {
            return Err(ProxyError::Closed);
        }
        head.extend_from_slice(&piece[..count]);
        let answer = HttpAnswer::read(&mut head).map_err(ProxyError::Answer)?;
        // What is left of the head is not of it.
        let left = answer.as_ref().map_or(0, |_| head.len());
        let own = count - left;
        tcp.receive(&mut piece[..own]).await.map_err(lost)?;
        if let Some(answer) = answer {
            return check(&answer, broker, login.is_some());
        }
    }
}

fn request(broker: &Address, login: Option<&Login>) -> String {
    let mut request = format!("CONNECT {broker} HTTP/1.1\r\nHost: {broker}\r\n");
    if let Some(login) = login {
        let password = login.password.as_ref().map_or("", |secret| secret.expose());
        let pair = BASE64.encode(format!("{}:{password}", login.user_name).as_bytes());
        request += &format!("Proxy-Authorization: Basic {pair}\r\n");
    }
    request + "\r\n"
}

fn check(answer: &HttpAnswer, broker: &Address, has_login: bool) -> Result<(), ProxyError> {
    match answer.status {
        200..=299 => Ok(()),
        status => Err(ProxyError::Status {
            status: HttpStatus(status),
            has_login,
            location: answer.header("Location").map(str::to_owned),
            broker: broker.clone(),
        }),
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status {
                status,
                has_login,
                location,
                broker,
            } => match (status.0, has_login) {
                (401 | 407, false) => write!(
                    f,
                    "it wants a login ({status}); say one in proxy.user-name and \
                     proxy.password-file"
                ),
                (401 | 407, true) => {
                    write!(
                        f,
                        "it does not accept proxy.user-name or its password ({status})"
                    )
                }
                (403, _) => write!(f, "it does not let anybody connect to {broker} ({status})"),
                (400 | 404 | 405 | 501, _) => write!(
                    f,
                    "it does not make connections for others ({status}); is this an HTTP proxy?"
                ),
                (502..=504, _) => write!(f, "it cannot connect to {broker} ({status})"),
                (300..=399, _) => {
                    let location = location.as_deref().unwrap_or("another place");
                    write!(f, "it sends the gateway to {} ({status})", shown(location))
                }
                _ => write!(f, "it does not connect to {broker} ({status})"),
            },
            Self::Answer(NotHttp::TooLong) => f.write_str("its answer is too long"),
            Self::Answer(NotHttp::Tls) => {
                f.write_str("it speaks TLS on this port, where proxies are spoken to without")
            }
            Self::Answer(NotHttp::Other) => {
                f.write_str("it does not answer in HTTP; is this an HTTP proxy?")
            }
            Self::Closed => f.write_str("it closed the connection without an answer"),
            Self::Lost(error) => write!(f, "the connection to it was lost: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Secret;

    fn broker() -> Address {
        Address {
            host: "2001:db8::1".into(),
            port: 8883,
        }
    }

    #[test]
    fn the_request_names_the_broker_and_who_asks() {
        assert_eq!(
            request(&broker(), None),
            "CONNECT [2001:db8::1]:8883 HTTP/1.1\r\nHost: [2001:db8::1]:8883\r\n\r\n"
        );
        let login = Login {
            user_name: "Aladdin".into(),
            password: Secret::new("open sesame".into()),
        };
        assert!(
            request(&broker(), Some(&login))
                .ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")
        );
    }

    #[test]
    fn answers_say_what_to_do() {
        for (status, has_login, expect) in [
            (
                407,
                false,
                "it wants a login (407 Proxy Authentication Required); say one in \
                 proxy.user-name and proxy.password-file",
            ),
            (
                407,
                true,
                "it does not accept proxy.user-name or its password (407 Proxy \
                 Authentication Required)",
            ),
            (
                403,
                false,
                "it does not let anybody connect to [2001:db8::1]:8883 (403 Forbidden)",
            ),
            (
                502,
                true,
                "it cannot connect to [2001:db8::1]:8883 (502 Bad Gateway)",
            ),
            (
                302,
                true,
                "it sends the gateway to another place (302 Found)",
            ),
            (299, true, ""),
        ] {
            let text = format!("HTTP/1.1 {status} words\r\n\r\n");
            let answer = HttpAnswer::read(&mut BytesMut::from(&*text));
            let answer = answer.expect("it is HTTP").expect("it is whole");
            let checked = check(&answer, &broker(), has_login);
            let told = checked.map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(told, expect);
        }
    }
}
