//! Which packets are in the bytes that wait for the network, seen from outside.

use std::collections::VecDeque;

use bytes::BytesMut;
use jackalope::office::{Carried, Dispatch, Time};

use crate::model::{Check, ensure};

/// How many bytes DISCONNECT has.
const DISCONNECT: usize = 2;

#[derive(Debug)]
struct Packet {
    carried: Carried,
    expires: Option<u64>,
    len: usize,
    rest: usize,
}

/// The packets of one connection that the kernel has not wholly taken.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(VecDeque<Packet>);

impl Unwritten {
    /// CONNECT, of so many bytes, is the first.
    pub(crate) fn connect(len: usize) -> Self {
        let mut unwritten = Self::default();
        unwritten.push(Carried::Nothing, None, len);
        unwritten
    }

    pub(crate) fn handle_packed(&mut self, dispatch: &Dispatch) -> Check {
        let mut bytes = BytesMut::new();
        jackalope::wire::encode(dispatch.packet.clone(), &mut bytes)
            .map_err(|error| error.to_string())?;
        let expires = dispatch.expires.map(Time::as_millis);
        self.push(dispatch.carried, expires, bytes.len());
        Ok(())
    }

    fn push(&mut self, carried: Carried, expires: Option<u64>, len: usize) {
        self.0.push_back(Packet {
            carried,
            expires,
            len,
            rest: len,
        });
    }

    pub(crate) fn handle_recalled(&mut self, carried: Carried) -> Check {
        let mut packets = self.0.iter();
        let position = packets.position(|packet| packet.carried == carried);
        let recalled = position.and_then(|position| self.0.remove(position));
        ensure!(
            recalled.is_some_and(|packet| packet.rest == packet.len),
            "{carried:?} is recalled, and is not there or was begun"
        );
        Ok(())
    }

    /// So many bytes are offered to the network: all that there is.
    pub(crate) fn handle_offered(&mut self, len: usize) -> Check {
        let all = |packets: &VecDeque<Packet>| packets.iter().map(|packet| packet.rest).sum();
        if len != all(&self.0) {
            // The connection is to end in good order.
            self.0
                .retain(|packet| packet.rest < packet.len || packet.expires.is_none());
            self.push(Carried::Nothing, None, DISCONNECT);
        }
        let all: usize = all(&self.0);
        ensure!(len == all, "{len} bytes are written of packets of {all}");
        Ok(())
    }

    /// The network takes so many bytes.
    pub(crate) fn handle_taken(&mut self, now: u64, mut count: usize) -> Check {
        while count > 0
            && let Some(packet) = self.0.front_mut()
        {
            ensure!(
                packet.rest < packet.len || packet.expires.is_none_or(|at| now < at),
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
