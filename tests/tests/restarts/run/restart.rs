//! The gateway dies, and starts again with what was durable.

use std::collections::BTreeMap;
use std::time::Duration;

use jackalope::office::{
    Assignment, Call, GoneGuests, GuestId, Priority, Ticket, Time, TimerStanding,
};
use jackalope::store::{Contents, Group, OldLetters};

use super::life::{Life, Place, Presence};
use super::reload::GONE_GUESTS;
use super::{Run, SECOND, WHEN_OFF};
use crate::facts::{NAMES, Timer};

impl Run<'_> {
    /// `kill -9`, and another start in the same boot.
    pub(super) fn kill(&mut self) {
        self.see("killed");
        self.die(false);
        if !self.is_kind {
            let down = self.random.pick(&[0, 100, 5_000, 600_000]);
            self.clocks.pass(Duration::from_millis(down));
        }
        self.start();
    }

    /// The power is cut.
    pub(super) fn reboot(&mut self) {
        self.see("rebooted");
        self.die(true);
        let off = SECOND * self.random.pick(&[1, 60, 3_000, 20_000]);
        let has_battery = !self.random.one_in(3);
        self.clocks.reboot(off, has_battery);
        if self.random.one_in(4) {
            self.clocks.synchronise();
        }
        self.start();
    }

    /// The gateway stops in good order, and starts again.
    pub(super) fn stop(&mut self) {
        let until = self.clocks.running() + jackalope::office::SHUTDOWN_TIME;
        self.life.office.handle_shutdown(self.clocks.running());
        while !self.life.office.is_finished(self.clocks.running()) {
            while !self.life.calls.is_empty() {
                self.answer_one();
            }
            self.call();
            self.write(10);
            self.brokers[self.life.broker].read();
            self.read();
            self.commit();
            self.store();
            self.pass(Duration::from_millis(200));
        }
        if self.clocks.running() < until {
            self.see("stopped in good order");
            assert!(self.under_way.is_empty(), "a group is under way");
            let (live, durable) = (&self.live, &self.durable);
            assert!(live.letters.keys().eq(durable.letters.keys()));
            assert!(live.owed.keys().eq(durable.owed.keys()));
            assert_eq!(live.over, durable.over);
            assert_eq!(live.state, durable.state);
            assert_eq!(live.received, durable.received);
        }
        self.die(false);
        self.clocks.pass(SECOND);
        self.start();
    }

    fn die(&mut self, is_power_cut: bool) {
        let handed_out = self.under_way.len();
        let durable = match self.on_disk {
            Some(_) => self.read_disk(is_power_cut),
            None => self.random.below(1 + handed_out as u64) as usize,
        };
        for _ in 0..durable {
            self.see("group durable at the last moment");
            self.make_durable();
            self.under_way.pop_front();
        }
        for _ in durable..handed_out {
            self.see("group lost");
        }
        if 0 < durable && durable < handed_out {
            self.see("one group of two durable at the last moment");
        }
        self.under_way.clear();
        self.find();
        if self.life.is_online {
            let arrived = self.random.below(4);
            (0..arrived).for_each(|_| self.brokers[self.life.broker].read());
            self.handle_disconnected();
        }
        // A session that nobody has written down is taken for the one before: MQTT
        // 3.1.1 has no means to tell them apart. So this broker loses it.
        for (number, broker) in self.brokers.iter_mut().enumerate() {
            let is_known = self.durable.session != Some((number, broker.session));
            if broker.has_session && is_known && !self.durable.received.is_empty() {
                *broker = Default::default();
            }
        }
    }

    /// Reads what is left on the disk. Returns how many of the groups are there that are
    /// under way.
    fn read_disk(&mut self, is_power_cut: bool) -> usize {
        let Some(on_disk) = &mut self.on_disk else {
            return 0;
        };
        let groups: Vec<_> = self.under_way.iter().map(|it| &it.group).collect();
        let (found, died) = on_disk.die(&groups, is_power_cut, &mut self.random);
        let is_there = |group: &&&Group| group.number <= found.number;
        let there = groups.iter().filter(is_there).count();
        let lost = groups.len() - there;
        self.found = found;
        if died > 0 {
            self.see("died while it read");
        }
        (0..there).for_each(|_| self.see("group found on the disk"));
        (0..lost).for_each(|_| self.see("group lost on the disk"));
        there
    }

    /// What was found is what is durable.
    fn find(&mut self) {
        if self.on_disk.is_none() {
            self.found = self.contents.clone();
        }
        let expect = Contents {
            // Those that no time is of are forgotten.
            boots: self.found.boots.clone(),
            ..self.contents.clone()
        };
        assert_eq!(self.found, expect, "what was found");
    }

    pub(super) fn start(&mut self) {
        let before = self.wanted;
        for wanted in &mut self.wanted {
            // Somebody has changed the configuration meanwhile.
            wanted.is_there = match wanted.is_there {
                _ if self.is_kind => true,
                true => !self.random.one_in(8),
                false => self.random.one_in(2),
            };
        }
        if let Some(clean_session) = self.next_clean_session.take() {
            self.setup.clean_session = clean_session;
        }
        self.gone_guests = match self.is_kind {
            true => GoneGuests::Keep,
            false => self.random.pick(&GONE_GUESTS),
        };
        let (wanted, gone) = (self.wanted, self.gone_guests);
        self.note(|| format!("  a life begins: {wanted:?}, gone: {gone:?}"));
        self.live = self.durable.clone();
        for (guest, (was, is)) in before.iter().zip(wanted).enumerate() {
            if !was.is_there && is.is_there && self.live.has_anything(guest) {
                self.are_back.insert(guest);
            }
        }
        let places = self.places();
        self.life = Life::new(self.setup, &self.clocks, places, gone);
        self.life.knew_time = self.clocks.knows_time();
        self.life.has_seen_trust = self.life.knew_time;
        if gone == GoneGuests::Drop {
            self.drop_those_gone();
        }
        self.take_up();
        self.listen();
        self.life.was_held = self.life.office.held_letters() > 0;
        if self.life.was_held {
            self.see("letter held");
        }
        self.compare_order();
        self.compare(|_| true);
    }

    /// The guests that are there, and those that are gone and have something.
    fn places(&mut self) -> Vec<Place> {
        let mut places = Vec::new();
        for (guest, wanted) in self.wanted.iter().enumerate() {
            let hears_outcomes = wanted.hears_outcomes;
            let presence = match wanted.is_there {
                true => Presence::There { hears_outcomes },
                false if self.live.has_anything(guest) => Presence::Kept,
                false => continue,
            };
            places.push(Place { guest, presence });
        }
        let mut letters = self.live.letters.values();
        if letters.any(|it| !self.wanted[it.guest].is_there) {
            self.see("guest gone whose letters go out");
        }
        places
    }

    /// What guests have that are not there is dropped. If the gateway dies before that is
    /// durable, it is there again.
    fn drop_those_gone(&mut self) {
        for place in self.life.all_places() {
            if self.life.presence(place) == Presence::Kept {
                self.see("guest dropped at a start");
                self.drop_guest(self.life.guest(place), place);
            }
        }
        self.life.gone_at_start.clear();
    }

    /// The office takes up what was kept.
    fn take_up(&mut self) {
        let mut contents = std::mem::take(&mut self.found);
        contents.boots.observe(self.clocks.moment());
        let now = self.clocks.running();
        let life = &mut self.life;
        life.last_ticket = contents.last_ticket;
        life.restored = self.live.letters.keys().copied().collect();
        life.restored.extend(self.live.owed.keys());
        let gone = life.all_places().filter(|it| life.is_gone(*it));
        for place in gone.collect::<Vec<_>>() {
            life.office.restore_gone(place);
        }
        let old = OldLetters {
            when_off: WHEN_OFF,
            hold_until: now + self.setup.hold,
        };
        let places = life.all_places().map(|place| (life.guest(place), place));
        let places: BTreeMap<_, _> = places.collect();
        life.held = contents.restore(&mut life.office, now, old, |name| {
            let guest = NAMES.iter().position(|other| *other == name)?;
            places.get(&guest).copied()
        });
    }

    /// The office has what there is, and nothing else. `begins` says of a guest whether its
    /// timers are to be as they begin.
    pub(super) fn compare(&mut self, begins: impl Fn(usize) -> bool) {
        self.compare_letters();
        for place in self.life.all_places() {
            let guest = self.life.guest(place);
            match self.life.presence(place) {
                Presence::There { hears_outcomes } => {
                    if !hears_outcomes {
                        self.drop_outcomes(guest);
                    }
                    self.compare_guest(guest, place, begins(guest));
                }
                // Of what is not due it is not said when it is.
                Presence::Kept => self.compare_guest(guest, place, false),
                Presence::Dropped => {
                    let (now, office) = (self.clocks.running(), &self.life.office);
                    let left = office.standing(place).letters + office.timers(now, place).count();
                    assert_eq!(left, 0, "something is left of {guest}");
                }
            }
        }
    }

    /// The letters without an outcome are on the work list.
    pub(super) fn compare_letters(&self) {
        let now = self.clocks.running();
        let mut all = BTreeMap::new();
        for place in self.life.all_places() {
            let letters = self.life.office.letters(now, place);
            all.extend(letters.map(|it| (it.ticket, self.life.guest(place))));
        }
        let expect = self.live.letters.iter();
        let expect = expect.map(|(ticket, it)| (*ticket, it.guest));
        assert!(all.into_iter().eq(expect), "the letters on the work list");
    }

    /// The letters of each guest go in the order in which they went before.
    fn compare_order(&mut self) {
        for guest in 0..NAMES.len() {
            let order = self.order(guest);
            let mut expect = self.live.order[guest].clone();
            expect.retain(|(_, ticket)| self.live.letters.contains_key(ticket));
            assert_eq!(order, expect, "the order of the letters of {guest}");
            let is_by_ticket = |one: &(Priority, Ticket), next: &(Priority, Ticket)| {
                one.0 != next.0 || one.1 < next.1
            };
            if !order.is_sorted_by(is_by_ticket) {
                self.see("letter in the place of another in another life");
            }
        }
    }

    /// The letters of a guest in the order in which they are to go.
    pub(super) fn order(&self, guest: usize) -> Vec<(Priority, Ticket)> {
        let (life, now) = (&self.life, self.clocks.running());
        let places = life.all_places().filter(|it| life.guest(*it) == guest);
        let letters = places.flat_map(|place| life.office.letters(now, place));
        let mut order: Vec<_> = letters.map(|it| (it.priority, it.ticket)).collect();
        order.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        order
    }

    /// A guest has what it was to have, but for letters.
    fn compare_guest(&self, guest: usize, place: GuestId, begins: bool) {
        let now = self.clocks.running();
        let at = self.life.calls.get(&place).map(|it: &Assignment| &it.call);
        let told = match at {
            Some(Call::Outcomes(outcomes)) => outcomes.len(),
            _ => 0,
        };
        let outcomes = self.life.office.standing(place).outcomes - told;
        let at_calls = self.life.told_at_calls();
        let owed = self.live.owed.iter();
        let owed = owed.filter(|(ticket, it)| it.0 == guest && !at_calls.contains(*ticket));
        assert_eq!(outcomes, owed.count(), "the outcomes of {guest}");
        let timers: Vec<_> = self.life.office.timers(now, place).collect();
        let expect = self.live.timers[guest].iter();
        let names = timers.iter().map(|it| (&it.name, it.period));
        assert!(
            names.eq(expect.clone().map(|(name, it)| (name, it.period))),
            "the timers of {guest}"
        );
        let is_at = |name: &str| matches!(at, Some(Call::Timer(due)) if *due.name == *name);
        for (standing, (name, timer)) in timers.iter().zip(expect) {
            if begins && !is_at(name) {
                self.compare_timer(now, standing, timer, self.life.knew_time);
            }
        }
    }

    /// The clock is trusted from now on, and timers of earlier boots are where they are to
    /// be, but for those that wait for their guests already.
    pub(super) fn compare_late_timers(&mut self) {
        let now = self.clocks.running();
        for place in self.life.all_places() {
            if self.life.presence(place) == Presence::Dropped {
                continue;
            }
            let timers: Vec<_> = self.life.office.timers(now, place).collect();
            let expect = self.live.timers[self.life.guest(place)].clone();
            for (standing, (_, timer)) in timers.iter().zip(&expect) {
                let waits = standing.period.is_some() && standing.due_in.is_zero();
                if waits || self.clocks.is_of_this_boot(timer.first) {
                    continue;
                }
                self.see("timer late until the clock is trusted");
                self.compare_timer(now, standing, timer, true);
            }
        }
    }

    fn compare_timer(&self, now: Time, standing: &TimerStanding, timer: &Timer, knows_time: bool) {
        let clocks = &self.clocks;
        let first = timer.first.at;
        let is_of_this_boot = clocks.is_of_this_boot(timer.first);
        if !is_of_this_boot && !clocks.are_right() {
            return;
        }
        let at = clocks.instant_of(now).at;
        let due = at + u64::try_from(standing.due_in.as_millis()).expect("it is soon");
        assert!(due >= first, "{standing:?} is early");
        let is_known = knows_time && clocks.is_known(timer.first);
        if !is_of_this_boot && !is_known {
            return;
        }
        let expect = match timer.period {
            _ if first > at => first,
            None => at,
            Some(period) => {
                let period = u64::try_from(period.as_millis()).expect("it is short");
                at + period - (at - first) % period
            }
        };
        assert_eq!(due, expect, "{standing:?}");
    }
}
