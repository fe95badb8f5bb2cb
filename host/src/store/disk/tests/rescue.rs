//! A log that is only looked at.

use std::collections::BTreeMap;

use super::*;
use crate::store::disk::header::Header;
use crate::store::disk::rescue::look_at;
use crate::store::{Contents, StoreError};

fn files(memory: &Memory) -> BTreeMap<String, Vec<u8>> {
    let names = memory.names().expect("nothing fails").into_iter();
    names
        .map(|name| (name.clone(), memory.read(&name).expect("it is there")))
        .collect()
}

#[test]
fn looking_at_a_log_changes_nothing() {
    let mut pair = Pair::new(11);
    pair.commit(25);
    let memory = pair.memory.clone();
    let newest = files(&memory).into_keys().rfind(|name| name != "mark");
    let newest = newest.expect("there are some");
    for zeros in [0, 100] {
        memory.damage(&newest, |bytes| bytes.extend(vec![0; zeros]));
        let before = files(&memory);
        let looked = look_at(&memory).expect("it is whole");
        assert_eq!(looked.contents, pair.read_after(25));
        let cut_off = looked.cut_off.map_or(0, |it| it.bytes);
        assert_eq!(cut_off, zeros as u64);
        assert!(looked.damage.is_none());
        assert_eq!(files(&memory), before);
    }
    let nothing = look_at(&Memory::default()).expect("nothing is wrong");
    assert_eq!(nothing.contents, Contents::default());
}

/// Of each log that has lost one group, there is what the others make.
#[test]
fn what_can_be_read_of_a_damaged_log() {
    const NAME: &str = "0000000001.log";
    let memory = Memory::default();
    let mut keeper = Keeper::new(memory.clone(), crate::store::disk::Sizes::DISK, 1);
    let mut contents = keeper.load().expect("there is nothing yet");
    let mut generator = Generator::new(7);
    let mut groups = Vec::new();
    for _ in 0..10 {
        let (group, after) = generator.group(&contents);
        keeper.commit(&group).expect("nothing fails");
        groups.push(group);
        contents = after;
    }
    let bytes = memory.read(NAME).expect("it is there");
    let (header, mut at) = Header::decode(&bytes).expect("it is whole");
    for lost in 0..groups.len() {
        let frame = frame::read(&bytes[at..], header.salt).expect("it is whole");
        for at in [at, at + frame.size() - 1] {
            let memory = memory.snapshot().as_it_is();
            memory.damage(NAME, |bytes| bytes[at] ^= 1);
            let looked = look_at(&memory).expect("some of it can be read");
            let damage = looked.damage.expect("it is damaged");
            assert!(matches!(damage, StoreError::Damaged { .. }), "{damage}");
            let mut expected = Contents::default();
            for (number, group) in groups.iter().enumerate() {
                if number != lost {
                    expected.apply(group);
                }
            }
            expected.forget_boots();
            assert_eq!(looked.contents, expected, "without group {}", lost + 1);
        }
        at += frame.size();
    }
    // Nothing can be read without what a file begins with.
    memory.damage(NAME, |bytes| bytes[20] ^= 1);
    look_at(&memory).expect_err("nothing can be read");
}
