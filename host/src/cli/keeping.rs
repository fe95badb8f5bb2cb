//! The work list on a disk: opened before guests are loaded, as it knows which tickets
//! there were.

use anyhow::Context;
use tracing::{info, warn};

use super::{Failure, random};
use crate::clock;
use crate::config::{Config, Keeping, OnDamage};
use crate::gateway::{ControlSender, Dropped, KeepingOptions, warn_of_dropped};
use crate::office::GoneGuests;
use crate::store::{BootId, Contents, Disk, OldLetters, Store, StoreError};
use crate::words::in_full;

/// How many tickets are passed over at least at a start, and of what the next one is one
/// more than a multiple. So it is seen from which life of the gateway a ticket is, and none
/// is given again that somebody has seen of a letter that was not kept: so many cannot
/// wait to be kept, as they would take gigabytes of memory.
const GAP: u64 = 10_000_000;

/// What is kept, if anything is.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) options: Option<KeepingOptions>,
    /// The first ticket that there never was.
    pub(super) first_ticket: u64,
}

/// Opens what is kept, and says in the log what there is.
pub(super) fn open(config: &Config) -> Result<Kept, Failure> {
    let Some(keeping) = &config.keeping else {
        return Ok(Kept {
            options: None,
            first_ticket: 1,
        });
    };
    let options = load(config, keeping).map_err(refused)?;
    let contents = &options.contents;
    let first_ticket = first_ticket(contents.last_ticket);
    info!(
        directory = %keeping.directory.display(),
        letters = contents.letters.len(),
        outcomes = contents.outcomes.len(),
        "the work list is kept on disk"
    );
    Ok(Kept {
        first_ticket,
        options: Some(options),
    })
}

/// One that another process has may be free again in a moment: it is the configuration that
/// is wrong only if that is another gateway.
fn refused(error: anyhow::Error) -> Failure {
    let is_in_use = matches!(error.downcast_ref(), Some(StoreError::InUse { .. }));
    let error = error.context("[work-list]");
    match is_in_use {
        true => Failure::ForNow(error),
        false => Failure::Config(error),
    }
}

/// The first ticket of a life of the gateway, after the last one that is kept. 0: none is.
fn first_ticket(last: u64) -> u64 {
    match last {
        0 => 1,
        last => (last / GAP + 2) * GAP + 1,
    }
}

/// Which boot of the machine this is.
pub(super) fn boot_id() -> anyhow::Result<BootId> {
    clock::boot_id().context(
        "/proc/sys/kernel/random/boot_id cannot be read, so it is not known whether the \
         machine was off",
    )
}

fn load(config: &Config, keeping: &Keeping) -> anyhow::Result<KeepingOptions> {
    let mut disk = Disk::open(&keeping.directory, random())?;
    let contents = match disk.load() {
        Err(error) if error.is_of_a_file() && keeping.on_damage == OnDamage::SetAside => {
            let place = disk.set_aside()?;
            warn!(
                "{}; it is set aside as {}, and the work list begins anew: letters, outcomes \
                 and state of guests in there are lost to this gateway",
                in_full(&error),
                place.display()
            );
            disk.load()?
        }
        loaded => loaded?,
    };
    if let Some(cut_off) = disk.cut_off() {
        warn!("{cut_off}");
    }
    let boot = boot_id()?;
    let trust = keeping.clock_trust.unwrap_or_else(clock::usual_trust);
    if let Err(error) = clock::is_synchronised() {
        warn!("it cannot be asked whether the clock is synchronised: {error}");
    }
    say_who_is_gone(config, &contents);
    Ok(KeepingOptions {
        store: Box::new(disk),
        contents,
        boot,
        trust,
        old: OldLetters {
            when_off: keeping.when_off,
            hold_until: clock::now() + keeping.hold,
        },
    })
}

/// What becomes of what guests have that are not there any more.
fn say_who_is_gone(config: &Config, contents: &Contents) {
    let is_there = |name: &str| {
        name == ControlSender::NAME || config.guests.iter().any(|guest| guest.name == name)
    };
    let gone = contents.belongings().into_iter();
    let gone = gone.filter(|(name, _)| !is_there(name));
    let gone: Vec<_> = gone
        .map(|(name, had)| Dropped::new(name.to_string(), had))
        .collect();
    match config.session.gone_guests {
        GoneGuests::Drop => warn_of_dropped(&gone),
        GoneGuests::Keep if gone.is_empty() => {}
        GoneGuests::Keep => {
            let names: Vec<_> = gone.iter().map(|it| &*it.guest).collect();
            let names = names.join(", ");
            info!("kept of guests that are not there: {names}; their letters go out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::MAX_PENDING;

    #[test]
    fn no_ticket_is_given_again_that_was_seen_before_a_kill() {
        assert_eq!(first_ticket(0), 1);
        for last in [1, 2, GAP - 1, GAP, GAP + 1, 7 * GAP - 1] {
            let first = first_ticket(last);
            // Five groups of changes: those under way, and the one that grows meanwhile.
            let seen = last + 100 * 5 * MAX_PENDING as u64;
            assert!(first > seen, "{first} after {last}");
            assert_eq!(first % GAP, 1);
        }
    }
}
