use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

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
