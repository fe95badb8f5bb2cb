//! Each case by itself.

use super::*;

/// 2026-11-28 12:00, in milliseconds since 1970.
const NOON: u64 = 1_795_867_200_000;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The bound on what is held, where the tests do not ask for it: it is far away.
const NEVER: Time = Time::from_millis(u64::MAX);

const fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

const fn lasting(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Boots of a machine, seen by a gateway.
#[derive(Default)]
struct Seen {
    boots: Boots,
    id: u8,
}

impl Seen {
    /// A machine with its first boot.
    fn new() -> Self {
        Self::default().rebooted()
    }

    fn rebooted(mut self) -> Self {
        self.id += 1;
        self
    }

    /// Something is recorded.
    fn observe(mut self, running: u64, wall: u64, trust: Trust) -> Self {
        self.boots.observe(Moment {
            boot: BootId([self.id; 16]),
            running: at(running),
            wall,
            trust,
        });
        self
    }

    fn synchronised(self, running: u64, wall: u64) -> Self {
        self.observe(running, wall, Trust::Synchronised)
    }

    fn distrusted(self, running: u64, wall: u64) -> Self {
        self.observe(running, wall, Trust::Never)
    }

    /// Nobody keeps the clock right, which is trusted all the same.
    fn past_record(self, running: u64, wall: u64) -> Self {
        self.observe(running, wall, Trust::PastRecord)
    }

    /// What has become, at this time of the present boot, of the ttl of one hour of a
    /// letter that was posted in this boot at this time.
    #[track_caller]
    fn check(&self, (boot, posted): (u32, u64), when_off: WhenOff, now: u64, expect: Ttl) {
        let life = Lifetime {
            boot,
            posted: at(posted),
            deadline: at(posted + HOUR),
            when_off,
        };
        assert_eq!(self.boots.ttl(&life, at(now), NEVER), expect);
    }
}

/// A letter is this old at this time of the present boot, of its hour.
const fn live(now: u64, age: u64) -> Ttl {
    Ttl::Live {
        age: lasting(age),
        deadline: at(now + HOUR - age),
    }
}

const fn held(until: u64) -> Ttl {
    Ttl::Held { until: at(until) }
}

#[test]
fn within_a_boot_its_clock_goes_on_whatever_the_wall_clock_does() {
    let seen = Seen::new()
        .synchronised(MINUTE, NOON)
        .distrusted(2 * MINUTE, 0)
        .past_record(3 * MINUTE, NOON + 100 * HOUR);
    for when_off in [WhenOff::Count, WhenOff::Pause, WhenOff::Drop] {
        let (now, age) = (30 * MINUTE, 29 * MINUTE);
        seen.check((1, MINUTE), when_off, now, live(now, age));
        let (last, end) = (61 * MINUTE - 1, 61 * MINUTE);
        seen.check((1, MINUTE), when_off, last, live(last, HOUR - 1));
        seen.check((1, MINUTE), when_off, end, Ttl::Expired);
    }
}

#[test]
fn time_off_counts_by_the_wall_clock() {
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .synchronised(MINUTE, NOON + 20 * MINUTE);
    // 2 minutes until it was recorded last, and 20 since then.
    seen.check(
        (1, 8 * MINUTE),
        WhenOff::Count,
        MINUTE,
        live(MINUTE, 22 * MINUTE),
    );
    let last = 39 * MINUTE - 1;
    seen.check((1, 8 * MINUTE), WhenOff::Count, last, live(last, HOUR - 1));
    seen.check((1, 8 * MINUTE), WhenOff::Count, 39 * MINUTE, Ttl::Expired);
}

#[test]
fn time_off_does_not_count_for_a_paused_ttl_and_no_wall_clock_is_asked() {
    let seen = Seen::new()
        .distrusted(10 * MINUTE, 5)
        .rebooted()
        .distrusted(20 * MINUTE, 77 * HOUR)
        .rebooted()
        .synchronised(MINUTE, NOON)
        .distrusted(2 * MINUTE, 0);
    // 2 minutes in the first boot, 20 in the second and those in the third.
    let (now, age) = (5 * MINUTE, 27 * MINUTE);
    seen.check((1, 8 * MINUTE), WhenOff::Pause, now, live(now, age));
    seen.check((1, 8 * MINUTE), WhenOff::Pause, 38 * MINUTE, Ttl::Expired);
}

#[test]
fn a_ttl_that_is_dropped_is_over_in_another_boot() {
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .synchronised(SECOND, NOON + MINUTE);
    seen.check((1, 10 * MINUTE), WhenOff::Drop, SECOND, Ttl::Expired);
}

#[test]
fn a_letter_is_held_until_the_wall_clock_is_trusted() {
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .distrusted(SECOND, NOON + HOUR);
    assert!(!seen.boots.is_trusted());
    // If the machine had not been off, it would be 10 minutes and a second old.
    let latest = 50 * MINUTE;
    seen.check((1, 0), WhenOff::Count, SECOND, held(latest));
    seen.check((1, 0), WhenOff::Count, latest - 1, held(latest));
    seen.check((1, 0), WhenOff::Count, latest, Ttl::Expired);
    let seen = seen.synchronised(2 * MINUTE, NOON + 30 * MINUTE);
    assert!(seen.boots.is_trusted());
    let (now, age) = (2 * MINUTE, 40 * MINUTE);
    seen.check((1, 0), WhenOff::Count, now, live(now, age));
}

#[test]
fn a_letter_is_not_held_for_longer_than_the_bound() {
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .distrusted(SECOND, 0);
    let life = Lifetime {
        boot: 1,
        posted: at(0),
        deadline: at(HOUR),
        when_off: WhenOff::Count,
    };
    let bound = at(5 * MINUTE);
    for (now, expect) in [
        (SECOND, held(5 * MINUTE)),
        (5 * MINUTE - 1, held(5 * MINUTE)),
        (5 * MINUTE, Ttl::Expired),
        (6 * MINUTE, Ttl::Expired),
    ] {
        assert_eq!(seen.boots.ttl(&life, at(now), bound), expect);
    }
}

#[test]
fn a_letter_of_a_boot_without_a_trusted_wall_clock_is_held_whatever_it_says_now() {
    let seen = Seen::new()
        .distrusted(10 * MINUTE, NOON)
        .rebooted()
        .synchronised(MINUTE, NOON + 20 * MINUTE);
    seen.check((1, 0), WhenOff::Count, MINUTE, held(50 * MINUTE));
    seen.check((1, 0), WhenOff::Count, 50 * MINUTE, Ttl::Expired);
}

#[test]
fn a_letter_of_such_a_boot_is_no_older_than_the_record_before_that() {
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .distrusted(5 * MINUTE, 0)
        .rebooted()
        .synchronised(MINUTE, NOON + 30 * MINUTE);
    // The second boot began at noon at the earliest.
    let age = 28 * MINUTE;
    seen.check((2, 2 * MINUTE), WhenOff::Count, MINUTE, live(MINUTE, age));
    // It is not known to have expired when that says so.
    let now = 33 * MINUTE;
    seen.check((2, 2 * MINUTE), WhenOff::Count, now, held(57 * MINUTE));
}

#[test]
fn a_boot_in_1970_between_two_right_ones_poisons_nothing() {
    for observe in [Seen::distrusted, Seen::past_record] {
        let seen = Seen::new().synchronised(10 * MINUTE, NOON).rebooted();
        let seen = observe(observe(seen, SECOND, SECOND), 5 * MINUTE, 5 * MINUTE);
        assert!(!seen.boots.is_trusted());
        let seen = seen.rebooted().past_record(MINUTE, NOON + 20 * MINUTE);
        assert!(seen.boots.is_trusted());
        let age = 30 * MINUTE;
        seen.check((1, 0), WhenOff::Count, MINUTE, live(MINUTE, age));
    }
}

#[test]
fn a_letter_is_judged_by_the_record_of_its_own_boot_after_several() {
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .distrusted(MINUTE, NOON + 11 * HOUR)
        .rebooted()
        .distrusted(MINUTE, 0)
        .rebooted()
        .synchronised(MINUTE, NOON + 40 * MINUTE);
    let age = 50 * MINUTE;
    seen.check((1, 0), WhenOff::Count, MINUTE, live(MINUTE, age));
}

#[test]
fn wall_clocks_that_contradict_each_other_are_not_trusted() {
    // By the wall clock it was 2 minutes before the last record.
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .synchronised(MINUTE, NOON - 2 * MINUTE);
    seen.check((1, 0), WhenOff::Count, MINUTE, held(50 * MINUTE));
    // By the wall clock the machine was off for less time than it ran.
    let seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .distrusted(30 * MINUTE, 0)
        .rebooted()
        .synchronised(MINUTE, NOON + 20 * MINUTE);
    seen.check((1, 0), WhenOff::Count, MINUTE, held(20 * MINUTE));
    // A paused ttl does not ask.
    let age = 41 * MINUTE;
    seen.check((1, 0), WhenOff::Pause, MINUTE, live(MINUTE, age));
}

#[test]
fn a_wall_clock_that_is_put_right_later_is_right_for_all_of_its_boot() {
    let seen = Seen::new()
        .distrusted(MINUTE, 0)
        .synchronised(10 * MINUTE, NOON)
        .distrusted(11 * MINUTE, 0)
        .rebooted()
        .past_record(MINUTE, NOON + 10 * MINUTE)
        .synchronised(2 * MINUTE, NOON + 30 * MINUTE);
    let (now, age) = (2 * MINUTE, 39 * MINUTE);
    seen.check((1, MINUTE), WhenOff::Count, now, live(now, age));
}

#[test]
fn a_wall_clock_is_past_the_record_if_the_boot_began_after_it() {
    let off_at_noon = || Seen::new().synchronised(10 * MINUTE, NOON).rebooted();
    let seen = off_at_noon().past_record(MINUTE, NOON + MINUTE - 1);
    assert!(!seen.boots.is_trusted());
    // It does not become right by going on.
    let seen = seen.past_record(9 * HOUR, NOON + 9 * HOUR - 1);
    assert!(!seen.boots.is_trusted());
    let seen = seen.past_record(9 * HOUR + 1, NOON + 9 * HOUR + 1);
    assert!(seen.boots.is_trusted());
}

#[test]
fn without_a_record_a_wall_clock_is_trusted_that_is_later_than_this_program() {
    for wall in [0, 9 * HOUR, EARLIEST - 1] {
        assert!(!Seen::new().past_record(0, wall).boots.is_trusted());
        assert!(!Seen::new().synchronised(0, wall).boots.is_trusted());
    }
    assert!(Seen::new().past_record(0, EARLIEST).boots.is_trusted());
    assert!(Seen::new().synchronised(0, EARLIEST).boots.is_trusted());
}

#[test]
fn a_wall_clock_that_is_set_by_hand_changes_nothing_once_it_was_synchronised() {
    let seen = Seen::new()
        .synchronised(MINUTE, NOON)
        .past_record(2 * MINUTE, NOON + 30 * MINUTE)
        .past_record(3 * MINUTE, NOON - 30 * MINUTE)
        .rebooted()
        .synchronised(MINUTE, NOON + 40 * MINUTE);
    let age = 40 * MINUTE;
    seen.check((1, MINUTE), WhenOff::Count, MINUTE, live(MINUTE, age));
}

#[test]
fn a_wall_clock_that_is_set_back_is_not_past_the_record_when_it_comes_to_it_again() {
    let seen = Seen::new()
        .past_record(MINUTE, NOON)
        .past_record(2 * MINUTE, NOON - HOUR)
        .past_record(65 * MINUTE, NOON + 3 * MINUTE)
        .rebooted()
        .past_record(MINUTE, NOON + 2 * HOUR);
    // It was 13:04 when the first boot was recorded last, and not 12:03.
    let age = 56 * MINUTE;
    seen.check((1, 65 * MINUTE), WhenOff::Count, MINUTE, live(MINUTE, age));
}

#[test]
fn a_synchronised_wall_clock_is_believed_when_the_record_was_ahead() {
    let seen = Seen::new()
        .past_record(10 * MINUTE, NOON + 1_000 * HOUR)
        .rebooted()
        .past_record(MINUTE, NOON);
    assert!(!seen.boots.is_trusted());
    let seen = seen.synchronised(2 * MINUTE, NOON + MINUTE);
    assert!(seen.boots.is_trusted());
    seen.check((1, 0), WhenOff::Count, 2 * MINUTE, held(50 * MINUTE));
    // From here on it is the record.
    let seen = seen.rebooted().past_record(MINUTE, NOON + 21 * MINUTE);
    let age = 20 * MINUTE;
    seen.check((2, 2 * MINUTE), WhenOff::Count, MINUTE, live(MINUTE, age));
}

#[test]
fn no_clock_extends_a_ttl_beyond_what_was_left_at_the_last_record() {
    let trusts = [Trust::Never, Trust::PastRecord, Trust::Synchronised];
    let walls = [0, NOON - 50 * MINUTE, NOON, NOON + 1, NOON + HOUR, u64::MAX];
    for (first, second) in trusts.iter().flat_map(|a| trusts.map(|b| (*a, b))) {
        for (before, after) in walls.iter().flat_map(|a| walls.map(|b| (*a, b))) {
            let seen = Seen::new()
                .observe(10 * MINUTE, before, first)
                .rebooted()
                .observe(0, after, second);
            for when_off in [WhenOff::Count, WhenOff::Pause] {
                let life = Lifetime {
                    boot: 1,
                    posted: at(0),
                    deadline: at(HOUR),
                    when_off,
                };
                let latest = match seen.boots.ttl(&life, at(0), NEVER) {
                    Ttl::Live { deadline, .. } => deadline,
                    Ttl::Held { until } => until,
                    Ttl::Expired => at(0),
                };
                assert!(latest <= at(50 * MINUTE));
            }
        }
    }
}

#[test]
fn boots_are_forgotten_and_what_lies_between_others_counts_on() {
    let mut seen = Seen::new()
        .synchronised(10 * MINUTE, NOON)
        .rebooted()
        .distrusted(20 * MINUTE, 0)
        .rebooted()
        .distrusted(5 * MINUTE, 0);
    let before = seen.boots.clone();
    seen.boots.forget(|boot| boot == 1);
    assert_eq!(seen.boots.0, [before.0[0], before.0[2]]);
    let (now, age) = (5 * MINUTE, 35 * MINUTE);
    seen.check((1, 0), WhenOff::Pause, now, live(now, age));
    // Nor is the record forgotten with the boot that it is of.
    seen.boots.forget(|_| false);
    assert_eq!(seen.boots.0, [before.0[2]]);
    let seen = seen.rebooted().past_record(0, NOON + 24 * MINUTE);
    assert!(!seen.boots.is_trusted());
    let seen = seen.past_record(0, NOON + 25 * MINUTE);
    assert!(seen.boots.is_trusted());
    assert_eq!(seen.boots.present().map(|boot| boot.number), Some(4));
}

#[test]
fn a_letter_of_a_boot_that_nothing_is_known_of_has_expired() {
    let seen = Seen::new().synchronised(MINUTE, NOON);
    for when_off in [WhenOff::Count, WhenOff::Pause, WhenOff::Drop] {
        seen.check((2, 0), when_off, MINUTE, Ttl::Expired);
        Seen::new().check((1, 0), when_off, MINUTE, Ttl::Expired);
    }
}

#[test]
fn a_process_that_starts_again_is_in_the_same_boot() {
    let mut boots = Boots::default();
    let moment = |id, running| Moment {
        boot: BootId([id; 16]),
        running: at(running),
        wall: NOON,
        trust: Trust::Synchronised,
    };
    assert_eq!(boots.observe(moment(7, 5)), 1);
    assert_eq!(boots.observe(moment(7, 5)), 1);
    assert_eq!(boots.observe(moment(8, 1)), 2);
    // The disk was in another machine meanwhile, or that one's clock is another one.
    assert_eq!(boots.observe(moment(7, 9)), 3);
    assert_eq!(boots.observe(moment(7, 8)), 4);
}

#[test]
fn what_has_no_end_has_none_in_another_boot() {
    let seen = Seen::new()
        .synchronised(MINUTE, NOON)
        .rebooted()
        .synchronised(MINUTE, NOON + HOUR);
    let life = Lifetime {
        boot: 1,
        posted: at(MINUTE),
        deadline: NEVER,
        when_off: WhenOff::Count,
    };
    let Ttl::Live { age, deadline } = seen.boots.ttl(&life, at(MINUTE), NEVER) else {
        panic!("it is live");
    };
    assert_eq!(age, lasting(HOUR));
    assert!(deadline > at(u64::MAX - 2 * HOUR));
}

#[test]
fn boot_ids_are_read_as_the_kernel_writes_them() {
    let text = "1f92d767-5461-42d7-b673-e17dd27e35e0";
    let id: BootId = format!("{text}\n").parse().unwrap();
    assert_eq!(id.0[..3], [0x1f, 0x92, 0xd7]);
    assert_eq!(id.to_string(), text);
    for wrong in [
        "",
        "1f92",
        "+f92d767546142d7b673e17dd27e35e0",
        &format!("{text}0"),
    ] {
        assert_eq!(wrong.parse::<BootId>(), Err(NoBootId));
    }
}

#[test]
fn ways_to_trust_a_clock_are_read_as_they_are_written() {
    for trust in [ClockTrust::PastRecord, ClockTrust::Synchronised] {
        assert_eq!(trust.to_string().parse(), Ok(trust));
        assert_eq!(trust.of(true), Trust::Synchronised);
    }
    assert_eq!("".parse::<ClockTrust>(), Err(UnknownClockTrust));
    assert_eq!(ClockTrust::PastRecord.of(false), Trust::PastRecord);
    assert_eq!(ClockTrust::Synchronised.of(false), Trust::Never);
}
