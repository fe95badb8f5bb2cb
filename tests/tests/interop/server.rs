//! A broker that runs.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jackalope_tests::{Lines, PATIENCE};

use crate::brokers::{Broker, Transport};
use crate::place::Place;

/// A process, with all that it starts itself.
#[derive(Debug)]
pub(crate) struct Server {
    broker: &'static Broker,
    pub(crate) place: Place,
    process: Child,
    /// What it prints.
    log: Lines,
    undertaker: Undertaker,
}

/// Ends a broker and removes its files when this process is gone, however it has
/// ended: it hears so by the end of its input.
#[derive(Debug)]
struct Undertaker(Child);

/// A server for one case: one of its own, or the only one.
pub(crate) enum Lease {
    Own(Box<Server>),
    Shared(MutexGuard<'static, Option<Server>>),
}

impl Lease {
    pub(crate) fn of(broker: &'static Broker) -> Self {
        /// There is one such broker.
        static SHARED: Mutex<Option<Server>> = Mutex::new(None);
        if !broker.is_shared {
            return Self::Own(Box::new(Server::start(broker)));
        }
        // A case that has failed leaves a broker that still works.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.get_or_insert_with(|| Server::start(broker));
        assert!(server.broker.name == broker.name, "only one is shared");
        if !server.is_running() {
            server.start_again();
        }
        Self::Shared(shared)
    }

    pub(crate) fn server(&self) -> &Server {
        match self {
            Self::Own(server) => server,
            Self::Shared(shared) => shared.as_ref().expect("it was put in"),
        }
    }

    pub(crate) fn server_mut(&mut self) -> &mut Server {
        match self {
            Self::Own(server) => server,
            Self::Shared(shared) => shared.as_mut().expect("it was put in"),
        }
    }
}

impl Server {
    #[track_caller]
    fn start(broker: &'static Broker) -> Self {
        let mut last = String::new();
        for _ in 0..5 {
            let place = Place::new();
            let mut undertaker = Undertaker::of(&place);
            let (process, log) = spawn(broker, &place, &mut undertaker);
            let mut server = Self {
                broker,
                place,
                process,
                log,
                undertaker,
            };
            // Somebody else may have been given a port in between.
            if server.is_up() {
                return server;
            }
            last = server.log.all().join("\n");
        }
        panic!("{} does not start:\n{last}", broker.name);
    }

    pub(crate) fn port(&self) -> u16 {
        self.place.port(Transport::Tcp)
    }

    fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn is_up(&mut self) -> bool {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up && self.is_running() {
            let mut transports = self.broker.transports.iter();
            let is_open = |transport: &Transport| {
                TcpStream::connect(("127.0.0.1", self.place.port(*transport))).is_ok()
            };
            if transports.all(is_open) {
                return true;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        false
    }

    /// Ends it in good order; if it does not end, in the other.
    pub(crate) fn stop(&mut self) {
        signal_group(&self.process, "TERM");
        let give_up = Instant::now() + PATIENCE / 2;
        while self.is_running() && Instant::now() < give_up {
            thread::park_timeout(Duration::from_millis(20));
        }
        self.kill();
    }

    fn kill(&mut self) {
        signal_group(&self.process, "KILL");
        let _ = self.process.wait();
        self.undertaker.forget();
    }

    /// Starts it in the same place, on what it has kept.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        (self.process, self.log) = spawn(self.broker, &self.place, &mut self.undertaker);
        assert!(
            self.is_up(),
            "{} does not start again:\n{}",
            self.broker.name,
            self.log.all().join("\n")
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a test that fails shows what happened")]
            {
                eprintln!("{}:\n{}", self.broker.name, self.log.all().join("\n"));
            }
        }
        self.kill();
    }
}

impl Undertaker {
    fn of(place: &Place) -> Self {
        const SCRIPT: &str = "while read -r group; do last=$group; done\n\
            [ -z \"$last\" ] || kill -s KILL -- \"-$last\"\n\
            rm -rf -- \"$@\"";
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "undertaker"])
            .arg(&place.directory)
            .arg(place.certificates.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What ends the tests by Ctrl-C is not to end this.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        Self(child)
    }

    fn watch(&mut self, group: u32) {
        self.tell(&group.to_string());
    }

    fn forget(&mut self) {
        self.tell("");
    }

    fn tell(&mut self, line: &str) {
        let stdin = self.0.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("it reads");
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn spawn(broker: &Broker, place: &Place, undertaker: &mut Undertaker) -> (Child, Lines) {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut process = (broker.command)(place)
        .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
        .current_dir(&place.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("it is installed");
    undertaker.watch(process.id());
    let log = Lines::of(process.stderr.take().expect("it is piped"));
    (process, log)
}

/// What it has started itself has to end as well.
fn signal_group(process: &Child, name: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, "--", &format!("-{}", process.id())])
        .stderr(Stdio::null())
        .status();
}
