//! A work list that is only looked at: nothing is made, locked for long or written, so that
//! it can lie on a file system that is read-only. Of one that is damaged there is what can
//! be read.

use std::path::{Path, PathBuf};

use super::files::{Directory, Files};
use super::found::{CutOff, Found};
use super::frame;
use super::lock;
use super::record::Texts;
use super::records::each_record;
use super::segments::{header, number, read};
use crate::store::{Contents, StoreError};

/// What is in a work list.
#[derive(Debug)]
pub struct Looked {
    /// What could be read.
    pub contents: Contents,
    /// What is left out at the end of the log.
    pub cut_off: Option<CutOff>,
    /// Why that is not all of it: letters are missing, and some may be there that have
    /// their outcome.
    pub damage: Option<StoreError>,
}

/// Looks at the work list of a directory, or at a log that was set aside.
pub(super) fn look(directory: &Path) -> Result<Looked, StoreError> {
    let io = |error| StoreError::io("open", directory, error);
    let directory = directory.canonicalize().map_err(io)?;
    let log = log_in(&directory).unwrap_or_else(|| directory.join("log"));
    // A log itself is that of the directory which it is in.
    let owner = match directory.parent() {
        Some(above) if log == directory && log == above.join("log") => above,
        _ => &directory,
    };
    let _lock = lock::look(owner)?;
    look_at(&Directory(log))
}

/// Where the log of a directory is: in it, or the directory is one itself.
pub(super) fn log_in(directory: &Path) -> Option<PathBuf> {
    let places = [directory.join("log"), directory.to_owned()];
    places.into_iter().find(|place| {
        let names = Directory(place.clone()).names();
        names.is_ok_and(|names| names.iter().any(|name| number(name).is_some()))
    })
}

pub(super) fn look_at<F: Files>(files: &F) -> Result<Looked, StoreError> {
    match read_all(files) {
        Ok((contents, cut_off)) => Ok(Looked {
            contents,
            cut_off,
            damage: None,
        }),
        Err(error) if error.is_of_a_file() => match rescue(files) {
            None => Err(error),
            Some(contents) => Ok(Looked {
                contents,
                cut_off: None,
                damage: Some(error),
            }),
        },
        Err(error) => Err(error),
    }
}

fn read_all<F: Files>(files: &F) -> Result<(Contents, Option<CutOff>), StoreError> {
    let Some(mut found) = Found::read(files)? else {
        return Ok((Contents::default(), None));
    };
    Ok((found.contents(files)?, found.cut_off(files)))
}

/// What the groups that are whole make of nothing. None: no file can be read.
pub(super) fn rescue<F: Files>(files: &F) -> Option<Contents> {
    let names = files.names().ok()?;
    let mut segments: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
    segments.sort_unstable();
    let open = |segment: u32| {
        let bytes = read(files, segment).ok()?;
        let (header, at) = header(files, segment, &bytes).ok()?;
        Some((header, bytes, at))
    };
    let newest = segments.iter().rev().find_map(|segment| open(*segment));
    let oldest = newest?.0.oldest;
    segments.retain(|segment| *segment >= oldest);

    let mut contents = Contents::default();
    let mut texts = Texts::default();
    for (header, bytes, mut at) in segments.into_iter().filter_map(open) {
        contents.number = header.position.number;
        contents.last_ticket = header.position.last_ticket;
        contents.session = header.position.session;
        contents.boots = header.position.boots;
        while let Some((start, frame)) = frame::find(&bytes[at..], header.salt, contents.number) {
            at += start + frame.size();
            contents.number = frame.number;
            let moment = each_record(frame, &mut texts, |boot, change, _| {
                if let Some(ticket) = change.ticket() {
                    contents.last_ticket = contents.last_ticket.max(ticket.0);
                }
                contents.apply_change(boot, change);
            });
            if let Some(moment) = moment {
                contents.boots.observe(moment);
            }
        }
    }
    contents.forget_boots();
    Some(contents)
}
