//! The two threads of the keeper: one writes what is ordered, and the other waits until
//! the disk has it, while the next group is being written.
//!
//! What fails is dealt with by the second one alone. It opens the store anew and tries the
//! group again, and then each one that the first has passed on before that.

use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::clock;
use crate::office::Change;
use crate::store::{BootId, ClockTrust, Group, Store, StoreError, Syncing};
use crate::words::in_full;

/// How long it is until a group that could not be kept is tried again.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// So many groups that are written wait until the disk has those before them. Each thread
/// has one more in its hands, and then as many are under way as the log takes.
const WRITTEN: usize = 2;

/// What is to be kept.
#[derive(Debug)]
pub(super) enum Order {
    /// These changes, and it is to be said when they are.
    Commit(Vec<Change>),
    /// Which time it is.
    Note,
}

/// What has become of an order.
#[derive(Debug)]
pub(in crate::gateway) enum Report {
    /// It is kept.
    Committed,
    /// It is not, and is tried again.
    Failed(String),
    /// What nobody waits for is kept after all, as all that comes next will be.
    Noted,
}

/// What the threads are given.
pub(super) struct Desk {
    pub(super) store: Box<dyn Store>,
    /// The last group that is kept.
    pub(super) number: u64,
    pub(super) boot: BootId,
    pub(super) trust: ClockTrust,
    pub(super) queue: Receiver<Order>,
    pub(super) reporter: UnboundedSender<Report>,
    /// How long it is until what has failed is tried again.
    pub(super) pause: Duration,
}

/// A store, as both threads know it.
struct Shelf {
    store: Box<dyn Store>,
    /// The last group that is in it, durable or not.
    last: u64,
    /// How often it was opened anew.
    reopened: u64,
    /// Why nothing more is written to it, if the writer was told.
    why: Option<String>,
}

/// A group on its way from one thread to the other.
struct Job {
    group: Group,
    is_asked: bool,
    /// None: it could not be tried, as one before it has failed.
    written: Option<Written>,
}

struct Written {
    /// How often the store had been opened anew by then.
    reopened: u64,
    result: Result<Syncing, StoreError>,
}

struct Writer {
    shelf: Arc<Mutex<Shelf>>,
    /// The last group that was ordered.
    number: u64,
    boot: BootId,
    trust: ClockTrust,
    queue: Receiver<Order>,
    /// None: that was all.
    jobs: SyncSender<Option<Job>>,
}

struct Syncer {
    shelf: Arc<Mutex<Shelf>>,
    reopened: u64,
    jobs: Receiver<Option<Job>>,
    reporter: UnboundedSender<Report>,
    pause: Duration,
}

impl Desk {
    /// Keeps what is ordered until nothing is any more. `ending` hears then what the last
    /// thing was that is not kept.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn start(self, ending: Sender<Result<(), String>>) -> io::Result<()> {
        let (jobs, written) = sync_channel(WRITTEN);
        let shelf = Arc::new(Mutex::new(Shelf {
            store: self.store,
            last: self.number,
            reopened: 0,
            why: None,
        }));
        let syncer = Syncer {
            shelf: shelf.clone(),
            reopened: 0,
            jobs: written,
            reporter: self.reporter,
            pause: self.pause,
        };
        let writer = Writer {
            shelf,
            number: self.number,
            boot: self.boot,
            trust: self.trust,
            queue: self.queue,
            jobs,
        };
        // They wait for a disk, which no runtime does without a thread.
        let spawn = |name: &str| thread::Builder::new().name(name.into());
        spawn("keeper-syncs").spawn(move || ending.send(syncer.run()))?;
        spawn("keeper-writes").spawn(move || writer.run())?;
        Ok(())
    }
}

impl Writer {
    fn run(self) {
        let Self {
            shelf,
            mut number,
            boot,
            trust,
            queue,
            jobs,
        } = self;
        while let Ok(order) = queue.recv() {
            let (changes, is_asked) = match order {
                Order::Commit(changes) => (changes, true),
                Order::Note => (Vec::new(), false),
            };
            number += 1;
            let group = Group {
                number,
                moment: clock::moment(boot, trust),
                changes,
            };
            let Ok(mut books) = shelf.lock() else { return };
            let written = books.write(&group);
            drop(books);
            let job = Job {
                group,
                is_asked,
                written,
            };
            // Who is gone has said why.
            if jobs.send(Some(job)).is_err() {
                return;
            }
        }
        // The store is closed by the other one, before it says that it has ended.
        drop(shelf);
        let _ = jobs.send(None);
    }
}

impl Shelf {
    fn write(&mut self, group: &Group) -> Option<Written> {
        if group.number != self.last + 1 {
            return None;
        }
        let result = self.store.write(group);
        match &result {
            Ok(_) => self.last = group.number,
            Err(error) => self.why = Some(in_full(error)),
        }
        let reopened = self.reopened;
        Some(Written { reopened, result })
    }

    /// Makes a group durable that is in the store, if it is, since that was opened anew.
    fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        if group.number > self.last {
            self.store.commit(group)?;
            self.last = group.number;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.last = self.store.reopen()?;
        self.reopened += 1;
        self.why = None;
        Ok(())
    }
}

/// Why a thread does nothing any more that was waited for.
pub(super) fn gone<T>(_: T) -> String {
    "its thread is gone".to_owned()
}

impl Syncer {
    /// # Errors
    /// The gateway has ended, and the last thing is not kept: why.
    fn run(mut self) -> Result<(), String> {
        while let Some(job) = self.jobs.recv().map_err(gone)? {
            let has_failed = self.keep(&job.group, job.written)?;
            let report = match (job.is_asked, has_failed) {
                (true, _) => Report::Committed,
                (false, true) => Report::Noted,
                (false, false) => continue,
            };
            // Who does not hear it any more may have ordered more.
            let _ = self.reporter.send(report);
        }
        Ok(())
    }

    /// Keeps a group, and returns whether that has failed before.
    ///
    /// # Errors
    /// The gateway has ended, and it is not kept: why.
    fn keep(&mut self, group: &Group, written: Option<Written>) -> Result<bool, String> {
        let mut pause = self.pause;
        let mut has_failed = false;
        let mut result = match written {
            Some(written) if written.reopened == self.reopened => {
                written.result.and_then(|sync| sync())
            }
            _ => self.shelf.lock().map_err(gone)?.commit(group),
        };
        loop {
            let error = match result {
                Ok(()) => return Ok(has_failed),
                Err(error) => error,
            };
            has_failed = true;
            let why = self.reason(&error)?;
            let is_told = self.reporter.send(Report::Failed(why.clone())).is_ok();
            if !is_told || self.is_over(pause) {
                return Err(why);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            let mut shelf = self.shelf.lock().map_err(gone)?;
            result = shelf.reopen().and_then(|()| shelf.commit(group));
            self.reopened = shelf.reopened;
        }
    }

    /// What an error is told as. One that the writer has met closes the store for both.
    fn reason(&self, error: &StoreError) -> Result<String, String> {
        let known = match error {
            StoreError::Closed => self.shelf.lock().map_err(gone)?.why.clone(),
            _ => None,
        };
        Ok(known.unwrap_or_else(|| in_full(error)))
    }

    /// Waits. Returns whether the gateway has ended meanwhile.
    fn is_over(&self, pause: Duration) -> bool {
        #[expect(
            clippy::disallowed_methods,
            reason = "this thread has nothing else to do"
        )]
        thread::sleep(pause);
        self.reporter.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::MutexGuard;
    use std::sync::mpsc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::store::Contents;

    /// A store that has only the numbers of groups, and fails as it is told.
    #[derive(Clone)]
    struct Naive(Arc<Mutex<Numbers>>);

    struct Numbers {
        durable: Vec<u64>,
        /// Behind those.
        written: Vec<u64>,
        has_failed: bool,
        has_sync_failed: bool,
        reopened: u64,
        /// Whether the next operations fail, from the last one on, and how many of the
        /// groups that were not durable are so all the same.
        fails: Vec<(bool, usize)>,
    }

    impl Naive {
        fn new(fails: Vec<(bool, usize)>) -> Self {
            Self(Arc::new(Mutex::new(Numbers {
                durable: Vec::new(),
                written: Vec::new(),
                has_failed: false,
                has_sync_failed: false,
                reopened: 0,
                fails,
            })))
        }

        fn numbers(&self) -> MutexGuard<'_, Numbers> {
            self.0.lock().expect("nothing panics")
        }
    }

    impl Numbers {
        /// An operation comes. Returns how many groups survive if it is to open the store.
        fn begin(&mut self) -> Result<usize, StoreError> {
            match self.fails.pop().unwrap_or_default() {
                (false, survive) => Ok(survive),
                (true, _) => {
                    self.has_failed = true;
                    Err(StoreError::Closed)
                }
            }
        }
    }

    impl Store for Naive {
        fn load(&mut self) -> Result<Contents, StoreError> {
            Ok(Contents::default())
        }

        fn write(&mut self, group: &Group) -> Result<Syncing, StoreError> {
            let mut numbers = self.numbers();
            if numbers.has_failed {
                return Err(StoreError::Closed);
            }
            numbers.begin()?;
            numbers.written.push(group.number);
            let (written, count) = (numbers.reopened, numbers.written.len());
            let store = self.clone();
            Ok(Box::new(move || {
                let mut numbers = store.numbers();
                assert_eq!(numbers.reopened, written, "it is of no use any more");
                assert!(!numbers.has_sync_failed, "it is not known what is durable");
                numbers.has_sync_failed = true;
                numbers.begin()?;
                numbers.has_sync_failed = false;
                let count = count.min(numbers.written.len());
                let synced: Vec<_> = numbers.written.drain(..count).collect();
                numbers.durable.extend(synced);
                Ok(())
            }))
        }

        fn reopen(&mut self) -> Result<u64, StoreError> {
            let mut numbers = self.numbers();
            let survive = numbers.begin()?;
            let written = std::mem::take(&mut numbers.written);
            numbers.durable.extend(written.into_iter().take(survive));
            (numbers.has_failed, numbers.has_sync_failed) = (false, false);
            numbers.reopened += 1;
            Ok(numbers.durable.last().copied().unwrap_or(0))
        }
    }

    /// What is told of these orders.
    fn told(store: Naive, orders: impl IntoIterator<Item = Order>) -> Vec<&'static str> {
        let (numbers, others) = (Arc::downgrade(&store.0), Arc::strong_count(&store.0) - 1);
        let told = reports(store, orders)
            .into_iter()
            .map(|report| match report {
                Report::Failed(_) => "failed",
                Report::Noted => "noted",
                Report::Committed => "committed",
            });
        assert_eq!(numbers.strong_count(), others, "it is closed when they end");
        told.collect()
    }

    fn reports(
        store: impl Store + 'static,
        orders: impl IntoIterator<Item = Order>,
    ) -> Vec<Report> {
        let (reporter, mut reports) = unbounded_channel();
        assert_eq!(keep(store, orders, reporter), Ok(()));
        std::iter::from_fn(|| reports.try_recv().ok()).collect()
    }

    /// Keeps these orders until the end.
    fn keep(
        store: impl Store + 'static,
        orders: impl IntoIterator<Item = Order>,
        reporter: UnboundedSender<Report>,
    ) -> Result<(), String> {
        let (sender, queue) = mpsc::channel();
        for order in orders {
            sender.send(order).expect("it is there");
        }
        drop(sender);
        let desk = Desk {
            store: Box::new(store),
            number: 0,
            boot: clock::boot_id().expect("it is Linux"),
            trust: ClockTrust::PastRecord,
            queue,
            reporter,
            pause: Duration::ZERO,
        };
        let (ending, ended) = mpsc::channel();
        desk.start(ending).expect("there are threads");
        ended.recv().expect("it says how it ended")
    }

    #[test]
    fn nothing_is_tried_again_when_nobody_hears_of_it() {
        let (reporter, _) = unbounded_channel();
        let store = Naive::new(vec![(true, 0)]);
        let kept = keep(store.clone(), [Order::Note], reporter);
        assert!(kept.is_err(), "{kept:?}");
        assert_eq!(store.numbers().reopened, 0);
    }

    /// A store whose second group can not be written while the first is synced, which closes
    /// it for both.
    struct Closing {
        /// The second one was tried.
        tried: mpsc::Sender<()>,
        first: Option<mpsc::Receiver<()>>,
        is_open: bool,
    }

    impl Store for Closing {
        fn load(&mut self) -> Result<Contents, StoreError> {
            Ok(Contents::default())
        }

        fn write(&mut self, _group: &Group) -> Result<Syncing, StoreError> {
            if let Some(tried) = self.first.take() {
                return Ok(Box::new(move || {
                    tried.recv().expect("there is a second one");
                    Err(StoreError::Closed)
                }));
            }
            if !self.is_open {
                self.tried.send(()).expect("the first one waits");
                return Err(StoreError::TooLarge { bytes: 77 });
            }
            Ok(Box::new(|| Ok(())))
        }

        fn reopen(&mut self) -> Result<u64, StoreError> {
            self.is_open = true;
            Ok(0)
        }
    }

    #[test]
    fn it_is_told_why_the_writer_has_closed_the_store() {
        let (tried, first) = mpsc::channel();
        let store = Closing {
            tried,
            first: Some(first),
            is_open: false,
        };
        let reports = reports(
            store,
            [Order::Commit(Vec::new()), Order::Commit(Vec::new())],
        );
        match &reports[..] {
            [Report::Failed(why), Report::Committed, Report::Committed] => {
                assert!(why.contains("77"), "{why}");
            }
            _ => panic!("{reports:?}"),
        }
    }

    #[test]
    fn a_note_that_has_failed_is_told_when_it_is_kept() {
        let store = Naive::new(vec![(true, 0)]);
        let orders = [Order::Note, Order::Note, Order::Commit(Vec::new())];
        assert_eq!(told(store, orders), ["failed", "noted", "committed"]);
    }

    proptest! {
        /// Whatever fails, and whatever is durable all the same, each group is in the store
        /// once, in its order, and is told once.
        #[test]
        fn each_group_is_kept_once(
            fails in vec((prop::bool::weighted(0.3), 0_usize..4), 0..60),
            orders in vec(prop::bool::weighted(0.8), 0..40),
        ) {
            let failing = fails.iter().filter(|(fails, _)| *fails).count();
            let store = Naive::new(fails);
            let order = |is_asked: &bool| match is_asked {
                true => Order::Commit(Vec::new()),
                false => Order::Note,
            };
            let told = told(store.clone(), orders.iter().map(order));
            let count = |what| told.iter().filter(|told| **told == what).count();
            let asked = orders.iter().filter(|is_asked| **is_asked).count();
            prop_assert_eq!(count("committed"), asked);
            prop_assert!(count("failed") <= failing);
            let kept: Vec<_> = (1..=orders.len() as u64).collect();
            prop_assert_eq!(&store.numbers().durable, &kept);
        }
    }
}
