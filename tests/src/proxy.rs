//! A network between gateway and broker that can be cut and held up.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Forwards connections from a port of its own to that of a broker.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug)]
struct State {
    is_up: bool,
    /// How many bytes more may go towards the broker.
    allowance: usize,
    streams: Vec<TcpStream>,
    is_over: bool,
}

impl Proxy {
    /// A network that carries everything to a port of 127.0.0.1.
    pub fn to(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let state = State {
            is_up: true,
            allowance: usize::MAX,
            streams: Vec::new(),
            is_over: false,
        };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let proxy = Self {
            port,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = lock(&shared);
                if state.is_over {
                    return;
                }
                if !state.is_up {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", broker)) else {
                    continue;
                };
                for (from, to, is_held) in [(&client, &server, true), (&server, &client, false)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                        continue;
                    };
                    let shared = shared.clone();
                    thread::spawn(move || forward(from, to, is_held, &shared));
                }
                state.streams.extend([client, server]);
            }
        });
        proxy
    }

    /// Where the gateway connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections, and every new one until [`restore`](Self::restore).
    pub fn cut(&self) {
        let mut state = lock(&self.shared);
        state.is_up = false;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.1.notify_all();
    }

    /// Carries everything again.
    pub fn restore(&self) {
        let mut state = lock(&self.shared);
        state.is_up = true;
        state.allowance = usize::MAX;
        self.shared.1.notify_all();
    }

    /// Lets so many bytes more go towards the broker, and holds the rest up
    /// until the network is cut or restored. The other direction stays free.
    pub fn allow(&self, bytes: usize) {
        lock(&self.shared).allowance = bytes;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.shared).is_over = true;
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock(shared: &(Mutex<State>, Condvar)) -> MutexGuard<'_, State> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forward(
    mut from: TcpStream,
    mut to: TcpStream,
    is_held: bool,
    shared: &(Mutex<State>, Condvar),
) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            let part = if is_held {
                allowed(rest.len(), shared)
            } else {
                rest.len()
            };
            if part == 0 || to.write_all(&rest[..part]).is_err() {
                return;
            }
            rest = &rest[part..];
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Waits until some of so many bytes may go; none may once the network is cut.
fn allowed(bytes: usize, shared: &(Mutex<State>, Condvar)) -> usize {
    let mut state = lock(shared);
    while state.is_up && state.allowance == 0 {
        state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    if !state.is_up {
        return 0;
    }
    let bytes = bytes.min(state.allowance);
    state.allowance -= bytes;
    bytes
}
