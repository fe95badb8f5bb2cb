//! `jackalope check`: whether components are guests that this host can run, what they
//! do, and what a configuration lets them do.

mod permitted;

use std::env;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::assemble::check_guest;
use super::{Failure, engine};
use crate::config::{ComponentSource, Config, GuestConfig};
use crate::guest::{Engine, Report};
use crate::testing::bytes_of;
use permitted::{Operated, Permitted};

/// Prints a report on each component, and on each guest of a configuration; fails if one
/// of them can not be run.
pub(super) fn check(guests: &[PathBuf], config: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut reports = Reports::default();
    if !guests.is_empty() {
        let engine = engine::start_unconfigured()?;
        for guest in guests {
            let report = Report::of(&engine, guest);
            reports.print(&report, report.verdict.is_ok())?;
        }
    }
    if let Some(path) = config {
        let config = Config::load(Some(path), env::vars_os()).map_err(Failure::config)?;
        let engine = engine::start(&config.cache_directory)?;
        for guest in &config.guests {
            let report = report(&engine, guest)?;
            let Ok(component) = &report.verdict else {
                reports.print(report, false)?;
                continue;
            };
            let permitted = Permitted {
                guest,
                report: &report,
            };
            match check_guest(&config, guest, component) {
                Ok(()) => reports.print(format_args!("{report}\n{permitted}"), true)?,
                Err(why) => reports.print(
                    format_args!("{report}\n{permitted}\nno guest for this configuration: {why}"),
                    false,
                )?,
            }
        }
        if let Some(permissions) = &config.control_permissions {
            let guests = &config.guests;
            reports.print(
                Operated {
                    permissions,
                    guests,
                },
                true,
            )?;
        }
    }
    Ok(match reports.one_is_bad {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// What there is to say about the component of a guest.
fn report(engine: &Engine, guest: &GuestConfig) -> Result<Report, Failure> {
    let mut report = match &guest.component {
        ComponentSource::File(path) => Report::of(engine, path),
        ComponentSource::Example(name) => {
            let bytes = bytes_of(name)
                .with_context(|| format!("guest \"{}\"", guest.name))
                .map_err(Failure::Config)?;
            Report::of_bytes(engine, format!("example:{name}"), bytes)
        }
    };
    report.name = format!("guest \"{}\", {}", guest.name, report.name);
    report.max_state = guest.limits.state;
    Ok(report)
}

/// Reports, printed with an empty line between them.
#[derive(Default)]
struct Reports {
    has_begun: bool,
    one_is_bad: bool,
}

impl Reports {
    fn print(&mut self, report: impl Display, is_good: bool) -> Result<(), Failure> {
        let gap = if self.has_begun { "\n" } else { "" };
        self.has_begun = true;
        self.one_is_bad |= !is_good;
        writeln!(std::io::stdout(), "{gap}{report}").map_err(Failure::other)
    }
}
