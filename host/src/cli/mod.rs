//! The command line: one file a subcommand.

mod run;
mod test;

mod dev;

mod broker;

mod check;

mod new;

mod remote;

mod letters;

mod assemble;
mod changed;
mod components;
mod control;
mod engine;
mod keeping;
mod logging;
mod reload;
mod signals;
mod systemd;

use std::fmt::Display;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::office::topic;

/// A host for IoT gateway devices: one MQTT session, a work list with a time to
/// live on every publish, and guests as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "jackalope", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 success, 64 wrong usage, 78 wrong configuration, 75 not now (the work list is in \
use by another process, or a gateway says to try again later), 1 anything else; the commands that speak to a gateway have more.
JACKALOPE_LOG chooses what is logged: error, warn, info (default), debug, or a \
filter such as `info,guest=debug`.";

const TEST_EXAMPLES: &str = "\
Examples:
  jackalope test example:door guest-example/scenarios/*.toml
  echo '[doors/front/request] {\"action\":\"unlock\"}' | jackalope test example:door";

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to a broker and run guests until SIGTERM or Ctrl-C.
    ///
    /// Without a configuration: to localhost:1883 as client `jackalope`, with a
    /// built-in handler that logs what happens. Values of the file can be
    /// overridden by JACKALOPE_… variables; jackalope.example.toml lists all.
    /// SIGHUP has it read configuration and components again, as `jackalope reload` does;
    /// SIGUSR1 makes a new connection, as `jackalope reconnect` does.
    Run {
        /// The configuration, in TOML.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        look: run::Look,
    },
    /// Try a guest out: with a fake broker, by hand or by a script.
    ///
    /// Runs the guest in a gateway of its own and shows all that happens, as it
    /// happens, in real time. Lines on standard input are messages for the guest,
    /// `[topic] payload`, or disturb the connection; `help` lists them. Where
    /// standard input is no terminal, each line waits until the effects of the
    /// last one are over, and so does the end of input, which ends the command. When the
    /// file of the guest changes, it is loaded again.
    #[command(after_help = DEV_HELP)]
    Dev {
        #[command(flatten)]
        guest: dev::Chosen,
    },
    /// Run the fake broker alone.
    ///
    /// MQTT 3.1.1 and MQTT 5 for development and tests: strict, in memory, open
    /// to everybody who reaches it unless there is a `--user`. Prints each packet until SIGTERM or Ctrl-C:
    /// what a client sends behind `>`, what it is sent behind `<`.
    Broker {
        /// Where to listen: an IP address and a port; 0 lets the system choose.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883", value_parser = socket_address)]
        listen: SocketAddr,
        #[command(flatten)]
        behaviour: broker::Behaviour,
    },
    /// Begin a guest: a project that builds, with tests and a configuration.
    ///
    /// The guest is a sensor, the same in each language: it is told its settings, called
    /// by a timer, keeps a state, and publishes readings and alarms.
    New {
        /// Where the project is to be: a directory that is empty or not there yet. Its
        /// name becomes that of the guest.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// What the guest is written in.
        #[arg(long, value_enum, default_value = "rust")]
        language: new::Language,
    },
    /// Tell whether components are guests that this host can run, and what they do.
    ///
    /// Prints of each what it asks for by its imports and what it offers by its
    /// exports, in plain words and by name; of the guests of a configuration also what
    /// they are permitted. Exits with 0 if all fit and 1 if one does not.
    Check {
        /// Components: files that `cargo build --target wasm32-wasip2` makes.
        #[arg(required_unless_present = "config", value_name = "GUEST")]
        guests: Vec<PathBuf>,
        /// A configuration, of which all guests are looked at.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Publish a letter by a gateway that runs.
    ///
    /// It is accepted online and offline, and goes out while its ttl lasts.
    #[command(after_help = remote::PUBLISH_HELP)]
    Publish {
        #[command(flatten)]
        letter: remote::Letter,
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// Hand a message to a guest of a gateway that runs.
    ///
    /// The guest is told that it comes from the gateway (`origin`), not from the broker.
    Send {
        #[command(flatten)]
        message: remote::Message,
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// Tell how a gateway is doing that runs: its session, its letters, its guests.
    #[command(after_help = remote::STATUS_HELP)]
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// Show what a gateway does that runs, as it does it: connections, messages, letters
    /// and their outcomes, timers, what guests print and how they fail.
    ///
    /// Until it ends, or Ctrl-C. The gateway does not wait for who reads this: what comes
    /// too fast is left out and counted.
    #[command(after_help = remote::FOLLOW_HELP)]
    Follow {
        #[command(flatten)]
        look: remote::Look,
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// List the letters of a gateway that have no outcome yet, or call one back.
    ///
    /// Of a gateway that runs, or with --config or --directory of one that is stopped and
    /// keeps them on a disk; of that one letters can also be exported and imported.
    #[command(after_help = letters::HELP)]
    Letters {
        #[command(flatten)]
        listing: remote::Listing,
        #[command(flatten)]
        kept: letters::Kept,
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// Have a gateway read its configuration and components again.
    ///
    /// Guests are added, removed and replaced, and subscriptions changed, while the
    /// session goes on; guests that stay keep all that they have. All of it takes
    /// effect, or nothing does. Another broker or client id needs a new session, which
    /// then begins.
    #[command(after_help = remote::RELOAD_HELP)]
    Reload {
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// Have a gateway drop its connection and make a new one.
    Reconnect {
        #[command(flatten)]
        gateway: remote::Where,
    },
    /// Run scenarios: tests of a guest, in virtual time.
    ///
    /// A scenario file is TOML; guest-example/scenarios has some to read. There
    /// is no network and no waiting: an outage of two hours takes milliseconds.
    /// Exits with 0 if all have passed and 1 if one has failed.
    ///
    /// Without a file, messages are read from standard input, one a line, and
    /// what they lead to is printed; exits with 0 unless a call of the guest
    /// failed.
    #[command(after_long_help = TEST_EXAMPLES)]
    Test {
        /// A component, or `example:door` for the guest that is built in.
        #[arg(value_name = "GUEST")]
        guest: String,
        /// Scenario files.
        #[arg(value_name = "SCENARIO")]
        scenarios: Vec<PathBuf>,
    },
}

const DEV_HELP: &str = "\
Examples:
  printf '[doors/front/request] {\"action\":\"unlock\"}\\n' | jackalope dev
  jackalope dev --config jackalope.toml --guest door";

fn topic_filter(text: &str) -> Result<String, String> {
    match topic::check_filter(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(format!("the topic filter {error}")),
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, e.g. 127.0.0.1:1883 or [::1]:1883".to_owned())
}

/// Why a command did not succeed; each has its exit code, after sysexits.h.
#[derive(Debug)]
enum Failure {
    /// The configuration, or something it names, can not be used: 78.
    Config(anyhow::Error),
    /// The arguments do not fit together: 64.
    Usage(anyhow::Error),
    /// There is no gateway to speak to: 69.
    Unavailable(anyhow::Error),
    /// It may be done if it is tried again later: 75.
    ForNow(anyhow::Error),
    /// It is not known whether it was done: 6.
    Uncertain(anyhow::Error),
    /// Everything else: 1.
    Other(anyhow::Error),
}

const EXIT_UNCERTAIN: u8 = 6;
const EXIT_USAGE: u8 = 64;
const EXIT_UNAVAILABLE: u8 = 69;
const EXIT_FOR_NOW: u8 = 75;
const EXIT_CONFIG: u8 = 78;

impl Failure {
    fn config(error: impl Into<anyhow::Error>) -> Self {
        Self::Config(error.into())
    }

    fn other(error: impl Into<anyhow::Error>) -> Self {
        Self::Other(error.into())
    }

    /// What is wrong.
    fn error(&self) -> &anyhow::Error {
        match self {
            Self::Config(error)
            | Self::Usage(error)
            | Self::Unavailable(error)
            | Self::ForNow(error)
            | Self::Uncertain(error)
            | Self::Other(error) => error,
        }
    }

    /// Prints what is wrong on standard error.
    fn report(self) -> ExitCode {
        let (error, code) = match self {
            Self::Config(error) => (error, EXIT_CONFIG),
            Self::Usage(error) => (error, EXIT_USAGE),
            Self::Unavailable(error) => (error, EXIT_UNAVAILABLE),
            Self::ForNow(error) => (error, EXIT_FOR_NOW),
            Self::Uncertain(error) => (error, EXIT_UNCERTAIN),
            Self::Other(error) => (error, 1),
        };
        print_error(format_args!("error: {error:#}"));
        ExitCode::from(code)
    }
}

/// A number that nobody knows before: where chance comes in.
#[expect(
    clippy::disallowed_methods,
    reason = "the keys of a hash map are all that std draws at random"
)]
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Prints a line on standard error, if there is one.
fn print_error(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs the command that the arguments of this process ask for.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match cli.command {
        Command::Run { config, look } => {
            run::run(config.as_deref(), look).map(|()| ExitCode::SUCCESS)
        }
        Command::Dev { guest } => dev::dev(guest).map(|()| ExitCode::SUCCESS),
        Command::New {
            directory,
            language,
        } => new::new(&directory, language).map(|()| ExitCode::SUCCESS),
        Command::Broker { listen, behaviour } => {
            broker::broker(listen, behaviour).map(|()| ExitCode::SUCCESS)
        }
        Command::Publish { letter, gateway } => remote::publish(&gateway, letter),
        Command::Send { message, gateway } => remote::send(&gateway, message),
        Command::Status { json, gateway } => remote::status(&gateway, json),
        Command::Follow { look, gateway } => remote::follow(&gateway, look),
        Command::Letters {
            listing,
            kept,
            gateway,
        } => letters::letters(&gateway, &listing, &kept),
        Command::Reload { gateway } => remote::reload(&gateway),
        Command::Reconnect { gateway } => remote::reconnect(&gateway),
        Command::Check { guests, config } => check::check(&guests, config.as_deref()),
        Command::Test { guest, scenarios } => test::test(&guest, &scenarios),
    };
    result.unwrap_or_else(Failure::report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_may_be_below_zero() {
        for command in [&["publish", "t"][..], &["send", "guest", "t"]] {
            for payload in [&["-5"][..], &["-5.5"], &["-1e3"], &["-"], &["--", "-x"]] {
                let words = [&["jackalope"], command, payload].concat();
                Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
            }
            let wrong = [&["jackalope"], command, &["--tll", "5s"]].concat();
            assert!(Cli::try_parse_from(wrong).is_err());
        }
        let words = ["jackalope", "publish", "t", "-5", "--wait"];
        assert!(Cli::try_parse_from(words).is_ok());
    }
}
