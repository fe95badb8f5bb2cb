//! A post office alone, with its clock, its broker, its network and its guests
//! played by whoever tests it.

pub mod rounds;

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::Duration;

use jackalope::office::{
    Answer, Assignment, BackoffSettings, Call, Carried, Change, Connect, Delivery, Disconnection,
    Dispatch, Effects, GoneGuests, GuestId, GuestSettings, Incoming, Letter, LetterOutcome, Notice,
    Office, OutcomeWord, Outgoing, Outlook, PacketId, Payload, Priority, Publish, Qos, Settings,
    SubscriptionId, Terms, Ticket, Time, TimerSettings, WorkListSettings,
};

/// The first guest of [`settings`], subscribed to `a/+` and `both`.
pub const A: GuestId = GuestId(0);

/// The second one, subscribed to `b/#` and `both`.
pub const B: GuestId = GuestId(1);

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);

/// How long it takes until nobody wants the door unlocked any more.
pub const TWO_HOURS: Duration = Duration::from_hours(2);

/// Longer than any pause before the next connection.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Two guests, a new session on each connection, a keep-alive of 60 s, and a work
/// list of 100 letters a guest.
pub fn settings() -> Settings {
    Settings {
        clean_session: true,
        keep_alive: 60 * SECOND,
        backoff: BackoffSettings {
            min: SECOND,
            max: 30 * SECOND,
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        status_topic: None,
        max_packet_size: 1 << 20,
        max_qos: Qos::ExactlyOnce,
        carries_properties: true,
        guests: vec![guest(&["a/+", "both"]), guest(&["b/#", "both"])],
        is_durable: false,
        gone_guests: GoneGuests::Keep,
        sessions: Vec::new(),
        seed: 1,
    }
}

/// The same, with a session that the broker is to keep.
pub fn kept_session() -> Settings {
    Settings {
        clean_session: false,
        ..settings()
    }
}

/// The same, with a single guest that is subscribed to nothing.
pub fn one_guest() -> Settings {
    Settings {
        guests: vec![guest(&[])],
        ..kept_session()
    }
}

/// These settings, with such a work list for each guest.
pub fn with_work_list(work_list: WorkListSettings, mut settings: Settings) -> Settings {
    for guest in &mut settings.guests {
        guest.work_list = work_list;
    }
    settings
}

/// The same, with work lists of so many letters.
pub fn with_room_for(max: usize, settings: Settings) -> Settings {
    let work_list = WorkListSettings {
        max,
        ..WorkListSettings::default()
    };
    with_work_list(work_list, settings)
}

/// A guest that wants these messages, with QoS 2.
pub fn guest(filters: &[&str]) -> GuestSettings {
    let subscription = |filter: &&str| (filter.parse().expect("it is valid"), Qos::ExactlyOnce);
    GuestSettings {
        name: "guest".into(),
        subscriptions: filters.iter().map(subscription).collect(),
        retries: 3,
        retry_for: Duration::from_hours(1),
        has_will: false,
        outcomes: 1,
        hears_subscriptions: true,
        work_list: WorkListSettings::default(),
        timers: TimerSettings::default(),
        max_state: jackalope::office::MAX_STATE,
        permissions: None,
    }
}

/// The broker accepts, on the terms of MQTT 3.1.1.
pub fn connack(session_present: bool) -> Incoming {
    Incoming::ConnAck {
        session_present,
        terms: Terms::default(),
    }
}

/// A packet id.
pub fn id(id: u16) -> PacketId {
    NonZeroU16::new(id).expect("not zero")
}

/// The packet id of a letter of QoS 1 or 2.
#[track_caller]
pub fn id_of(publish: &Publish) -> PacketId {
    let id = publish.delivery.packet_id();
    id.expect("QoS 0 has no packet id")
}

/// A post office, and its time.
///
/// What it hands out is written at once, to a network that is as fast as anybody
/// could tell, unless a test says otherwise.
#[derive(Debug)]
pub struct TestOffice {
    /// The post office itself.
    pub office: Office,
    /// What time it is. Set ahead without telling the office, the machine sleeps.
    pub now: Time,
    tickets: u64,
    packet_id: u16,
    /// How many packets this connection was given that carry something.
    handed_out: u64,
    /// How many filters all guests have.
    filters: usize,
}

impl TestOffice {
    /// Without a connection. The first is due.
    pub fn offline(settings: Settings) -> Self {
        let now = Time::from_millis(1_000_000);
        let all = settings.guests.iter().flat_map(|it| &it.subscriptions);
        let filters = all
            .map(|(filter, _)| filter.plain())
            .collect::<BTreeSet<_>>()
            .len();
        Self {
            office: Office::new(now, settings),
            now,
            tickets: 0,
            packet_id: 0,
            handed_out: 0,
            filters,
        }
    }

    /// With a new session, the subscriptions granted, and guests that have heard
    /// of it.
    pub fn online(settings: Settings) -> Self {
        let mut test = Self::offline(settings);
        test.connect(false);
        test
    }

    // ---- time ----

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.office.handle_timeout(self.now);
    }

    // ---- the connection ----

    /// Waits until a connection is due, and the broker accepts it, grants all
    /// subscriptions, and guests hear of it.
    #[track_caller]
    pub fn connect(&mut self, session_present: bool) {
        self.connect_on(session_present, Terms::default());
    }

    /// The same, with a broker that has these terms.
    #[track_caller]
    pub fn connect_on(&mut self, session_present: bool, terms: Terms) {
        self.dial();
        self.receive(Incoming::ConnAck {
            session_present,
            terms,
        });
        self.grant_subscriptions();
        self.take_calls();
    }

    /// Waits until a connection is due, and begins it.
    #[track_caller]
    pub fn dial(&mut self) -> Connect {
        let end = self.now + LONGEST_PAUSE;
        self.pass(Duration::ZERO);
        loop {
            if let Some(connect) = self.office.poll_connect(self.now) {
                self.handed_out = 0;
                return connect;
            }
            assert!(self.now < end, "no connection is due");
            self.pass(Duration::from_millis(100));
        }
    }

    /// SUBSCRIBE comes before any letter, and is granted.
    #[track_caller]
    pub fn grant_subscriptions(&mut self) {
        let mut granted = 0;
        while granted < self.filters {
            let Some(Outgoing::Subscribe { id, filters, .. }) = self.packet() else {
                panic!("no SUBSCRIBE");
            };
            granted += filters.len();
            let granted = filters.iter().map(|(_, qos)| Ok(*qos)).collect();
            self.receive(Incoming::SubAck { id, granted });
        }
    }

    /// The broker sends a packet.
    pub fn receive(&mut self, packet: Incoming) {
        self.office.handle_packet(self.now, packet);
    }

    /// The broker sends a message, which was perhaps sent before.
    pub fn deliver(&mut self, topic: &str, delivery: Delivery, duplicate: bool) {
        self.deliver_for(&[], topic, delivery, duplicate);
    }

    /// The same, for these subscriptions.
    pub fn deliver_for(
        &mut self,
        came_for: &[SubscriptionId],
        topic: &str,
        delivery: Delivery,
        duplicate: bool,
    ) {
        let publish = Publish {
            topic: topic.into(),
            payload: Payload::new("x"),
            delivery,
            retain: false,
            duplicate,
            properties: None,
            lifetime: None,
        };
        self.receive(Incoming::Publish(publish, came_for.to_vec()));
    }

    /// The connection ends, and with it what was handed out and not written.
    pub fn lose_connection(&mut self) {
        let reason = Disconnection::Closed;
        self.office.handle_disconnected(self.now, reason);
    }

    // ---- letters ----

    /// A small letter. The first has the topic `t/1`, the next `t/2`.
    pub fn letter(&mut self, qos: Qos, ttl: Duration) -> Letter {
        let topic = format!("t/{}", self.tickets + 1);
        self.letter_with(&topic, Payload::new("x"), qos, ttl)
    }

    fn letter_with(&mut self, topic: &str, payload: Payload, qos: Qos, ttl: Duration) -> Letter {
        self.tickets += 1;
        Letter {
            ticket: Ticket(self.tickets),
            topic: topic.into(),
            payload,
            qos,
            retain: false,
            ttl,
            when_off: None,
            priority: Priority::Normal,
            replace_key: None,
            tag: None,
            properties: None,
        }
    }

    /// Posts a letter of guest [`A`].
    pub fn post(&mut self, qos: Qos, ttl: Duration) -> Ticket {
        self.post_by(A, qos, ttl)
    }

    /// Posts a letter of this guest.
    pub fn post_by(&mut self, guest: GuestId, qos: Qos, ttl: Duration) -> Ticket {
        let letter = self.letter(qos, ttl);
        let ticket = letter.ticket;
        self.post_letter(guest, letter);
        ticket
    }

    /// Posts this letter of this guest.
    pub fn post_letter(&mut self, guest: GuestId, letter: Letter) {
        self.office.post(self.now, guest, letter);
    }

    // ---- the network ----

    /// The next packet, which waits to be written.
    pub fn hand_out(&mut self) -> Option<Dispatch> {
        self.hand_out_to(Outlook::default())
    }

    /// The next packet for a network that is not always fast.
    pub fn hand_out_to(&mut self, network: Outlook) -> Option<Dispatch> {
        let dispatch = self.office.poll_packet(self.now, network)?;
        self.handed_out += u64::from(dispatch.carried != Carried::Nothing);
        Some(dispatch)
    }

    /// The network takes a packet that was handed out.
    pub fn write(&mut self, dispatch: &Dispatch) {
        self.office.handle_begun(self.handed_out);
        if dispatch.carried.is_told_when_written() {
            self.office.handle_written(self.now, dispatch.carried);
        }
    }

    /// A packet that was handed out has expired before the network took any of it.
    pub fn recall(&mut self, dispatch: &Dispatch) {
        self.office.handle_recalled(self.now, dispatch.carried);
    }

    /// The next packet, written.
    pub fn packet(&mut self) -> Option<Outgoing> {
        let dispatch = self.hand_out()?;
        self.write(&dispatch);
        Some(dispatch.packet)
    }

    /// All packets that are due, written.
    pub fn packets(&mut self) -> Vec<Outgoing> {
        std::iter::from_fn(|| self.packet()).collect()
    }

    /// The next packet, written, which must be a letter.
    #[track_caller]
    pub fn publish(&mut self) -> Publish {
        match self.packet() {
            Some(Outgoing::Publish(publish)) => publish,
            other => panic!("not a letter: {other:?}"),
        }
    }

    /// All packets that are due, written, which must be letters.
    #[track_caller]
    pub fn publishes(&mut self) -> Vec<Publish> {
        let mut publishes = Vec::new();
        while let Some(packet) = self.packet() {
            match packet {
                Outgoing::Publish(publish) => publishes.push(publish),
                other => panic!("not a letter: {other:?}"),
            }
        }
        publishes
    }

    /// All that are due, by their topics.
    #[track_caller]
    pub fn topics(&mut self) -> Vec<String> {
        let topic = |publish: Publish| publish.topic.to_string();
        self.publishes().into_iter().map(topic).collect()
    }

    // ---- guests ----

    /// The next call, which its guest begins.
    pub fn call(&mut self) -> Option<Assignment> {
        self.office.poll_call(self.now)
    }

    /// A guest ends its call.
    pub fn answer(&mut self, guest: GuestId, answer: Answer) {
        self.office.handle_answer(self.now, guest, answer);
    }

    /// Everything up to here is kept. Returns what that was.
    pub fn keep(&mut self) -> Vec<Change> {
        let mut all = Vec::new();
        while let Some(changes) = self.office.poll_commit() {
            all.extend(changes);
            self.office.handle_committed();
        }
        all
    }

    /// Has all guests take all there is, and returns what they were told.
    pub fn take_calls(&mut self) -> Vec<(GuestId, Call)> {
        let mut calls = Vec::new();
        while let Some(assignment) = self.call() {
            self.answer(assignment.guest, Answer::Done(Effects::default()));
            calls.push((assignment.guest, assignment.call));
        }
        calls
    }

    /// The same, and returns which outcomes they were told.
    pub fn outcomes(&mut self) -> Vec<(Ticket, OutcomeWord)> {
        let told = self.told().into_iter();
        told.map(|told| (told.ticket, told.outcome.word()))
            .collect()
    }

    /// The same, with all that they were told of each.
    pub fn told(&mut self) -> Vec<LetterOutcome> {
        let outcomes = |(_, call)| match call {
            Call::Outcomes(outcomes) => outcomes,
            _ => Vec::new(),
        };
        self.take_calls().into_iter().flat_map(outcomes).collect()
    }

    /// What the log is told.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.office.poll_notice()).collect()
    }
}
