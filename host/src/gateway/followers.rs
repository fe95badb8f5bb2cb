//! Those who follow what a gateway does, as it does it.
//!
//! Each has a queue of lines, which is bounded: what does not fit is dropped and counted,
//! so whoever is told something waits for nobody. Where nobody follows, one flag is looked
//! at and nothing else is done.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::news::{Event, News, Subject};
use crate::guest::{Listener, PrintedLine};
use crate::office::{CONTROL_PERMISSIONS, GuestId, Priority, Rule};

/// How many can follow.
const MAX_FOLLOWERS: usize = 8;

/// From so many bytes on in a queue, what comes is dropped.
const QUEUE: usize = 256 << 10;

/// So many bytes of a payload are told.
const PAYLOAD: usize = 1 << 10;

/// So many bytes of a text are.
const TEXT: usize = 4 << 10;

/// Those who follow a gateway. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Followers(Arc<Shared>);

/// Why somebody does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotFollowed {
    /// As many do already as can.
    TooMany,
    /// Payloads are not permitted.
    NotPermitted(Rule),
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether there is anybody.
    are_any: AtomicBool,
    /// Only locked to be changed when somebody comes or goes.
    all: RwLock<All>,
}

#[derive(Debug, Default)]
struct All {
    followers: Vec<Follower>,
    /// What the next one is known by.
    next: u64,
}

#[derive(Debug)]
struct Follower {
    id: u64,
    payloads: bool,
    lines: UnboundedSender<Bytes>,
    room: Arc<Room>,
}

/// What both ends of a queue know of it.
#[derive(Debug, Default)]
struct Room {
    /// How many bytes wait.
    bytes: AtomicUsize,
    /// How many lines were dropped since the last that was not.
    dropped: AtomicU64,
}

/// The lines for one follower, who is forgotten when it is dropped.
#[derive(Debug)]
pub(crate) struct Following {
    id: u64,
    followers: Followers,
    lines: UnboundedReceiver<Bytes>,
    room: Arc<Room>,
}

/// News as followers get them, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Line {
    /// When it happened: milliseconds since 1970, without leap seconds.
    pub(crate) unix_ms: u64,
    pub(crate) event: Event,
    /// What the text is about.
    pub(crate) subject: String,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guest: Option<String>,
    /// Of a message: those that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guests: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// For what a letter was displaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Of a letter that is accepted, if it is not `normal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replace_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after_reboot: Option<String>,
    /// How many bytes the payload has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<usize>,
    /// Its beginning, if that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<String>,
    /// Its beginning, if that is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload_base64: Option<String>,
    /// How many lines were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dropped: Option<u64>,
}

impl Followers {
    /// Whether there is anybody to tell.
    pub(super) fn are_any(&self) -> bool {
        // Relaxed: who comes at this moment hears of the next one.
        self.0.are_any.load(Ordering::Relaxed)
    }

    /// Begins to follow, with payloads or without.
    pub(super) fn follow(&self, payloads: bool) -> Result<Following, NotFollowed> {
        let mut all = self.change();
        if all.followers.len() >= MAX_FOLLOWERS {
            return Err(NotFollowed::TooMany);
        }
        let (sender, lines) = unbounded_channel();
        let (id, room) = (all.next, Arc::<Room>::default());
        all.next += 1;
        all.followers.push(Follower {
            id,
            payloads,
            lines: sender,
            room: room.clone(),
        });
        self.0.are_any.store(true, Ordering::Relaxed);
        Ok(Following {
            id,
            followers: self.clone(),
            lines,
            room,
        })
    }

    /// Those who follow with payloads go on without, from the next line on.
    pub(super) fn withhold_payloads(&self) {
        for follower in &mut self.change().followers {
            follower.payloads = false;
        }
    }

    /// Tells all of them; `names` are those of the guests.
    pub(super) fn tell(&self, news: &News<'_>, names: &[String]) {
        self.send(|payloads| Line::of(news, names, payloads));
    }

    /// The gateway has ended, and tells nothing more.
    pub(super) fn end(&self) {
        let last = News::new(Event::End, Subject::News, "the gateway has ended");
        let last = Line::of(&last, &[], false).to_bytes();
        for follower in self.change().followers.drain(..) {
            follower.push(last.clone());
        }
        self.0.are_any.store(false, Ordering::Relaxed);
    }

    /// Hears what guests print.
    pub(crate) fn listener(&self) -> Listener {
        let followers = self.clone();
        Listener::new(move |printed| {
            if followers.are_any() {
                followers.send(|_| Line::printed(printed));
            }
        })
    }

    fn send(&self, line: impl Fn(bool) -> Line) {
        let (mut plain, mut full) = (None, None);
        for follower in &self.read().followers {
            if follower.is_full() {
                follower.room.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let made = if follower.payloads {
                &mut full
            } else {
                &mut plain
            };
            let bytes = made.get_or_insert_with(|| line(follower.payloads).to_bytes());
            follower.push(bytes.clone());
        }
    }

    fn forget(&self, id: u64) {
        let mut all = self.change();
        all.followers.retain(|follower| follower.id != id);
        self.0
            .are_any
            .store(!all.followers.is_empty(), Ordering::Relaxed);
    }

    // Whoever panics with one of them has left the list whole.
    fn read(&self) -> RwLockReadGuard<'_, All> {
        self.0.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, All> {
        self.0.all.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for NotFollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "too many follow already: {MAX_FOLLOWERS} at most"),
            Self::NotPermitted(rule) => rule.in_table(CONTROL_PERMISSIONS).fmt(f),
        }
    }
}

impl From<Rule> for NotFollowed {
    fn from(rule: Rule) -> Self {
        Self::NotPermitted(rule)
    }
}

impl Follower {
    fn is_full(&self) -> bool {
        self.room.bytes.load(Ordering::Relaxed) >= QUEUE
    }

    /// Has a line wait, behind what is to be said of those that were dropped.
    fn push(&self, line: Bytes) {
        for line in self.room.take_dropped().into_iter().chain([line]) {
            self.room.bytes.fetch_add(line.len(), Ordering::Relaxed);
            // Who is gone is forgotten in a moment.
            let _ = self.lines.send(line);
        }
    }
}

impl Room {
    /// A line about those that were dropped, if there are any.
    fn take_dropped(&self) -> Option<Bytes> {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        (dropped > 0).then(|| Line::dropped(dropped).to_bytes())
    }
}

impl Following {
    /// The next line; none after the last.
    pub(crate) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.lines.poll_recv(cx) {
            Poll::Ready(Some(line)) => {
                self.room.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                Poll::Ready(Some(line))
            }
            Poll::Ready(None) => Poll::Ready(None),
            // Nothing may come for long that it could be said with.
            Poll::Pending => match self.room.take_dropped() {
                Some(line) => Poll::Ready(Some(line)),
                None => Poll::Pending,
            },
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.followers.forget(self.id);
    }
}

impl Line {
    pub(crate) fn of(news: &News<'_>, names: &[String], payloads: bool) -> Self {
        let name = |guest: &GuestId| names.get(guest.index()).cloned();
        let (guest, guests) = match news.event {
            Event::Message => (None, Some(news.guests.iter().filter_map(name).collect())),
            _ => (news.guests.first().and_then(name), None),
        };
        let ticket = match news.subject {
            Subject::Letter(ticket) => Some(ticket.0),
            _ => None,
        };
        let priority = news.letter.map(|letter| letter.priority);
        let priority = priority.filter(|it| *it != Priority::default());
        let mut line = Self {
            unix_ms: unix_ms(),
            event: news.event,
            subject: news.subject.to_string(),
            text: beginning(&news.text).to_owned(),
            guest,
            guests,
            ticket,
            topic: news.topic.map(str::to_owned),
            timer: news.timer.map(str::to_owned),
            detail: news.detail.map(str::to_owned),
            by: news.by.map(|by| by.to_string()),
            priority: priority.map(|priority| priority.to_string()),
            replace_key: news
                .letter
                .and_then(|it| it.replace_key.as_deref().map(str::to_owned)),
            after_reboot: news
                .letter
                .and_then(|it| it.when_off.map(|when_off| when_off.to_string())),
            bytes: news.payload.map(<[u8]>::len),
            payload: None,
            payload_base64: None,
            dropped: None,
        };
        if let Some(payload) = news.payload.filter(|_| payloads) {
            let shown = &payload[..payload.len().min(PAYLOAD)];
            match text(shown, shown.len() < payload.len()) {
                Some(text) => line.payload = Some(text.to_owned()),
                None => line.payload_base64 = Some(BASE64.encode(shown)),
            }
        }
        line
    }

    fn dropped(lines: u64) -> Self {
        let text = format!("{lines} left out: they are read too slowly");
        let news = News::new(Event::Dropped, Subject::News, text);
        Self {
            dropped: Some(lines),
            ..Self::of(&news, &[], false)
        }
    }

    fn printed(printed: &PrintedLine<'_>) -> Self {
        let news = News::new(Event::Printed, Subject::Guest, printed.to_string());
        Self {
            guest: Some(printed.guest.to_owned()),
            detail: printed.is_error.then(|| "stderr".to_owned()),
            ..Self::of(&news, &[], false)
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        // What fails here would be a key that is no text.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.into()
    }
}

#[expect(clippy::disallowed_methods, reason = "only shown: when it happened")]
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT)]
}

/// Bytes as a text, if they are one; where they were cut, the last character may be.
fn text(bytes: &[u8], is_cut: bool) -> Option<&str> {
    match str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn news<'a>(event: Event, payload: &'a [u8]) -> News<'a> {
        News {
            payload: Some(payload),
            ..News::new(event, Subject::Link, "x")
        }
    }

    /// What is there, but for the times.
    fn lines(following: &mut Following) -> (Vec<Line>, bool) {
        let mut lines = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match following.poll_line(&mut cx) {
                Poll::Ready(Some(line)) => {
                    lines.push(serde_json::from_slice(&line).expect("it is JSON"));
                }
                Poll::Ready(None) => return (lines, true),
                Poll::Pending => return (lines, false),
            }
        }
    }

    #[test]
    fn who_does_not_read_costs_a_bound_and_nobody_else_anything() {
        let followers = Followers::default();
        let mut slow = followers.follow(true).expect("there is room");
        let mut other = followers.follow(false).expect("there is room");
        let payload = [b'x'; PAYLOAD];
        let mut told = 0;
        for _ in 0..1_000 {
            followers.tell(&news(Event::Online, &payload), &[]);
            told += lines(&mut other).0.len();
        }
        assert_eq!(told, 1_000, "the other misses nothing");
        let waiting = slow.room.bytes.load(Ordering::Relaxed);
        assert!(waiting < QUEUE + 2 * PAYLOAD, "{waiting}");
        let (read, has_ended) = lines(&mut slow);
        let (last, whole) = read.split_last().expect("there are some");
        assert_eq!(last.dropped, Some(1_000 - whole.len() as u64));
        assert!(!has_ended);

        // What comes later comes behind what is said of the dropped.
        for _ in 0..1_000 {
            followers.tell(&news(Event::Online, &payload), &[]);
        }
        followers.end();
        let (read, has_ended) = lines(&mut slow);
        assert!(has_ended);
        let [whole @ .., dropped, end] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(dropped.dropped, Some(1_000 - whole.len() as u64));
        assert_eq!(end.event, Event::End);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let followers = Followers::default();
        assert!(!followers.are_any());
        let mut all: Vec<_> = (0..MAX_FOLLOWERS)
            .map(|_| followers.follow(false).expect("there is room"))
            .collect();
        assert!(followers.are_any());
        assert_eq!(followers.follow(false).err(), Some(NotFollowed::TooMany));
        all.pop();
        all.push(followers.follow(false).expect("one has gone"));
        all.clear();
        assert!(!followers.are_any());
    }

    #[test]
    fn payloads_are_cut_and_shown_to_those_who_ask() {
        let followers = Followers::default();
        let mut plain = followers.follow(false).expect("there is room");
        let mut full = followers.follow(true).expect("there is room");
        let long = "ä".repeat(PAYLOAD);
        let mut check = |payload: &[u8], shown: Option<&str>, base64: Option<&str>| {
            followers.tell(&news(Event::Message, payload), &[]);
            for (following, is_full) in [(&mut plain, false), (&mut full, true)] {
                let (read, _) = lines(following);
                let line = &read[0];
                assert_eq!(line.bytes, Some(payload.len()));
                assert_eq!(line.payload.as_deref(), shown.filter(|_| is_full));
                assert_eq!(line.payload_base64.as_deref(), base64.filter(|_| is_full));
            }
        };
        check(b"", Some(""), None);
        check(b"caf\xe9", None, Some("Y2Fm6Q=="));
        check(long.as_bytes(), Some(&long[..PAYLOAD]), None);
        let odd = format!("x{long}");
        check(odd.as_bytes(), Some(&odd[..PAYLOAD - 1]), None);
    }
}
