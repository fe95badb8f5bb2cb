//! `[work-list] store = "disk"`: where letters are kept, so that they outlive the
//! gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::entry::{Entry, Refusal};
use super::file::GatewayWorkList;
use super::resolve::{path, set};
use super::values::{Period, period};
use crate::office::{GoneGuests, UnknownWord, WhenOff};
use crate::store::{ClockTrust, UnknownClockTrust};

/// How letters are kept on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// `directory`: where. It is made if it is not there, and is this gateway's alone.
    pub directory: PathBuf,
    /// `on-damage`: what becomes of what cannot be read. Default: the gateway does not
    /// start.
    pub on_damage: OnDamage,
    /// `after-reboot`: what a ttl does while the machine is off, unless the sender of the
    /// letter says so. Default: it goes on.
    pub when_off: WhenOff,
    /// `clock-trust`: when the wall clock is trusted. Default: with a battery clock, when
    /// it is past what was recorded; without, when it is synchronised.
    pub clock_trust: Option<ClockTrust>,
    /// `hold`: how long letters wait at most until the wall clock is trusted, from none to
    /// 365 days. Default: 10 min.
    pub hold: Duration,
}

/// What becomes of a work list that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// The gateway does not start.
    Refuse,
    /// It is set aside, and the gateway starts without letters.
    SetAside,
}

/// Resolves what `[work-list]` says beside bounds. None: letters are kept in memory.
pub(super) fn resolve(
    written: &GatewayWorkList,
    directory: &Path,
) -> Result<Option<Keeping>, Refusal> {
    let mut is_on_disk = false;
    set(&mut is_on_disk, &written.store, "work-list.store", store)?;
    let mut keeping = Keeping {
        directory: PathBuf::new(),
        on_damage: OnDamage::Refuse,
        when_off: WhenOff::default(),
        clock_trust: None,
        hold: Duration::from_secs(600),
    };
    set(
        &mut keeping.directory,
        &written.directory,
        "work-list.directory",
        |entry| Ok(entry.place(directory, path(entry)?)),
    )?;
    set(
        &mut keeping.on_damage,
        &written.on_damage,
        "work-list.on-damage",
        on_damage,
    )?;
    set(
        &mut keeping.when_off,
        &written.after_reboot,
        "work-list.after-reboot",
        |entry| entry.parse(UnknownWord::WhenOff),
    )?;
    set(
        &mut keeping.clock_trust,
        &written.clock_trust,
        "work-list.clock-trust",
        |entry| entry.parse(UnknownClockTrust).map(Some),
    )?;
    set(
        &mut keeping.hold,
        &written.hold,
        "work-list.hold",
        |entry| {
            period(
                entry,
                Period::from_secs(0)..=Period::from_secs(365 * 86_400),
            )
        },
    )?;
    match (is_on_disk, &written.store, &written.directory) {
        (true, Some(store), None) => {
            let reason = store.but(
                "needs a directory: write directory = \"…\" beside it, one that only this \
                 gateway uses",
            );
            Err(store.refuse("work-list.store", reason))
        }
        (false, _, Some(directory)) => {
            let reason = directory.but("means nothing without store = \"disk\" beside it");
            Err(directory.refuse("work-list.directory", reason))
        }
        (true, ..) => Ok(Some(keeping)),
        (false, ..) => Ok(None),
    }
}

fn store(entry: &Entry) -> Result<bool, String> {
    match entry.value.as_str() {
        Some("memory") => Ok(false),
        Some("disk") => Ok(true),
        _ => Err(entry.but(r#"is no store; write "memory" or "disk""#)),
    }
}

fn on_damage(entry: &Entry) -> Result<OnDamage, String> {
    match entry.value.as_str() {
        Some("refuse") => Ok(OnDamage::Refuse),
        Some("set-aside") => Ok(OnDamage::SetAside),
        _ => Err(entry.but(r#"is not what to do; write "refuse" or "set-aside""#)),
    }
}

/// Resolves what becomes of what guests have that are gone, wherever letters are kept.
pub(super) fn resolve_gone(written: &GatewayWorkList) -> Result<GoneGuests, Refusal> {
    let mut gone = GoneGuests::Keep;
    let key = "work-list.gone-guests";
    set(&mut gone, &written.gone_guests, key, gone_guests)?;
    Ok(gone)
}

fn gone_guests(entry: &Entry) -> Result<GoneGuests, String> {
    match entry.value.as_str() {
        Some("keep") => Ok(GoneGuests::Keep),
        Some("drop") => Ok(GoneGuests::Drop),
        _ => Err(entry.but(r#"is not what to do; write "keep" or "drop""#)),
    }
}
