//! What a gateway finds again that one before has left.

use std::time::Duration;

use crate::site::{Site, ticket, words};
use jackalope::clock;
use jackalope::office::{
    Change, KeptLetter, Letter, LetterOutcome, Outcome, Payload, Priority, Qos, Ticket,
};
use jackalope::store::{ClockTrust, Disk, Group, Store};
use jackalope_tests::{Gateway, GatewayOptions, Subscriber};

#[track_caller]
fn check_all_is_there_after(signal: &str) {
    let site = Site::new();
    let (out, told) = (site.subscribe("out"), site.subscribe("told"));
    let (due, by_hand) = (site.subscribe("due"), site.subscribe("by-hand"));
    let mut first = site.start_online();
    site.cut(&first);
    site.send("tell/in", "a");
    site.send("tell/in", "b 1");
    site.send("tell/timer", "later");
    // `a`, and that `b` has expired.
    site.wait_for_letters(2);
    site.send("tell/timer", "soon 300");
    let before = ticket(&site.expect(&["publish", "by-hand", "x"], 0));
    first.signal(signal);
    let status = first.wait();
    assert_eq!(status.success(), signal == "TERM", "{status}");

    let second = site.start();
    let line = second.log.wait_for("the work list is kept on disk");
    assert!(line.contains("letters="), "{line}");
    assert!(out.messages().is_empty());
    let after = ticket(&site.expect(&["publish", "by-hand", "y"], 0));
    assert!(after > before, "{after} comes after {before}");
    site.network.restore();
    out.wait_for_message("out 0 a 1");
    by_hand.wait_for_message("by-hand 0 x");
    by_hand.wait_for_message("by-hand 0 y");
    due.wait_for_message("due 0 soon");
    let told = told.wait_for(2);
    let told: Vec<_> = told.iter().map(|it| words(it)[1..].join(" ")).collect();
    assert_eq!(told, ["expired-unsent 1 b 2", "delivered 2 a 1"]);
    site.wait_for_report("count=2 told=2 timers=later");
    assert_eq!(out.messages(), ["out 0 a 1"]);
    assert_eq!(due.messages(), ["due 0 soon"]);
}

#[test]
fn all_is_there_after_a_good_end() {
    check_all_is_there_after("TERM");
}

#[test]
fn all_is_there_after_a_kill() {
    check_all_is_there_after("KILL");
}

#[test]
fn an_outcome_that_is_owed_is_told_once() {
    let site = Site::new();
    leave_outcome(&site);
    let told = site.subscribe("told");
    let mut first = site.start_online();
    told.wait_for_message("told 0 7 delivered 1 a 1");
    // All that was done is kept when this is answered.
    site.wait_for_letters(0);
    first.signal("KILL");
    first.wait();
    let second = site.start_online();
    site.wait_for_report("count=0 told=1 timers=");
    assert_eq!(told.messages(), ["told 0 7 delivered 1 a 1"]);
    assert!(second.log.count("outcomes=0") > 0);
}

/// As a gateway leaves it that is killed when a letter of the guest was just delivered.
fn leave_outcome(site: &Site) {
    let mut disk = Disk::open(site.directory(), 1).expect("it is ours");
    let (guest, tag) = (|| "teller".into(), || Some("a 1".into()));
    let letter = Letter {
        ticket: Ticket(7),
        topic: "out".into(),
        payload: Payload::new(b"a 1"),
        qos: Qos::AtLeastOnce,
        retain: false,
        ttl: Duration::from_secs(3_600),
        when_off: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: tag(),
        properties: None,
    };
    let accepted = Change::Accepted(KeptLetter {
        guest: guest(),
        letter,
        posted: clock::now(),
        place: None,
    });
    let concluded = Change::Concluded {
        guest: guest(),
        told: LetterOutcome {
            ticket: Ticket(7),
            tag: tag(),
            outcome: Outcome::Delivered,
        },
    };
    let number = disk.load().expect("it is empty").number + 1;
    let boot = clock::boot_id().expect("it is Linux");
    let group = Group {
        number,
        moment: clock::moment(boot, ClockTrust::PastRecord),
        changes: vec![accepted, concluded],
    };
    disk.commit(&group).expect("there is room");
}

/// What the guest has that was sent a name for a timer and one for a letter.
const OF_TELLER: &str = "teller (1 letter, 1 value of state, 1 timer)";

/// A gateway that has a letter and a timer of its guest, and is killed.
fn leave_letter(site: &Site) {
    let mut first = site.start_online();
    site.cut(&first);
    site.send("tell/timer", "later");
    site.send("tell/in", "a");
    site.wait_for_letters(1);
    first.signal("KILL");
    first.wait();
}

#[test]
fn what_a_guest_had_that_is_gone_is_kept_for_it() {
    let site = Site::new();
    let (out, told) = (site.subscribe("out"), site.subscribe("told"));
    leave_letter(&site);
    let second = site.without_guests("gone-guests = \"keep\"").start();
    second
        .log
        .wait_for("kept of guests that are not there: teller; their letters go out");
    let listed = site.expect(&["letters", "--guest", "teller"], 0);
    assert!(listed.contains("out"), "{listed}");
    check_status(&site, "\n1 letter, 0 in flight");
    check_status(&site, "\nguest teller: gone, 1 letter (");
    site.network.restore();
    out.wait_for_message("out 0 a 1");
    site.wait_for_letters(0);
    have_back(&site, &second, "gone-guests = \"keep\"");
    check_told(&told);
    site.wait_for_report("count=1 told=1 timers=later");
}

/// The gateway goes on with this configuration.
#[track_caller]
fn reload(site: &Site, gateway: &Gateway, options: &GatewayOptions) {
    gateway.reconfigure(options);
    site.expect(&["reload"], 0);
}

/// So it does, with the guest again, which hears messages from then on.
#[track_caller]
fn have_back(site: &Site, gateway: &Gateway, work_list: &str) {
    // It may have been there before, and have been subscribed then.
    let subscribed = |lines: &[String]| {
        let line = " subscribed filter=tell/report";
        lines.iter().filter(|it| it.contains(line)).count()
    };
    let before = subscribed(&gateway.log.all());
    reload(site, gateway, &site.options(work_list));
    gateway.log.wait_until("the guest is subscribed", |lines| {
        subscribed(lines) > before
    });
}

/// What became of the one letter is told, and once.
#[track_caller]
fn check_told(told: &Subscriber) {
    told.wait_for(1);
    let all = told.messages();
    let all: Vec<_> = all.iter().map(|it| words(it)[1..].join(" ")).collect();
    assert_eq!(all, ["delivered 1 a 1"]);
}

#[track_caller]
fn check_status(site: &Site, expected: &str) {
    let status = site.run(&["status"]);
    let status = String::from_utf8(status.stdout).expect("it is text");
    assert!(status.contains(expected), "{status}");
}

#[test]
fn what_a_guest_had_that_a_reload_takes_away_is_kept_for_it() {
    for is_killed in [false, true] {
        let site = Site::new();
        let (out, told) = (site.subscribe("out"), site.subscribe("told"));
        let mut gateway = site.start_online();
        site.cut(&gateway);
        site.send("tell/timer", "later");
        site.send("tell/in", "a");
        site.wait_for_letters(1);
        reload(&site, &gateway, &site.without_guests(""));
        check_status(&site, "\nguest teller: gone, 1 letter (");
        site.network.restore();
        out.wait_for_message("out 0 a 1");
        site.wait_for_letters(0);
        check_status(&site, "\nguest teller: gone, 1 outcome untold");
        if is_killed {
            gateway.signal("KILL");
            gateway.wait();
            gateway = site.without_guests("").start();
            gateway.log.wait_for(" online");
            check_status(&site, "\nguest teller: gone, 1 outcome untold");
        }
        have_back(&site, &gateway, "");
        site.wait_for_report("count=1 told=1 timers=later");
        check_told(&told);
    }
}

#[test]
fn what_a_guest_had_that_a_reload_takes_away_is_dropped_if_it_is_to_be() {
    let site = Site::new();
    let out = site.subscribe("out");
    let gateway = site.start_online();
    site.cut(&gateway);
    site.send("tell/timer", "later");
    site.send("tell/in", "a");
    site.wait_for_letters(1);
    // It is kept at first, and then another thing is chosen.
    gateway.reconfigure(&site.without_guests(""));
    let said = site.expect(&["reload"], 0);
    assert!(said.contains("\nremoved: teller\n"), "{said}");
    assert!(!said.contains("dropped"), "{said}");
    gateway.reconfigure(&site.without_guests("gone-guests = \"drop\""));
    let said = site.expect(&["reload"], 0);
    let dropped = format!("\ndropped: {OF_TELLER}\n");
    assert!(said.contains(&dropped), "{said}");
    let dropped = format!("dropped, as these guests are not there: {OF_TELLER}");
    gateway.log.wait_for(&dropped);
    let said = site.expect(&["reload"], 0);
    assert!(!said.contains("dropped"), "{said}");
    site.wait_for_letters(0);
    site.network.restore();
    gateway.log.wait_for(" online");
    have_back(&site, &gateway, "gone-guests = \"drop\"");
    site.wait_for_report("count=0 told=0 timers=");
    assert_eq!(out.messages(), [""; 0]);
}

#[test]
fn an_outcome_waits_for_a_guest_that_comes_back() {
    let site = Site::new();
    leave_outcome(&site);
    let told = site.subscribe("told");
    let mut first = site.without_guests("").start();
    first.log.wait_for(" online");
    first.signal("KILL");
    first.wait();
    let second = site.without_guests("").start();
    second.log.wait_for(" online");
    have_back(&site, &second, "");
    told.wait_for_message("told 0 7 delivered 1 a 1");
    site.wait_for_report("count=0 told=1 timers=");
}

#[test]
fn what_a_guest_had_that_is_gone_is_dropped_if_it_is_to_be() {
    let site = Site::new();
    let out = site.subscribe("out");
    leave_letter(&site);
    let second = site.without_guests("gone-guests = \"drop\"").start();
    let dropped = format!("dropped, as these guests are not there: {OF_TELLER}");
    second.log.wait_for(&dropped);
    site.network.restore();
    second.log.wait_for(" online");
    have_back(&site, &second, "gone-guests = \"drop\"");
    site.wait_for_report("count=0 told=0 timers=");
    assert_eq!(out.messages(), [""; 0]);
}
