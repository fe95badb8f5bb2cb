//! The command line: one file a subcommand.

mod check;
mod logging;
mod run;
mod test;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A host for IoT gateway devices: one MQTT session, a work list with a time to
/// live on every publish, and guests as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "jackalope", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 success, 64 wrong usage, 78 wrong configuration, 1 anything else.
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
    Run {
        /// The configuration, in TOML.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Tell whether components are guests that this host can run.
    ///
    /// Prints the imports, exports, size and verdict of each; exits with 0 if
    /// all fit and 1 if one does not.
    Check {
        /// Components: files that `cargo build --target wasm32-wasip2` makes.
        #[arg(required = true, value_name = "GUEST")]
        guests: Vec<PathBuf>,
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

/// Why a command did not succeed; each has its exit code, after sysexits.h.
#[derive(Debug)]
enum Failure {
    /// The configuration, or something it names, can not be used: 78.
    Config(anyhow::Error),
    /// The arguments ask for nothing that can be done: 64.
    Usage(anyhow::Error),
    /// Everything else: 1.
    Other(anyhow::Error),
}

const EXIT_USAGE: u8 = 64;
const EXIT_CONFIG: u8 = 78;

impl Failure {
    fn config(error: impl Into<anyhow::Error>) -> Self {
        Self::Config(error.into())
    }

    fn other(error: impl Into<anyhow::Error>) -> Self {
        Self::Other(error.into())
    }

    /// Says what is wrong on standard error.
    fn report(self) -> ExitCode {
        let (error, code) = match self {
            Self::Config(error) => (error, EXIT_CONFIG),
            Self::Usage(error) => (error, EXIT_USAGE),
            Self::Other(error) => (error, 1),
        };
        complain(format_args!("error: {error:#}"));
        ExitCode::from(code)
    }
}

/// A line on standard error. Where there is none, nobody is listening.
fn complain(line: impl Display) {
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
        Command::Run { config } => run::run(config.as_deref()).map(|()| ExitCode::SUCCESS),
        Command::Check { guests } => check::check(&guests),
        Command::Test { guest, scenarios } => test::test(&guest, &scenarios),
    };
    result.unwrap_or_else(Failure::report)
}
