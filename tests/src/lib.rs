//! What the integration tests are written with: guests as paths of components,
//! a real broker, a network that can be cut, the gateway as a process, the post
//! office alone.
//!
//! Nothing here waits for a fixed time: everything waits for something to be
//! seen, and gives up loudly after [`PATIENCE`].

// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

mod certificates;
mod door;
mod fake_broker;
mod gateway;
pub mod hosted;
mod http_proxy;
mod letters;
mod lines;
mod mosquitto;
mod narrow;
pub mod office;
pub mod peers;
pub mod plain;
mod process;
mod project;
mod proxy;
mod random;
pub mod schedules;

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

pub use certificates::Certificates;
pub use door::check_no_command_comes_late;
pub use fake_broker::FakeBroker;
pub use gateway::{Gateway, GatewayOptions, run_to_end};
pub use http_proxy::HttpProxy;
pub use letters::check_letters_arrive;
pub use lines::Lines;
pub use mosquitto::{Mosquitto, Subscriber, mosquitto_pub};
pub use narrow::{Narrow, Seen};
pub use process::{Process, command, kernel_count};
pub use project::{PROJECT, Project, texts};
pub use proxy::Proxy;
pub use random::Random;

/// Publishes as fast as its letters are acknowledged.
pub const BURST: &str = env!("TEST_GUEST_BURST");

/// Obedient: sends back what it gets and counts what becomes of it.
pub const ECHO: &str = env!("TEST_GUEST_ECHO");

/// Publishes letters that may come too late, and counts their outcomes.
pub const FLOOD: &str = env!("TEST_GUEST_FLOOD");

/// Does whatever a guest should not do, as a message asks for.
pub const HOSTILE: &str = env!("TEST_GUEST_HOSTILE");

/// Publishes a reading at each of its timers.
pub const SENSOR: &str = env!("TEST_GUEST_SENSOR");

/// Keeps a state as messages say, and looks at its settings.
pub const KEEPER: &str = env!("TEST_GUEST_KEEPER");

/// Tells what becomes of its letters, and counts in its state.
pub const TELLER: &str = env!("TEST_GUEST_TELLER");

/// Names the last will of the session.
pub const WILL: &str = env!("TEST_GUEST_WILL");

/// The example guest.
pub const DOOR: &str = env!("TEST_GUEST_DOOR");

/// How long anything may take before a test fails: far more than it needs on
/// the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// So many of them, each another one.
///
/// The system gives them to nobody else as long as this process runs: a socket is bound to
/// each of them that allows others beside it, as servers do (`SO_REUSEADDR`), and does not
/// listen. Each would be free for any connection that begins meanwhile else.
pub fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| reserve_port().expect("127.0.0.1 has free ports"))
}

fn reserve_port() -> io::Result<u16> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let bound = TcpListener::from(socket);
    let port = bound.local_addr()?.port();
    // Closed when the process ends.
    mem::forget(bound);
    Ok(port)
}

/// Whether a benchmark only has to show that it runs: it was not started by
/// `cargo bench`, or was by `cargo bench -- --test`.
pub fn is_smoke() -> bool {
    let mut arguments: Vec<String> = std::env::args().collect();
    arguments.retain(|argument| argument == "--bench" || argument == "--test");
    arguments != ["--bench"]
}
