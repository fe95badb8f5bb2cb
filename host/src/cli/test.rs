//! `jackalope test`: scenarios, or lines on standard input, against a guest.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::{Failure, engine, logging};
use crate::guest::Component;
use crate::scenario::{File, Lines, LinesError};
use crate::testing;

const USAGE: &str = "name scenario files, or give lines `[topic] payload` on standard input";

/// Runs scenario files, or what is on standard input.
pub(super) fn test(guest: &str, scenarios: &[PathBuf]) -> Result<ExitCode, Failure> {
    // A test that passes is silent unless somebody asks for the log.
    if logging::is_asked_for() {
        logging::start()?;
    }
    // Before the guest is compiled: this is wrong more often, and faster found.
    let files: Vec<File> = scenarios
        .iter()
        .map(|path| File::load(path).map_err(Failure::config))
        .collect::<Result<_, _>>()?;
    let lines = if files.is_empty() {
        Some(read_lines()?)
    } else {
        None
    };
    let engine = engine::start_unconfigured()?;
    let guest = testing::load(&engine, guest).map_err(Failure::config)?;
    let all_well = match lines {
        Some(lines) => lines.run(&guest, &mut std::io::stdout().lock()),
        None => run(&guest, &files),
    };
    Ok(if all_well.map_err(Failure::other)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs all scenarios; whether all have passed.
fn run(guest: &Component, files: &[File]) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let path = file.path().display();
        for scenario in file.scenarios() {
            let name = scenario.name();
            match scenario.run(guest)? {
                Ok(()) => {
                    passed += 1;
                    writeln!(out, "ok   {path} {name}")?;
                }
                Err(how) => {
                    failed += 1;
                    writeln!(out, "FAIL {path}:{} {name}\n{how}", how.line())?;
                }
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed == 0)
}

fn read_lines() -> Result<Lines, Failure> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Failure::Usage(anyhow!("no scenario: {USAGE}")));
    }
    let mut text = String::new();
    stdin
        .read_to_string(&mut text)
        .context("standard input cannot be read")
        .map_err(Failure::Config)?;
    Lines::parse(&text).map_err(|error| match error {
        LinesError::Empty => Failure::Usage(anyhow!("no scenario: {USAGE}")),
        error => Failure::Config(anyhow!("standard input:{error}")),
    })
}
