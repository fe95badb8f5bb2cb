//! Each operation fails once, in each way. The store says so and is closed; opened again
//! it goes on with what is durable, and loses nothing of that.

use std::io;
use std::path::Path;

use super::*;
use crate::store::disk::log::Sizes;
use crate::store::{Group, StoreError, Syncing};

const EIO: i32 = 5;
const EACCES: i32 = 13;
const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EDQUOT: i32 = 122;

fn is(error: &StoreError, errno: i32) -> bool {
    match error {
        StoreError::Full { .. } => [ENOSPC, EDQUOT, EFBIG].contains(&errno),
        StoreError::ReadOnly { .. } => errno == EROFS,
        StoreError::NoPermission { .. } => errno == EACCES,
        StoreError::Io { .. } => errno == EIO,
        _ => false,
    }
}

#[test]
fn errors_are_told_apart_and_say_what_to_do() {
    let remedies = [
        (ENOSPC, "make room"),
        (EDQUOT, "make room"),
        (EFBIG, "make room"),
        (EROFS, "read-only"),
        (EACCES, "chown"),
        (EIO, "kernel's log"),
    ];
    for (errno, remedy) in remedies {
        let source = io::Error::from_raw_os_error(errno);
        let error = StoreError::io("write", Path::new("/there/log"), source);
        assert!(is(&error, errno), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("/there/log") && text.contains(remedy),
            "{text}"
        );
    }
}

#[test]
fn what_is_to_be_given_to_this_user_is_named() {
    let place = tempfile::TempDir::new().expect("there is a place for it");
    let file = place.path().join("0000000001.log");
    let text = |file: &Path| {
        let source = io::Error::from_raw_os_error(EACCES);
        StoreError::io("open", file, source).to_string()
    };
    let remedy = |path: &Path| format!("`chown -R {} {}`", user(), path.display());
    let said = text(&file);
    assert!(said.contains(&remedy(place.path())), "{said}");
    std::fs::write(&file, "").expect("it is ours");
    let said = text(&file);
    assert!(said.contains(&remedy(&file)), "{said}");
    // What is above a directory that is to be made is nobody's to give.
    let source = io::Error::from_raw_os_error(EACCES);
    let missing = place.path().join("work-list");
    let said = StoreError::io("use", &missing, source).to_string();
    let remedy = format!("`install -d -o {} {}`", user(), missing.display());
    assert!(said.contains(&remedy), "{said}");
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn after_an_error_it_goes_on_with_what_is_durable() {
    const GROUPS: usize = 60;
    let mut whole = Pair::new(5);
    let before = whole.memory.operations();
    whole.commit(GROUPS);
    let operations = whole.memory.operations();
    assert!(whole.has_given_up(), "segments come and go");
    for errno in [EIO, ENOSPC, EROFS] {
        for at in before..operations {
            check(GROUPS, at, errno);
        }
    }
}

/// The kernel shows it, and the disk never had it.
#[test]
fn all_that_was_under_way_when_a_sync_failed_is_written_again() {
    let memory = Memory::default();
    let mut keeper = Keeper::new(memory.clone(), Sizes::DISK, 1);
    let mut contents = keeper.load().expect("there is nothing yet");
    let mut generator = Generator::new(1);
    let mut write = |keeper: &mut Keeper<Memory>| {
        let (group, after) = generator.group(&contents);
        contents = after;
        keeper.write(&group).expect("nothing fails")
    };
    write(&mut keeper)().expect("nothing fails");
    let syncs: Vec<_> = (0..UNDER_WAY).map(|_| write(&mut keeper)).collect();
    memory.fail(memory.operations(), EIO);
    for sync in syncs {
        sync().expect_err("it is not known what is durable");
    }
    assert_eq!(keeper.reopen().expect("it fails once"), 1 + UNDER_WAY);
    for chance in 0..20 {
        let cut = memory.snapshot().cut(&mut Chance(chance));
        let contents = self::keeper(cut).load().expect("it is whole");
        assert_eq!(contents.number, 1 + UNDER_WAY);
    }
}

#[test]
fn a_log_is_not_read_again_while_nothing_can_be_written() {
    let mut pair = Pair::new(5);
    pair.commit(30);
    let before = pair.last().clone();
    let (group, after) = pair.generator.of_picks(&before, &[(0, 1, 99)]);
    let memory = pair.memory.clone();
    memory.fail(memory.operations(), ENOSPC);
    let _ = pair.keeper.commit(&group).expect_err("it is full");
    let closed = pair.keeper.commit(&group);
    assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
    let content = |name: &String| (name.clone(), memory.read(name).expect("it is there"));
    let names = || memory.names().expect("nothing fails");
    let files: Vec<_> = names().iter().map(content).collect();
    // A file is made, written and synced.
    for (at, operations) in [(0, 1), (1, 3), (2, 4)] {
        let before = memory.operations();
        memory.fail(before + at, ENOSPC);
        let error = pair.keeper.reopen().expect_err("it is full");
        assert!(is(&error, ENOSPC), "{error:?}");
        assert_eq!(memory.operations() - before, operations);
    }
    assert!(names().iter().map(content).eq(files));
    commit_again(&mut pair.keeper, &group).expect("there is room");
    pair.after.push(after);
    let contents = keeper(memory.clone()).load().expect("nothing fails");
    assert_eq!(contents, pair.read_after(group.number));
}

/// The operation after so many fails.
fn check(groups: usize, at: usize, errno: i32) {
    let mut chance = Chance(at as u64);
    let mut pair = Pair::new(5);
    pair.memory.fail(at, errno);
    // What is not known to be durable, and what makes it so.
    let mut under_way: VecDeque<(Group, Option<Syncing>)> = VecDeque::new();
    while pair.last().number < groups as u64 || !under_way.is_empty() {
        let most = UNDER_WAY.min(groups as u64 - pair.last().number) as usize;
        let result = if chance.below(most + 1) > under_way.len() {
            let before = pair.last().clone();
            let (group, after) = pair.generator.group(&before);
            pair.memory.begin(group.number);
            pair.after.push(after);
            match pair.keeper.write(&group) {
                Ok(sync) => {
                    under_way.push_back((group, Some(sync)));
                    Ok(())
                }
                Err(error) => {
                    under_way.push_back((group, None));
                    Err(error)
                }
            }
        } else if let Some((group, sync)) = under_way.pop_front() {
            let result = sync.expect("it was written")();
            match result {
                Ok(()) => pair.memory.end(group.number),
                Err(_) => under_way.push_front((group, None)),
            }
            result
        } else {
            continue;
        };
        if let Err(error) = result {
            assert!(is(&error, errno), "operation {at}: {error:?}");
            go_on(&mut pair, &mut under_way, &mut chance, (at, errno));
            assert_durable(&pair, &mut chance, at);
        }
    }
    assert_durable(&pair, &mut chance, at);
}

/// There was an error: the store is opened again, and has all that is under way then.
fn go_on(
    pair: &mut Pair,
    under_way: &mut VecDeque<(Group, Option<Syncing>)>,
    chance: &mut Chance,
    (at, errno): (usize, i32),
) {
    // What was written before does not become durable by a sync that finds no error.
    for (group, sync) in under_way.iter_mut() {
        if let Some(sync) = sync.take()
            && sync().is_ok()
        {
            pair.memory.end(group.number);
        }
    }
    assert_durable(pair, chance, at);
    // It may fail again, and is opened another time.
    if chance.one_in(2) {
        let memory = &pair.memory;
        memory.fail(memory.operations() + chance.below(6), errno);
        let _ = pair.keeper.reopen();
    }
    // Or the gateway ends and begins anew, perhaps after a power cut.
    let number = if chance.one_in(3) {
        begin_anew(pair, chance)
    } else {
        match pair.keeper.reopen() {
            Ok(number) => number,
            Err(_) => pair.keeper.reopen().expect("that was the last error"),
        }
    };
    pair.memory.heal();
    let begun = pair.memory.snapshot().begun;
    let ended = pair.memory.snapshot().ended;
    assert!(
        (ended..=begun).contains(&number),
        "operation {at}: {number}"
    );
    for (group, _) in under_way.drain(..) {
        if number < group.number {
            pair.keeper.commit(&group).expect("there is room again");
        }
        pair.memory.end(group.number);
    }
}

/// Returns the last group that is there.
fn begin_anew(pair: &mut Pair, chance: &mut Chance) -> u64 {
    // What ends notes how far it is durable.
    pair.keeper = keeper(pair.memory.clone());
    pair.memory.heal();
    if chance.one_in(2) {
        pair.memory = pair.memory.snapshot().cut(chance);
        pair.keeper = keeper(pair.memory.clone());
    }
    let contents = pair.keeper.load().expect("it is whole");
    assert_eq!(contents, pair.read_after(contents.number));
    contents.number
}

/// What was said to be durable is so.
fn assert_durable(pair: &Pair, chance: &mut Chance, at: usize) {
    let snapshot = pair.memory.snapshot();
    let mut cut = keeper(snapshot.cut(chance));
    let contents = cut.load().expect("it is whole");
    let number = contents.number;
    assert!(
        (snapshot.ended..=snapshot.begun).contains(&number),
        "operation {at}: {number}"
    );
    assert_eq!(contents, pair.read_after(number), "operation {at}");
}

#[test]
fn reading_that_fails_is_an_error_and_can_be_tried_again() {
    let mut pair = Pair::new(5);
    pair.commit(30);
    for operation in 0.. {
        let memory = pair.memory.snapshot().as_it_is();
        memory.fail(operation, EIO);
        let mut keeper = keeper(memory.clone());
        match keeper.load() {
            Err(error) => assert!(is(&error, EIO), "{error:?}"),
            Ok(_) => {
                assert!(memory.is_to_fail(), "no error is passed over");
                assert!(operation > 5);
                return;
            }
        }
        let contents = keeper.load().expect("it fails once");
        assert_eq!(contents, pair.read_after(30));
    }
}

#[test]
fn groups_come_in_their_order_each_once() {
    let mut pair = Pair::new(5);
    pair.commit(3);
    for number in [0, 2, 3, 5] {
        let (mut group, _) = pair.generator.group(&pair.after[3]);
        group.number = number;
        let error = pair
            .keeper
            .commit(&group)
            .expect_err("it is not the next one");
        let text = error.to_string();
        assert!(
            matches!(error, StoreError::Number { next: 4, .. }),
            "{text}"
        );
        assert_eq!(pair.keeper.reopen().expect("nothing fails"), 3);
    }
    pair.commit(1);
}
