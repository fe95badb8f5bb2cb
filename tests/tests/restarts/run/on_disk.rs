//! The store itself, on a disk that forgets at a power cut what was not synced.

use jackalope::store::{Contents, Group, Store, StoreError};
use jackalope::testing::MemoryDisk;
use jackalope_tests::Random;

/// What an operation on a disk fails with: EIO, ENOSPC, EROFS.
const ERRORS: [i32; 3] = [5, 28, 30];

pub(super) struct OnDisk {
    disk: MemoryDisk,
    store: Box<dyn Store>,
    /// Whether the group that is under way has failed.
    has_failed: bool,
}

impl OnDisk {
    /// With nothing in it.
    pub(super) fn new(random: u64) -> Self {
        let disk = MemoryDisk::default();
        let mut store = disk.store(random);
        let contents = store.load().expect("nothing fails");
        assert_eq!(contents, Contents::default());
        Self {
            disk,
            store,
            has_failed: false,
        }
    }

    /// Keeps a group, or tries again to.
    pub(super) fn keep(&mut self, group: &Group) -> Result<(), StoreError> {
        let kept = self.try_to_keep(group);
        self.has_failed = kept.is_err();
        kept
    }

    fn try_to_keep(&mut self, group: &Group) -> Result<(), StoreError> {
        // One that has failed may have been durable after all.
        if self.has_failed && self.store.reopen()? == group.number {
            return Ok(());
        }
        self.store.commit(group)
    }

    /// The same, while the disk fails.
    pub(super) fn keep_on_failing(
        &mut self,
        group: &Group,
        random: &mut Random,
    ) -> Result<(), StoreError> {
        let operations = random.pick(&[0, 0, 1, 1, 2, 5]);
        self.disk.fail_after(operations, random.pick(&ERRORS));
        let kept = self.keep(group);
        self.disk.heal();
        kept
    }

    /// Keeps groups, some of which are written before those before them are durable. None
    /// comes behind one that is not kept.
    fn keep_all(&mut self, groups: &[&Group], random: &mut Random) -> Result<(), StoreError> {
        let mut written = None;
        for group in groups {
            if self.has_failed {
                self.keep(group)?;
                continue;
            }
            let sync = self.store.write(group)?;
            if random.one_in(2) {
                // It is durable with the next one, or at the end.
                written = Some(sync);
            } else {
                written = None;
                sync()?;
            }
        }
        written.map_or(Ok(()), |sync| sync())
    }

    /// The gateway dies, perhaps in the midst of keeping these groups or of reading what is
    /// there, and reads what is left. A power cut takes more than `kill -9`, which leaves
    /// what was written to the kernel. Returns how often it died as it read.
    pub(super) fn die(
        &mut self,
        groups: &[&Group],
        is_power_cut: bool,
        random: &mut Random,
    ) -> (Contents, u32) {
        let leave = |history: Vec<MemoryDisk>, random: &mut Random| {
            let at = random.below(history.len() as u64);
            let left = history.into_iter().nth(at as usize);
            let left = left.expect("there is how it was before");
            match is_power_cut {
                true => left.cut(random.next()),
                false => left,
            }
        };
        let groups = if random.one_in(4) { &[] } else { groups };
        let history = self.disk.clone().record(|| {
            // What is not kept is not known any more.
            let _ = self.keep_all(groups, random);
        });
        self.has_failed = false;
        self.disk = leave(history, random);
        let mut died = 0;
        loop {
            self.store = self.disk.store(random.next());
            let mut contents = None;
            let history = self.disk.record(|| contents = Some(self.store.load()));
            if random.one_in(8) {
                self.disk = leave(history, random);
                died += 1;
                continue;
            }
            match contents.expect("it was read") {
                Ok(contents) => return (contents, died),
                Err(error) => panic!("what is kept can not be read: {error}"),
            }
        }
    }
}
