//! The connections of the control socket, each with one request, within bounds.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Either;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::listener::{Listener, Socket};
use super::reload::Reloads;
use super::routes;
use super::token::Token;
use crate::gateway::Control;

/// How many connections there can be.
const MAX_CONNECTIONS: usize = 64;

/// How many of them can wait for an outcome.
const MAX_WAITING: usize = 32;

/// How many bytes the head of a request may have: a topic may have 65,535, and the
/// parser of addresses takes no more.
const MAX_HEAD: usize = 80 << 10;

/// How long a head may take to come, a body, and an answer to go.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long those who are answered at the end of the gateway may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// After this the next connection is taken when there was no room for one.
const PAUSE: Duration = Duration::from_millis(100);

/// Bodies of so many bytes may come at once beside one of the largest size.
const BODIES: usize = 4 << 20;

/// To who comes when there are too many.
const TOO_MANY: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json\r\nconnection: close\r\ncontent-length: 66\r\n\r\n\
    {\"error\":\"too many connections: 64 at most\",\"code\":\"unavailable\"}\n";

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) control: Control,
    pub(super) reloads: Reloads,
    pub(super) token: Option<Token>,
    /// How many bytes a payload may have.
    pub(super) max_payload: usize,
    /// Room for bodies, in KiB.
    pub(super) bodies: Semaphore,
    /// Room for those who wait for outcomes.
    pub(super) waiting: Semaphore,
}

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its request comes, or is carried out.
    Asking,
    /// It was given its answer.
    Answering,
    /// It was given one that has no end of its own.
    Following,
}

impl Shared {
    pub(super) fn new(
        control: Control,
        reloads: Reloads,
        token: Option<Token>,
        max_payload: usize,
    ) -> Self {
        Self {
            control,
            reloads,
            token,
            max_payload,
            bodies: Semaphore::new(kib(max_payload) as usize + (BODIES >> 10)),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }
}

/// So many bytes in KiB, rounded up.
pub(super) fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

/// Serves until it is told to stop, and a moment longer for those who have their
/// answer.
pub(super) async fn serve(listener: Listener, shared: Shared, stopped: oneshot::Receiver<()>) {
    let (socket, _path) = listener.into_parts();
    let listening = match socket {
        Socket::Unix(socket) => UnixListener::from_std(socket).map(Listening::Unix),
        Socket::Tcp(socket) => TcpListener::from_std(socket).map(Listening::Tcp),
    };
    let listening = match listening {
        Ok(listening) => listening,
        Err(error) => return tracing::error!("there is no control socket: {error}"),
    };
    let shared = Arc::new(shared);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listening.accept() => accepted,
        };
        match (accepted, slots.clone().try_acquire_owned()) {
            (Ok(Stream::Unix(stream)), Ok(slot)) => {
                connections.spawn(connection(stream, shared.clone(), slot));
            }
            (Ok(Stream::Tcp(stream)), Ok(slot)) => {
                connections.spawn(connection(stream, shared.clone(), slot));
            }
            // What the kernel does not take at once is too much for him.
            (Ok(stream), Err(_)) => stream.try_write(TOO_MANY),
            (Err(error), _) => {
                tracing::debug!("no connection to the control socket: {error}");
                #[expect(clippy::disallowed_methods, reason = "only until files are free again")]
                sleep(PAUSE).await;
            }
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    #[expect(clippy::disallowed_methods, reason = "only how long the end may take")]
    let _ = timeout(LAST_WORDS, all).await;
}

/// One request and its answer.
async fn connection<S>(stream: S, shared: Arc<Shared>, _slot: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stage, mut seen) = watch::channel(Stage::Asking);
    let service = service_fn(|request| {
        let (shared, stage) = (&shared, &stage);
        async move {
            let answer = routes::answer(shared, request).await;
            stage.send_replace(match answer.body() {
                Either::Left(_) => Stage::Answering,
                Either::Right(_) => Stage::Following,
            });
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let stage = tokio::select! {
        // Who breaks the rules of HTTP, or goes, needs no line in the log.
        _ = &mut connection => return,
        stage = seen.wait_for(|stage| *stage != Stage::Asking) => stage.map(|stage| *stage),
    };
    if stage.is_ok_and(|stage| stage == Stage::Following) {
        let _ = connection.await;
        return;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "only how long a client may take to read its answer"
    )]
    let _ = timeout(PATIENCE, connection).await;
}

enum Listening {
    Unix(UnixListener),
    Tcp(TcpListener),
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listening {
    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => Ok(Stream::Tcp(listener.accept().await?.0)),
        }
    }
}

impl Stream {
    fn try_write(&self, text: &str) {
        let _ = match self {
            Self::Unix(stream) => stream.try_write(text.as_bytes()),
            Self::Tcp(stream) => stream.try_write(text.as_bytes()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_told_how_much_there_is_to_read() {
        let (head, body) = TOO_MANY.split_once("\r\n\r\n").expect("there is a body");
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
        assert!(body.contains(&format!("{MAX_CONNECTIONS} at most")));
    }
}
