//! What is said to a gateway that runs: each command is one request to its control
//! socket, and all but one have one answer.

mod client;
mod follow;
mod shown;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::client::{Ask, Client, Reply};
pub(super) use self::follow::{Look, follow};
use super::{Failure, control};
use crate::control::answers::{AcceptedLetter, Changes, Letters, SessionState, Status};
use crate::office::OutcomeWord;

/// What `jackalope status` ends with when the session is down.
const EXIT_OFFLINE: u8 = 3;

/// What `jackalope status` ends with when the work list cannot be kept.
const EXIT_NOT_KEPT: u8 = 4;

/// Outcomes other than `delivered`.
const EXIT_EXPIRED: u8 = 3;
const EXIT_DISPLACED: u8 = 4;
const EXIT_REFUSED: u8 = 5;

/// What `jackalope publish --wait` ends with when the letter was accepted, and no more is
/// known.
const EXIT_NO_OUTCOME: u8 = 7;

pub(super) const PUBLISH_HELP: &str = "\
Exit codes: 0 accepted or, with --wait, delivered; with --wait 3 expired (or called back), \
4 displaced, 5 refused, 7 accepted, but its outcome is not known, as the time to wait is over \
or the gateway has ended; 6 it is not known whether it is accepted or kept; 69 no gateway \
answers; 64 wrong usage; 75 not accepted for now (rate, full work list, nothing can be kept): \
try again later; 1 not accepted.

An example: jackalope publish doors/front/command unlock --ttl 5s --wait";

pub(super) const FOLLOW_HELP: &str = "\
Exit codes: 0 the gateway has ended, or Ctrl-C; 69 no gateway answers, or it broke off.

An example: jackalope follow --json | jq 'select(.event == \"expired\").topic'";

pub(super) const STATUS_HELP: &str = "\
Exit codes: 0 online, 3 offline, 4 the work list cannot be kept, 69 no gateway answers.";

/// Which gateway is meant.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// Its control socket. Without: what JACKALOPE_CONTROL_SOCKET says (or
    /// JACKALOPE_CONTROL_ADDRESS with JACKALOPE_CONTROL_TOKEN_FILE), else
    /// $RUNTIME_DIRECTORY/control.sock, else /run/jackalope/control.sock.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// A letter to publish.
#[derive(Debug, Args)]
pub(super) struct Letter {
    /// Its topic.
    topic: String,
    /// Its payload; `-` reads it from standard input. Without: none. One that begins with
    /// `-` and is no number stands behind `--`.
    #[arg(allow_negative_numbers = true)]
    payload: Option<OsString>,
    /// Its quality of service.
    #[arg(long, value_name = "0|1|2", default_value = "1")]
    qos: String,
    /// Have the broker keep it.
    #[arg(long)]
    retain: bool,
    /// For how long it may be sent, e.g. 500ms, 10s, 5m or 2h.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    ttl: String,
    /// What its ttl does while the machine is off. Without: what the configuration says.
    #[arg(long, value_name = "count|pause|drop")]
    after_reboot: Option<String>,
    /// Which of the letters that are published like this go first.
    #[arg(long, value_name = "low|normal|high")]
    priority: Option<String>,
    /// Have it take the place of one that was published like this with the same key, and
    /// waits: the outcome of that one is `displaced`. The key is not sent.
    #[arg(long, value_name = "KEY")]
    replace_key: Option<String>,
    /// What its outcome is to be known by; it is not sent.
    #[arg(long)]
    tag: Option<String>,
    /// Wait until its outcome is known, for this long at most if a duration is given, e.g.
    /// `--wait=30s`, and exit with the code of that.
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    wait: Option<String>,
}

/// A message for a guest.
#[derive(Debug, Args)]
pub(super) struct Message {
    /// The name of the guest.
    guest: String,
    /// A topic that it subscribes to.
    topic: String,
    /// The payload; `-` reads it from standard input. Without: none. One that begins with
    /// `-` and is no number stands behind `--`.
    #[arg(allow_negative_numbers = true)]
    payload: Option<OsString>,
}

/// Which letters, and what about them.
#[derive(Debug, Args)]
pub(super) struct Listing {
    /// Only those of this guest.
    #[arg(long, value_name = "NAME", conflicts_with = "cancel")]
    pub(super) guest: Option<String>,
    /// Print JSON.
    #[arg(long, conflicts_with = "cancel")]
    pub(super) json: bool,
    /// Call this letter back instead: it is not sent any more, and its outcome is
    /// `expired`. One that is in flight cannot be called back.
    #[arg(long, value_name = "TICKET")]
    pub(super) cancel: Option<u64>,
}

pub(super) fn publish(gateway: &Where, letter: Letter) -> Result<ExitCode, Failure> {
    let mut path = format!(
        "/letters?topic={}&qos={}&ttl={}",
        encoded(&letter.topic),
        encoded(&letter.qos),
        encoded(&letter.ttl)
    );
    if letter.retain {
        path += "&retain";
    }
    for (name, value) in [
        ("after-reboot", &letter.after_reboot),
        ("priority", &letter.priority),
        ("replace-key", &letter.replace_key),
        ("tag", &letter.tag),
        ("wait", &letter.wait),
    ] {
        if let Some(value) = value {
            path += &format!("&{name}={}", encoded(value));
        }
    }
    let body = payload(letter.payload)?;
    let ask = Ask {
        method: "POST",
        path,
        body: &body,
        waits: letter.wait.is_some(),
    };
    // Who was reached and then said nothing may have accepted it.
    let reply = client(gateway)?
        .ask(&ask)
        .map_err(|failure| match failure {
            Failure::Other(error) => {
                let what = "it is not known whether the letter is accepted";
                Failure::Uncertain(error.context(what))
            }
            known => known,
        })?;
    let accepted: AcceptedLetter = reply.read()?;
    let Some(outcome) = accepted.outcome else {
        let ticket = accepted.ticket;
        if letter.wait.is_none() {
            print(format_args!("letter {ticket} accepted"));
            return Ok(ExitCode::SUCCESS);
        }
        print(format_args!(
            "letter {ticket} accepted; its outcome is not known"
        ));
        return Ok(ExitCode::from(EXIT_NO_OUTCOME));
    };
    match accepted.detail {
        None => print(format_args!("letter {} {outcome}", accepted.ticket)),
        Some(detail) => print(format_args!(
            "letter {} {outcome} ({detail})",
            accepted.ticket
        )),
    }
    let outcome: OutcomeWord = outcome
        .parse()
        .map_err(|error| anyhow!("{outcome:?} {error}"))
        .map_err(Failure::Other)?;
    Ok(code(outcome))
}

fn code(outcome: OutcomeWord) -> ExitCode {
    match outcome {
        OutcomeWord::Delivered => ExitCode::SUCCESS,
        OutcomeWord::Expired => ExitCode::from(EXIT_EXPIRED),
        OutcomeWord::Displaced => ExitCode::from(EXIT_DISPLACED),
        OutcomeWord::Refused => ExitCode::from(EXIT_REFUSED),
    }
}

pub(super) fn send(gateway: &Where, message: Message) -> Result<ExitCode, Failure> {
    let (guest, topic) = (encoded(&message.guest), encoded(&message.topic));
    let path = format!("/messages?guest={guest}&topic={topic}");
    let body = payload(message.payload)?;
    done(&post(gateway, path, &body)?)
}

pub(super) const RELOAD_HELP: &str = "\
Exit codes: 0 taken up, 78 the configuration is wrong and nothing has changed, 69 no gateway \
answers.";

pub(super) fn reload(gateway: &Where) -> Result<ExitCode, Failure> {
    // Components may have to be compiled.
    let reply = client(gateway)?.ask(&Ask {
        method: "POST",
        path: "/reload".into(),
        body: &[],
        waits: true,
    })?;
    let changes: Changes = reply.read()?;
    print(shown::Shown(&changes));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn reconnect(gateway: &Where) -> Result<ExitCode, Failure> {
    done(&post(gateway, "/reconnect".into(), &[])?)
}

pub(super) fn status(gateway: &Where, is_json: bool) -> Result<ExitCode, Failure> {
    let reply = get(gateway, "/status".into())?;
    let status: Status = reply.read()?;
    match is_json {
        true => print_raw(&reply),
        false => print(shown::Shown(&status)),
    }
    Ok(match (status.not_kept, status.session) {
        (Some(_), _) => ExitCode::from(EXIT_NOT_KEPT),
        (None, SessionState::Offline) => ExitCode::from(EXIT_OFFLINE),
        (None, SessionState::Online) => ExitCode::SUCCESS,
    })
}

pub(super) fn letters(gateway: &Where, listing: &Listing) -> Result<ExitCode, Failure> {
    if let Some(ticket) = listing.cancel {
        let ask = Ask {
            method: "DELETE",
            path: format!("/letters/{ticket}"),
            body: &[],
            waits: false,
        };
        let cancelled: AcceptedLetter = client(gateway)?.ask(&ask)?.read()?;
        let (ticket, is_late) = (cancelled.ticket, cancelled.detail.is_some());
        let sent = if is_late { ", and was sent before" } else { "" };
        print(format_args!("letter {ticket} is not sent any more{sent}"));
        return Ok(ExitCode::SUCCESS);
    }
    let guest = listing.guest.as_deref();
    let filter = guest.map(|guest| format!("?guest={}", encoded(guest)));
    let reply = get(gateway, format!("/letters{}", filter.unwrap_or_default()))?;
    let letters: Letters = reply.read()?;
    match listing.json {
        true => print_raw(&reply),
        false => print(shown::Shown(&letters)),
    }
    Ok(ExitCode::SUCCESS)
}

fn client(gateway: &Where) -> Result<Client, Failure> {
    let (endpoint, token) = control::find(gateway.socket.as_deref().map(Path::new))?;
    Ok(Client { endpoint, token })
}

fn get(gateway: &Where, path: String) -> Result<Reply, Failure> {
    client(gateway)?.ask(&Ask {
        method: "GET",
        path,
        body: &[],
        waits: false,
    })
}

fn post(gateway: &Where, path: String, body: &[u8]) -> Result<Reply, Failure> {
    client(gateway)?.ask(&Ask {
        method: "POST",
        path,
        body,
        waits: false,
    })
}

/// There is nothing to tell if all went well.
fn done(reply: &Reply) -> Result<ExitCode, Failure> {
    reply.read::<serde_json::Value>().map(|_| ExitCode::SUCCESS)
}

fn payload(argument: Option<OsString>) -> Result<Vec<u8>, Failure> {
    match argument {
        None => Ok(Vec::new()),
        Some(argument) if argument == "-" => {
            let mut payload = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut payload);
            read.context("standard input cannot be read")
                .map_err(Failure::Other)?;
            Ok(payload)
        }
        Some(argument) => Ok(argument.into_vec()),
    }
}

fn encoded(text: &str) -> impl Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// Prints a line on standard output, if somebody reads it.
fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn print_raw(reply: &Reply) {
    let _ = std::io::stdout().write_all(&reply.body);
}
