//! The wire: one connection to a broker, as packets.
//!
//! A [`Wire`] is one network connection, from its CONNECT to its end; the next
//! connection is another `Wire`. It decides nothing: what is written and when
//! is the post office's, and so is what a packet means. Its one duty besides
//! carrying is that what it was given can not leave too late: a packet is
//! [pushed](Wire::push) with the moment at which it expires, and when the
//! network has not taken it by then, the connection is beyond use.
//!
//! The codec below it, [`Decoder`], [`encode`] and [`encode_connect`], touches
//! no network, so that a simulation speaks with the very same bytes.

mod dial;
mod guard;
mod login;
mod v4;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub use dial::{Address, dial};
pub use login::{Login, LoginSource, Secret};
pub use v4::{DecodeError, Decoder, encode, encode_connect};

use crate::office::{Connect, Disconnection, Dispatch, Incoming, Outgoing, Time};
use guard::Guard;

/// How many bytes are encoded before they are written, while the network takes
/// all of them at once: enough for the system call not to matter.
const BATCH: usize = 64 << 10;

/// The same once it does not: few, since what is encoded can not be taken back,
/// and the connection with it ends when the network does not take it in time.
const SLOW_BATCH: usize = 16 << 10;

/// How much is read at once.
const READ: usize = 64 << 10;

/// How long a batch may take without keep-alive to say so.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// What every CONNECT of this gateway says.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The client id; empty lets the broker choose one.
    pub client_id: String,
    /// Whole seconds; zero turns keep-alive off.
    pub keep_alive: Duration,
    /// The user name and the password.
    pub login: Option<Login>,
    /// The largest packet that is read, in bytes; of a larger message only the
    /// topic is.
    pub max_packet_size: usize,
}

/// What the network has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has given some bytes.
    Read,
    /// It has taken the whole batch.
    Written,
}

/// One connection to a broker.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    input: BytesMut,
    /// Whether a packet may be left in `input`: what is read beyond it would
    /// pile up when packets are small and many.
    has_input: bool,
    output: BytesMut,
    /// How many bytes the batch at hand may have, or one packet more.
    batch: usize,
    /// When the batch in `output` must have been taken by the network.
    write_by: Option<Time>,
    write_timeout: Duration,
    guard: Guard,
}

impl Wire {
    /// Begins a session over a fresh connection: CONNECT is the first batch.
    pub fn new(
        now: Time,
        stream: TcpStream,
        handshake: &Handshake,
        connect: &Connect,
    ) -> Result<Self, DecodeError> {
        let write_timeout = match handshake.keep_alive {
            Duration::ZERO => WRITE_TIMEOUT,
            keep_alive => keep_alive,
        };
        Ok(Self {
            guard: Guard::new(write_timeout * 3 / 2),
            decoder: Decoder::new(handshake.max_packet_size),
            input: BytesMut::new(),
            has_input: false,
            output: v4::encode_connect(handshake, connect)?,
            batch: SLOW_BATCH,
            write_by: Some(now + write_timeout),
            write_timeout,
            stream,
        })
    }

    /// Whether a packet can be pushed: the last batch is gone, and the one at
    /// hand is not full.
    pub fn has_room(&self) -> bool {
        self.write_by.is_none() && self.output.len() < self.batch
    }

    /// Adds a packet to the batch at hand.
    pub fn push(&mut self, now: Time, dispatch: Dispatch) -> Result<(), DecodeError> {
        if let Some(expires) = dispatch.expires {
            self.guard.handle_push(now, expires);
        }
        v4::encode(dispatch.packet, &mut self.output)
    }

    /// Closes the batch at hand: it is written with the next [`Wire::flush`] or
    /// [`Wire::progress`].
    pub fn seal(&mut self, now: Time) -> io::Result<()> {
        if self.write_by.is_none() && !self.output.is_empty() {
            let by = now + self.write_timeout;
            self.write_by = Some(self.guard.earliest().map_or(by, |expires| by.min(expires)));
            self.guard.apply(now, &self.stream)?;
            self.batch = BATCH;
        }
        Ok(())
    }

    /// Writes of a closed batch what the network takes at once; the rest is
    /// written with [`Wire::progress`]. `clock` is asked as there.
    pub fn flush(&mut self, clock: fn() -> Time) -> Result<(), Disconnection> {
        if self.write_by.is_none() {
            return Ok(());
        }
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_write(&mut cx, clock) {
            Poll::Ready(written) => written,
            Poll::Pending => Ok(()),
        }
    }

    /// When [`Wire::is_stuck`] is to be asked again.
    pub fn next_timeout(&self) -> Option<Time> {
        self.write_by
    }

    /// Whether the network has not taken the batch in time. What is left of it
    /// must not be written any more.
    pub fn is_stuck(&self, now: Time) -> bool {
        self.write_by.is_some_and(|by| by <= now)
    }

    /// The next packet of those that were read.
    pub fn next_packet(&mut self) -> Result<Option<Incoming>, DecodeError> {
        let packet = self.decoder.decode(&mut self.input)?;
        self.has_input = packet.is_some();
        Ok(packet)
    }

    /// Waits until the network has taken the batch or, if `reads`, given bytes.
    /// It does both at once: a stuck write does not keep it from reading. It
    /// reads nothing before [`Wire::next_packet`] has said that there is none.
    ///
    /// `clock` is asked right before each write: the machine may have slept
    /// while the batch was waiting, and what is in it may have expired. Can be
    /// dropped and called again at any time.
    pub async fn progress(
        &mut self,
        reads: bool,
        clock: fn() -> Time,
    ) -> Result<Progress, Disconnection> {
        poll_fn(|cx| self.poll_progress(cx, reads, clock)).await
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        reads: bool,
        clock: fn() -> Time,
    ) -> Poll<Result<Progress, Disconnection>> {
        if self.write_by.is_some() {
            match self.poll_write(cx, clock) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(Progress::Written)),
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => {}
            }
        }
        if !reads || self.has_input {
            return Poll::Pending;
        }
        self.input.reserve(READ);
        let read = pin!(self.stream.read_buf(&mut self.input));
        Poll::Ready(match ready!(read.poll(cx)) {
            Ok(0) => Err(Disconnection::Closed),
            Ok(_) => {
                self.has_input = true;
                Ok(Progress::Read)
            }
            Err(error) => Err(lost(&error)),
        })
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        clock: fn() -> Time,
    ) -> Poll<Result<(), Disconnection>> {
        while !self.output.is_empty() {
            if self.is_stuck(clock()) {
                return Poll::Ready(Err(stuck()));
            }
            let write = Pin::new(&mut self.stream).poll_write(cx, &self.output);
            let Poll::Ready(written) = write else {
                self.batch = SLOW_BATCH;
                return Poll::Pending;
            };
            self.output.advance(written.map_err(|error| lost(&error))?);
        }
        self.write_by = None;
        self.guard.handle_written();
        Poll::Ready(Ok(()))
    }

    /// Ends the session in good order: writes what is left and DISCONNECT, and
    /// waits for the broker to close.
    pub async fn finish(mut self) -> io::Result<()> {
        if v4::encode(Outgoing::Disconnect, &mut self.output).is_err() {
            return Ok(());
        }
        self.stream.write_all(&self.output).await?;
        self.stream.shutdown().await?;
        // Closing with bytes unread would reset the connection, and the broker
        // might never see the DISCONNECT.
        while self.stream.read_buf(&mut self.input).await? > 0 {
            self.input.clear();
        }
        Ok(())
    }

    /// Ends the session in good order if that is possible without waiting, and
    /// lets go of the connection.
    pub fn close(mut self) {
        let is_clean =
            self.output.is_empty() && v4::encode(Outgoing::Disconnect, &mut self.output).is_ok();
        if !is_clean || self.stream.try_write(&self.output).ok() != Some(self.output.len()) {
            self.abort();
        }
    }

    /// Lets go of the connection and of all that the network has not yet
    /// carried: nothing of it may arrive later.
    pub fn abort(self) {
        // Without lingering, the kernel throws its buffer away. Where this
        // fails there is no connection left to do harm.
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }
}

/// Why a connection ends whose batch [is stuck](Wire::is_stuck).
pub fn stuck() -> Disconnection {
    Disconnection::Failed("the network did not take what was written in time".into())
}

fn lost(error: &io::Error) -> Disconnection {
    Disconnection::Failed(format!("the connection was lost: {error}"))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use tokio::net::TcpListener;

    use super::*;
    use crate::office::{Delivery, Payload, Publish};

    /// A wire whose CONNECT has gone out, and the other end, which has read it.
    async fn connected() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("127.0.0.1 has free ports");
        let address = listener.local_addr().expect("it is bound");
        let address = Address {
            host: address.ip().to_string(),
            port: address.port(),
        };
        let (stream, accepted) = tokio::join!(dial(&address), listener.accept());
        let (mut peer, _) = accepted.expect("it connects");

        let handshake = Handshake {
            client_id: "gateway".into(),
            keep_alive: Duration::from_secs(60),
            login: None,
            max_packet_size: 1_000,
        };
        let connect = Connect {
            clean_session: true,
            will: None,
        };
        let mut wire = Wire::new(NOW, stream.expect("it connects"), &handshake, &connect)
            .expect("it is valid");
        assert_eq!(wire.progress(true, || NOW).await, Ok(Progress::Written));
        let connect = encode_connect(&handshake, &connect).expect("it is valid");
        let mut before = vec![0; connect.len()];
        peer.read_exact(&mut before).await.expect("CONNECT");
        (wire, peer)
    }

    const NOW: Time = Time::from_millis(0);

    #[tokio::test]
    async fn a_batch_that_has_expired_while_it_waited_is_not_written() {
        let (mut wire, mut peer) = connected().await;
        let packet = Outgoing::PubRel(NonZeroU16::MIN);
        let expires = Some(Time::from_millis(5_000));
        wire.push(NOW, Dispatch { packet, expires })
            .expect("it is valid");
        wire.seal(NOW).expect("it is a TCP stream");
        assert_eq!(wire.next_timeout(), expires);
        // The machine sleeps for two hours, and the network is there at once.
        let late = wire.progress(true, || Time::from_millis(7_200_000)).await;
        assert_eq!(late, Err(stuck()));
        wire.abort();
        let mut after = Vec::new();
        let _ = peer.read_to_end(&mut after).await;
        assert_eq!(after, [0; 0]);
    }

    /// How many bytes are encoded before they are written.
    fn fill(wire: &mut Wire) -> usize {
        let before = wire.output.len();
        while wire.has_room() {
            push(wire, 1_000);
        }
        wire.seal(NOW).expect("it is a TCP stream");
        wire.output.len() - before
    }

    fn push(wire: &mut Wire, payload: usize) {
        let packet = Outgoing::Publish(Publish {
            topic: "t".into(),
            payload: Payload::new(vec![0; payload]),
            delivery: Delivery::AtMostOnce,
            retain: false,
            duplicate: false,
        });
        let expires = None;
        wire.push(NOW, Dispatch { packet, expires })
            .expect("it is valid");
    }

    #[tokio::test]
    async fn a_network_that_does_not_take_all_at_once_is_given_less() {
        let (mut wire, mut peer) = connected().await;
        fill(&mut wire);
        assert!(!wire.has_room());
        assert_eq!(wire.flush(|| NOW), Ok(()));
        assert!(wire.has_room());
        assert!((BATCH..BATCH + 2_000).contains(&fill(&mut wire)));
        assert_eq!(wire.progress(false, || NOW).await, Ok(Progress::Written));

        // More than any buffer of the kernel holds.
        push(&mut wire, 64 << 20);
        wire.seal(NOW).expect("it is a TCP stream");
        let mut rest = vec![0; 1 << 20];
        loop {
            tokio::select! {
                biased;
                written = wire.progress(false, || NOW) => break assert_eq!(written, Ok(Progress::Written)),
                read = peer.read(&mut rest) => assert_ne!(read.expect("it is open"), 0),
            }
        }
        assert!((SLOW_BATCH..SLOW_BATCH + 2_000).contains(&fill(&mut wire)));
    }

    #[tokio::test]
    async fn what_was_read_is_taken_before_more_is_read() {
        let (mut wire, mut peer) = connected().await;
        let pings = b"\xd0\x00".repeat(3);
        peer.write_all(&pings).await.expect("it is open");
        assert_eq!(wire.progress(true, || NOW).await, Ok(Progress::Read));
        let mut taken = 0;
        while wire.next_packet().expect("it is valid").is_some() {
            taken += 1;
            peer.write_all(&pings).await.expect("it is open");
            wire.stream.readable().await.expect("it is open");
            let mut cx = Context::from_waker(Waker::noop());
            let more = pin!(wire.progress(true, || NOW)).poll(&mut cx);
            assert_eq!(more, Poll::Pending, "after {taken} packets");
        }
        assert!((1..=3).contains(&taken), "{taken} packets of one read");
        assert_eq!(wire.progress(true, || NOW).await, Ok(Progress::Read));
    }
}
