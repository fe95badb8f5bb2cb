//! Serves what a guest imports from `jackalope:gateway`.
//!
//! By hand and not by the generated bindings: those copy all that a guest gives out
//! of it before anybody can look at the sizes.

mod timers;
mod v0_1;
mod v0_2;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Lower};

use super::state::State;
use crate::office::topic::TopicError;
use crate::office::{
    Assignment, Call, DEFAULT_TTL, Draft, Effects, Letter, NotAccepted, Overflow, Payload,
    Priority, Properties, Qos, Room, Status, Ticket, Time, TimerChanges, TimerTable, Tray, WhenOff,
    check_size, letter_size,
};

/// What the functions work on: one guest, one call at a time.
pub(super) struct GatewayImports {
    tickets: Arc<AtomicU64>,
    max_packet_size: usize,
    status: Status,
    room: Room,
    /// Those that the guest had before the call.
    timers: Option<Arc<TimerTable>>,
    now: Time,
    reconnect: bool,
    timer_changes: TimerChanges,
    tray: Tray,
    state: Draft,
    settings: Arc<str>,
    /// That of the letter that was accepted last. Mostly the next one has it as well, and
    /// then it is neither looked at nor copied again.
    last_topic: Option<Arc<str>>,
}

/// What a call had come to when its guest was to do something else first.
pub(super) struct Held {
    accept: usize,
    reconnect: bool,
    timer_changes: TimerChanges,
    tray: Tray,
    state: Draft,
}

/// How a message is to be published, without what is copied last.
struct Options {
    qos: Qos,
    retain: bool,
    ttl: Duration,
    when_off: Option<WhenOff>,
    priority: Priority,
}

/// Without options.
const DEFAULT_OPTIONS: Options = Options {
    qos: Qos::AtLeastOnce,
    retain: false,
    ttl: DEFAULT_TTL,
    when_off: None,
    priority: Priority::Normal,
};

/// Why a message is not accepted.
enum Refused {
    /// As no letter of anybody is.
    NotAccepted(NotAccepted),
    ResponseTopic(TopicError),
    /// The text says what is wrong with it.
    Property(String),
}

impl From<NotAccepted> for Refused {
    fn from(why: NotAccepted) -> Self {
        Self::NotAccepted(why)
    }
}

impl GatewayImports {
    /// For one guest; tickets come from the counter of the whole host.
    pub(super) fn new(tickets: Arc<AtomicU64>, max_packet_size: usize, settings: Arc<str>) -> Self {
        Self {
            tickets,
            max_packet_size,
            status: Status::Offline,
            room: Room {
                not_kept: None,
                accept: 0,
                free: 0,
                free_bytes: 0,
                replaceable: None,
                keep: 1,
                keep_bytes: usize::MAX,
                overflow: Overflow::DropOldest,
                max_qos: Qos::ExactlyOnce,
                carries_properties: false,
                timers: 0,
                permissions: None,
                permitted: 0,
            },
            timers: None,
            now: Time::default(),
            reconnect: false,
            timer_changes: TimerChanges::default(),
            tray: Tray::default(),
            state: Draft::closed(),
            settings,
            last_topic: None,
        }
    }

    /// From here on nothing is accepted, and nothing has effects.
    pub(super) fn hold(&mut self) -> Held {
        Held {
            accept: std::mem::take(&mut self.room.accept),
            reconnect: self.reconnect,
            timer_changes: std::mem::take(&mut self.timer_changes),
            tray: std::mem::take(&mut self.tray),
            state: std::mem::replace(&mut self.state, Draft::closed()),
        }
    }

    /// The call goes on where it was.
    pub(super) fn go_on(&mut self, held: Held) {
        self.room.accept = held.accept;
        self.reconnect = held.reconnect;
        self.timer_changes = held.timer_changes;
        self.tray = held.tray;
        self.state = held.state;
    }

    /// A call begins, without effects so far.
    pub(super) fn begin(&mut self, assignment: &Assignment) {
        self.status = assignment.status;
        self.room = assignment.room.clone();
        self.state = if matches!(assignment.call, Call::LastWill) {
            // Its answer has no effects, and what can not be kept is not accepted.
            self.room.accept = 0;
            Draft::closed()
        } else {
            Draft::of(assignment.kept.clone())
        };
        self.timers.clone_from(&assignment.timers);
        self.now = assignment.now;
        self.reconnect = false;
        self.timer_changes = TimerChanges::beginning(&assignment.call);
        // Of the call before, if there was one, it was taken.
        debug_assert_eq!(self.tray.accepted(), 0);
    }

    /// A call has succeeded: hands out what it asked for.
    pub(super) fn take_effects(&mut self) -> Effects {
        // The office changes the table without a copy when nobody else has it.
        self.timers = None;
        self.room.replaceable = None;
        Effects {
            state: self.state.take_changes(),
            reconnect: self.reconnect,
            timers: std::mem::take(&mut self.timer_changes),
            ..self.tray.take()
        }
    }

    /// What is looked at first. Returns the topic of the letter.
    fn check(&self, topic: &str, options: &Options) -> Result<Arc<str>, NotAccepted> {
        let Options {
            qos, retain, ttl, ..
        } = *options;
        let (room, accepted) = (&self.room, self.tray.accepted());
        match &self.last_topic {
            Some(last) if **last == *topic => {
                room.check_valid(accepted, topic, qos, retain, ttl)?;
                Ok(last.clone())
            }
            _ => {
                room.check(accepted, topic, qos, retain, ttl)?;
                Ok(topic.into())
            }
        }
    }

    /// What is looked at last: whether there is room for it.
    fn check_room(
        &self,
        topic: &str,
        payload: usize,
        qos: Qos,
        properties: usize,
        replace_key: Option<&str>,
    ) -> Result<(), NotAccepted> {
        let size = letter_size(topic, payload, qos, properties);
        if size > self.max_packet_size {
            check_size(self.max_packet_size, topic, qos, properties, payload)?;
        }
        self.tray.check(&self.room, replace_key, size)
    }

    fn accept(
        &mut self,
        topic: Arc<str>,
        payload: Payload,
        options: &Options,
        add_extras: impl FnOnce(&mut Letter),
    ) -> Ticket {
        let is_last = |last: &Arc<str>| Arc::ptr_eq(last, &topic);
        if !self.last_topic.as_ref().is_some_and(is_last) {
            self.last_topic = Some(topic.clone());
        }
        // Relaxed: the counter guards nothing, its values only have to differ.
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let mut letter = Letter {
            ticket,
            topic,
            payload,
            qos: options.qos,
            retain: options.retain,
            ttl: options.ttl,
            when_off: options.when_off,
            priority: options.priority,
            replace_key: None,
            tag: None,
            properties: None,
        };
        add_extras(&mut letter);
        self.tray.put(&self.room, letter);
        ticket
    }
}

/// Defines the functions of the interface in all versions that are served.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    v0_1::add_to_linker(linker)?;
    v0_2::add_to_linker(linker)?;
    timers::add_to_linker(linker)
}

/// Those that are the same in all versions but for their types.
fn add_status_and_reconnect<Known>(
    interface: &mut LinkerInstance<'_, State>,
) -> wasmtime::Result<()>
where
    Known: From<Status> + Lower + 'static,
    (Known,): wasmtime::component::ComponentNamedList,
{
    interface.func_wrap("status", |store: StoreContextMut<'_, State>, ()| {
        let status = Known::from(store.data().gateway.status);
        Ok((status,))
    })?;
    interface.func_wrap("reconnect", |mut store: StoreContextMut<'_, State>, ()| {
        store.data_mut().gateway.reconnect = true;
        Ok(())
    })
}
