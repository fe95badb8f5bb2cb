//! The fake broker, two of its connections, and clients that send anything on them.
//!
//! What it sends must be packets, whatever it was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use jackalope_broker::{ConnectionId, Core, CoreOptions, Output, Time};

use crate::frames;

/// What happens.
#[derive(Debug, Arbitrary)]
pub struct Plan {
    /// What was not yet connected with is connected with one of these.
    connect: [Connect; 2],
    steps: Vec<Step>,
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Connect {
    /// With a CONNECT of MQTT 3.1.1.
    V4,
    /// With one of MQTT 5, and a session that is kept.
    V5,
    /// With whatever comes first.
    Anything,
}

#[derive(Debug, Arbitrary)]
enum Step {
    /// A client sends these bytes.
    Send(bool, Vec<u8>),
    /// A client sends a packet of this first byte, with this content.
    Packet(bool, u8, Vec<u8>),
    /// A client subscribes to a filter, with this byte of options.
    Subscribe(bool, Filter, u8),
    /// A client wants it no more.
    Unsubscribe(bool, Filter),
    /// A client publishes, with these flags.
    Publish(bool, Filter, u8, Vec<u8>),
    /// A client answers a packet that it was sent, the latest or one before.
    Answer(bool, Answer, u8),
    /// A client is gone, and connects anew.
    Again(bool),
    /// So many seconds pass.
    Wait(u16),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Answer {
    PubAck,
    PubRec,
    PubComp,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Filter {
    Name,
    Other,
    Level,
    All,
    Shared,
}

impl Filter {
    /// With its length.
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Name => b"\0\x03a/b",
            Self::Other => b"\0\x03a/c",
            Self::Level => b"\0\x03a/+",
            Self::All => b"\0\x01#",
            Self::Shared => b"\0\x0c$share/s/a/b",
        }
    }
}

/// The id of what clients send in whole.
const ID: &[u8] = &[0, 9];

const CONNECTS: [&[u8]; 2] = [
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a",
    // Session expiry of 60 s, receive maximum 2, two topic aliases.
    b"\x10\x19\x00\x04MQTT\x05\x00\x00\x3c\x0b\x11\x00\x00\x00\x3c\x21\x00\x02\x22\x00\x02\x00\x01b",
];

/// Carries the plan out.
pub fn run(plan: Plan) {
    let mut run = Run {
        core: Core::new(CoreOptions::default()),
        now: Time::default(),
        last: 0,
        open: BTreeMap::new(),
        connect: plan.connect,
    };
    for step in plan.steps.into_iter().take(200) {
        match step {
            Step::Send(client, bytes) => run.send(client, &bytes),
            Step::Packet(client, first, body) => {
                let length = u8::try_from(body.len()).unwrap_or(0x7f).min(0x7f);
                let body = &body[..usize::from(length)];
                run.send(client, &[&[first, length], body].concat());
            }
            Step::Subscribe(client, filter, options) => {
                run.packet(client, 0x82, ID, &[filter.bytes(), &[options]]);
            }
            Step::Unsubscribe(client, filter) => run.packet(client, 0xa2, ID, &[filter.bytes()]),
            Step::Publish(client, topic, flags, payload) => {
                let id = if flags & 0b110 == 0 { &[] } else { ID };
                let head = [topic.bytes(), id].concat();
                let payload = &payload[..payload.len().min(60)];
                run.packet(client, 0x30 | flags & 0xf, &head, &[payload]);
            }
            Step::Answer(client, answer, back) => {
                let open = run.open(client);
                let Some(&id) = open.ids.iter().rev().nth(usize::from(back)) else {
                    continue;
                };
                let first = match answer {
                    Answer::PubAck => 0x40,
                    Answer::PubRec => 0x50,
                    Answer::PubComp => 0x70,
                };
                run.send(client, &[first, 2, id[0], id[1]]);
            }
            Step::Again(client) => {
                if let Some(open) = run.open.remove(&client) {
                    run.core.handle_closed(run.now, open.id);
                }
            }
            Step::Wait(seconds) => {
                run.now = run.now + Duration::from_secs(seconds.into());
                run.core.handle_timeout(run.now);
            }
        }
        run.drain();
    }
    let next = run.core.next_timeout();
    run.core.handle_timeout(run.now);
    run.drain();
    assert!(next.is_none_or(|next| run.core.next_timeout() != Some(next) || next > run.now));
}

struct Run {
    core: Core,
    now: Time,
    last: u64,
    open: BTreeMap<bool, Open>,
    connect: [Connect; 2],
}

struct Open {
    id: ConnectionId,
    /// What the client has got and is not a whole packet yet.
    received: Vec<u8>,
    /// The ids of what it has got to acknowledge.
    ids: Vec<[u8; 2]>,
}

impl Run {
    fn open(&mut self, client: bool) -> &mut Open {
        if !self.open.contains_key(&client) {
            self.last += 1;
            let id = ConnectionId(self.last);
            self.core.handle_open(self.now, id);
            match self.connect[usize::from(client)] {
                Connect::V4 => self.core.handle_bytes(self.now, id, CONNECTS[0]),
                Connect::V5 => self.core.handle_bytes(self.now, id, CONNECTS[1]),
                Connect::Anything => {}
            }
        }
        let id = ConnectionId(self.last);
        self.open.entry(client).or_insert(Open {
            id,
            received: Vec::new(),
            ids: Vec::new(),
        })
    }

    fn send(&mut self, client: bool, bytes: &[u8]) {
        let id = self.open(client).id;
        self.core.handle_bytes(self.now, id, bytes);
    }

    /// Sends a packet of this head and this rest, with no properties in between.
    fn packet(&mut self, client: bool, first: u8, head: &[u8], rest: &[&[u8]]) {
        let properties: &[u8] = match self.connect[usize::from(client)] {
            Connect::V5 => &[0],
            Connect::V4 | Connect::Anything => &[],
        };
        let body = [head, properties, &rest.concat()].concat();
        self.send(client, &[&[first, body.len() as u8], &body[..]].concat());
    }

    fn drain(&mut self) {
        while let Some(event) = self.core.poll_event() {
            // Whatever it holds can be shown.
            let _ = event.to_string();
        }
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send(id, bytes) => {
                    let Some(open) = self.open.values_mut().find(|open| open.id == id) else {
                        continue;
                    };
                    open.received.extend_from_slice(&bytes);
                    let mut rest = &open.received[..];
                    while let Some(frame) = frames::take(&mut rest) {
                        assert!((2..=15).contains(&frame.kind()), "{frame:?}");
                        open.ids.extend(frame.id());
                    }
                    open.received = rest.to_vec();
                }
                Output::Close(id) => {
                    self.open.retain(|_, open| open.id != id);
                }
            }
        }
    }
}
