mod damage;
mod faults;
mod generator;
mod on_a_disk;
mod power_cuts;
mod random;
mod rescue;

use super::files::Files;
use super::frame;
use super::keeper::Keeper;
use super::memory::{Chance, Memory, SMALL, Snapshot};
use crate::store::{Contents, Store};
use generator::Generator;

fn keeper<F: Files>(files: F) -> Keeper<F> {
    Keeper::new(files, SMALL, 1)
}

/// A store that groups are committed to, beside the naive model of one: what was to be
/// in it after each group.
struct Pair {
    memory: Memory,
    keeper: Keeper<Memory>,
    generator: Generator,
    after: Vec<Contents>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let memory = Memory::default();
        let mut keeper = keeper(memory.clone());
        let contents = keeper.load().expect("there is nothing yet");
        assert_eq!(contents, Contents::default());
        Self {
            memory,
            keeper,
            generator: Generator::new(seed),
            after: vec![contents],
        }
    }

    /// Commits so many groups.
    fn commit(&mut self, groups: usize) {
        for _ in 0..groups {
            let before = self.last().clone();
            let (group, after) = self.generator.group(&before);
            self.memory.begin(group.number);
            self.after.push(after);
            self.keeper.commit(&group).expect("nothing fails");
            self.memory.end(group.number);
        }
    }

    /// What is read of a store whose last group is this one.
    fn read_after(&self, group: u64) -> Contents {
        let mut contents = self.after[group as usize].clone();
        contents.forget_boots();
        contents
    }

    /// Whether the first segment is of no use any more.
    fn has_given_up(&self) -> bool {
        let names = self.memory.names().expect("nothing fails");
        !names.iter().any(|name| name == "0000000001.log")
    }

    fn last(&self) -> &Contents {
        self.after.last().expect("it begins with nothing")
    }
}
