//! The connections of the control socket, each with one request, within bounds.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Either;
use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::answers::Code;
use super::listener::{Listener, Socket};
use super::reload::Reloads;
use super::requests;
use super::token::Token;
use super::unasked::{self, Unasked};
use crate::gateway::Control;

/// How many connections there can be.
const MAX_CONNECTIONS: usize = 64;

/// How many of them can wait for an outcome.
const MAX_WAITING: usize = 32;

/// How many bytes the head of a request may have: a topic may have 65,535, and the
/// parser of addresses takes no more.
pub(super) const MAX_HEAD: usize = 80 << 10;

/// How long a head may take to come, a body, and an answer to go.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long those who are answered at the end of the gateway may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// After this the next connection is taken when there was no room for one.
const PAUSE: Duration = Duration::from_millis(100);

/// So often tasks run before one is taken for idle.
const LOOKS: usize = 4;

/// How many bytes of its body each connection has room for, whatever the others do.
pub(super) const ROOM_FOR_EACH: usize = 64 << 10;

/// Larger bodies of so many bytes may come at once beside one of the largest size.
const BODIES: usize = 4 << 20;

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) control: Control,
    pub(super) reloads: Reloads,
    pub(super) token: Option<Token>,
    /// How many bytes a payload may have.
    pub(super) max_payload: usize,
    /// Room for larger bodies, in KiB.
    pub(super) bodies: Semaphore,
    /// Room for those who wait for outcomes.
    pub(super) waiting: Semaphore,
}

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The head of its request comes.
    Coming,
    /// The head is there, and what it asks for waits for the body.
    Sending,
    /// Its request is carried out.
    Asking,
    /// It was given its answer.
    Answering,
    /// It was given one that has no end of its own.
    Following,
}

impl Stage {
    /// Whether there is no whole request yet.
    fn is_on_its_way(self) -> bool {
        matches!(self, Self::Coming | Self::Sending)
    }
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
    let mut places = Places::default();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(_) = places.tasks.join_next(), if !places.tasks.is_empty() => continue,
            accepted = listening.accept() => accepted,
        };
        match accepted {
            Ok(stream) if places.make_room().await => {
                let shared = shared.clone();
                match stream {
                    Stream::Unix(it) => places.take(|stage| connection(it, shared, stage)),
                    Stream::Tcp(it) => places.take(|stage| connection(it, shared, stage)),
                }
            }
            // What the kernel does not take at once is too much for him.
            Ok(stream) => stream.try_write(&too_many()),
            Err(error) => {
                tracing::debug!("no connection to the control socket: {error}");
                #[expect(clippy::disallowed_methods, reason = "only until files are free again")]
                sleep(PAUSE).await;
            }
        }
    }
    let all = async { while places.tasks.join_next().await.is_some() {} };
    #[expect(clippy::disallowed_methods, reason = "only how long the end may take")]
    let _ = timeout(LAST_WORDS, all).await;
}

/// To who comes when there are too many.
fn too_many() -> Vec<u8> {
    let what = format!("too many connections: {MAX_CONNECTIONS} at most");
    unasked::answer(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, what)
}

/// The connections that there are.
#[derive(Default)]
struct Places {
    tasks: JoinSet<()>,
    /// In the order in which they came, with what each is at.
    taken: Vec<(AbortHandle, watch::Receiver<Stage>)>,
}

impl Places {
    /// Whether there is room for one more. If there is none, the one that has been
    /// there longest without a whole request makes some.
    async fn make_room(&mut self) -> bool {
        if self.is_room() {
            return true;
        }
        // What was sent before is to be seen: tasks run, the kernel is asked, they run again.
        for _ in 0..LOOKS {
            yield_now().await;
        }
        if self.is_room() {
            return true;
        }
        let mut taken = self.taken.iter();
        let Some(first) = taken.position(|(_, stage)| stage.borrow().is_on_its_way()) else {
            return false;
        };
        self.taken.remove(first).0.abort();
        // That one ends at once, if no other has.
        self.tasks.join_next().await;
        true
    }

    fn is_room(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.taken.retain(|(task, _)| !task.is_finished());
        self.tasks.len() < MAX_CONNECTIONS
    }

    /// The next one, made of where it says what it is at.
    fn take<F>(&mut self, connection: impl FnOnce(watch::Sender<Stage>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stage, seen) = watch::channel(Stage::Coming);
        let task = self.tasks.spawn(connection(stage));
        self.taken.push((task, seen));
    }
}

/// One request and its answer.
async fn connection<S>(stream: S, shared: Arc<Shared>, stage: watch::Sender<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut seen = stage.subscribe();
    let stream = Unasked::new(stream, stage.subscribe());
    let service = service_fn(|request| {
        let (shared, stage) = (&shared, &stage);
        stage.send_replace(Stage::Asking);
        async move {
            let answer = requests::answer(shared, stage, request).await;
            stage.send_replace(match answer.body() {
                Either::Left(_) => Stage::Answering,
                Either::Right(_) => Stage::Following,
            });
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let is_answered = |stage: &Stage| matches!(stage, Stage::Answering | Stage::Following);
    let stage = tokio::select! {
        // Who breaks the rules of HTTP, or goes, needs no line in the log.
        _ = &mut connection => None,
        stage = seen.wait_for(is_answered) => stage.ok().map(|stage| *stage),
    };
    let rest = async {
        match stage {
            Some(_) => drop(connection.await),
            None => connection.into_parts().io.into_inner().say().await,
        }
    };
    if stage == Some(Stage::Following) {
        return rest.await;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "only how long a client may take to read its answer"
    )]
    let _ = timeout(PATIENCE, rest).await;
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
    fn try_write(&self, bytes: &[u8]) {
        let _ = match self {
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// As many connections as there can be, each at this.
    fn full(stage: Stage) -> (Places, Vec<Arc<watch::Sender<Stage>>>) {
        let (mut places, mut stages) = (Places::default(), Vec::new());
        for _ in 0..MAX_CONNECTIONS {
            places.take(|own| {
                own.send_replace(stage);
                let own = Arc::new(own);
                stages.push(own.clone());
                async move {
                    let _own = own;
                    pending().await
                }
            });
        }
        (places, stages)
    }

    /// The connections that are there, by their numbers.
    fn there(stages: &[Arc<watch::Sender<Stage>>]) -> Vec<usize> {
        let all = stages.iter().enumerate();
        all.filter(|(_, stage)| Arc::strong_count(stage) > 1)
            .map(|(number, _)| number)
            .collect()
    }

    #[tokio::test]
    async fn who_has_been_silent_longest_makes_room() {
        let (mut places, stages) = full(Stage::Coming);
        stages[0].send_replace(Stage::Asking);
        stages[2].send_replace(Stage::Following);
        stages[3].send_replace(Stage::Sending);
        for gone in [1, 3] {
            assert!(places.make_room().await);
            assert!(!there(&stages).contains(&gone));
            places.take(|_| pending());
        }
        assert_eq!(there(&stages).len(), MAX_CONNECTIONS - 2);
        assert_eq!(places.tasks.len(), MAX_CONNECTIONS);
    }

    #[tokio::test]
    async fn who_has_asked_makes_none() {
        for stage in [Stage::Asking, Stage::Answering, Stage::Following] {
            let (mut places, stages) = full(stage);
            assert!(!places.make_room().await, "{stage:?}");
            assert_eq!(there(&stages).len(), MAX_CONNECTIONS);
        }
    }
}
