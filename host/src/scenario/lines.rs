//! The shortest scenario: lines of `[topic] payload`.

use std::io::{self, Write};
use std::time::Duration;

use crate::guest::Component;
use crate::office::{Qos, topic};
use crate::testing::{Asked, Event, Network, Published, World, WorldOptions};

/// How much time passes from one message to the next, so that what a guest
/// puts off has its time.
const PAUSE: Duration = Duration::from_secs(1);

/// Messages, each written on a line as `[topic] payload`. Empty lines and lines
/// that begin with `#` are none.
#[derive(Debug)]
pub struct Lines(Vec<Published>);

/// Why lines are no messages. Displayed with the number of the line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinesError {
    /// There are no messages.
    #[error("there are no lines `[topic] payload`")]
    Empty,
    /// A line is something else.
    #[error("{line}: is not a message; write `[topic] payload`")]
    Form {
        /// Its number, from 1.
        line: usize,
    },
    /// A line has no topic name in its brackets.
    #[error("{line}: {topic:?} {reason}")]
    Topic {
        /// Its number, from 1.
        line: usize,
        /// What is in the brackets.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Splits `[topic] payload`. None for a line of any other form.
pub(crate) fn split(line: &str) -> Option<(&str, &str)> {
    let (topic, payload) = line.strip_prefix('[')?.split_once(']')?;
    Some((topic, payload.strip_prefix(' ').unwrap_or(payload)))
}

impl Lines {
    /// Reads lines.
    pub fn parse(text: &str) -> Result<Self, LinesError> {
        let mut messages = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let (topic, payload) = split(text).ok_or(LinesError::Form { line })?;
            if let Err(reason) = topic::check_name(topic) {
                let (topic, reason) = (topic.to_owned(), reason.to_string());
                return Err(LinesError::Topic {
                    line,
                    topic,
                    reason,
                });
            }
            messages.push(Published {
                topic: topic.to_owned(),
                payload: payload.into(),
                qos: Qos::AtLeastOnce,
                retain: false,
                properties: None,
                asked: Asked::default(),
            });
        }
        if messages.is_empty() {
            return Err(LinesError::Empty);
        }
        Ok(Self(messages))
    }

    /// Sends the messages to this guest, which subscribes to just their topics,
    /// one each second of virtual time. Writes a line for each event.
    /// Returns whether all calls of the guest have succeeded.
    ///
    /// Must not be called within an async runtime: it brings its own.
    pub fn run(&self, guest: &Component, out: &mut impl Write) -> io::Result<bool> {
        let mut subscriptions: Vec<_> = self.0.iter().map(|message| &message.topic).collect();
        subscriptions.sort();
        subscriptions.dedup();
        // A topic with braces in it is no filter as it is configured.
        let subscribe = |topic: &String| Some((topic.parse().ok()?, Qos::ExactlyOnce));
        let options = WorldOptions {
            subscriptions: subscriptions.into_iter().filter_map(subscribe).collect(),
            ..WorldOptions::default()
        };
        let mut world = World::new(guest, options, Network::Up)?;
        let mut all_succeeded = true;
        let mut tell = |world: &mut World, out: &mut dyn Write| {
            for record in world.take_records() {
                all_succeeded &= !matches!(record.event, Event::Failed { .. });
                writeln!(out, "{}", record.event)?;
            }
            io::Result::Ok(())
        };
        tell(&mut world, out)?;
        for message in &self.0 {
            if let Err(error) = world.publish(message.clone()) {
                writeln!(out, "not sent  {message}: {error}")?;
            }
            world.advance(PAUSE);
            tell(&mut world, out)?;
        }
        Ok(all_succeeded)
    }
}
