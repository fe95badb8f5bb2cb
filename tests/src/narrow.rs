//! A network between gateway and broker that is slow, and that sees what it
//! carries.
//!
//! It reads from the gateway at its pace, out of a small buffer of its kernel.
//! What it has read it passes on at once. The other direction is free.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::Packet;
use socket2::{Domain, Socket, Type};

use crate::PATIENCE;

/// How large the buffers of the kernel are, which doubles it for its own needs.
const BUFFER: usize = 4 << 10;

/// How much is read at once: a fraction of a letter.
const READ: usize = 256;

/// Forwards connections from a port of its own to that of a broker.
#[derive(Debug)]
pub struct Narrow {
    port: u16,
    shared: Arc<Shared>,
}

/// A packet that has come from the gateway.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When its last byte was read.
    pub at: SystemTime,
    /// On which connection, counted from 0.
    pub connection: usize,
    /// The packet.
    pub packet: Packet,
}

#[derive(Debug)]
struct Shared {
    /// Bytes a second, towards the broker.
    pace: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_held: bool,
    is_over: bool,
    cut_at: Option<String>,
    connections: usize,
    seen: Vec<Seen>,
    streams: Vec<TcpStream>,
}

impl Narrow {
    /// A network that carries so many bytes a second to a port of 127.0.0.1.
    pub fn to(broker: u16, pace: u32) -> Self {
        let listener = listen().expect("127.0.0.1 has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            pace,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let network = Self {
            port,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.lock().is_over {
                    return;
                }
                if let Ok(server) = connect(broker) {
                    // Whatever fails here is seen as a connection that ends.
                    let _ = shared.carry(client, server);
                }
            }
        });
        network
    }

    /// Where the gateway connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads nothing more from the gateway, until [`release`](Self::release).
    pub fn hold(&self) {
        self.shared.lock().is_held = true;
    }

    /// Reads again.
    pub fn release(&self) {
        self.shared.lock().is_held = false;
        self.shared.changed.notify_all();
    }

    /// Cuts the connection from now on whenever a PUBLISH on this topic comes,
    /// of which the broker gets no more than a part.
    pub fn cut_at(&self, topic: &str) {
        self.shared.lock().cut_at = Some(topic.to_owned());
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// All packets so far that have come from the gateway.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Waits for a packet from the gateway.
    #[track_caller]
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Packet) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !state.seen.iter().any(|seen| is_it(&seen.packet)) {
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} has come");
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        (state.is_over, state.is_held) = (true, false);
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        let mut state = self.lock();
        let number = state.connections;
        state.connections += 1;
        state.streams.push(client.try_clone()?);
        state.streams.push(server.try_clone()?);
        let (mut down, mut up) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut down, &mut up);
            let _ = up.shutdown(Shutdown::Both);
        });
        let shared = self.clone();
        thread::spawn(move || {
            shared.forward(number, &client, &server);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    /// Carries bytes from the gateway to the broker, until one of them is gone.
    fn forward(&self, connection: usize, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; READ];
        let mut packets = BytesMut::new();
        let mut next = Instant::now();
        loop {
            self.wait_while_held();
            #[expect(
                clippy::disallowed_methods,
                reason = "a slow network is slow by the clock; no test waits for it without a bound"
            )]
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let Ok(read @ 1..) = from.read(&mut buffer) else {
                return;
            };
            let at = SystemTime::now();
            // What was not used while there was nothing is not saved up.
            let time = Duration::from_secs(1) * u32::try_from(read).unwrap_or(u32::MAX) / self.pace;
            next = next.max(Instant::now() - time) + time;
            packets.extend_from_slice(&buffer[..read]);
            while let Ok(packet) = Packet::read(&mut packets, usize::MAX) {
                let mut state = self.lock();
                let is_cut = matches!(&packet, Packet::Publish(it) if state.cut_at.as_ref() == Some(&it.topic));
                state.seen.push(Seen {
                    at,
                    connection,
                    packet,
                });
                self.changed.notify_all();
                if is_cut {
                    return;
                }
            }
            if to.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    }

    fn wait_while_held(&self) {
        let mut state = self.lock();
        while state.is_held {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Connections that are accepted have the buffer of the listener.
fn listen() -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(16)?;
    Ok(socket.into())
}

/// With a small buffer, too, so that what is read is not piled up here.
fn connect(port: u16) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_send_buffer_size(BUFFER)?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}
