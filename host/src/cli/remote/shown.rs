//! Answers as people read them.

use std::fmt;
use std::time::Duration;

use crate::control::answers::{
    Changes, GuestState, GuestStatus, LastError, LetterState, Letters, SessionState, Status,
    TimerStatus,
};
use crate::gateway::dropped_in_words;
use crate::words::{Clean, Counted, Span, asked_beside, rough};

/// Displays an answer, without a line break at its end.
pub(super) struct Shown<'a, T>(pub(super) &'a T);

impl fmt::Display for Shown<'_, Status> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(status) = self;
        let (since, broker) = (span(status.since_ms), &status.broker);
        match status.session {
            SessionState::Online => {
                let mqtt = status.mqtt.as_deref().unwrap_or("?");
                write!(f, "online for {since}: {broker}, MQTT {mqtt}")?;
            }
            SessionState::Offline => {
                write!(f, "offline for {since}: {broker}")?;
                if let Some(next) = status.next_try_ms {
                    write!(f, ", next try in {}", span(next))?;
                }
            }
        }
        write!(f, "\nclient id {:?}", status.client_id)?;
        if let Some(error) = &status.last_error {
            write!(f, "\nlast error {}", Shown(error))?;
        }
        let letters = Counted(status.letters, "letter");
        write!(f, "\n{letters}, {} in flight", status.in_flight)?;
        if status.held > 0 {
            write!(f, ", {} held until the clock is trusted", status.held)?;
        }
        if let Some(why) = &status.not_kept {
            write!(
                f,
                "\nTHE WORK LIST CANNOT BE KEPT, nothing is accepted: {why}"
            )?;
        }
        for guest in &status.guests {
            write!(f, "\n{}", Shown(guest))?;
        }
        Ok(())
    }
}

impl fmt::Display for Shown<'_, GuestStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(guest) = self;
        let state = match guest.state {
            GuestState::Idle => "idle",
            GuestState::Busy => "busy",
            GuestState::Failing => "failing",
            GuestState::Gone => "gone",
        };
        write!(f, "guest {}: {state}", guest.name)?;
        if guest.letters > 0 {
            let letters = Counted(guest.letters, "letter");
            write!(f, ", {letters} ({})", Counted(guest.bytes, "byte"))?;
        }
        if guest.messages > 0 {
            write!(f, ", {}", Counted(guest.messages, "message"))?;
        }
        if guest.state == GuestState::Gone && guest.outcomes > 0 {
            write!(f, ", {} untold", Counted(guest.outcomes, "outcome"))?;
        }
        if let Some(error) = &guest.last_error {
            write!(f, "; last error {}", Shown(error))?;
        }
        for timer in &guest.timers {
            write!(f, "\n  timer {}", Shown(timer))?;
        }
        Ok(())
    }
}

impl fmt::Display for Shown<'_, TimerStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(timer) = self;
        write!(f, "{}: ", timer.name)?;
        match timer.due_in_ms {
            0..100 => f.write_str("due now")?,
            millis => write!(f, "due in {}", span(millis))?,
        }
        if let Some(period) = timer.every_ms {
            write!(f, ", every {}", Span(Duration::from_millis(period)))?;
        }
        match timer.missed {
            0 => Ok(()),
            missed => write!(f, ", {missed} missed"),
        }
    }
}

impl fmt::Display for Shown<'_, Changes> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(changes) = self;
        f.write_str("configuration read again")?;
        let lists = [
            ("added", changes.added.join(", ")),
            ("replaced", changes.replaced.join(", ")),
            ("removed", changes.removed.join(", ")),
            ("dropped", dropped_in_words(&changes.dropped)),
            ("changed", changes.changed.join(", ")),
            ("changed keys", changes.changed_keys.join(", ")),
        ];
        for (what, list) in lists {
            if !list.is_empty() {
                write!(f, "\n{what}: {list}")?;
            }
        }
        if changes.new_session {
            f.write_str("\na new session begins")?;
        }
        if changes.unchanged && changes.at_next_start.is_empty() {
            f.write_str("\nnothing has changed")?;
        }
        if !changes.at_next_start.is_empty() {
            let names = changes.at_next_start.join(", ");
            write!(f, "\nchanged, and waits for the next start: {names}")?;
        }
        if let Some(why) = &changes.not_kept {
            let why = Clean(why);
            write!(f, "\nthat guests are gone cannot be kept yet: {why}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Shown<'_, LastError> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(f, "{} ago: {}", span(error.age_ms), Clean(&error.text))
    }
}

impl fmt::Display for Shown<'_, Letters> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(letters) = self;
        if letters.letters.is_empty() {
            return write!(f, "{}", Counted(letters.total, "letter"));
        }
        write!(
            f,
            "{:>8}  {:<9}  {:>8}  {:>8}  {:>5}  {:>3}  {:<8}  {:>8}  {:<12}  TOPIC",
            "TICKET", "STATE", "AGE", "LEFT", "TRIES", "QOS", "PRIORITY", "BYTES", "GUEST"
        )?;
        for letter in &letters.letters {
            let state = match letter.state {
                LetterState::Waiting => "waiting",
                LetterState::InFlight => "in flight",
                LetterState::Held => "held",
            };
            let age = letter.age_ms.map_or("-".to_owned(), span);
            let left = span(letter.left_ms);
            write!(
                f,
                "\n{:>8}  {state:<9}  {age:>8}  {left:>8}  {:>5}  {:>3}  {:<8}  {:>8}  {:<12}  {}",
                letter.ticket,
                letter.tries,
                letter.qos,
                letter.priority,
                letter.bytes,
                letter.guest,
                Clean(&letter.topic)
            )?;
            let (key, after_reboot) = (&letter.replace_key, &letter.after_reboot);
            f.write_str(&asked_beside(key.as_deref(), after_reboot.as_deref()))?;
        }
        let more = letters.total - letters.letters.len().min(letters.total);
        if more > 0 {
            write!(f, "\nand {more} more")?;
        }
        Ok(())
    }
}

/// So many milliseconds, as people read them.
fn span(millis: u64) -> String {
    rough(Duration::from_millis(millis)).to_string()
}
