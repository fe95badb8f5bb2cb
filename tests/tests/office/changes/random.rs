//! Guests come, stay and go at random, against a naive model of who has what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jackalope::office::{Assignment, DueTimer, Outcome, Overflow, Publish, Ticket, Time};
use jackalope_tests::Random;

use super::*;

/// How many schedules there are, unless `JACKALOPE_CASES` says otherwise.
const CASES: u64 = 300;
const STEPS: usize = 300;
/// No more guests than this are there together.
const MOST: u64 = 5;
const FILTERS: [&str; 6] = ["a/+", "a/1", "b/#", "b/1", "c", "#"];
const TOPICS: [&str; 5] = ["a/1", "a/2", "b/1", "b", "c"];
const QUALITIES: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

/// One guest, from when it comes to when it goes, or to the end of its last call.
struct Guest {
    who: u64,
    settings: GuestSettings,
    messages: VecDeque<Payload>,
    state: BTreeMap<Arc<str>, Payload>,
    /// By name: which one it is, and what is due next.
    timers: BTreeMap<Arc<str>, (u64, Time, Option<Duration>)>,
    /// The names of those that it has set itself.
    set: BTreeSet<Arc<str>>,
    /// The call that it is at, and which timer that is about.
    call: Option<(Assignment, u64)>,
    /// A call may come later than it is due before this.
    slow_until: Time,
    always_hears: bool,
}

struct Posted {
    who: u64,
    deadline: Time,
    is_delivered: bool,
    is_concluded: bool,
    is_told: bool,
}

struct Received {
    topic: &'static str,
    payload: Payload,
    delivery: Delivery,
    open: BTreeSet<u64>,
    is_acknowledged: bool,
}

struct Run {
    seed: u64,
    test: TestOffice,
    random: Random,
    /// By place.
    guests: BTreeMap<GuestId, Guest>,
    /// Those that are at their last call.
    gone: BTreeMap<GuestId, Guest>,
    letters: BTreeMap<Ticket, Posted>,
    tickets: BTreeMap<Arc<str>, Ticket>,
    /// Messages with an acknowledgement, of this session.
    received: BTreeMap<u16, Received>,
    /// What the broker is to answer.
    answers: Vec<Incoming>,
    /// Letters that the broker has and has not acknowledged, by their ids.
    exchanges: BTreeMap<u16, Ticket>,
    subscribed: BTreeMap<Arc<str>, Qos>,
    is_online: bool,
    /// Whether the broker has a session.
    has_session: bool,
    numbers: u64,
    /// The broker grants all.
    is_kind: bool,
}

fn matches(filter: &str, topic: &str) -> bool {
    match filter {
        "#" => true,
        "a/+" => topic.starts_with("a/"),
        "b/#" => topic.starts_with('b'),
        _ => filter == topic,
    }
}

fn random_guest(random: &mut Random, name: String) -> GuestSettings {
    let mut subscriptions = Vec::new();
    for filter in FILTERS {
        if random.one_in(4) {
            subscriptions.push((
                filter.parse().expect("it is valid"),
                random.pick(&QUALITIES),
            ));
        }
    }
    let mut given = Vec::new();
    for name in ["x", "y"] {
        if random.one_in(2) {
            let after = Duration::from_millis(random.pick(&[700, 5_000]));
            let schedule = random.pick(&[Schedule::once(after), Schedule::every(after)]);
            given.push((Arc::from(name), schedule));
        }
    }
    GuestSettings {
        name: name.into(),
        subscriptions,
        retries: random.below(3) as u32,
        retry_for: random.pick(&[Duration::ZERO, 5 * SECOND]),
        outcomes: random.pick(&[0, 1, 1, 3, 3, 3]),
        hears_subscriptions: random.one_in(2),
        work_list: WorkListSettings {
            max: 1 + random.below(6) as usize,
            max_bytes: usize::MAX,
            overflow: random.pick(&[Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject]),
        },
        timers: TimerSettings { max: 10, given },
        permissions: random.one_in(3).then(|| Arc::new(Permissions::default())),
        ..guest(&[])
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let to = Settings {
            guests: Vec::new(),
            keep_alive: Duration::ZERO,
            seed,
            ..kept_session()
        };
        let mut run = Self {
            seed,
            test: TestOffice::offline(to),
            random: Random::new(seed),
            guests: BTreeMap::new(),
            gone: BTreeMap::new(),
            letters: BTreeMap::new(),
            tickets: BTreeMap::new(),
            received: BTreeMap::new(),
            answers: Vec::new(),
            exchanges: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            is_online: false,
            has_session: false,
            numbers: 0,
            is_kind: false,
        };
        run.change();
        run
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0 => self.connect_or_lose(),
            1 | 2 => self.message(),
            3..=6 => self.call(),
            7 => self.answer_one(),
            8 | 9 => self.write(),
            10..=12 => self.broker_answers(),
            13 => {
                let millis = self.random.pick(&[1, 100, 700, 5_000]);
                self.test.pass(Duration::from_millis(millis));
            }
            14 => self.post(),
            _ => {
                if self.random.one_in(3) {
                    self.change();
                }
            }
        }
        self.listen();
    }

    /// What the office says without being asked.
    fn listen(&mut self) {
        if self.test.office.poll_close().is_some() {
            self.handle_lost();
        }
        for notice in self.test.notices() {
            match notice {
                Notice::Outcome {
                    ticket, outcome, ..
                } => {
                    let letter = self.letters.get_mut(&ticket).expect("it was posted");
                    assert!(!letter.is_concluded, "{ticket:?} has two outcomes");
                    letter.is_concluded = true;
                    match outcome {
                        Outcome::Delivered => assert!(letter.is_delivered, "{ticket:?}"),
                        Outcome::Expired { .. } => assert!(letter.deadline <= self.test.now),
                        Outcome::Displaced { .. } | Outcome::Refused(_) => {}
                    }
                }
                Notice::Unexpected { packet } => panic!("unexpected: {packet}"),
                _ => {}
            }
        }
    }

    // ---- the broker ----

    fn handle_lost(&mut self) {
        self.is_online = false;
        self.answers.clear();
    }

    fn connect_or_lose(&mut self) {
        if self.is_online {
            if self.random.one_in(2) {
                // An acknowledgement of QoS 1 that is lost brings the message again.
                self.write();
                let reason = Disconnection::Failed("the network is gone".into());
                self.test.office.handle_disconnected(self.test.now, reason);
                self.handle_lost();
            }
            return;
        }
        self.test.pass(Duration::ZERO);
        let Some(connect) = self.test.office.poll_connect(self.test.now) else {
            return;
        };
        if self.random.one_in(5) && !self.is_kind {
            let reason = Disconnection::Refused(3);
            self.test.office.handle_disconnected(self.test.now, reason);
            return;
        }
        let keeps = self.has_session && !connect.clean_session && !self.random.one_in(4);
        self.has_session = true;
        self.is_online = true;
        if !keeps {
            self.received.clear();
            self.exchanges.clear();
            self.subscribed.clear();
        }
        self.test.receive(connack(keeps));
        // What was not acknowledged comes again.
        let again = self.received.values().filter(|it| !it.is_acknowledged);
        let again = again.map(|it| (it.topic, it.payload.clone(), it.delivery));
        for (topic, payload, delivery) in again.collect::<Vec<_>>() {
            self.publish(topic, payload, delivery, true);
        }
        let half = self.received.values().filter(|it| it.is_acknowledged);
        for id in half
            .filter_map(|it| it.delivery.packet_id())
            .collect::<Vec<_>>()
        {
            self.test.receive(Incoming::PubRel(id));
        }
    }

    fn publish(&mut self, topic: &str, payload: Payload, delivery: Delivery, duplicate: bool) {
        let publish = Publish {
            topic: topic.into(),
            payload,
            delivery,
            retain: false,
            duplicate,
            properties: None,
            lifetime: None,
        };
        self.test.receive(Incoming::Publish(publish, Vec::new()));
    }

    fn message(&mut self) {
        if !self.is_online {
            return;
        }
        let topic = self.random.pick(&TOPICS);
        let number = self.number();
        let payload = Payload::new(format!("m{number}"));
        let packet_id = id(number as u16);
        let delivery = self.random.pick(&[
            Delivery::AtMostOnce,
            Delivery::AtLeastOnce(packet_id),
            Delivery::ExactlyOnce(packet_id),
        ]);
        let mut open = BTreeSet::new();
        for guest in self.guests.values_mut() {
            let mut filters = guest.settings.subscriptions.iter();
            if filters.any(|(filter, _)| matches(filter.plain(), topic)) {
                guest.messages.push_back(payload.clone());
                open.insert(guest.who);
            }
        }
        if delivery != Delivery::AtMostOnce {
            let received = Received {
                topic,
                payload: payload.clone(),
                delivery,
                open,
                is_acknowledged: false,
            };
            self.received.insert(packet_id.get(), received);
        }
        self.publish(topic, payload, delivery, false);
    }

    /// All that is due is written, and the broker has it.
    fn write(&mut self) {
        while let Some(packet) = self.test.packet() {
            self.handle_written(packet);
            self.listen();
        }
        self.listen();
        if self.is_online {
            let mut due = self.received.iter();
            let late = due.find(|(_, it)| it.open.is_empty() && !it.is_acknowledged);
            assert_eq!(late.map(|(id, _)| id), None, "it was taken");
        }
    }

    fn handle_written(&mut self, packet: Outgoing) {
        match packet {
            Outgoing::Publish(publish) => {
                let ticket = self.tickets[&publish.topic];
                let letter = self.letters.get_mut(&ticket).expect("it was posted");
                assert!(self.test.now < letter.deadline, "{ticket:?} is sent late");
                letter.is_delivered |= publish.delivery == Delivery::AtMostOnce;
                let answer = match publish.delivery {
                    Delivery::AtMostOnce => return,
                    Delivery::AtLeastOnce(id) => Incoming::PubAck(id),
                    Delivery::ExactlyOnce(id) => Incoming::PubRec(id),
                };
                let packet_id = id_of(&publish).get();
                let other = self.exchanges.insert(packet_id, ticket);
                assert!(
                    other.is_none_or(|other| other == ticket),
                    "{packet_id} is taken"
                );
                self.answers.push(answer);
            }
            Outgoing::PubRel(id) => self.answers.push(Incoming::PubComp(id)),
            Outgoing::PubAck(id) => {
                let received = self.received.remove(&id.get()).expect("it was sent");
                assert!(received.open.is_empty(), "not taken: {:?}", received.open);
            }
            Outgoing::PubRec(id) => {
                let received = self.received.get_mut(&id.get()).expect("it was sent");
                assert!(received.open.is_empty(), "not taken: {:?}", received.open);
                received.is_acknowledged = true;
                self.answers.push(Incoming::PubRel(id));
            }
            Outgoing::PubComp(id) => {
                self.received.remove(&id.get());
            }
            Outgoing::Subscribe { id, filters, .. } => {
                let mut granted = Vec::new();
                for (filter, qos) in filters {
                    let is_granted = self.is_kind || !self.random.one_in(5);
                    if is_granted {
                        self.subscribed.insert(filter, qos);
                    }
                    granted.push(is_granted.then_some(qos).ok_or(Reason::UNSPECIFIED));
                }
                self.answers.push(Incoming::SubAck { id, granted });
            }
            Outgoing::Unsubscribe { id, filter } => {
                self.subscribed.remove(&filter);
                self.answers.push(Incoming::UnsubAck { id, refused: None });
            }
            other => panic!("{other:?}"),
        }
    }

    /// One of the answers that are due, not in their order.
    fn broker_answers(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let at = self.random.below(self.answers.len() as u64) as usize;
        let answer = self.answers.swap_remove(at);
        if let Incoming::PubAck(id) | Incoming::PubComp(id) = &answer {
            let ticket = self.exchanges.remove(&id.get()).expect("it is open");
            let letter = self.letters.get_mut(&ticket).expect("it was posted");
            letter.is_delivered = true;
        }
        self.test.receive(answer);
    }

    // ---- the guests ----

    fn letter(&mut self, who: u64, posted: Time) -> jackalope::office::Letter {
        let ttl = self.random.pick(&[SECOND, 10 * SECOND, 60 * SECOND]);
        let qos = self.random.pick(&QUALITIES);
        let letter = self.test.letter(qos, ttl);
        self.tickets.insert(letter.topic.clone(), letter.ticket);
        let posted = Posted {
            who,
            deadline: posted + ttl,
            is_delivered: false,
            is_concluded: false,
            is_told: false,
        };
        self.letters.insert(letter.ticket, posted);
        letter
    }

    fn post(&mut self) {
        let places: Vec<_> = self.guests.keys().copied().collect();
        if places.is_empty() {
            return;
        }
        let place = self.random.pick(&places);
        let letter = self.letter(self.guests[&place].who, self.test.now);
        self.test.post_letter(place, letter);
    }

    /// The next call begins, and may end at once.
    fn call(&mut self) {
        let Some(assignment) = self.test.call() else {
            return self.check_nothing_is_due();
        };
        self.listen();
        let place = assignment.guest;
        let guest = self.guests.get_mut(&place).expect("it is not gone");
        assert!(guest.call.is_none(), "one call at a time");
        let kept = assignment.kept.values();
        assert!(kept.eq(guest.state.iter()), "what it has written");
        let mut timer = 0;
        match &assignment.call {
            Call::Message(message) => {
                assert_eq!(guest.messages.front(), Some(&message.payload));
            }
            Call::Outcomes(outcomes) => {
                assert!(!outcomes.is_empty());
                for told in outcomes {
                    let letter = &self.letters[&told.ticket];
                    assert!(letter.is_concluded && !letter.is_told);
                    assert_eq!(letter.who, guest.who, "{told:?}");
                }
            }
            Call::Timer(due) => {
                let (number, at, period) = guest.timers[&due.name];
                timer = number;
                check_due(due, at, period, self.test.now);
            }
            Call::Connection(_) | Call::Subscription { .. } => {}
            Call::LastWill => panic!("it has none"),
        }
        guest.call = Some((assignment, timer));
        if !self.random.one_in(4) {
            self.answer(place);
        }
    }

    fn check_nothing_is_due(&self) {
        for (place, guest) in &self.guests {
            if guest.call.is_some() || self.test.now < guest.slow_until {
                continue;
            }
            assert!(
                guest.messages.is_empty(),
                "{place:?} is to have its messages"
            );
            assert_eq!(self.test.office.standing(*place).outcomes, 0);
            let due = guest.timers.iter().find(|(_, it)| it.1 <= self.test.now);
            assert_eq!(due, None, "{place:?} is to be told of its timer");
        }
    }

    fn answer_one(&mut self) {
        let all = self.guests.iter().chain(&self.gone);
        let at_call = all.filter(|(_, guest)| guest.call.is_some());
        let places: Vec<_> = at_call.map(|(place, _)| *place).collect();
        if !places.is_empty() {
            let place = self.random.pick(&places);
            self.answer(place);
        }
    }

    fn answer(&mut self, place: GuestId) {
        let is_gone = self.gone.contains_key(&place);
        let of = self.gone.remove(&place);
        let mut guest = of
            .or_else(|| self.guests.remove(&place))
            .expect("it is there");
        let (assignment, timer) = guest.call.take().expect("it is at a call");
        let how = if self.is_kind {
            9
        } else {
            self.random.below(10)
        };
        if how < 3 {
            guest.slow_until = self.test.now + 31 * SECOND;
        }
        let answer = match how {
            0 => Answer::Retry("later".into()),
            1 | 2 => Answer::Failed("trap".into()),
            _ => Answer::Done(self.effects(&mut guest, &assignment, is_gone)),
        };
        let mut is_over = matches!(answer, Answer::Done(_));
        self.test.answer(place, answer);
        // Whether it is made again is the office's to say.
        for notice in self.test.notices() {
            if let Notice::GivenUp { .. } = notice {
                is_over = true;
            } else if let Notice::Outcome { ticket, .. } = notice {
                let letter = self.letters.get_mut(&ticket).expect("it was posted");
                assert!(!letter.is_concluded);
                letter.is_concluded = true;
            }
        }
        // No call but with a message is put off.
        is_over |= how == 0 && !matches!(assignment.call, Call::Message(_));
        if is_over || is_gone {
            self.end(&mut guest, &assignment, timer);
        }
        if !is_gone {
            self.guests.insert(place, guest);
        }
    }

    fn end(&mut self, guest: &mut Guest, assignment: &Assignment, timer: u64) {
        match &assignment.call {
            Call::Message(message) => {
                guest.messages.pop_front();
                let taken = self.received.values_mut();
                for it in taken.filter(|it| it.payload == message.payload) {
                    it.open.remove(&guest.who);
                }
            }
            Call::Outcomes(outcomes) => {
                for told in outcomes {
                    let letter = self.letters.get_mut(&told.ticket).expect("it was posted");
                    letter.is_told = true;
                }
            }
            Call::Timer(due) => match guest.timers.get_mut(&due.name) {
                Some(it) if it.0 == timer => match due.period {
                    Some(period) => it.1 = due.due + period,
                    None => {
                        guest.timers.remove(&due.name);
                        guest.set.remove(&due.name);
                    }
                },
                _ => {}
            },
            _ => {}
        }
    }

    fn effects(&mut self, guest: &mut Guest, assignment: &Assignment, is_gone: bool) -> Effects {
        let mut effects = Effects {
            timers: TimerChanges::beginning(&assignment.call),
            ..Effects::default()
        };
        if self.is_kind {
            return effects;
        }
        let room = assignment.room.accept.min(assignment.room.free);
        for _ in 0..self.random.below(3).min(room as u64) {
            let letter = self.letter(guest.who, assignment.now);
            effects.letters.push_back(letter);
            guest.slow_until = guest.slow_until.max(self.test.now + 2 * SECOND);
        }
        if self.random.one_in(3) {
            let (key, number) = (Arc::from(self.random.pick(&["k", "l"])), self.number());
            let value = Payload::new(number.to_string());
            if !is_gone {
                guest.state.insert(Arc::clone(&key), value.clone());
            }
            effects.state.insert(key, Some(value));
        }
        if self.random.one_in(3) {
            let after = Duration::from_millis(self.random.pick(&[300, 2_000]));
            let schedule = self
                .random
                .pick(&[Schedule::once(after), Schedule::every(after)]);
            let name = self.random.pick(&["own", "own", "x"]);
            let table = assignment.timers.as_deref();
            assert_eq!(effects.timers.set(table, 10, name, schedule), Ok(()));
            let it = (self.number(), assignment.now + after, schedule.period);
            guest.timers.insert(name.into(), it);
            guest.set.insert(name.into());
        }
        effects
    }

    // ---- the configuration ----

    fn change(&mut self) {
        let mut all: Vec<(Option<GuestId>, GuestSettings)> = Vec::new();
        for (place, guest) in &self.guests {
            match self.random.below(4) {
                0 => {}
                1 => {
                    let name = guest.settings.name.to_string();
                    all.push((Some(*place), random_guest(&mut self.random, name)));
                }
                _ => all.push((Some(*place), guest.settings.clone())),
            }
        }
        let most = MOST - all.len() as u64;
        for _ in 0..self.random.below(most + 1) {
            // Nobody is back who was gone.
            let name = format!("guest {}", self.number());
            all.push((None, random_guest(&mut self.random, name)));
        }
        let session = match self.random.one_in(8) {
            true => SessionChange::New,
            false => SessionChange::None,
        };
        self.change_guests(&all, session, GoneGuests::Keep);
    }

    fn change_guests(
        &mut self,
        all: &[(Option<GuestId>, GuestSettings)],
        session: SessionChange,
        gone_guests: GoneGuests,
    ) -> Vec<GuestId> {
        let to = Settings {
            guests: all.iter().map(|(_, guest)| guest.clone()).collect(),
            keep_alive: Duration::ZERO,
            gone_guests,
            ..kept_session()
        };
        let taken = change_to(&mut self.test, to, all, session);
        let now = self.test.now;
        let mut before = std::mem::take(&mut self.guests);
        for ((place, settings), taken) in all.iter().zip(&taken) {
            let mut guest = match place {
                Some(place) => before.remove(place).expect("it was there"),
                None => Guest {
                    who: self.number(),
                    settings: guest(&[]),
                    messages: VecDeque::new(),
                    state: BTreeMap::new(),
                    timers: BTreeMap::new(),
                    set: BTreeSet::new(),
                    call: None,
                    slow_until: now,
                    always_hears: true,
                },
            };
            assert!(place.is_none_or(|place| place == *taken));
            for (name, _) in &guest.settings.timers.given {
                // One that it has set since is its own.
                if guest.set.contains(name) {
                    continue;
                }
                if settings.timers.given.iter().all(|(other, _)| other != name) {
                    guest.timers.remove(name);
                }
            }
            for timer in &settings.timers.given {
                if !guest.settings.timers.given.contains(timer) {
                    let (name, Schedule { first, period }) = timer;
                    let it = (self.number(), now + *first, *period);
                    guest.timers.insert(name.clone(), it);
                    guest.set.remove(name);
                }
            }
            guest.always_hears &= settings.outcomes > 0;
            guest.settings = settings.clone();
            let other = self.guests.insert(*taken, guest);
            assert!(
                other.is_none() && !self.gone.contains_key(taken),
                "{taken:?}"
            );
        }
        for (place, guest) in before {
            let at_call = match &guest.call {
                Some((
                    Assignment {
                        call: Call::Message(message),
                        ..
                    },
                    _,
                )) => Some(&message.payload),
                _ => None,
            };
            for it in self.received.values_mut() {
                if at_call != Some(&it.payload) {
                    it.open.remove(&guest.who);
                }
            }
            if guest.call.is_some() {
                self.gone.insert(place, guest);
            }
        }
        taken
    }

    // ---- the end ----

    /// Everything is answered, and nothing is left.
    fn finish(&mut self) {
        self.is_kind = true;
        for _ in 0..300 {
            while self
                .guests
                .values()
                .chain(self.gone.values())
                .any(|it| it.call.is_some())
            {
                self.answer_one();
            }
            for _ in 0..20 {
                self.call();
                self.listen();
            }
            if !self.is_online {
                self.connect_or_lose();
            }
            self.write();
            while !self.answers.is_empty() {
                self.broker_answers();
                self.write();
            }
            self.listen();
            self.test.pass(SECOND);
        }
        self.listen();
        assert_eq!(self.test.office.open_letters(), 0);
        assert!(self.received.is_empty());
        let whose: BTreeMap<_, _> = self.guests.values().map(|it| (it.who, it)).collect();
        for (ticket, letter) in &self.letters {
            assert!(letter.is_concluded, "{ticket:?}");
            if whose.get(&letter.who).is_some_and(|it| it.always_hears) {
                assert!(letter.is_told, "{ticket:?}");
            }
        }
        let mut wanted: BTreeMap<Arc<str>, Qos> = BTreeMap::new();
        for (filter, qos) in self
            .guests
            .values()
            .flat_map(|it| &it.settings.subscriptions)
        {
            let highest = wanted.entry(filter.plain().clone()).or_insert(*qos);
            *highest = (*highest).max(*qos);
        }
        assert_eq!(self.subscribed, wanted);
        while self.guests.values().any(|it| it.call.is_some()) {
            self.answer_one();
        }
        // Nothing is left of those that go now, once their session is over.
        self.change_guests(&[], SessionChange::New, GoneGuests::Drop);
        self.listen();
        while !self.is_online {
            self.test.pass(SECOND);
            self.connect_or_lose();
        }
        let all: Vec<_> = (0..MOST).map(|_| (None, guest(&[]))).collect();
        let taken = self.change_guests(&all, SessionChange::None, GoneGuests::Drop);
        let places: Vec<_> = (0..MOST as u16).map(GuestId).collect();
        assert_eq!(taken, places, "places are taken again");
        if self.seed.is_multiple_of(150) {
            self.check_packet_ids();
        }
    }
}

impl Run {
    /// All of them are free.
    fn check_packet_ids(&mut self) {
        let mut ids = BTreeSet::new();
        for _ in 0..u16::MAX {
            self.test.post(Qos::AtLeastOnce, TWO_HOURS);
            let id = id_of(&self.test.publish());
            ids.insert(id);
            self.test.receive(Incoming::PubAck(id));
            self.test.notices();
        }
        assert_eq!(ids.len(), usize::from(u16::MAX));
    }
}

fn check_due(due: &DueTimer, at: Time, period: Option<Duration>, now: Time) {
    assert_eq!(due.period, period);
    assert!(at <= due.due && due.due <= now, "{due:?}");
    match period {
        None => assert_eq!(due.due, at),
        Some(period) => {
            assert_eq!(due.due.since(at).as_millis() % period.as_millis(), 0);
            assert!(now < due.due + period, "{due:?}");
        }
    }
}

#[test]
fn each_has_what_is_its_own_whoever_comes_and_goes() {
    let number = |name| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let first = number("JACKALOPE_SEED").unwrap_or(0);
    for seed in first..first + number("JACKALOPE_CASES").unwrap_or(CASES) {
        let run = std::panic::AssertUnwindSafe(|| {
            let mut run = Run::new(seed);
            (0..STEPS).for_each(|_| run.step());
            run.finish();
        });
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("JACKALOPE_SEED={seed} JACKALOPE_CASES=1 shows it again");
            std::panic::resume_unwind(panic);
        }
    }
}
