//! What is there is not what was written.

use std::time::Duration;

use super::*;
use crate::office::{Change, KeptTimer, SHORTEST_PERIOD, Ticket, Time};
use crate::store::StoreError;
use crate::store::disk::header::{Header, NoHeader, Position, VERSION};
use crate::store::disk::record::{self, Texts};

/// A store with several segments, and what is in it.
fn several() -> (Pair, Vec<String>) {
    let mut pair = Pair::new(11);
    pair.commit(25);
    let names = pair.memory.names().expect("nothing fails");
    assert!(names.len() > 2, "{names:?}");
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

#[test]
fn each_byte_counts() {
    let (pair, names) = several();
    let newest = names.last().expect("there are some");
    let last = pair.last().number;
    let mut cut_off = 0;
    for name in &names {
        let length = pair.memory.read(name).expect("it is there").len();
        for at in 0..length {
            let bit = 1 << (at % 8);
            let result = open(&pair, name, |bytes| bytes[at] ^= bit);
            // Nothing tells the last group from one that the power was cut in.
            if name == newest && matches!(result, Ok(number) if number == last - 1) {
                cut_off += 1;
            } else {
                assert!(
                    matches!(result, Err(StoreError::Damaged { .. })),
                    "{name} {at}: {result:?}"
                );
            }
        }
    }
    assert!(cut_off > 0);
}

#[test]
fn a_file_that_is_shorter() {
    let (pair, names) = several();
    let (newest, older) = names.split_last().expect("there are some");
    for name in older {
        for length in 0..pair.memory.read(name).expect("it is there").len() {
            let result = open(&pair, name, |bytes| bytes.truncate(length));
            assert!(
                matches!(result, Err(StoreError::Damaged { .. })),
                "{result:?}"
            );
        }
    }
    let bytes = pair.memory.read(newest).expect("it is there");
    let (_, header) = Header::decode(&bytes).expect("it is whole");
    for length in 0..bytes.len() {
        let result = open(&pair, newest, |bytes| bytes.truncate(length));
        if length < header {
            assert_damaged(result, newest);
        } else {
            assert!(result.expect("its end is cut off") < pair.last().number);
        }
    }
}

#[test]
fn a_file_that_is_missing() {
    let (pair, names) = several();
    let (_, older) = names.split_last().expect("there are some");
    for name in older {
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

#[test]
fn zeros_at_the_end_are_a_power_cut() {
    let (pair, names) = several();
    let newest = names.last().expect("there are some");
    let memory = pair.memory.snapshot().as_it_is();
    let before = memory.read(newest).expect("it is there");
    memory.damage(newest, |bytes| bytes.extend([0; 10_000]));
    let contents = keeper(memory.clone()).load();
    let contents = contents.expect("they are cut off");
    assert_eq!(contents, pair.read_after(pair.last().number));
    assert_eq!(memory.read(newest).expect("it is there"), before);
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
        text.contains("version 2") && text.contains("no newer one than 1"),
        "{text}"
    );
}

/// Whoever goes on with them would come to the end of their types.
#[test]
fn numbers_that_no_log_gets_to_are_damage() {
    let read = |change: fn(&mut Header)| {
        let mut header = Header {
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
