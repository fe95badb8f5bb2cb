//! `jackalope check`: whether components are guests that this host can run.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, engine};
use crate::guest::Report;

/// Prints a report on each component; fails if one of them can not be run.
pub(super) fn check(guests: &[PathBuf]) -> Result<ExitCode, Failure> {
    let engine = engine::start_unconfigured()?;
    let mut all_fit = true;
    let mut out = std::io::stdout().lock();
    for (index, guest) in guests.iter().enumerate() {
        let report = Report::of(&engine, guest);
        all_fit &= report.verdict.is_ok();
        let gap = if index > 0 { "\n" } else { "" };
        writeln!(out, "{gap}{report}").map_err(Failure::other)?;
    }
    Ok(if all_fit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
