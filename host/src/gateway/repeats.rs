//! Log lines that a guest or the broker can cause again and again: the first
//! few of a kind are written, of the rest there is a count from time to time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::office::Time;

/// So many lines of a kind are written within a [`PERIOD`].
const FIRST: u32 = 5;

/// How often a count is written. After so long without one, the next lines are
/// the first again.
const PERIOD: Duration = Duration::from_secs(10);

/// What there was of each kind in its current period.
#[derive(Debug)]
pub(super) struct Repeats<K> {
    kinds: BTreeMap<K, Period>,
    /// When the first of the periods is over.
    due: Option<Time>,
}

#[derive(Debug)]
struct Period {
    end: Time,
    written: u32,
    held: u64,
}

impl<K: Ord + Copy> Repeats<K> {
    pub(super) fn new() -> Self {
        Self {
            kinds: BTreeMap::new(),
            due: None,
        }
    }

    /// Returns whether a line of this kind is written, which stands for so many
    /// events. If not, they are counted.
    pub(super) fn admit(&mut self, now: Time, kind: K, times: u64) -> bool {
        let period = self.kinds.entry(kind).or_insert(Period {
            end: now + PERIOD,
            written: 0,
            held: 0,
        });
        if period.end <= now && period.held == 0 {
            period.end = now + PERIOD;
            period.written = 0;
        }
        self.due = self.due.into_iter().chain([period.end]).min();
        if period.written < FIRST {
            period.written += 1;
            return true;
        }
        period.held += times;
        false
    }

    /// Returns a kind whose count is due, and how many of its events were not
    /// written since its last line. To be called until there is none.
    pub(super) fn poll(&mut self, now: Time) -> Option<(K, u64)> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.kinds
            .retain(|_, period| period.end > now || period.held > 0);
        let over = self.kinds.iter_mut().find(|(_, it)| it.end <= now);
        let Some((kind, period)) = over else {
            self.due = self.kinds.values().map(|period| period.end).min();
            return None;
        };
        period.end = now + PERIOD;
        Some((*kind, std::mem::take(&mut period.held)))
    }

    /// When [`poll`](Self::poll) may have something to say.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.due
            .filter(|_| self.kinds.values().any(|period| period.held > 0))
    }

    /// Takes all counts, whether they are due or not.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (K, u64)> + use<K> {
        self.due = None;
        std::mem::take(&mut self.kinds)
            .into_iter()
            .map(|(kind, period)| (kind, period.held))
            .filter(|(_, held)| *held > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// All counts that are due.
    fn due(repeats: &mut Repeats<char>, millis: u64) -> Vec<(char, u64)> {
        std::iter::from_fn(|| repeats.poll(at(millis))).collect()
    }

    #[test]
    fn a_flood_is_five_lines_and_a_count_every_ten_seconds() {
        let mut repeats = Repeats::new();
        let mut lines = Vec::new();
        for millis in 0..30_000 {
            lines.extend(
                due(&mut repeats, millis)
                    .iter()
                    .map(|count| (millis, *count)),
            );
            if repeats.admit(at(millis), 'a', 1) {
                lines.push((millis, ('a', 0)));
            }
        }
        let first = (0..5).map(|millis| (millis, ('a', 0)));
        let counts = [(10_000, ('a', 9_995)), (20_000, ('a', 10_000))];
        assert_eq!(lines, first.chain(counts).collect::<Vec<_>>());
        assert_eq!(
            repeats.take_all().collect::<Vec<_>>(),
            [('a', 10_000)],
            "at the end"
        );
        assert_eq!(repeats.take_all().count(), 0);
    }

    #[test]
    fn what_is_rare_is_always_written() {
        let mut repeats = Repeats::new();
        for second in 0..1_000 {
            let millis = second * 3_000;
            assert_eq!(due(&mut repeats, millis), []);
            assert!(repeats.admit(at(millis), 'a', 1), "{second}");
        }
    }

    #[test]
    fn kinds_are_counted_apart() {
        let mut repeats = Repeats::new();
        for _ in 0..7 {
            repeats.admit(at(0), 'a', 1);
        }
        assert!(repeats.admit(at(1), 'b', 1));
        for _ in 0..5 {
            repeats.admit(at(1), 'b', 1_000);
        }
        assert_eq!(due(&mut repeats, 9_999), []);
        assert_eq!(due(&mut repeats, 10_000), [('a', 2)]);
        assert_eq!(due(&mut repeats, 10_001), [('b', 1_000)]);
    }

    #[test]
    fn after_a_quiet_period_it_is_new_again() {
        let mut repeats = Repeats::new();
        for _ in 0..6 {
            repeats.admit(at(0), 'a', 1);
        }
        assert_eq!(repeats.next_timeout(), Some(at(10_000)));
        assert_eq!(due(&mut repeats, 10_000), [('a', 1)]);
        assert_eq!(repeats.next_timeout(), None);
        assert!(!repeats.admit(at(19_000), 'a', 1));
        assert_eq!(due(&mut repeats, 20_000), [('a', 1)]);
        assert_eq!(due(&mut repeats, 30_000), []);
        assert!(repeats.admit(at(30_000), 'a', 1));
        assert_eq!(repeats.next_timeout(), None, "nothing to count");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_lines_are_few(
            steps in prop::collection::vec((0_u64..4_000, prop::sample::select(vec!['a', 'b']), 1_u64..4), 0..300)
        ) {
            let mut repeats = Repeats::new();
            let (mut now, mut happened, mut told) = (0, 0, 0);
            let mut lines: Vec<(u64, char)> = Vec::new();
            for (pause, kind, times) in steps {
                now += pause;
                for (kind, count) in due(&mut repeats, now) {
                    prop_assert!(count > 0);
                    told += count;
                    lines.push((now, kind));
                }
                happened += times;
                if repeats.admit(at(now), kind, times) {
                    told += times;
                    lines.push((now, kind));
                }
            }
            for (begin, kind) in &lines {
                let within = |line: &&(u64, char)| {
                    line.1 == *kind && (*begin..*begin + 10_000).contains(&line.0)
                };
                let lines = lines.iter().filter(within).count();
                prop_assert!(lines <= 2 * FIRST as usize, "{} lines", lines);
            }
            told += repeats.take_all().map(|(_, count)| count).sum::<u64>();
            prop_assert_eq!(told, happened);
        }
    }
}
