//! After each operation on the disk the power is cut, in some ways each time. What is
//! there then is what some group has left, which is not before the last one that was
//! durable, nor behind the last one that was begun.

use std::sync::mpsc;

use super::*;
use crate::store::disk::log::Sizes;

/// In so many ways after each operation.
const WAYS: usize = 4;

const SEEDS: u64 = 20;

const GROUPS: usize = 50;

#[test]
fn what_was_durable_is_there_after_a_power_cut_and_nothing_is_by_halves() {
    let mut points = 0;
    let mut given_up = 0;
    for seed in 0..SEEDS {
        let mut pair = Pair::new(seed);
        let chance = &mut Chance(seed);
        pair.memory.record();
        pair.write(GROUPS / 2, chance);
        pair.keeper.reopen().expect("nothing fails");
        pair.write(GROUPS / 2, chance);
        given_up += u64::from(pair.has_given_up());
        for (n, snapshot) in pair.memory.take_history().iter().enumerate() {
            for way in 0..WAYS {
                let chance = seed << 32 | (n * WAYS + way) as u64;
                check(&pair, snapshot, chance);
                points += 1;
            }
        }
    }
    assert!(points >= 10_000, "{points} points");
    assert!(given_up > SEEDS / 2, "segments come and go: {given_up}");
}

/// The sync finds it written when it ends, and has not waited for it.
#[test]
fn what_is_written_during_a_sync_is_not_durable_by_it() {
    let memory = Memory::default();
    let mut keeper = Keeper::new(memory.clone(), Sizes::DISK, 1);
    let mut contents = keeper.load().expect("there is nothing yet");
    let mut generator = Generator::new(1);
    let mut next = || {
        let (group, after) = generator.group(&contents);
        contents = after;
        group
    };
    keeper.commit(&next()).expect("nothing fails");
    let sync = keeper.write(&next()).expect("nothing fails");
    let (third, fourth) = (next(), next());
    let (sender, written) = mpsc::channel();
    memory.during_sync(move || {
        let synced = keeper.write(&third).and_then(|_| keeper.write(&fourth));
        let _ = sender.send(synced.map(|sync| (keeper, sync)));
    });
    let found = |chance| {
        let cut = memory.snapshot().cut(&mut Chance(chance));
        let contents = self::keeper(cut).load().expect("it is whole");
        contents.number
    };
    sync().expect("nothing fails");
    let least = (0..50).map(found).min();
    assert_eq!(least, Some(2), "it may be lost");
    let (_keeper, sync) = written.recv().expect("it is done").expect("nothing fails");
    sync().expect("nothing fails");
    assert!((0..50).map(found).all(|number| number == 4));
}

/// Cuts the power after one operation; `point` says how.
fn check(pair: &Pair, snapshot: &Snapshot, point: u64) {
    let mut chance = Chance(point);
    let memory = snapshot.cut(&mut chance);
    memory.record();
    let number = check_opened(pair, &memory, snapshot.ended..=snapshot.begun, point);

    // The power is cut again, while that was read and put in order.
    if chance.one_in(3) {
        let history = memory.take_history();
        let again = &history[chance.below(history.len())];
        let is_done = std::ptr::eq(again, history.last().expect("it has been recorded"));
        let least = if is_done { number } else { snapshot.ended };
        let memory = again.cut(&mut chance);
        check_opened(pair, &memory, least..=snapshot.begun, point);
    }

    // It goes on from there.
    if chance.one_in(4) {
        let before = pair.read_after(number);
        let (group, mut after) = Generator::new(point).of_picks(&before, &[(0, 0, 0), (11, 1, 1)]);
        let mut keeper = keeper(memory.clone());
        keeper.load().expect("it was just read");
        keeper.commit(&group).expect("nothing fails");
        let memory = memory.snapshot().cut(&mut chance);
        after.forget_boots();
        let contents = self::keeper(memory).load();
        assert_eq!(contents.expect("it is whole"), after, "point {point}");
    }
}

/// Opens it. Returns the number of its last group.
fn check_opened(
    pair: &Pair,
    memory: &Memory,
    numbers: std::ops::RangeInclusive<u64>,
    point: u64,
) -> u64 {
    let contents = match keeper(memory.clone()).load() {
        Ok(contents) => contents,
        Err(error) => panic!("point {point}: {error}"),
    };
    let number = contents.number;
    assert!(
        numbers.contains(&number),
        "point {point}: {number} is not in {numbers:?}"
    );
    assert_eq!(contents, pair.read_after(number), "point {point}");
    number
}
