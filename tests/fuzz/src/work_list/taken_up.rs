//! What was read, in the hands of those that go on with it.

use std::time::Duration;

use crate::office::{
    Answer, Effects, GoneGuests, GuestId, GuestSettings, Office, Settings, Time, WhenOff,
};
use crate::settings::{FIRST, SECOND, guest, settings};
use crate::store::{Contents, Moment, OldLetters, Trust, Ttl};

/// The place of all guests that are gone.
const GONE: GuestId = GuestId(2);

/// Has it listed, cleaned and taken up at this moment.
pub(super) fn check(mut contents: Contents, moment: Moment) {
    contents.boots.observe(moment);
    let now = moment.running;
    for when_off in [WhenOff::Count, WhenOff::Pause, WhenOff::Drop] {
        let old = OldLetters {
            when_off,
            hold_until: now + Duration::from_secs(600),
        };
        for (kept, ttl) in contents.open_letters(now, old) {
            let (ticket, ttl_in_all) = (kept.letter.ticket, kept.letter.ttl);
            if let Ttl::Live { deadline, .. } = ttl {
                assert!(deadline.since(now) <= ttl_in_all, "of {ticket:?}");
            }
            contents.cancel(ticket).expect("it is open");
        }
        for gone_guests in [GoneGuests::Keep, GoneGuests::Drop] {
            take_up(contents.clone(), moment, old, gone_guests);
        }
    }
}

fn take_up(contents: Contents, moment: Moment, old: OldLetters, gone_guests: GoneGuests) {
    let now = moment.running;
    let mut guests = [FIRST, SECOND].map(|name| guest(name, 0)).to_vec();
    guests.push(GuestSettings::gone("gone".into(), guests[0].work_list));
    let mut office = Office::new(
        now,
        Settings {
            is_durable: true,
            gone_guests,
            ..settings(guests)
        },
    );
    office.restore_gone(GONE);
    let mut held = contents.restore(&mut office, now, old, |name| match name {
        FIRST => Some(GuestId(0)),
        SECOND => Some(GuestId(1)),
        "gone" => Some(GONE),
        _ => None,
    });
    if gone_guests == GoneGuests::Drop {
        assert!(!office.has_anything(GONE));
    } else {
        assert_eq!(held.is_empty(), office.held_letters() == 0);
    }
    go_on(&mut office, now);
    let later = Moment {
        running: now + Duration::from_secs(1),
        wall: moment.wall.saturating_add(1_000),
        trust: Trust::Synchronised,
        ..moment
    };
    held.handle_moment(&mut office, later);
    go_on(&mut office, later.running);
}

/// For as long as there is something to do, but not for long.
fn go_on(office: &mut Office, mut now: Time) {
    for _ in 0..50 {
        office.handle_timeout(now);
        if let Some(assignment) = office.poll_call(now) {
            office.handle_answer(now, assignment.guest, Answer::Done(Effects::default()));
        }
        while office.poll_notice().is_some() {}
        if office.poll_commit().is_some() {
            office.handle_committed();
        }
        let Some(next) = office.next_timeout() else {
            break;
        };
        now = now.max(next);
    }
}
