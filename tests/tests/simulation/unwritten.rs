//! Which packets are in the bytes that wait for the network, seen from outside.

use std::collections::VecDeque;

use jackalope::office::{Carried, Dispatch, Outgoing, Payload, Time};

use crate::model::{Check, ensure};

#[derive(Debug)]
struct Packet {
    carried: Carried,
    expires: Option<u64>,
    /// What it ends with, if it is a letter.
    payload: Option<Payload>,
    /// How many bytes it has, once it has been offered to the network.
    len: Option<usize>,
    rest: usize,
}

/// The packets of one connection that the kernel has not wholly taken.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(VecDeque<Packet>);

impl Unwritten {
    /// CONNECT is the first.
    pub(crate) fn connect() -> Self {
        let mut unwritten = Self::default();
        unwritten.push(Carried::Nothing, None, None);
        unwritten
    }

    pub(crate) fn handle_packed(&mut self, dispatch: &Dispatch) {
        let payload = match &dispatch.packet {
            Outgoing::Publish(publish) => Some(publish.payload.clone()),
            _ => None,
        };
        let expires = dispatch.expires.map(Time::as_millis);
        self.push(dispatch.carried, expires, payload);
    }

    fn push(&mut self, carried: Carried, expires: Option<u64>, payload: Option<Payload>) {
        self.0.push_back(Packet {
            carried,
            expires,
            payload,
            len: None,
            rest: 0,
        });
    }

    pub(crate) fn handle_recalled(&mut self, carried: Carried) -> Check {
        let mut packets = self.0.iter();
        let position = packets.position(|packet| packet.carried == carried);
        let recalled = position.and_then(|position| self.0.remove(position));
        ensure!(
            recalled.is_some_and(|packet| !packet.is_begun()),
            "{carried:?} is recalled, and is not there or was begun"
        );
        Ok(())
    }

    /// All that there is is offered to the network.
    pub(crate) fn handle_offered(&mut self, bytes: &[u8]) -> Check {
        if self.measure(bytes).is_err() {
            // The connection is to end in good order: DISCONNECT is the last.
            self.0
                .retain(|packet| packet.is_begun() || packet.expires.is_none());
            self.push(Carried::Nothing, None, None);
            return self.measure(bytes);
        }
        Ok(())
    }

    /// Finds out how many bytes each packet has.
    fn measure(&mut self, bytes: &[u8]) -> Check {
        let mut rest = bytes;
        for packet in &mut self.0 {
            if !packet.is_begun() {
                let len = frame(rest).ok_or("a packet that is cut off is offered")?;
                (packet.len, packet.rest) = (Some(len), len);
            }
            let (bytes, behind) = rest
                .split_at_checked(packet.rest)
                .ok_or("less is offered than was begun")?;
            ensure!(
                packet.is_begun() || packet.payload.as_ref().is_none_or(|it| bytes.ends_with(it)),
                "another packet is offered in the place of {:?}",
                packet.carried
            );
            rest = behind;
        }
        let left = rest.len();
        ensure!(left == 0, "{left} bytes are offered that are of no packet");
        Ok(())
    }

    /// The network takes so many bytes.
    pub(crate) fn handle_taken(&mut self, now: u64, mut count: usize) -> Check {
        while count > 0
            && let Some(packet) = self.0.front_mut()
        {
            ensure!(
                packet.is_begun() || packet.expires.is_none_or(|at| now < at),
                "{:?} is begun at {now}, and expires at {:?}",
                packet.carried,
                packet.expires
            );
            let part = count.min(packet.rest);
            packet.rest -= part;
            count -= part;
            if packet.rest == 0 {
                self.0.pop_front();
            }
        }
        Ok(())
    }
}

impl Packet {
    /// Whether the network has taken a byte of it.
    fn is_begun(&self) -> bool {
        self.len.is_some_and(|len| self.rest < len)
    }
}

/// How many bytes the packet has that begins here, of either version of MQTT.
fn frame(bytes: &[u8]) -> Option<usize> {
    let (mut len, mut shift) = (0, 0);
    for (index, byte) in bytes.iter().enumerate().skip(1).take(4) {
        len |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let all = index + 1 + len;
            return (all <= bytes.len()).then_some(all);
        }
    }
    None
}
