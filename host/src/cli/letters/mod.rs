//! `jackalope letters`: of a gateway that runs, by its control socket, and of one that is
//! stopped, by the directory that it keeps them in.

mod allowed;
mod line;
mod list;

#[cfg(test)]
mod tests;

use std::env;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use self::line::{Line, Now};
use self::list::List;
use super::keeping::boot_id;
use super::{Failure, print_error, random, remote};
use crate::clock;
use crate::config::Config;
use crate::office::{Change, KeptLetter, Ticket, Time, WhenOff};
use crate::own_directory::NotOwn;
use crate::store::{
    ClockTrust, Contents, Disk, Group, Looked, Moment, OldLetters, Store, StoreError, Trust, Ttl,
};
use crate::words::{Counted, in_full};

pub(super) const HELP: &str = "\
Exit codes: 0 done, 69 no gateway answers, 64 wrong usage, 78 wrong configuration, 1
anything else.

Examples:
  jackalope letters --cancel 17
  jackalope letters --config /etc/jackalope/jackalope.toml
  jackalope letters --directory OLD --export | jackalope letters --directory NEW --import -";

/// Which letters, of a gateway that is stopped.
#[derive(Debug, Args)]
pub(super) struct Kept {
    /// Those in this directory, which `directory` in [work-list] names, of a gateway that
    /// is stopped.
    #[arg(long, value_name = "DIR", group = "place", conflicts_with = "socket")]
    directory: Option<PathBuf>,
    /// Those in the directory that this configuration names.
    #[arg(long, value_name = "FILE", group = "place", conflicts_with = "socket")]
    config: Option<PathBuf>,
    /// Print the whole letters, payloads as well, a line of JSON each, for --import.
    #[arg(long, requires = "place", conflicts_with_all = ["json", "cancel"])]
    export: bool,
    /// Add those that were exported into this file (`-`: standard input), all or none, with
    /// new tickets and with what is left of their ttl. Those that have expired are left out.
    #[arg(
        long,
        value_name = "FILE",
        requires = "place",
        conflicts_with_all = ["json", "cancel", "guest", "export"]
    )]
    import: Option<PathBuf>,
    /// When the clock of this machine is trusted to say how long letters of an earlier boot
    /// or of another machine are old: past-record or synchronised, as in [work-list].
    /// Without: past-record with a battery clock, and else synchronised.
    #[arg(long, value_name = "TRUST", requires = "place")]
    clock_trust: Option<ClockTrust>,
}

/// What `jackalope letters` does.
pub(super) fn letters(
    gateway: &remote::Where,
    listing: &remote::Listing,
    kept: &Kept,
) -> Result<ExitCode, Failure> {
    let Some(place) = Place::of(kept)? else {
        return remote::letters(gateway, listing).map_err(with_hint);
    };
    let done = match (&kept.import, listing.cancel, kept.export) {
        (Some(file), ..) => import(&place, file).map(|()| ExitCode::SUCCESS),
        (None, Some(ticket), _) => cancel(&place, Ticket(ticket)).map(|()| ExitCode::SUCCESS),
        (None, None, true) => export(&place, listing.guest.as_deref()),
        (None, None, false) => list(&place, listing),
    };
    done.map_err(Failure::Other)
}

/// Where else letters may be.
fn with_hint(failure: Failure) -> Failure {
    match failure {
        Failure::Unavailable(error) => Failure::Unavailable(anyhow!(
            "{error:#}; the letters of a gateway that is stopped and keeps them on a disk \
             are shown by `jackalope letters --config FILE` or `--directory DIR`"
        )),
        other => other,
    }
}

/// Where letters are kept, and how the gateway judges them.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    trust: ClockTrust,
    /// Whether it is another one than the gateway's, as far as is known.
    is_trust_said: bool,
    when_off: WhenOff,
    /// What the gateway allows, if that is known.
    config: Option<Box<Config>>,
}

impl Place {
    /// What is said of it. None: letters of a gateway that runs are meant.
    fn of(kept: &Kept) -> Result<Option<Self>, Failure> {
        let (config, directory, trust, when_off) = match (&kept.directory, &kept.config) {
            (None, None) => return Ok(None),
            (Some(directory), _) => (None, directory.clone(), None, WhenOff::default()),
            (None, Some(file)) => {
                let config = Config::load(Some(file), env::vars_os()).map_err(Failure::config)?;
                let keeping = config.keeping.clone().ok_or_else(|| {
                    Failure::Config(anyhow!(
                        "{}: letters are kept in memory alone, and are gone when the gateway \
                         stops; `store = \"disk\"` in [work-list] keeps them",
                        file.display()
                    ))
                })?;
                let config = Some(Box::new(config));
                (
                    config,
                    keeping.directory,
                    keeping.clock_trust,
                    keeping.when_off,
                )
            }
        };
        let trust = kept.clock_trust.or(trust);
        Ok(Some(Self {
            directory,
            trust: trust.unwrap_or_else(clock::usual_trust),
            is_trust_said: kept.clock_trust.is_some(),
            when_off,
            config,
        }))
    }
}

fn list(place: &Place, listing: &remote::Listing) -> anyhow::Result<ExitCode> {
    let (opened, is_all) = Opened::look(place)?;
    let list = opened.list(listing.guest.as_deref());
    match listing.json {
        true => print(|out| {
            serde_json::to_writer(&mut *out, &list)?;
            writeln!(out)
        })?,
        false => print(|out| writeln!(out, "{list}"))?,
    }
    Ok(is_all)
}

fn export(place: &Place, guest: Option<&str>) -> anyhow::Result<ExitCode> {
    // The directory is let go of before somebody takes long to read.
    let (opened, is_all) = Opened::look(place)?;
    let lines = opened.export(guest);
    print(|out| {
        for line in &lines {
            serde_json::to_writer(&mut *out, line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    let is_unknown = |line: &&Line| line.left_ms != Some(0) && line.deadline_unix_ms.is_none();
    match lines.iter().filter(is_unknown).count() {
        0 => {}
        unknown => print_error(format_args!(
            "{} without `deadline-unix-ms`, which an import asks for: the clock of this \
             machine is not trusted, or it is not known for how long the machine was off",
            Counted(unknown, "letter")
        )),
    }
    Ok(is_all)
}

fn import(place: &Place, file: &Path) -> anyhow::Result<()> {
    let (name, lines) = match file.to_str() {
        Some("-") => {
            let mut lines = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut lines);
            ("standard input".to_owned(), read.map(|_| lines))
        }
        _ => (file.display().to_string(), fs::read(file)),
    };
    let lines = lines.with_context(|| format!("{name} cannot be read"))?;
    let config = place.config.as_deref();
    let import = |contents: &Contents, moment: Moment| {
        let import = import_into(contents, moment, config, &lines);
        import.map_err(|error| anyhow!("{name}{error}"))
    };
    let is_new = is_nothing_in(&place.directory);
    let mut opened = match is_new {
        true => {
            // What is wrong leaves no directory behind.
            let moment = clock::moment(boot_id()?, place.trust);
            let mut contents = Contents::default();
            contents.boots.observe(moment);
            import(&contents, moment)?;
            Opened::take(place)?
        }
        false => Opened::open(place)?,
    };
    let (changes, expired) = import(&opened.contents, opened.moment)?;
    // That the clock is past the record was said of these lines, and of nothing else.
    if place.is_trust_said && opened.moment.trust == Trust::PastRecord {
        opened.moment.trust = Trust::Never;
    }
    let tickets: Vec<_> = changes.iter().filter_map(Change::ticket).collect();
    if !changes.is_empty() {
        opened.commit(changes)?;
    }
    if let Some(config) = config {
        warn_of_bounds(config, &opened.contents);
    }
    let what = match tickets[..] {
        [] => "no letter imported".to_owned(),
        [Ticket(only)] => format!("1 letter imported, as {only}"),
        [Ticket(first), .., Ticket(last)] => {
            let count = Counted(tickets.len(), "letter");
            format!("{count} imported, as {first} to {last}")
        }
    };
    print(|out| {
        write!(out, "{what}")?;
        if expired > 0 {
            write!(out, "; {} left out: expired", Counted(expired, "letter"))?;
        }
        if is_new {
            write!(out, "; {} is a new work list", place.directory.display())?;
        }
        writeln!(out)
    })
}

fn cancel(place: &Place, ticket: Ticket) -> anyhow::Result<()> {
    let mut opened = Opened::open(place)?;
    // The wall clock does not matter to this, and what it says is not recorded.
    opened.moment.trust = Trust::Never;
    let cancelled = opened.contents.cancel(ticket);
    let change = cancelled.map_err(|why| match opened.contents.outcomes.get(&ticket) {
        Some(owed) => anyhow!(
            "letter {} has its outcome already: {}",
            ticket.0,
            owed.told.outcome
        ),
        None => anyhow!("{why}"),
    })?;
    opened.commit(vec![change])?;
    print(|out| {
        let ticket = ticket.0;
        writeln!(
            out,
            "letter {ticket} is not sent any more; it may have been sent before"
        )
    })
}

/// The work list of a gateway that does not run, and with its disk does not start as long
/// as this is.
#[derive(Debug)]
struct Opened<D = Disk> {
    disk: D,
    contents: Contents,
    moment: Moment,
    when_off: WhenOff,
}

/// A work list is there, as far as that can be seen.
fn check_is_there(directory: &Path) -> anyhow::Result<()> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no directory {}; `directory` in [work-list] of its configuration \
             says where a gateway keeps its letters",
            directory.display()
        ),
        Ok(_) if !Disk::is_in(directory) => bail!(
            "{} is not the directory of a work list: there is no log of letters in it; \
             `directory` in [work-list] of its configuration says where a gateway keeps \
             them",
            directory.display()
        ),
        // What is wrong is said by whoever opens it.
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Opened<()> {
    /// Looks at a work list, and changes nothing. Of one that is damaged there is what can
    /// be read, of which this says so; the exit code is then that of an error.
    fn look(place: &Place) -> anyhow::Result<(Self, ExitCode)> {
        let directory = &place.directory;
        check_is_there(directory)?;
        let boot = boot_id()?;
        let looked = Disk::look(directory).map_err(|error| not_ours(error, directory))?;
        let Looked {
            contents,
            cut_off,
            damage,
        } = looked;
        if let Some(cut_off) = cut_off {
            print_error(format_args!("{cut_off}"));
        }
        let is_all = match damage {
            None => ExitCode::SUCCESS,
            Some(damage) => {
                print_error(format_args!(
                    "error: {}\nThis is what could be read: letters are missing, and some may \
                     be there that have their outcome",
                    in_full(&damage)
                ));
                ExitCode::FAILURE
            }
        };
        let moment = clock::moment(boot, place.trust);
        Ok((Self::at((), contents, moment, place.when_off), is_all))
    }
}

impl Opened {
    /// Opens a work list that is there, and no log alone.
    fn open(place: &Place) -> anyhow::Result<Self> {
        let directory = &place.directory;
        check_is_there(directory)?;
        if Disk::is_in(directory) && !Disk::is_in(&directory.join("log")) {
            bail!(
                "{} is a log that was set aside: its letters can be listed and exported, and \
                 nothing else",
                directory.display()
            );
        }
        Self::take(place)
    }

    /// Opens a work list, which is made if it is not there.
    fn take(place: &Place) -> anyhow::Result<Self> {
        let boot = boot_id()?;
        let directory = &place.directory;
        let mut disk =
            Disk::open(directory, random()).map_err(|error| not_ours(error, directory))?;
        let contents = disk.load()?;
        if let Some(cut_off) = disk.cut_off() {
            print_error(format_args!("{cut_off}"));
        }
        let moment = clock::moment(boot, place.trust);
        Ok(Self::at(disk, contents, moment, place.when_off))
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StoreError> {
        let group = Group {
            number: self.contents.number + 1,
            moment: self.moment,
            changes,
        };
        self.disk.commit(&group)?;
        self.contents.apply(&group);
        Ok(())
    }
}

impl<D> Opened<D> {
    fn at(disk: D, mut contents: Contents, moment: Moment, when_off: WhenOff) -> Self {
        contents.boots.observe(moment);
        Self {
            disk,
            contents,
            moment,
            when_off,
        }
    }

    /// The letters of a guest or of all, each with what has become of its ttl.
    fn letters<'a>(
        &'a self,
        guest: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a KeptLetter, Ttl)> {
        let old = OldLetters {
            when_off: self.when_off,
            // For how long a gateway holds them begins when it does.
            hold_until: Time::from_millis(u64::MAX),
        };
        let letters = self.contents.open_letters(self.moment.running, old);
        letters.filter(move |(kept, _)| guest.is_none_or(|guest| *kept.guest == *guest))
    }

    fn list(&self, guest: Option<&str>) -> List {
        let listed = |(kept, ttl)| Line::listed(kept, ttl, self.moment.running);
        let outcomes = self.contents.outcomes.values();
        let is_of = |name: &str| guest.is_none_or(|guest| name == guest);
        List::new(
            self.letters(guest).map(listed).collect(),
            outcomes.filter(|owed| is_of(&owed.guest)).count(),
        )
    }

    fn export(&self, guest: Option<&str>) -> Vec<Line> {
        let now = Now::of(&self.contents.boots, self.moment.running);
        let whole = |(kept, ttl)| Line::whole(kept, ttl, now);
        self.letters(guest).map(whole).collect()
    }
}

/// What imports letters into this, a line of JSON each, and how many are left out as they
/// have expired.
///
/// # Errors
/// What is wrong, behind the name of the file.
fn import_into(
    contents: &Contents,
    moment: Moment,
    config: Option<&Config>,
    lines: &[u8],
) -> Result<(Vec<Change>, usize), String> {
    let Now { running, wall } = Now::of(&contents.boots, moment.running);
    let wall = wall.ok_or(
        ": the clock of this machine is not trusted, so it is not known how much of a ttl is \
         left: have it synchronised or, if it is right, write `--clock-trust past-record`",
    )?;
    let (mut changes, mut expired) = (Vec::new(), 0);
    let mut last = contents.last_ticket;
    for (at, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let letter = Line::parse(line)
            .and_then(|line| line.to_letter(Ticket(last + 1), running, wall))
            .and_then(|letter| match (&letter, config) {
                (Some(kept), Some(config)) => allowed::check(config, kept).map(|()| letter),
                _ => Ok(letter),
            })
            .map_err(|error| format!(", line {}: {error}; nothing is imported", at + 1))?;
        match letter {
            None => expired += 1,
            Some(letter) => {
                last += 1;
                changes.push(Change::Accepted(letter));
            }
        }
    }
    Ok((changes, expired))
}

/// Says of which guests there are more letters than the gateway lets them have.
fn warn_of_bounds(config: &Config, contents: &Contents) {
    for above in allowed::above_bounds(config, contents) {
        print_error(format_args!("warning: {above}"));
    }
}

/// Whether a work list can begin there: there is nothing, or what others were before.
fn is_nothing_in(directory: &Path) -> bool {
    let is_nothing = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name == "lock" || name.starts_with("log.damaged-")
        })
    };
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.all(is_nothing),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// What an error of a directory means for somebody who only looks at it.
fn not_ours(error: StoreError, directory: &Path) -> anyhow::Error {
    match error {
        StoreError::InUse { path, process } => {
            let process =
                process.map_or("another process".to_owned(), |id| format!("process {id}"));
            anyhow!(
                "{} is in use by {process}; if that is a gateway, ask it by its control \
                 socket: `jackalope letters` without --config and --directory",
                path.display()
            )
        }
        StoreError::NotOwn(NotOwn::Foreign { path, owner, .. })
            if directory.canonicalize().is_ok_and(|real| real == path) =>
        {
            anyhow!(
                "{} belongs to user {owner}, and what another one writes there that user's \
                 gateway could not read: run this as that user, e.g. with `sudo -u '#{owner}'`",
                path.display()
            )
        }
        error => anyhow!(error),
    }
}

/// Prints all of something, or says that it could not.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out)
        .and_then(|()| out.flush())
        .context("standard output cannot be written")
}
