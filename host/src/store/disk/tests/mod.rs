mod damage;
mod faults;
mod generator;
mod on_a_disk;
mod power_cuts;
mod random;
mod rescue;

use std::collections::VecDeque;

use super::files::Files;
use super::frame;
use super::keeper::Keeper;
use super::memory::{Chance, Memory, SMALL, Snapshot};
use super::tail::UNDER_WAY;
use crate::store::{Contents, Group, Store, StoreError};
use generator::Generator;

fn keeper<F: Files>(files: F) -> Keeper<F> {
    Keeper::new(files, SMALL, 1)
}

/// Tries a group again that could not be committed.
fn commit_again(store: &mut impl Store, group: &Group) -> Result<(), StoreError> {
    // It may have been durable after all.
    match store.reopen()? == group.number {
        true => Ok(()),
        false => store.commit(group),
    }
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

    /// Writes so many groups, some of them before those before them are durable.
    fn write(&mut self, groups: usize, chance: &mut Chance) {
        let mut under_way = VecDeque::new();
        for n in 1..=groups {
            let before = self.last().clone();
            let (group, after) = self.generator.group(&before);
            self.memory.begin(group.number);
            self.after.push(after);
            let sync = self.keeper.write(&group).expect("nothing fails");
            under_way.push_back((group.number, sync));
            let left = match n == groups {
                true => 0,
                false => chance.below(UNDER_WAY as usize + 2),
            };
            while under_way.len() > left {
                let (number, sync) = under_way.pop_front().expect("there is one");
                // The next one stands for it.
                if left > 0 && chance.one_in(3) {
                    continue;
                }
                sync().expect("nothing fails");
                self.memory.end(number);
            }
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
