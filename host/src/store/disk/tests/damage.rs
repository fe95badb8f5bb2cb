//! What is there is not what was written.

use std::time::Duration;

use super::*;
use crate::office::{Change, KeptTimer, SHORTEST_PERIOD, Ticket, Time};
use crate::store::StoreError;
use crate::store::disk::header::{Header, NoHeader, Position, VERSION};
use crate::store::disk::record::{self, Texts};

const MARK: &str = "mark";

/// A store with several segments, and their names.
fn several() -> (Pair, Vec<String>) {
    let mut pair = Pair::new(11);
    pair.commit(25);
    let mut names = pair.memory.names().expect("nothing fails");
    names.retain(|name| name != MARK);
    assert!(names.len() > 2, "{names:?}");
    (pair, names)
}

/// The same after a power cut that came before the disk had any mark.
fn several_without_a_mark() -> (Pair, Vec<String>) {
    let (pair, names) = several();
    pair.memory.remove(MARK).expect("it is there");
    (pair, names)
}

/// Opens it with a file changed. What can be read is what there was after some group.
fn open(pair: &Pair, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<u64, StoreError> {
    let memory = pair.memory.snapshot().as_it_is();
    memory.damage(name, change);
    let contents = keeper(memory).load()?;
    assert_eq!(contents, pair.read_after(contents.number));
    Ok(contents.number)
}

#[track_caller]
fn assert_damaged(result: Result<u64, StoreError>, name: &str) {
    match result {
        Err(StoreError::Damaged { path, .. }) if path.ends_with(name) => {}
        other => panic!("{other:?}"),
    }
}

/// Checks that it is noticed when a file is changed, which is described by a number.
#[track_caller]
fn check_damaged(pair: &Pair, name: &str, number: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let result = open(pair, name, change);
    assert!(
        matches!(result, Err(StoreError::Damaged { .. })),
        "{name} {number}: {result:?}"
    );
}

#[test]
fn each_byte_counts() {
    let (pair, names) = several();
    for name in &names {
        let length = pair.memory.read(name).expect("it is there").len();
        for at in 0..length {
            check_damaged(&pair, name, at, |bytes| bytes[at] ^= 1 << (at % 8));
        }
    }
}

#[test]
fn without_a_mark_nothing_tells_the_last_groups_from_those_that_the_power_was_cut_in() {
    let (pair, names) = several_without_a_mark();
    let newest = names.last().expect("there are some");
    let bytes = pair.memory.read(newest).expect("it is there");
    let starts = starts(&bytes);
    let under_way = starts.len().saturating_sub(UNDER_WAY as usize);
    for at in 0..bytes.len() {
        let result = open(&pair, newest, |bytes| bytes[at] ^= 1 << (at % 8));
        let behind = starts.iter().filter(|start| **start > at).count() as u64;
        if at < starts[under_way] {
            assert_damaged(result, newest);
        } else {
            let number = result.expect("it is cut off");
            assert_eq!(number, pair.last().number - 1 - behind);
        }
    }
}

/// Where the groups of a segment begin.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let (header, mut at) = Header::decode(bytes).expect("it is whole");
    let mut starts = Vec::new();
    while let Some(frame) = frame::read(&bytes[at..], header.salt) {
        starts.push(at);
        at += frame.size();
    }
    starts
}

/// A mark that is damaged says nothing, and what was durable is there all the same.
#[test]
fn a_mark_that_is_not_as_it_was_written() {
    let (pair, _) = several();
    let last = pair.last().number;
    for at in 0..pair.memory.read(MARK).expect("it is there").len() {
        let number = open(&pair, MARK, |bytes| bytes[at] ^= 1 << (at % 8));
        assert_eq!(number.expect("the log is whole"), last);
        let number = open(&pair, MARK, |bytes| bytes.truncate(at));
        assert_eq!(number.expect("the log is whole"), last);
    }
}

#[test]
fn a_file_that_is_shorter() {
    let (pair, names) = several();
    for name in &names {
        for length in 0..pair.memory.read(name).expect("it is there").len() {
            check_damaged(&pair, name, length, |bytes| bytes.truncate(length));
        }
    }
}

#[test]
fn zeros_in_the_place_of_groups() {
    let (pair, names) = several();
    for name in &names {
        let bytes = pair.memory.read(name).expect("it is there");
        let (_, start) = Header::decode(&bytes).expect("it is whole");
        let is_other = |from: &usize| bytes[*from..].iter().any(|byte| *byte != 0);
        for from in (start..bytes.len()).filter(is_other) {
            assert_damaged(open(&pair, name, |bytes| bytes[from..].fill(0)), name);
        }
    }
}

/// So many groups are written before they are durable, and none behind them.
#[test]
fn more_groups_than_are_written_at_once_are_no_power_cut() {
    let under_way = UNDER_WAY as usize;
    let mut pair = Pair::new(11);
    let starts = loop {
        pair.commit(1);
        let starts = starts(&pair.memory.read(&newest(&pair)).expect("it is there"));
        if starts.len() == under_way + 2 {
            break starts;
        }
        assert!(pair.last().number < 100, "no segment has so many");
    };
    pair.memory.remove(MARK).expect("it is there");
    let newest = newest(&pair);
    // The first is not whole, nor anything behind it but for the head of one group.
    let only_head_of = |n: usize| {
        let result = open(&pair, &newest, |bytes| {
            bytes[starts[0]..starts[n]].fill(0x55);
            bytes.truncate(starts[n] + frame::HEAD);
        });
        result.map(|number| pair.last().number - number)
    };
    for n in 1..under_way {
        assert_eq!(
            only_head_of(n).expect("it was under way"),
            starts.len() as u64
        );
    }
    assert_damaged(only_head_of(under_way), &newest);
    // All heads are whole, and behind them is something.
    let torn = |bytes: &mut Vec<u8>, behind: u8| {
        for n in 1..=under_way {
            bytes[starts[n] - 1] ^= 1;
        }
        bytes[starts[under_way]..].fill(behind);
    };
    assert_damaged(open(&pair, &newest, |bytes| torn(bytes, 0x55)), &newest);
    // Zeros may be what a file system puts behind what it has.
    let result = open(&pair, &newest, |bytes| torn(bytes, 0));
    result.expect("they may have been under way");
}

fn newest(pair: &Pair) -> String {
    let mut names = pair.memory.names().expect("nothing fails");
    names.retain(|name| name != MARK);
    names.pop().expect("there are some")
}

#[test]
fn a_file_that_is_missing() {
    let (pair, names) = several();
    for name in &names {
        let memory = pair.memory.snapshot().as_it_is();
        memory.remove(name).expect("it is there");
        let result = keeper(memory).load();
        assert_damaged(result.map(|contents| contents.number), name);
    }
}

/// Of another time, or of another store.
#[test]
fn a_file_that_belongs_elsewhere() {
    let (pair, names) = several();
    let mut other = Pair::new(12);
    other.commit(25);
    for name in &names {
        if let Ok(bytes) = other.memory.read(name) {
            let result = open(&pair, name, |own| *own = bytes);
            assert!(
                matches!(result, Err(StoreError::Damaged { .. })),
                "{result:?}"
            );
        }
    }
    let first = pair.memory.read(&names[0]).expect("it is there");
    assert_damaged(open(&pair, &names[1], |bytes| *bytes = first), &names[1]);
}

/// As if a group in the midst had never been written.
#[test]
fn a_group_that_is_missing() {
    let (pair, names) = several();
    for name in &names {
        let bytes = pair.memory.read(name).expect("it is there");
        let (header, start) = Header::decode(&bytes).expect("it is whole");
        let first = frame::read(&bytes[start..], header.salt).expect("it is whole");
        let end = start + first.size();
        if end < bytes.len() {
            let result = open(&pair, name, |bytes| {
                bytes.drain(start..end);
            });
            assert_damaged(result, name);
        }
    }
}

/// A power cut leaves each group in its place, whole or not.
#[test]
fn a_group_that_is_missing_before_one_that_is_not_whole() {
    let mut pair = Pair::new(11);
    let starts = loop {
        pair.commit(1);
        let starts = starts(&pair.memory.read(&newest(&pair)).expect("it is there"));
        if starts.len() == 3 {
            break starts;
        }
        assert!(pair.last().number < 100, "no segment has so many");
    };
    pair.memory.remove(MARK).expect("it is there");
    let newest = newest(&pair);
    let result = open(&pair, &newest, |bytes| {
        bytes.drain(starts[1]..starts[2]);
        bytes.pop();
    });
    assert_damaged(result, &newest);
}

#[test]
fn zeros_at_the_end_are_a_power_cut() {
    let (pair, names) = several();
    let newest = names.last().expect("there are some");
    let memory = pair.memory.snapshot().as_it_is();
    let before = memory.read(newest).expect("it is there");
    memory.damage(newest, |bytes| bytes.extend([0; 10_000]));
    let mut keeper = keeper(memory.clone());
    let contents = keeper.load().expect("they are cut off");
    assert_eq!(contents, pair.read_after(pair.last().number));
    assert_eq!(memory.read(newest).expect("it is there"), before);
    let cut_off = keeper.log.as_ref().and_then(|log| log.cut_off());
    let cut_off = cut_off.expect("it is reported");
    assert!(cut_off.path.ends_with(newest) && cut_off.bytes == 10_000);
    keeper.reopen().expect("it is whole");
    assert_eq!(keeper.log.as_ref().and_then(|log| log.cut_off()), None);
}

#[test]
fn a_newer_version() {
    let (pair, names) = several();
    let newest = names.last().expect("there are some");
    let error = open(&pair, newest, |bytes| {
        bytes[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
        let sum = crc32fast::hash(&bytes[..12]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    });
    let error = error.expect_err("it is newer");
    let text = error.to_string();
    assert!(
        matches!(error, StoreError::Newer { version, ours: VERSION, .. } if version == VERSION + 1),
        "{text}"
    );
    assert!(
        text.contains("version 3") && text.contains("no newer one than 2"),
        "{text}"
    );
}

/// Whoever goes on with them would come to the end of their types.
#[test]
fn numbers_that_no_log_gets_to_are_damage() {
    let read = |change: fn(&mut Header)| {
        let mut header = Header {
            version: VERSION,
            segment: 1,
            oldest: 1,
            salt: 1,
            position: Position::default(),
        };
        change(&mut header);
        Header::decode(&header.encode()).map(|(header, _)| header.segment)
    };
    assert_eq!(read(|_| {}), Ok(1));
    let damaged = Err(NoHeader::Damaged);
    assert_eq!(read(|header| header.segment = u32::MAX), damaged);
    assert_eq!(read(|header| header.position.number = u64::MAX), damaged);
    assert_eq!(
        read(|header| header.position.last_ticket = u64::MAX),
        damaged
    );
    assert!(is_read(Change::Over(Ticket(1))));
    assert!(!is_read(Change::Over(Ticket(u64::MAX))));
}

/// It would be due again and again in the same millisecond.
#[test]
fn a_period_that_no_timer_has_is_damage() {
    let timer = |period| Change::Timer {
        guest: "door".into(),
        name: "tick".into(),
        timer: Some(KeptTimer {
            first: Time::from_millis(1),
            period: Some(period),
        }),
    };
    assert!(is_read(timer(SHORTEST_PERIOD)));
    assert!(!is_read(timer(Duration::from_nanos(1))));
}

/// Whether a record is read as what it was written as.
fn is_read(change: Change) -> bool {
    let mut record = Vec::new();
    record::encode(&mut record, 0, &change);
    record::decode(&record, &mut Texts::default()) == Some((0, change))
}
