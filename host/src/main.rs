//! The `jackalope` command: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    jackalope::cli::main()
}
