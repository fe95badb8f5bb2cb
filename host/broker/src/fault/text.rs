//! Faults as words: `drop-after=3:publish`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Ack, Fault, Times};
use crate::packet::{ConnectReturnCode, PacketType};
use crate::topic;
use crate::v5::Reason;

/// Every fault, as it is written.
const SYNTAX: &str = "refuse-connect=CODE, refuse-connect=CODE:TIMES, \
    refuse-connect-v5=REASON, refuse-connect-v5=REASON:TIMES, delay-connect=TIME, \
    never-answer-connect, drop-now, disconnect=REASON, drop-after=COUNT:PACKET, \
    drop-in-middle, withhold-acks=ACK,ACK…, delay-acks=TIME, duplicate-acks, \
    refuse-subscription=FILTER, refuse-publish=FILTER, refuse-publish=REASON:FILTER, \
    stop-reading, resume-reading, forget-session=CLIENT, take-over=CLIENT";

const CODES: [(ConnectReturnCode, &str); 5] = [
    (
        ConnectReturnCode::RefusedProtocolVersion,
        "protocol-version",
    ),
    (ConnectReturnCode::BadClientId, "client-id"),
    (ConnectReturnCode::ServiceUnavailable, "unavailable"),
    (
        ConnectReturnCode::BadUserNamePassword,
        "user-name-or-password",
    ),
    (ConnectReturnCode::NotAuthorized, "not-authorized"),
];

/// Those that a client sends.
const PACKETS: [(PacketType, &str); 10] = [
    (PacketType::Connect, "connect"),
    (PacketType::Publish, "publish"),
    (PacketType::PubAck, "puback"),
    (PacketType::PubRec, "pubrec"),
    (PacketType::PubRel, "pubrel"),
    (PacketType::PubComp, "pubcomp"),
    (PacketType::Subscribe, "subscribe"),
    (PacketType::Unsubscribe, "unsubscribe"),
    (PacketType::PingReq, "pingreq"),
    (PacketType::Disconnect, "disconnect"),
];

const ACKS: [(Ack, &str); 4] = [
    (Ack::PubAck, "puback"),
    (Ack::PubRec, "pubrec"),
    (Ack::PubComp, "pubcomp"),
    (Ack::SubAck, "suback"),
];

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// There is no fault of this name.
    #[error("there is no fault \"{0}\", but there are: {SYNTAX}")]
    Unknown(String),
    /// A fault that needs a value has none, or one that it can not have.
    #[error("{name} does not take \"{value}\": write {name}={expected}")]
    Value {
        /// The fault.
        name: &'static str,
        /// What was written.
        value: String,
        /// What could be.
        expected: String,
    },
}

/// As [`Display`](fmt::Display) writes it: a name, and behind `=` what it needs.
///
/// ```
/// use jackalope_broker::{Ack, Fault};
///
/// let fault: Fault = "withhold-acks=puback,pubrec".parse()?;
/// assert_eq!(fault, Fault::WithholdAcks(vec![Ack::PubAck, Ack::PubRec]));
/// # Ok::<(), jackalope_broker::FaultError>(())
/// ```
impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let fault = match (name, value) {
            ("never-answer-connect", None) => Self::NeverAnswerConnect,
            ("drop-now", None) => Self::DropNow,
            ("drop-in-middle", None) => Self::DropInMiddle,
            ("duplicate-acks", None) => Self::DuplicateAcks,
            ("stop-reading", None) => Self::StopReading,
            ("resume-reading", None) => Self::ResumeReading,
            _ => return with_value(name, value.unwrap_or_default(), text),
        };
        Ok(fault)
    }
}

fn with_value(name: &str, value: &str, text: &str) -> Result<Fault, FaultError> {
    let (name, fault, expected) = match name {
        "refuse-connect" => {
            let fault = times(value, |code| of(&CODES, code));
            let fault = fault.map(|(code, times)| Fault::RefuseConnect(code, times));
            ("refuse-connect", fault, with_times(&names(&CODES)))
        }
        "refuse-connect-v5" => {
            let fault = times(value, error_reason);
            let fault = fault.map(|(reason, times)| Fault::RefuseConnectV5(reason, times));
            ("refuse-connect-v5", fault, with_times(&reasons()))
        }
        "delay-connect" => {
            let fault = duration(value).map(Fault::DelayConnect);
            ("delay-connect", fault, TIME.to_owned())
        }
        "disconnect" => {
            let fault = error_reason(value).map(Fault::Disconnect);
            ("disconnect", fault, reasons())
        }
        "drop-after" => {
            let expected = format!(
                "COUNT:PACKET, the count from 1 on, the packet {}",
                names(&PACKETS)
            );
            ("drop-after", drop_after(value), expected)
        }
        "withhold-acks" => {
            let acks = value.split(',').map(|ack| of(&ACKS, ack));
            let fault = acks.collect::<Option<_>>().map(Fault::WithholdAcks);
            let expected = format!("some of these, with commas: {}", names(&ACKS));
            ("withhold-acks", fault, expected)
        }
        "delay-acks" => {
            let fault = duration(value).map(Fault::DelayAcks);
            ("delay-acks", fault, TIME.to_owned())
        }
        "refuse-subscription" => {
            let fault = filter(value).map(Fault::RefuseSubscription);
            ("refuse-subscription", fault, "a topic filter".to_owned())
        }
        "refuse-publish" => {
            let expected = "a topic filter, or REASON:FILTER";
            ("refuse-publish", refuse_publish(value), expected.to_owned())
        }
        "forget-session" => {
            let fault = client(value).map(Fault::ForgetSession);
            ("forget-session", fault, "a client id".to_owned())
        }
        "take-over" => {
            let fault = client(value).map(Fault::TakeOver);
            ("take-over", fault, "a client id".to_owned())
        }
        _ => return Err(FaultError::Unknown(text.to_owned())),
    };
    let value = value.to_owned();
    fault.ok_or(FaultError::Value {
        name,
        value,
        expected,
    })
}

const TIME: &str = "a time, e.g. 500ms or 3s";

fn drop_after(value: &str) -> Option<Fault> {
    let (count, packet) = value.split_once(':')?;
    let count = count.parse().ok().filter(|&count| count > 0)?;
    Some(Fault::DropAfter(count, of(&PACKETS, packet)?))
}

/// What is not a reason belongs to the filter.
fn refuse_publish(value: &str) -> Option<Fault> {
    let reason = value.split_once(':').and_then(|(reason, filter)| {
        let reason = error_reason(reason)?;
        Some((reason, filter))
    });
    let (reason, text) = reason.unwrap_or((Reason::NotAuthorized, value));
    Some(Fault::RefusePublish(filter(text)?, reason))
}

/// A value, for ever or for so many times.
fn times<T>(value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<(T, Times)> {
    match value.split_once(':') {
        None => Some((parse(value)?, Times::Always)),
        Some((value, times)) => Some((parse(value)?, Times::Next(times.parse().ok()?))),
    }
}

fn duration(value: &str) -> Option<Duration> {
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit())?);
    let number = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

fn filter(value: &str) -> Option<String> {
    let valid = topic::check_filter(value).is_ok() && topic::check_shared(value).is_ok();
    valid.then(|| value.to_owned())
}

fn client(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn error_reason(value: &str) -> Option<Reason> {
    error_reasons().find(|&reason| word(reason) == value)
}

fn error_reasons() -> impl Iterator<Item = Reason> {
    (0x80..=u8::MAX).filter_map(Reason::from_number)
}

fn word(reason: Reason) -> String {
    reason.to_string().replace(' ', "-")
}

fn reasons() -> String {
    let words: Vec<_> = error_reasons().map(word).collect();
    format!("one of: {}", words.join(", "))
}

fn with_times(what: &str) -> String {
    format!("{what}; behind it :2 for the next two times alone")
}

/// What a word of a table stands for.
fn of<T: Copy>(table: &[(T, &str)], word: &str) -> Option<T> {
    let mut entries = table.iter();
    entries
        .find(|(_, name)| *name == word)
        .map(|&(value, _)| value)
}

fn names<T>(table: &[(T, &str)]) -> String {
    let names: Vec<_> = table.iter().map(|&(_, name)| name).collect();
    format!("one of: {}", names.join(", "))
}

/// The word of a table that stands for a value.
fn name<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    let mut entries = table.iter();
    let found = entries.find(|(entry, _)| entry == value);
    // A code that accepts, or a packet that only a broker sends: no word for what
    // has no effect.
    found.map_or("none", |&(_, name)| name)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RefuseConnect(code, times) => {
                write!(f, "refuse-connect={}{times}", name(&CODES, code))
            }
            Self::RefuseConnectV5(reason, times) => {
                write!(f, "refuse-connect-v5={}{times}", word(*reason))
            }
            Self::DelayConnect(time) => write!(f, "delay-connect={}ms", time.as_millis()),
            Self::NeverAnswerConnect => f.write_str("never-answer-connect"),
            Self::DropNow => f.write_str("drop-now"),
            Self::Disconnect(reason) => write!(f, "disconnect={}", word(*reason)),
            Self::DropAfter(count, packet) => {
                write!(f, "drop-after={count}:{}", name(&PACKETS, packet))
            }
            Self::DropInMiddle => f.write_str("drop-in-middle"),
            Self::WithholdAcks(acks) => {
                let acks: Vec<_> = acks.iter().map(|ack| name(&ACKS, ack)).collect();
                write!(f, "withhold-acks={}", acks.join(","))
            }
            Self::DelayAcks(time) => write!(f, "delay-acks={}ms", time.as_millis()),
            Self::DuplicateAcks => f.write_str("duplicate-acks"),
            Self::RefuseSubscription(filter) => write!(f, "refuse-subscription={filter}"),
            Self::RefusePublish(filter, reason) => {
                write!(f, "refuse-publish={}:{filter}", word(*reason))
            }
            Self::StopReading => f.write_str("stop-reading"),
            Self::ResumeReading => f.write_str("resume-reading"),
            Self::ForgetSession(client) => write!(f, "forget-session={client}"),
            Self::TakeOver(client) => write!(f, "take-over={client}"),
        }
    }
}

/// What stands behind a fault that happens so often.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next(times) => write!(f, ":{times}"),
            Self::Always => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for (text, fault) in [
            (
                "refuse-connect=unavailable:2",
                Fault::RefuseConnect(ConnectReturnCode::ServiceUnavailable, Times::Next(2)),
            ),
            (
                "refuse-connect=not-authorized",
                Fault::RefuseConnect(ConnectReturnCode::NotAuthorized, Times::Always),
            ),
            (
                "refuse-connect-v5=server-busy:1",
                Fault::RefuseConnectV5(Reason::ServerBusy, Times::Next(1)),
            ),
            (
                "delay-connect=3000ms",
                Fault::DelayConnect(Duration::from_secs(3)),
            ),
            ("never-answer-connect", Fault::NeverAnswerConnect),
            ("drop-now", Fault::DropNow),
            (
                "disconnect=server-shutting-down",
                Fault::Disconnect(Reason::ServerShuttingDown),
            ),
            (
                "drop-after=3:publish",
                Fault::DropAfter(3, PacketType::Publish),
            ),
            ("drop-in-middle", Fault::DropInMiddle),
            (
                "withhold-acks=puback,suback",
                Fault::WithholdAcks(vec![Ack::PubAck, Ack::SubAck]),
            ),
            (
                "delay-acks=20ms",
                Fault::DelayAcks(Duration::from_millis(20)),
            ),
            ("duplicate-acks", Fault::DuplicateAcks),
            (
                "refuse-subscription=a/+",
                Fault::RefuseSubscription("a/+".to_owned()),
            ),
            (
                "refuse-publish=quota-exceeded:a:b/#",
                Fault::RefusePublish("a:b/#".to_owned(), Reason::QuotaExceeded),
            ),
            ("stop-reading", Fault::StopReading),
            ("resume-reading", Fault::ResumeReading),
            ("forget-session=a=b", Fault::ForgetSession("a=b".to_owned())),
            ("take-over=a", Fault::TakeOver("a".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(fault.clone()), "{text}");
            assert_eq!(fault.to_string(), text);
        }
        let refused = Fault::RefusePublish("a:b".to_owned(), Reason::NotAuthorized);
        assert_eq!("refuse-publish=a:b".parse(), Ok(refused));
        let delayed = Fault::DelayAcks(Duration::from_secs(2));
        assert_eq!("delay-acks=2s".parse(), Ok(delayed));
    }

    #[test]
    fn what_is_no_fault_is_told_what_there_is() {
        for (text, expected) in [
            (
                "drop-acks",
                "there is no fault \"drop-acks\", but there are: ",
            ),
            ("drop-acks", "withhold-acks=ACK,ACK…"),
            ("drop-now=1", "there is no fault \"drop-now=1\""),
            ("", "there is no fault \"\""),
            ("drop-after", "drop-after does not take \"\""),
            ("drop-after=0:publish", "write drop-after=COUNT:PACKET"),
            ("drop-after=1:puback,", "one of: connect, publish"),
            ("withhold-acks=puback,", "one of: puback, pubrec"),
            ("refuse-connect=accepted", "one of: protocol-version, "),
            ("refuse-connect=unavailable:x", ":2 for the next two times"),
            ("refuse-connect-v5=success", "server-busy, "),
            ("delay-acks=3", "a time, e.g. 500ms or 3s"),
            ("delay-acks=99999999999999999999s", "a time"),
            ("refuse-publish=a+", "a topic filter, or REASON:FILTER"),
            ("refuse-subscription=$share/a", "a topic filter"),
            ("take-over=", "a client id"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
