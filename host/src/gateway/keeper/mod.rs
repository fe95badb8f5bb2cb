//! Keeps what the post office hands out, in [threads](desk) of their own: a disk takes as
//! long as it takes.
//!
//! A group that could not be kept is tried again, for as long as the gateway runs, on a
//! store that was opened anew. Until that succeeds nothing else is kept.

mod desk;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::{error, info, warn};

use crate::clock;
use crate::office::{Change, GuestId, Office, Settings, Time};
use crate::store::{BootId, ClockTrust, Contents, Held, OldLetters, Store};
pub(super) use desk::Report;
use desk::{Desk, Order, PAUSE, gone};

/// How often it is noted which time it is, while letters wait: how long the machine ran
/// is known as far as that.
const NOTE_TIME: Duration = Duration::from_secs(60);

/// How often the clocks are looked at while letters wait for them.
const LOOK: Duration = Duration::from_secs(1);

/// The same while timers do, and letters are held no more.
const RARE_LOOK: Duration = Duration::from_secs(60);

/// A commit that takes longer than this has failed until it is done.
const PATIENCE: Duration = Duration::from_secs(10);

/// A store, and how the gateway uses it.
pub struct KeepingOptions {
    /// Where all is kept.
    pub store: Box<dyn Store>,
    /// What of it is to be taken up.
    pub contents: Contents,
    /// Which boot of the machine this is.
    pub boot: BootId,
    /// When the wall clock is trusted.
    pub trust: ClockTrust,
    /// What becomes of letters of an earlier boot.
    pub old: OldLetters,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl KeepingOptions {
    /// The guests that have something here and are not there.
    pub(super) fn gone(&self, settings: &Settings) -> BTreeSet<Arc<str>> {
        let is_there = |name: &Arc<str>| settings.guests.iter().any(|guest| guest.name == *name);
        let names = self.contents.belongings().into_keys();
        names.filter(|name| !is_there(name)).cloned().collect()
    }
}

impl fmt::Debug for KeepingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepingOptions").finish_non_exhaustive()
    }
}

/// What the gateway has of its store.
pub(super) struct Keeper {
    /// None: the threads are to end.
    orders: Option<Sender<Order>>,
    reports: UnboundedReceiver<Report>,
    /// Ends when the threads do, with what the last thing was that is not kept.
    ended: Receiver<Result<(), String>>,
    held: Held,
    boot: BootId,
    trust: ClockTrust,
    look_at: Option<Time>,
    /// How many groups are under way, and since when the oldest of them is waited for.
    under_way: usize,
    since: Time,
    noted_at: Time,
    /// Who is answered when so many groups are kept.
    answers: VecDeque<(u64, KeptAnswer)>,
}

/// Hears that all it waits for is kept, or why it cannot be.
pub(super) type KeptAnswer = Box<dyn FnOnce(&mut Office, Result<(), NotKept>) + Send>;

/// What was waited for is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotKept {
    pub(super) why: Arc<str>,
    /// Whether it was given to the store, which may have it all the same.
    pub(super) is_under_way: bool,
}

impl NotKept {
    fn new(office: &Office, group: u64, why: Arc<str>) -> Self {
        let is_under_way = office.is_handed_out(group);
        Self { why, is_under_way }
    }
}

impl Keeper {
    /// Has the office take up what was kept, and begins to keep what it hands out.
    /// `place` says which guest has a name.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn start(
        options: KeepingOptions,
        office: &mut Office,
        place: impl Fn(&str) -> Option<GuestId>,
    ) -> io::Result<Self> {
        let KeepingOptions {
            store,
            mut contents,
            boot,
            trust,
            old,
        } = options;
        let moment = clock::moment(boot, trust);
        let now = moment.running;
        contents.boots.observe(moment);
        let number = contents.number;
        let held = contents.restore(office, now, old, place);
        let (orders, queue) = mpsc::channel();
        let (reporter, reports) = unbounded_channel();
        let desk = Desk {
            store,
            number,
            boot,
            trust,
            queue,
            reporter,
            pause: PAUSE,
        };
        let (ending, ended) = mpsc::channel();
        desk.start(ending)?;
        let keeper = Self {
            orders: Some(orders),
            reports,
            ended,
            look_at: (!held.is_empty()).then_some(now),
            held,
            boot,
            trust,
            under_way: 0,
            since: now,
            noted_at: now,
            answers: VecDeque::new(),
        };
        // It is known from here on which boot this is.
        keeper.order(Order::Note);
        Ok(keeper)
    }

    pub(super) fn commit(&mut self, now: Time, changes: Vec<Change>) {
        if self.under_way == 0 {
            self.since = now;
        }
        self.under_way += 1;
        self.noted_at = now;
        self.order(Order::Commit(changes));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Threads that are gone have said why.
            let _ = orders.send(order);
        }
    }

    /// Has somebody answered when everything up to here is kept, or cannot be.
    pub(super) fn when_kept(&mut self, office: &mut Office, answer: KeptAnswer) {
        if office.is_kept() {
            return answer(office, Ok(()));
        }
        let (group, _) = office.groups();
        match office.commit_failed().cloned() {
            Some(why) => {
                let not_kept = NotKept::new(office, group, why);
                answer(office, Err(not_kept));
            }
            None => self.answers.push_back((group, answer)),
        }
    }

    /// The office has heard of it.
    pub(super) fn handle_committed(&mut self, office: &mut Office) {
        let (_, kept) = office.groups();
        while let Some((_, answer)) = self.answers.pop_front_if(|(group, _)| *group <= kept) {
            answer(office, Ok(()));
        }
    }

    /// What comes next of the store. None: its threads are gone, and nothing is kept any more.
    pub(super) async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Tells the office. Returns whether a group that was under way is kept.
    pub(super) fn handle_report(&mut self, now: Time, office: &mut Office, report: Report) -> bool {
        match report {
            Report::Committed => {
                self.under_way -= 1;
                self.since = now;
                self.recover(office);
                true
            }
            Report::Noted => {
                self.recover(office);
                false
            }
            Report::Failed(why) => {
                self.fail(office, why);
                false
            }
        }
    }

    fn recover(&mut self, office: &mut Office) {
        if office.commit_failed().is_some() {
            info!("the work list is kept again");
        }
        office.handle_commit_possible();
    }

    fn fail(&mut self, office: &mut Office, why: String) {
        if office.commit_failed().is_none_or(|known| **known != *why) {
            error!("the work list cannot be kept, and nothing is accepted: {why}");
        }
        let why: Arc<str> = why.into();
        office.handle_commit_failed(why.clone());
        let answers = std::mem::take(&mut self.answers).into_iter();
        // What one of them leads to is in no group that is handed out.
        let answers: Vec<_> = answers
            .map(|(group, answer)| (NotKept::new(office, group, why.clone()), answer))
            .collect();
        for (not_kept, answer) in answers {
            answer(office, Err(not_kept));
        }
    }

    /// When there is something to do that nobody else says.
    pub(super) fn next_timeout(&self, office: &Office) -> Option<Time> {
        let noted = (office.open_letters() > 0).then(|| self.noted_at + NOTE_TIME);
        let late = self
            .late_from()
            .filter(|_| office.commit_failed().is_none());
        [self.look_at, noted, late].into_iter().flatten().min()
    }

    /// When the oldest group that is under way has taken too long.
    fn late_from(&self) -> Option<Time> {
        (self.under_way > 0).then(|| self.since + PATIENCE)
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Time, office: &mut Office) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look(now, office);
        }
        if office.open_letters() > 0 && self.noted_at + NOTE_TIME <= now {
            self.note(now);
        }
        let is_late = self.late_from().is_some_and(|late| late <= now);
        if is_late && office.commit_failed().is_none() {
            self.fail(office, no_answer());
        }
    }

    /// Notes which time it is.
    fn note(&mut self, now: Time) {
        self.noted_at = now;
        self.order(Order::Note);
    }

    fn look(&mut self, now: Time, office: &mut Office) {
        let before = office.held_letters();
        let moment = clock::moment(self.boot, self.trust);
        if self.held.handle_moment(office, moment) {
            let letters = before - office.held_letters();
            info!(
                letters,
                "the clock is trusted now: letters go on, or have expired, and timers come in time"
            );
            // So that letters of this boot can be judged by it in the next one.
            self.note(now);
        }
        let pause = match self.held.is_urgent(now) {
            true => LOOK,
            false => RARE_LOOK,
        };
        self.look_at = (!self.held.is_empty()).then(|| now + pause);
    }

    /// Ends when what was ordered is done, and the time of the end is noted. A disk that
    /// does not answer is not waited for, and one that fails not tried again.
    pub(super) fn finish(mut self, office: &Office) {
        self.order(Order::Note);
        self.orders = None;
        // There is nobody any more for whom it would be tried again.
        self.reports.close();
        let result = match (office.commit_failed(), self.under_way) {
            (Some(why), _) => Err(why.to_string()),
            (None, 1..) => Err("the disk has not answered yet".to_owned()),
            (None, 0) => match self.ended.recv_timeout(PATIENCE) {
                Ok(result) => result,
                Err(RecvTimeoutError::Timeout) => Err(no_answer()),
                Err(error @ RecvTimeoutError::Disconnected) => Err(gone(error)),
            },
        };
        match result {
            Ok(()) => {}
            Err(why) if office.is_kept() => {
                warn!("all letters are kept, but not when the gateway has ended: {why}");
            }
            Err(why) => error!(
                letters = office.open_letters(),
                "what has changed last is not kept, and the next start finds the work list as it \
                 was before: {why}"
            ),
        }
    }
}

fn no_answer() -> String {
    format!("the disk has not answered for {} s", PATIENCE.as_secs())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::mpsc::UnboundedSender;

    use super::*;
    use crate::office::{
        BackoffSettings, GoneGuests, GuestSettings, Letter, Payload, Priority, Qos, Ticket,
        WhenOff, WorkListSettings,
    };
    use crate::store::{Group, StoreError, Syncing};

    /// A disk that works so often, and then fails so often.
    struct Failing(usize, usize);

    impl Store for Failing {
        fn load(&mut self) -> Result<Contents, StoreError> {
            Ok(Contents::default())
        }

        fn write(&mut self, _group: &Group) -> Result<Syncing, StoreError> {
            match self {
                Self(0, 0) => {}
                Self(0, fails) => {
                    *fails -= 1;
                    return Err(StoreError::Closed);
                }
                Self(works, _) => *works -= 1,
            }
            Ok(Box::new(|| Ok(())))
        }

        fn reopen(&mut self) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    /// A durable office with one guest.
    fn office() -> Office {
        let work_list = WorkListSettings::default();
        Office::new(
            Time::from_millis(0),
            Settings {
                clean_session: true,
                keep_alive: Duration::ZERO,
                backoff: BackoffSettings {
                    min: Duration::from_secs(1),
                    max: Duration::from_secs(1),
                },
                first_connect_delay: Duration::ZERO,
                last_will: None,
                status_topic: None,
                max_packet_size: 1_000,
                max_qos: Qos::ExactlyOnce,
                carries_properties: true,
                is_durable: true,
                sessions: Vec::new(),
                gone_guests: GoneGuests::Keep,
                guests: vec![GuestSettings::gone("guest".into(), work_list)],
                seed: 0,
            },
        )
    }

    /// A keeper without a thread: a test says what becomes of its orders.
    fn keeper() -> (Keeper, UnboundedSender<Report>) {
        let (reporter, reports) = unbounded_channel();
        let keeper = Keeper {
            orders: None,
            reports,
            ended: mpsc::channel().1,
            held: Held::default(),
            boot: clock::boot_id().expect("it is Linux"),
            trust: ClockTrust::PastRecord,
            look_at: None,
            under_way: 0,
            since: Time::from_millis(0),
            noted_at: Time::from_millis(0),
            answers: VecDeque::new(),
        };
        (keeper, reporter)
    }

    fn post(office: &mut Office, ticket: u64) {
        let letter = Letter {
            ticket: Ticket(ticket),
            topic: "a".into(),
            payload: Payload::new([]),
            qos: Qos::AtLeastOnce,
            retain: false,
            ttl: Duration::from_secs(3_600),
            when_off: None,
            priority: Priority::Normal,
            replace_key: None,
            tag: None,
            properties: None,
        };
        let posted = office.submit(Time::from_millis(0), GuestId(0), letter);
        posted.expect("it is accepted");
    }

    #[test]
    fn what_the_store_was_given_may_be_kept_and_what_comes_after_is_not() {
        let (mut office, (mut keeper, _reporter)) = (office(), keeper());
        let (told, heard) = mpsc::channel();
        for ticket in [1, 2] {
            post(&mut office, ticket);
            let told = told.clone();
            let tell = move |_: &mut Office, kept| {
                let _ = told.send((ticket, kept));
            };
            keeper.when_kept(&mut office, Box::new(tell));
            // The store is given the first of them.
            if ticket == 1 {
                let changes = office.poll_commit().expect("there are some");
                keeper.commit(Time::from_millis(0), changes);
            }
        }
        keeper.handle_timeout(Time::from_millis(0) + PATIENCE, &mut office);
        let is_under_way = |ticket| {
            let (heard, kept): (_, Result<(), NotKept>) = heard.try_recv().expect("it is told");
            assert_eq!(heard, ticket);
            kept.expect_err("it is not kept").is_under_way
        };
        assert!(is_under_way(1));
        assert!(!is_under_way(2));
    }

    /// One that waits until the disk has those before it is no later than they are.
    #[test]
    fn a_disk_that_goes_on_is_not_late() {
        let (mut office, (mut keeper, _reporter)) = (office(), keeper());
        let begin = Time::from_millis(0);
        for ticket in 1..=3 {
            post(&mut office, ticket);
            let changes = office.poll_commit().expect("there are some");
            keeper.commit(begin, changes);
        }
        let is_late = |keeper: &mut Keeper, office: &mut Office, now| {
            keeper.handle_timeout(now, office);
            office.commit_failed().is_some()
        };
        let mut now = begin;
        for pause in [PATIENCE / 2, PATIENCE * 2] {
            now = now + pause;
            assert_eq!(is_late(&mut keeper, &mut office, now), pause >= PATIENCE);
            assert!(keeper.handle_report(now, &mut office, Report::Committed));
            office.handle_committed();
            assert!(!is_late(&mut keeper, &mut office, now));
        }
        assert_eq!(keeper.next_timeout(&office), Some(now + PATIENCE));
        assert!(is_late(&mut keeper, &mut office, now + PATIENCE));
    }

    /// A keeper with such a store.
    fn start(store: impl Store + 'static, office: &mut Office) -> Keeper {
        let options = KeepingOptions {
            store: Box::new(store),
            contents: Contents::default(),
            boot: clock::boot_id().expect("it is Linux"),
            trust: ClockTrust::PastRecord,
            old: OldLetters {
                when_off: WhenOff::Count,
                hold_until: Time::from_millis(0),
            },
        };
        Keeper::start(options, office, |_| None).expect("there is a thread")
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what does not end must have a thread of its own"
    )]
    fn the_end_does_not_wait_for_a_disk_that_fails() {
        let mut office = office();
        // The first note is of the start, and the second of the end.
        let keeper = start(Failing(1, usize::MAX), &mut office);
        let (ended, end) = mpsc::channel();
        let finish = thread::spawn(move || {
            keeper.finish(&office);
            ended.send(()).expect("somebody waits for it");
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(()));
        finish.join().expect("no panic");
    }

    /// A store with a fault, in writing or in what makes it durable.
    struct Panicking {
        in_write: bool,
    }

    impl Store for Panicking {
        fn load(&mut self) -> Result<Contents, StoreError> {
            Ok(Contents::default())
        }

        fn write(&mut self, _group: &Group) -> Result<Syncing, StoreError> {
            assert!(!self.in_write, "a fault of the store");
            Ok(Box::new(|| panic!("a fault of the store")))
        }

        fn reopen(&mut self) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    #[test]
    fn a_thread_that_is_gone_is_noticed() {
        for in_write in [true, false] {
            let mut keeper = start(Panicking { in_write }, &mut office());
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let report = runtime.expect("a runtime").block_on(keeper.report());
            assert!(report.is_none(), "{report:?}");
        }
    }
}
