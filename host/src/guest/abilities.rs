//! What components ask their host for, and what they offer it, in plain words.

use std::fmt;

use super::allowed_imports::{compatible, split};

/// Something that a component asks its host for, by its imports. Displayed, it is what
/// it does with that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ask {
    /// To publish letters.
    Publish,
    /// Whether there is a session with the broker.
    Status,
    /// A new connection.
    Reconnect,
    /// Timers of its own.
    Timers,
    /// A state that outlives a trap.
    State,
    /// Its settings.
    Settings,
    /// The variables that it is granted.
    Environment,
    /// What time it is.
    Clock,
    /// To be woken up later.
    Sleep,
    /// Random numbers.
    Random,
    /// To print.
    Print,
    /// Standard input, which is empty.
    Input,
    /// Files, of which it sees none.
    Files,
    /// The network, which it is not let into.
    Network,
    /// To end by itself, which is a trap.
    Exit,
}

/// Something that a component offers its host, by its exports. Displayed, it is what it
/// does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Offer {
    /// `handler`
    Handler,
    /// `outcomes`
    Outcomes,
    /// `subscriptions`
    Subscriptions,
    /// `timer-handler`
    Timers,
    /// `configure`
    Configure,
    /// `will`
    Will,
}

impl Ask {
    /// What a function of an interface that is imported is for, if it is for anything
    /// by itself.
    pub(super) fn of(interface: &str, function: &str) -> Option<Self> {
        let (interface, _) = split(interface)?;
        Some(match (interface, function) {
            ("jackalope:gateway/jackalope", "publish") => Self::Publish,
            ("jackalope:gateway/jackalope", "status") => Self::Status,
            ("jackalope:gateway/jackalope", "reconnect") => Self::Reconnect,
            ("jackalope:gateway/timers", _) => Self::Timers,
            ("jackalope:gateway/state", _) => Self::State,
            ("jackalope:gateway/settings", _) => Self::Settings,
            ("wasi:cli/environment", _) => Self::Environment,
            ("wasi:cli/exit", _) => Self::Exit,
            ("wasi:cli/stdin", _) => Self::Input,
            ("wasi:cli/stdout" | "wasi:cli/stderr", _) => Self::Print,
            ("wasi:clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
                Self::Sleep
            }
            ("wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock", _) => Self::Clock,
            _ if interface.starts_with("wasi:random/") => Self::Random,
            _ if interface.starts_with("wasi:filesystem/") => Self::Files,
            _ if interface.starts_with("wasi:sockets/") => Self::Network,
            // Streams, and whether they are terminals, are asked for beside these.
            _ => return None,
        })
    }
}

impl Offer {
    /// What an interface that is exported is for, as far as the host calls it.
    pub(super) fn of(interface: &str) -> &'static [Self] {
        let Some((interface, version)) = split(interface) else {
            return &[];
        };
        match interface {
            // Before there were interfaces for the others.
            "jackalope:gateway/handler" if compatible(version) == "0.1" => {
                &[Self::Handler, Self::Outcomes, Self::Subscriptions]
            }
            "jackalope:gateway/handler" => &[Self::Handler],
            "jackalope:gateway/outcomes" => &[Self::Outcomes],
            "jackalope:gateway/subscriptions" => &[Self::Subscriptions],
            "jackalope:gateway/timer-handler" => &[Self::Timers],
            "jackalope:gateway/configure" => &[Self::Configure],
            "jackalope:gateway/will" => &[Self::Will],
            _ => &[],
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish => "publishes letters",
            Self::Status => "looks whether the gateway is online",
            Self::Reconnect => "may ask for a reconnect",
            Self::Timers => "sets timers",
            Self::State => "keeps state",
            Self::Settings => "reads its settings",
            Self::Environment => "reads the variables that it is given",
            Self::Clock => "reads the clock",
            Self::Sleep => "sleeps, within the time of a call",
            Self::Random => "draws random numbers",
            Self::Print => "prints, which goes to the log",
            Self::Input => "reads standard input, which is empty",
            Self::Files => "looks for files, and finds none",
            Self::Network => "looks for a network, and finds none",
            Self::Exit => "may end itself, which is a trap",
        })
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handler => "takes messages, and hears of the connection",
            Self::Outcomes => "hears outcomes",
            Self::Subscriptions => "hears of its subscriptions",
            Self::Timers => "is called by timers",
            Self::Configure => "looks at its settings before it begins",
            Self::Will => "sets a last will",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_asked_for_by_function_where_that_matters() {
        let own = "jackalope:gateway/jackalope@0.2.0";
        for (interface, function, expect) in [
            (own, "publish", Some(Ask::Publish)),
            (own, "reconnect", Some(Ask::Reconnect)),
            (own, "something-later", None),
            (
                "jackalope:gateway/jackalope@0.1.0",
                "status",
                Some(Ask::Status),
            ),
            ("jackalope:gateway/state@0.2.0", "keys", Some(Ask::State)),
            ("wasi:clocks/wall-clock@0.2.6", "now", Some(Ask::Clock)),
            (
                "wasi:sockets/tcp@0.2.6",
                "[method]tcp-socket.start-bind",
                Some(Ask::Network),
            ),
            ("wasi:io/streams@0.2.6", "[method]output-stream.write", None),
            ("wasi:http/outgoing-handler@0.2.0", "handle", None),
            ("env", "f", None),
        ] {
            assert_eq!(
                Ask::of(interface, function),
                expect,
                "{interface} {function}"
            );
        }
    }
}
