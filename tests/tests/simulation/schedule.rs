//! What happens in a simulation, as a list that can be cut shorter.

use jackalope::broker::v5::Reason;
use jackalope::broker::{Ack, PacketType};
use jackalope::office::{MAX_OUTCOMES, Overflow, Priority, Qos, WorkListSettings};
use jackalope::wire::Version;

use crate::terms::Terms;
use jackalope_tests::Random;

/// The topics of letters and messages.
pub(crate) const TOPICS: [&str; 5] = ["a", "a/x", "a/y", "b/x", "out"];

/// What guests subscribe to.
pub(crate) const FILTERS: [&str; 9] = [
    "a/#",
    "a/+",
    "a/x",
    "b/+",
    "#",
    "+/x",
    "$share/g/a/+",
    "$share/g/b/x",
    "$share/h/a/+",
];

/// The names of timers.
pub(crate) const TIMERS: [&str; 4] = ["read", "report", "beat", "begin"];

pub(crate) const MINUTE: u64 = 60_000;

/// In one of so many schedules there is TLS on the connections: its handshakes cost
/// more than all else.
const ONE_IN_TLS: u64 = 20;

pub(crate) const HOUR: u64 = 60 * MINUTE;

/// One simulation. The same schedule always runs in the same way.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) setup: Setup,
    pub(crate) steps: Vec<Step>,
}

/// What holds for the whole of a simulation.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) version: Version,
    pub(crate) is_secure: bool,
    /// What the broker allows at first.
    pub(crate) terms: Terms,
    pub(crate) clean_session: bool,
    /// For how long a broker of MQTT 5 keeps it, in seconds.
    pub(crate) session_expiry: u64,
    /// In seconds.
    pub(crate) keep_alive: u64,
    /// The largest packet that may be sent.
    pub(crate) max_sent: usize,
    /// The largest packet that is read whole.
    pub(crate) max_read: usize,
    pub(crate) deliver_at_publish: bool,
    /// How many messages the broker has under way to the gateway.
    pub(crate) window: usize,
    pub(crate) guests: Vec<GuestSetup>,
    /// Up to so many milliseconds pass between two pieces of one write; with
    /// zero it arrives in one piece.
    pub(crate) split: u64,
    /// How much of what is under way still arrives after the gateway has let go
    /// of a connection, in percent.
    pub(crate) after_abort: u64,
    /// Whether the link is cut once more before everything is healed. If not,
    /// the last connection must recover by itself.
    pub(crate) final_cut: bool,
    /// Whether nothing but a guest goes wrong, and the others are watched over.
    pub(crate) equals: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct GuestSetup {
    pub(crate) subscriptions: Vec<(&'static str, Qos)>,
    pub(crate) retries: u32,
    /// In milliseconds.
    pub(crate) retry_for: u64,
    pub(crate) has_will: bool,
    /// How many outcomes it is told at once.
    pub(crate) outcomes: usize,
    pub(crate) work_list: WorkListSettings,
    /// How many timers it may have, and those that it has from the start.
    pub(crate) max_timers: usize,
    pub(crate) timers: Vec<TimerPlan>,
}

/// What a guest does to a timer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimerPlan {
    pub(crate) name: &'static str,
    /// When it is due first, and every how often then, in milliseconds. None: it is
    /// cancelled.
    pub(crate) schedule: Option<(u64, Option<u64>)>,
}

/// A publish of a guest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LetterPlan {
    pub(crate) topic: &'static str,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// In milliseconds.
    pub(crate) ttl: u64,
    pub(crate) priority: Priority,
    pub(crate) replace_key: Option<&'static str>,
    pub(crate) padding: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    Reject,
    Retry,
    Trap,
}

/// What a guest does in one call.
#[derive(Debug, Clone)]
pub(crate) struct CallPlan {
    pub(crate) letters: Vec<LetterPlan>,
    pub(crate) timers: Vec<TimerPlan>,
    pub(crate) reconnect: bool,
    pub(crate) verdict: Verdict,
    /// How long it takes, in milliseconds, while others go on.
    pub(crate) takes: u64,
    /// How long it keeps everyone waiting, in milliseconds.
    pub(crate) keeps_loop: u64,
}

impl CallPlan {
    pub(crate) const NOTHING: Self = Self {
        letters: Vec::new(),
        timers: Vec::new(),
        reconnect: false,
        verdict: Verdict::Done,
        takes: 0,
        keeps_loop: 0,
    };
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The clock jumps while nothing can happen, as in a machine that sleeps.
    Jump(u64),
    /// The clock jumps by so many milliseconds between two looks at it, after so
    /// many more.
    JumpAfter(u32, u64),
    /// What a guest does in the next call for which it has no plan.
    Plan(usize, CallPlan),
    /// Letters that are posted outside of any call, one after the other.
    Post(usize, LetterPlan, u64),
    /// Someone else publishes, so many times.
    Message(LetterPlan, u64),
    Fault(FaultPlan),
    ClearFaults,
    /// The broker is started again, and allows something else.
    Terms(Terms),
    /// How long bytes take up and down, in milliseconds.
    Delay(u64, u64),
    /// How many bytes the kernel takes before the network has carried them.
    Capacity(usize),
    /// How many bytes a second the link carries up.
    Pace(Option<u64>),
    /// The link carries nothing, and nobody notices.
    Freeze,
    /// It carries again what it was given.
    Thaw,
    /// The link breaks.
    Cut(CutPlan),
    /// The next dials fail.
    RefuseDials(u32),
    /// Whether dials stay unanswered.
    HangDials(bool),
    /// The operator asks for a new connection.
    Reconnect,
}

/// A break of the link: how many bytes of those under way still arrive (counted
/// modulo one more than there are), and who notices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutPlan {
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) gateway_notices: bool,
    pub(crate) broker_notices: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum FaultPlan {
    RefuseConnect(u32),
    DelayConnect(u64),
    NeverAnswerConnect,
    DropNow,
    DropAfter(u32, PacketType),
    DropInMiddle,
    Withhold(Ack),
    DelayAcks(u64),
    DuplicateAcks,
    RefuseSubscription(&'static str),
    StopReading,
    ResumeReading,
    ForgetSession,
    TakeOver,
    /// These are of MQTT 5 alone.
    RefuseConnectV5(Reason, u32),
    Disconnect(Reason),
    RefusePublish(&'static str, Reason),
}

impl Schedule {
    pub(crate) fn generate(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let setup = setup(&mut random, seed);
        let count = match random.below(20) {
            0 => 150,
            1..=5 => 60,
            _ => 30,
        };
        let count = 5 + random.below(count);
        let flavour = Flavour {
            guests: setup.guests.len() as u64,
            is_v5: setup.version == Version::V5,
            calm: random.one_in(4),
            long_ttl: random.one_in(4),
            one_qos: random.one_in(4).then(|| qos(&mut random)),
        };
        let steps = (0..count).map(|_| step(&mut random, &flavour)).collect();
        Self { setup, steps }
    }
}

/// What a schedule is mostly about.
struct Flavour {
    guests: u64,
    is_v5: bool,
    /// Fewer faults.
    calm: bool,
    long_ttl: bool,
    one_qos: Option<Qos>,
}

fn setup(random: &mut Random, seed: u64) -> Setup {
    let guests = (0..=random.pick(&[0, 0, 1, 1, 2]))
        .map(|_| guest(random))
        .collect();
    let version = random.pick(&[Version::V4, Version::V5]);
    Setup {
        seed,
        version,
        is_secure: random.one_in(ONE_IN_TLS),
        terms: match version {
            Version::V5 if random.one_in(2) => Terms::generate(random),
            _ => Terms::GENEROUS,
        },
        clean_session: random.one_in(2),
        session_expiry: random.pick(&[5, 60, 24 * 3_600, 24 * 3_600]),
        keep_alive: random.pick(&[0, 10, 20, 60, 60]),
        max_sent: random.pick(&[1 << 20, 1 << 20, 100]),
        max_read: random.pick(&[1 << 20, 1 << 20, 100]),
        deliver_at_publish: random.one_in(4),
        window: random.pick(&[1, 3, 20]),
        guests,
        split: random.pick(&[0, 0, 3, 40]),
        after_abort: random.pick(&[0, 0, 100, 50, 20]),
        final_cut: !random.one_in(5),
        equals: false,
    }
}

fn guest(random: &mut Random) -> GuestSetup {
    let mut subscriptions: Vec<(&'static str, Qos)> = Vec::new();
    for _ in 0..random.below(4) {
        let filter = random.pick(&FILTERS);
        if subscriptions.iter().all(|(known, _)| *known != filter) {
            subscriptions.push((filter, qos(random)));
        }
    }
    let max_timers = random.below(4) as usize;
    let timers = TIMERS[..max_timers].iter().filter(|_| random.one_in(4));
    let timers = timers.copied().collect::<Vec<_>>();
    GuestSetup {
        max_timers,
        timers: timers
            .into_iter()
            .map(|name| set_timer(random, name))
            .collect(),
        subscriptions,
        retries: random.below(3) as u32,
        retry_for: random.pick(&[2_000, 60_000, HOUR]),
        has_will: random.one_in(4),
        outcomes: random.pick(&[0, 1, 2, MAX_OUTCOMES, MAX_OUTCOMES]),
        work_list: WorkListSettings {
            max: random.pick(&[1, 2, 3, 5, 8, 100]),
            // A letter has 18 bytes, or 50 to 150 more.
            max_bytes: random.pick(&[usize::MAX, usize::MAX, 300, 100, 30]),
            overflow: overflow(random),
        },
    }
}

/// A timer is set. What is due every few milliseconds for an hour takes long to
/// simulate: guests [cancel](crate::guests) such timers soon.
fn set_timer(random: &mut Random, name: &'static str) -> TimerPlan {
    let time = |random: &mut Random| match random.below(6) {
        0 => 10 + random.below(10),
        1..=2 => 10 + random.below(5_000),
        3 => 1_000 * (1 + random.below(60)),
        _ => MINUTE * (1 + random.below(90)),
    };
    let first = time(random);
    let period = (!random.one_in(3)).then(|| time(random));
    TimerPlan {
        name,
        schedule: Some((first, period)),
    }
}

/// What one call does to timers.
pub(crate) fn timers(random: &mut Random) -> Vec<TimerPlan> {
    let count = random.pick(&[0, 0, 1, 1, 2, 5]);
    let plan = |random: &mut Random| {
        let name = random.pick(&TIMERS);
        match random.one_in(3) {
            true => TimerPlan {
                name,
                schedule: None,
            },
            false => set_timer(random, name),
        }
    };
    (0..count).map(|_| plan(random)).collect()
}

pub(crate) fn overflow(random: &mut Random) -> Overflow {
    random.pick(&[Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject])
}

pub(crate) fn qos(random: &mut Random) -> Qos {
    random.pick(&[Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

/// Mostly that of most.
pub(crate) fn priority(random: &mut Random) -> Priority {
    let normal = Priority::Normal;
    random.pick(&[normal, normal, Priority::Low, Priority::High])
}

/// Most have none.
pub(crate) fn replace_key(random: &mut Random) -> Option<&'static str> {
    random.pick(&[None, None, None, Some("k"), Some("l")])
}

fn letter(random: &mut Random, flavour: &Flavour) -> LetterPlan {
    let ttl = match random.below(8) {
        _ if flavour.long_ttl => HOUR,
        0 => 1 + random.below(20),
        1..=2 => 1 + random.below(2_000),
        3..=4 => 1_000 + random.below(30_000),
        5 => 10 * MINUTE,
        _ => HOUR,
    };
    LetterPlan {
        topic: random.pick(&["out", "out", "out", "a/x", "b/x"]),
        qos: match flavour.one_qos {
            Some(qos) => qos,
            None => qos(random),
        },
        retain: random.one_in(8),
        ttl,
        priority: priority(random),
        replace_key: replace_key(random),
        padding: padding(random),
    }
}

fn padding(random: &mut Random) -> usize {
    if random.one_in(8) {
        50 + random.below(100) as usize
    } else {
        0
    }
}

fn message(random: &mut Random) -> LetterPlan {
    LetterPlan {
        topic: random.pick(&TOPICS),
        qos: qos(random),
        retain: random.one_in(8),
        ttl: 0,
        priority: Priority::Normal,
        replace_key: None,
        padding: padding(random),
    }
}

fn call(random: &mut Random, flavour: &Flavour) -> CallPlan {
    let letters = match random.below(8) {
        0 => 0,
        1 => random.below(25),
        _ => 1 + random.below(3),
    };
    CallPlan {
        letters: (0..letters).map(|_| letter(random, flavour)).collect(),
        timers: timers(random),
        reconnect: random.one_in(25),
        verdict: match random.below(10) {
            0..=5 => Verdict::Done,
            6 => Verdict::Reject,
            7 => Verdict::Retry,
            _ => Verdict::Trap,
        },
        takes: random.pick(&[0, 0, 0, 0, 5, 100, 3_000, 20_000]),
        keeps_loop: random.pick(&[0, 0, 0, 1, 5]),
    }
}

fn step(random: &mut Random, flavour: &Flavour) -> Step {
    let guest = random.below(flavour.guests) as usize;
    let kinds = if flavour.calm { 70 } else { 105 };
    match random.below(kinds) {
        0..=14 => Step::Wait(1 + random.below(50)),
        15..=20 => Step::Wait(1 + random.below(3_000)),
        21..=23 => Step::Wait(1 + random.below(60_000)),
        24..=45 => Step::Plan(guest, call(random, flavour)),
        46..=48 => Step::Post(guest, letter(random, flavour), 1),
        49 => Step::Post(guest, letter(random, flavour), 1 + random.below(30)),
        50..=65 => Step::Message(message(random), 1),
        66 if random.one_in(20) => Step::Message(message(random), 1_100),
        66 => Step::Message(message(random), 1 + random.below(30)),
        67 if flavour.is_v5 => Step::Terms(Terms::generate(random)),
        67..=68 => Step::ClearFaults,
        69 => Step::Delay(random.below(100), random.below(100)),
        70..=72 => Step::JumpAfter(random.below(40) as u32, 2 * HOUR),
        73 => Step::JumpAfter(random.below(40) as u32, 1 + random.below(3_000)),
        74 => Step::Jump(2 * HOUR),
        75..=82 => Step::Cut(CutPlan {
            up: random.below(400),
            down: random.below(400),
            gateway_notices: !random.one_in(3),
            broker_notices: !random.one_in(3),
        }),
        83 => Step::RefuseDials(1 + random.below(4) as u32),
        84 if random.one_in(5) => Step::Post(guest, letter(random, flavour), 120),
        84 => Step::HangDials(random.one_in(2)),
        85 => Step::Delay(random.below(3_000), random.below(3_000)),
        86 => Step::Capacity(random.pick(&[30, 60, 200, 1_000, usize::MAX])),
        87 => Step::Reconnect,
        88..=89 => Step::Pace(random.pick(&[Some(50), Some(300), Some(2_000), None])),
        90 => Step::Freeze,
        91..=92 => Step::Thaw,
        _ => Step::Fault(fault(random, flavour.is_v5)),
    }
}

fn fault(random: &mut Random, is_v5: bool) -> FaultPlan {
    let kinds = [
        PacketType::Connect,
        PacketType::Publish,
        PacketType::PubAck,
        PacketType::PubRec,
        PacketType::PubRel,
        PacketType::PubComp,
        PacketType::Subscribe,
    ];
    let acks = [Ack::PubAck, Ack::PubRec, Ack::PubComp, Ack::SubAck];
    if is_v5 && random.one_in(4) {
        return fault_v5(random);
    }
    match random.below(22) {
        0 => FaultPlan::RefuseConnect(1 + random.below(3) as u32),
        1 => FaultPlan::DelayConnect(random.below(25_000)),
        2 => FaultPlan::NeverAnswerConnect,
        3 => FaultPlan::DropNow,
        4..=6 => FaultPlan::DropAfter(1 + random.below(3) as u32, random.pick(&kinds)),
        7..=8 => FaultPlan::DropInMiddle,
        9..=12 => FaultPlan::Withhold(random.pick(&acks)),
        13..=14 => FaultPlan::DelayAcks(random.below(5_000)),
        15 => FaultPlan::DuplicateAcks,
        16 => FaultPlan::RefuseSubscription(random.pick(&FILTERS)),
        17 => FaultPlan::StopReading,
        18 => FaultPlan::ResumeReading,
        19..=20 => FaultPlan::ForgetSession,
        _ => FaultPlan::TakeOver,
    }
}

/// What only a broker of MQTT 5 can say.
fn fault_v5(random: &mut Random) -> FaultPlan {
    let ends = [
        Reason::ServerBusy,
        Reason::SessionTakenOver,
        Reason::QuotaExceeded,
        Reason::UnspecifiedError,
        Reason::PacketTooLarge,
        Reason::ServerMoved,
    ];
    match random.below(4) {
        0 => FaultPlan::RefuseConnectV5(random.pick(&ends), 1 + random.below(3) as u32),
        1 => FaultPlan::Disconnect(random.pick(&ends)),
        _ => FaultPlan::RefusePublish(
            random.pick(&["out", "#", "a/+"]),
            random.pick(&[Reason::NotAuthorized, Reason::QuotaExceeded]),
        ),
    }
}
