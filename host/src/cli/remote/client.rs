//! A client of the control socket: one request, and one answer or a stream.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;

use crate::cli::Failure;
use crate::control::answers::{Code, Problem};
use crate::control::{Endpoint, Token};

/// How long a gateway may be silent that is to answer at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// No answer is larger.
const MAX: u64 = 16 << 20;

/// No head of one is larger.
const MAX_HEAD: u64 = 16 << 10;

const TOO_MANY_REQUESTS: u16 = 429;

/// Speaks to one gateway.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) token: Option<Token>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: &'static str,
    /// Path and parameters.
    pub(super) path: String,
    pub(super) body: &'a [u8],
    /// Whether the answer may take as long as it takes.
    pub(super) waits: bool,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Client {
    /// Asks, and returns what was answered, whatever it is.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Reply, Failure> {
        let (mut stream, sent) = self.send(ask)?;
        let mut answer = Vec::new();
        let read = (&mut stream).take(MAX).read_to_end(&mut answer);
        Reply::parse(&answer).map_err(|error| {
            let error = match (sent, read) {
                (Err(io), _) | (_, Err(io)) => anyhow!(io),
                _ => error,
            };
            self.no_answer(error)
        })
    }

    /// Asks for a stream, and returns it from its beginning.
    pub(super) fn stream(&self, path: String) -> Result<impl BufRead + use<>, Failure> {
        let (stream, _) = self.send(&Ask {
            method: "GET",
            path,
            body: &[],
            waits: true,
        })?;
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = (&mut stream).take(MAX_HEAD).read_until(b'\n', &mut head);
            match read {
                Ok(1..) if head.len() as u64 <= MAX_HEAD => {}
                Ok(_) => return Err(self.no_answer(anyhow!("it ends in its head"))),
                Err(error) => return Err(self.no_answer(anyhow!(error))),
            }
        }
        let reply = Reply::parse(&head);
        if reply.as_ref().is_ok_and(Reply::is_good) {
            return Ok(stream);
        }
        // What is refused has an end.
        let _ = stream.take(MAX).read_to_end(&mut head);
        let refused = Reply::parse(&head).map_err(|error| self.no_answer(error))?;
        Err(refused.problem())
    }

    /// Sends a request. Who does not want all of it says why.
    fn send(&self, ask: &Ask<'_>) -> Result<(Box<dyn Stream>, io::Result<()>), Failure> {
        let mut stream = self
            .connect(ask.waits)
            .map_err(|error| self.unavailable(error))?;
        let mut head = format!(
            "{} {} HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n",
            ask.method,
            ask.path,
            ask.body.len()
        );
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {}\r\n", token.expose());
        }
        head += "\r\n";
        let sent = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(ask.body));
        Ok((stream, sent))
    }

    fn no_answer(&self, error: anyhow::Error) -> Failure {
        let what = format!("the gateway at {} gave no answer", self.endpoint);
        Failure::Other(error.context(what))
    }

    fn connect(&self, waits: bool) -> io::Result<Box<dyn Stream>> {
        let patience = (!waits).then_some(PATIENCE);
        match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Box::new(stream))
            }
            Endpoint::Tcp(address) => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a client of the gateway, not of a broker"
                )]
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Box::new(stream))
            }
        }
    }

    fn unavailable(&self, error: io::Error) -> Failure {
        let what = match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                "no gateway answers at {}: is it running, with `control-socket` in its \
                 configuration? --socket or JACKALOPE_CONTROL_SOCKET names another socket",
                self.endpoint
            ),
            ErrorKind::PermissionDenied => format!(
                "you may not use {}: be its owner, or in its group",
                self.endpoint
            ),
            _ => format!("the gateway at {} cannot be reached", self.endpoint),
        };
        Failure::Unavailable(anyhow::Error::from(error).context(what))
    }
}

impl Reply {
    fn parse(answer: &[u8]) -> anyhow::Result<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(answer)? else {
            bail!("it ends in its head");
        };
        let body = &answer[length..];
        let named =
            |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("content-length");
        if let Some(header) = head.headers.iter().find(named) {
            let size: usize = str::from_utf8(header.value)?.trim().parse()?;
            if size != body.len() {
                bail!("it is cut short");
            }
        }
        Ok(Self {
            status: head.code.context("it has no status")?,
            body: body.to_vec(),
        })
    }

    fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What was answered if all is well.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if !self.is_good() {
            return Err(self.problem());
        }
        self.json()
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .context("the gateway's answer is not understood: is it another version?")
            .map_err(Failure::Other)
    }

    /// What was answered instead.
    pub(super) fn problem(&self) -> Failure {
        let Ok(Problem { error, code }) = serde_json::from_slice(&self.body) else {
            let status = self.status;
            return Failure::Other(anyhow!("the gateway answers with status {status}"));
        };
        let error = match code {
            Code::UnknownGuest => {
                anyhow!("there is no guest of this name; `jackalope status` names them")
            }
            _ => anyhow!("{error}"),
        };
        match code {
            Code::InvalidConfiguration => Failure::Config(error),
            Code::MayBeKept => Failure::Uncertain(error),
            Code::InvalidRequest
            | Code::InvalidTopic
            | Code::InvalidQos
            | Code::InvalidTtl
            | Code::TagTooLong
            | Code::ReplaceKeyTooLong => Failure::Usage(error),
            Code::WorkListFull
            | Code::NotKept
            | Code::InboxFull
            | Code::TooSlow
            | Code::Unavailable
            | Code::Stopping => Failure::ForNow(error),
            // The rate: other permissions do not change with time.
            Code::NotPermitted if self.status == TOO_MANY_REQUESTS => Failure::ForNow(error),
            _ => Failure::Other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_whole_or_none() {
        let whole = Reply::parse(b"HTTP/1.0 202 Accepted\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!((whole.status, &whole.body[..]), (202, &b"{}"[..]));
        let to_the_end = Reply::parse(b"HTTP/1.0 200 OK\r\n\r\nabc").unwrap();
        assert_eq!(to_the_end.body, b"abc");
        for (answer, error) in [
            (&b""[..], "it ends in its head"),
            (b"HTTP/1.0 200 OK\r\n", "it ends in its head"),
            (
                b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n{}",
                "it is cut short",
            ),
            (b"220 mail.example ESMTP\r\n\r\n", "invalid HTTP version"),
        ] {
            assert_eq!(Reply::parse(answer).unwrap_err().to_string(), error);
        }
    }
}
