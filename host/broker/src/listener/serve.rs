//! The tasks behind a listener: one that accepts and keeps time, and one for
//! each socket.

use std::future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time;

use super::layers::{Layers, Stop, TlsServer};
use super::shared::{OUTBOX_LIMIT, Shared};
use crate::event::{ConnectionId, TlsError};

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// How long to wait after a failed accept: the system may be out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` ticks or its sender is gone. The sockets are closed
/// before it returns.
#[expect(
    clippy::disallowed_methods,
    reason = "a fake broker need not notice that the machine has slept"
)]
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    tls: Option<TlsServer>,
    mut stop: watch::Receiver<()>,
) {
    let mut sockets = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (id, wake) = shared.open();
                    let layers = Layers::new(tls.clone());
                    sockets.spawn(connection(stream, layers, shared.clone(), id, wake));
                }
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
            () = sleep(shared.idle()) => shared.change(|core, now| core.handle_timeout(now)),
            () = shared.earlier() => {}
            _ = stop.changed() => break,
            Some(_) = sockets.join_next() => {}
        }
    }
    sockets.shutdown().await;
}

async fn sleep(idle: Option<Duration>) {
    match idle {
        #[expect(
            clippy::disallowed_methods,
            reason = "a fake broker need not notice that the machine has slept"
        )]
        Some(idle) => time::sleep(idle).await,
        None => future::pending().await,
    }
}

async fn connection(
    mut stream: TcpStream,
    mut layers: Layers,
    shared: Arc<Shared>,
    id: ConnectionId,
    wake: Arc<Notify>,
) {
    // What a broken socket says is what closing it says.
    let _ = exchange(&mut stream, &mut layers, &shared, id, &wake).await;
    let _ = stream.shutdown().await;
    drop(stream);
    if layers.is_handshaking() {
        shared.change(|core, now| core.handle_tls_error(now, id, TlsError::HungUp));
    }
    shared.close(id);
}

/// Moves bytes until the connection is to be closed, by either side.
async fn exchange(
    stream: &mut TcpStream,
    layers: &mut Layers,
    shared: &Shared,
    id: ConnectionId,
    wake: &Notify,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut chunk = vec![0; CHUNK];
    let (mut batch, mut unsent) = (BytesMut::new(), BytesMut::new());
    loop {
        let turn = shared.turn(id, unsent.is_empty().then_some(&mut batch));
        layers.handle_sent(batch.split(), &mut unsent);
        if turn.close && !turn.waits {
            layers.finish(&mut unsent);
        }
        write(stream, &mut unsent)?;
        if turn.close && !(turn.waits && unsent.is_empty()) {
            return Ok(());
        }
        // What layers answer themselves is in no outbox.
        let reads = turn.reads && unsent.len() < OUTBOX_LIMIT;
        tokio::select! {
            ready = stream.readable(), if reads => {
                ready?;
                if !read(stream, layers, shared, id, &mut chunk, &mut unsent)? {
                    let _ = write(stream, &mut unsent);
                    return Ok(());
                }
            }
            ready = stream.writable(), if turn.waits || !unsent.is_empty() => ready?,
            () = wake.notified() => {}
        }
    }
}

/// Writes what the network takes.
fn write(stream: &TcpStream, unsent: &mut BytesMut) -> io::Result<()> {
    while !unsent.is_empty() {
        match stream.try_write(unsent) {
            Ok(sent) => unsent.advance(sent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads once; whether there may be more. Under the lock, so that nothing is
/// read any more once [`StopReading`](crate::Fault::StopReading) is
/// injected.
fn read(
    stream: &TcpStream,
    layers: &mut Layers,
    shared: &Shared,
    id: ConnectionId,
    chunk: &mut [u8],
    unsent: &mut BytesMut,
) -> io::Result<bool> {
    shared.change(|core, now| {
        if !core.wants_read(id) {
            return Ok(true);
        }
        match stream.try_read(chunk) {
            Ok(length) => {
                let mut packets = BytesMut::new();
                let result = layers.handle_read(&chunk[..length], &mut packets, unsent);
                core.handle_bytes(now, id, &packets);
                let goes_on = length > 0 && result != Err(Stop::Refused);
                match result {
                    Err(Stop::Violation(violation)) => core.handle_violation(now, id, violation),
                    Err(Stop::Tls(error)) => core.handle_tls_error(now, id, error),
                    Ok(()) | Err(Stop::Refused) => {}
                }
                Ok(goes_on)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    })
}
