use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::store::StoreError;
use crate::store::disk::header::{Header, VERSION};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is committed is there when it is read again, as the naive model has it.
    #[test]
    fn it_is_what_the_model_says(
        seed in any::<u64>(),
        groups in vec((vec(any::<(u8, u8, u16)>(), 0..20), 0_u8..8), 0..60),
    ) {
        let mut pair = Pair::new(seed);
        for (picks, then) in groups {
            let before = pair.last().clone();
            let (group, after) = pair.generator.of_picks(&before, &picks);
            pair.keeper.commit(&group).expect("nothing fails");
            match then {
                0 => {
                    pair.keeper = keeper(pair.memory.clone());
                    let contents = pair.keeper.load().expect("nothing fails");
                    let mut after = after.clone();
                    after.forget_boots();
                    prop_assert_eq!(contents, after);
                }
                1 => {
                    let number = pair.keeper.reopen().expect("nothing fails");
                    prop_assert_eq!(number, after.number);
                }
                _ => {}
            }
            pair.after.push(after);
        }
        let contents = keeper(pair.memory.clone()).load().expect("nothing fails");
        prop_assert_eq!(contents, pair.read_after(pair.last().number));
    }

    /// Whatever stands in a group whose checksum is right, it is read or it is damaged.
    #[test]
    fn nothing_that_is_read_makes_it_panic(
        records in vec((1_u8..10, vec(any::<u8>(), 0..60)), 0..5),
        cut in 0_usize..20,
    ) {
        let memory = Pair::new(1).memory;
        let name = "0000000001.log";
        let (header, _) = Header::decode(&memory.read(name).expect("it is there"))
            .expect("it is whole");
        let mut frame = vec![0; frame::HEAD];
        // A moment.
        frame.extend([0; 19]);
        for (kind, bytes) in records {
            frame.extend((bytes.len() as u32 + 1).to_le_bytes());
            frame.push(kind);
            frame.extend(bytes);
        }
        frame.truncate(frame::HEAD.max(frame.len().saturating_sub(cut)));
        frame::seal(&mut frame, header.salt, 1).expect("it is small");
        memory.damage(name, |bytes| bytes.extend(frame));
        match keeper(memory).load() {
            Ok(contents) => prop_assert_eq!(contents.number, 1),
            Err(error) => prop_assert!(matches!(error, StoreError::Damaged { .. }), "{}", error),
        }
    }
}

/// What the program wrote that knew no letters in the places of others.
#[test]
fn a_log_of_version_1_is_read_and_goes_on_in_a_segment_of_the_present_one() {
    let mut pair = Pair::new(4);
    let commit = |pair: &mut Pair, picks: &[(u8, u8, u16)]| {
        let before = pair.last().clone();
        let (group, after) = pair.generator.of_picks(&before, picks);
        pair.keeper.commit(&group).expect("nothing fails");
        pair.after.push(after);
    };
    // Letters with and without a key, none of them in the place of another.
    commit(&mut pair, &[(0, 1, 6), (0, 2, 7)]);
    let name = "0000000001.log";
    pair.memory.damage(name, |bytes| {
        bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..12]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    });
    let older = pair.memory.read(name).expect("it is there");

    pair.keeper = keeper(pair.memory.clone());
    let contents = pair.keeper.load().expect("it is read");
    assert_eq!(contents, pair.read_after(1));
    commit(&mut pair, &[(0, 1, 12)]);
    assert_eq!(pair.memory.read(name).expect("it is there"), older);
    let version = |name: &str| {
        let bytes = pair.memory.read(name).expect("it is there");
        Header::decode(&bytes).expect("it is whole").0.version
    };
    assert_eq!((version(name), version("0000000002.log")), (1, VERSION));
    let contents = keeper(pair.memory.clone()).load().expect("nothing fails");
    assert!(contents.letters.iter().any(|it| it.kept.place.is_some()));
    assert_eq!(contents, pair.read_after(2));
}

/// What lives stays small, and so do the files, and what has moved many times is as it
/// was.
#[test]
fn what_is_over_is_given_up() {
    let mut pair = Pair::new(3);
    let mut most = 0;
    for round in 0..40 {
        pair.commit(25);
        let before = pair.last().clone();
        // Only few letters are not over.
        let over = before.letters.len().saturating_sub(5) + before.outcomes.len();
        let (group, after) = pair
            .generator
            .of_picks(&before, &vec![(9, round, 0); over / 2]);
        pair.keeper.commit(&group).expect("nothing fails");
        pair.after.push(after);
        let names = pair.memory.names().expect("nothing fails");
        let sizes = names.iter().map(|name| pair.memory.read(name));
        most = most.max(sizes.map(|bytes| bytes.map_or(0, |it| it.len())).sum());
        let contents = keeper(pair.memory.snapshot().as_it_is()).load();
        let contents = contents.expect("nothing fails");
        assert_eq!(contents, pair.read_after(group.number));
    }
    assert!(most < 100_000, "{most} bytes");
}
