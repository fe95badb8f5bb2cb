use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tempfile::{NamedTempFile, TempDir};

use super::line::State;
use super::*;
use crate::gateway::ControlSender;
use crate::office::{Letter, LetterOutcome, Outcome, Payload, Priority, Properties, Qos};
use crate::store::{Boot, BootId, StoredLetter};

/// When all of this happens, by a wall clock that is trusted.
const WALL: u64 = 1_800_000_000_000;

const HOUR: u64 = 3_600_000;

/// A moment of a boot.
fn moment(boot: u8, running: u64, wall: u64) -> Moment {
    Moment {
        boot: BootId([boot; 16]),
        running: Time::from_millis(running),
        wall,
        trust: Trust::Synchronised,
    }
}

fn letter(ttl: u64) -> Letter {
    Letter {
        ticket: Ticket(1),
        topic: "doors/front/command".into(),
        payload: Payload::new("unlock"),
        qos: Qos::AtLeastOnce,
        retain: false,
        ttl: Duration::from_millis(ttl),
        when_off: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: None,
        properties: None,
    }
}

/// A directory in which these were posted to the door at this moment, with tickets from 1
/// on; who opens it says when.
struct Place(TempDir);

impl Place {
    fn with(moment: Moment, letters: Vec<Letter>) -> Self {
        let place = Self(TempDir::new().expect("there is a place for temporary files"));
        let mut opened = place.open(moment);
        let letters = letters.into_iter().zip(1..).map(|(letter, ticket)| {
            Change::Accepted(KeptLetter {
                guest: "door".into(),
                letter: Letter {
                    ticket: Ticket(ticket),
                    ..letter
                },
                posted: moment.running,
                place: None,
            })
        });
        opened.commit(letters.collect()).expect("nothing fails");
        place
    }

    fn open(&self, moment: Moment) -> Opened {
        let mut disk = Disk::open(self.0.path(), 1).expect("it is ours");
        let contents = disk.load().expect("nothing fails");
        Opened::at(disk, contents, moment, WhenOff::Count)
    }

    /// The state of each letter, with its age and what is left.
    fn states(&self, moment: Moment) -> Vec<(State, Option<u64>, Option<u64>)> {
        let list = self.open(moment).list(None);
        let lines = list.letters.iter();
        lines
            .map(|line| (line.state.expect("known"), line.age_ms, line.left_ms))
            .collect()
    }
}

fn lines_of(opened: &Opened) -> Vec<u8> {
    let export = opened.export(None);
    let lines = export.iter();
    let lines = lines.map(|line| serde_json::to_string(line).expect("it is JSON"));
    lines.collect::<Vec<_>>().join("\n").into_bytes()
}

impl Opened {
    fn import(&self, lines: &[u8]) -> Result<(Vec<Change>, usize), String> {
        import_into(&self.contents, self.moment, None, lines)
    }
}

fn imported(opened: &Opened, lines: &[u8]) -> Vec<KeptLetter> {
    let (changes, _) = opened.import(lines).expect("it is well");
    let letters = changes.into_iter().map(|change| match change {
        Change::Accepted(letter) => letter,
        other => panic!("{other:?}"),
    });
    letters.collect()
}

#[test]
fn letters_are_listed_as_the_next_start_would_find_them() {
    let posted = moment(1, 5_000, WALL);
    let mut paused = letter(10_000);
    paused.when_off = Some(WhenOff::Pause);
    let place = Place::with(posted, vec![letter(10_000), letter(HOUR), paused]);
    use State::{Expired, Held, Waiting};
    let live = |age, left| (Waiting, Some(age), Some(left));
    assert_eq!(
        place.states(moment(1, 8_000, WALL + 3_000)),
        [
            live(3_000, 7_000),
            live(3_000, HOUR - 3_000),
            live(3_000, 7_000)
        ]
    );
    let expired = (Expired, None, Some(0));
    let later = moment(2, 1_000, WALL + HOUR / 2);
    assert_eq!(
        place.states(later),
        [expired, live(HOUR / 2, HOUR / 2), live(1_000, 9_000)]
    );
    let unknown = Moment {
        trust: Trust::Never,
        ..later
    };
    let held = |left| (Held, None, Some(left));
    assert_eq!(
        place.states(unknown),
        [held(9_000), held(HOUR - 1_000), live(1_000, 9_000)]
    );
}

#[test]
fn a_list_says_what_there_is_to_people_and_to_programs() {
    let posted = moment(1, 5_000, WALL);
    let mut keyed = letter(10_000);
    (keyed.replace_key, keyed.topic) = (Some("key".into()), "a\u{1b}b".into());
    let place = Place::with(posted, vec![letter(HOUR), keyed]);
    let mut opened = place.open(moment(1, 17_000, WALL + 12_000));
    let told = LetterOutcome {
        ticket: Ticket(7),
        tag: None,
        outcome: Outcome::Delivered,
    };
    let guest: Arc<str> = "sensor".into();
    let change = Change::Concluded { guest, told };
    opened.commit(vec![change]).expect("nothing fails");
    assert_eq!(
        opened.list(None).to_string(),
        "  TICKET  STATE           AGE      LEFT  QOS  PRIORITY     BYTES  GUEST         TOPIC\n\
        \x20      1  waiting        12 s    3588 s    1  normal           6  door          doors/front/command\n\
        \x20      2  expired           -      0 ms    1  normal           6  door          a\u{fffd}b (replace key key)\n\
         1 outcome not told to their guests"
    );
    assert_eq!(
        serde_json::to_value(opened.list(Some("sensor"))).expect("it is JSON"),
        serde_json::json!({"total": 0, "letters": [], "outcomes": 1})
    );
    let list = serde_json::to_value(opened.list(Some("door"))).expect("it is JSON");
    assert_eq!(
        list["letters"][0],
        serde_json::json!({
            "ticket": 1, "guest": "door", "topic": "doors/front/command", "bytes": 6,
            "qos": 1, "retain": false, "priority": "normal", "state": "waiting",
            "age-ms": 12_000, "left-ms": HOUR - 12_000
        })
    );
}

#[test]
fn what_is_called_back_has_its_outcome() {
    let now = moment(1, 5_000, WALL);
    let mut tagged = letter(HOUR);
    tagged.tag = Some("a tag".into());
    let place = Place::with(now, vec![letter(HOUR), tagged]);
    let mut opened = place.open(now);
    let change = opened.contents.cancel(Ticket(2)).expect("it is there");
    opened.commit(vec![change]).expect("nothing fails");
    drop(opened);
    let contents = place.open(now).contents;
    assert!(contents.letters.tickets().eq([Ticket(1)]));
    let owed = &contents.outcomes[&Ticket(2)];
    assert_eq!(
        (&*owed.guest, owed.told.tag.as_deref()),
        ("door", Some("a tag"))
    );
    assert_eq!(owed.told.outcome, Outcome::Expired { sent: true });
    contents.cancel(Ticket(2)).expect_err("it has its outcome");
    contents.cancel(Ticket(3)).expect_err("it never was");
}

/// A ttl goes on by the wall clock, wherever the letter is.
#[test]
fn what_is_exported_is_no_younger_elsewhere() {
    let posted = moment(1, 5_000, WALL);
    let from = Place::with(posted, vec![letter(10_000), letter(HOUR), letter(2 * HOUR)]);
    let exported = lines_of(&from.open(moment(1, 6_000, WALL + 1_000)));
    let to = Place::with(moment(9, 500, WALL), vec![letter(1), letter(1)]);
    let now = moment(9, HOUR, WALL + HOUR / 2);
    let opened = to.open(now);
    let (_, expired) = opened.import(&exported).expect("it is well");
    assert_eq!(expired, 1);
    let letters = imported(&opened, &exported);
    let left = letters.iter().map(|kept| {
        let deadline = kept.posted + kept.letter.ttl;
        (
            kept.letter.ticket.0,
            deadline.since(now.running).as_millis() as u64,
        )
    });
    assert!(left.eq([(3, HOUR / 2), (4, HOUR * 3 / 2)]));
    drop(opened);
    // A clock that is behind makes no letter live longer than it had left.
    let behind = to.open(moment(9, HOUR, WALL - 10 * HOUR));
    let letters = imported(&behind, &exported);
    let left = letters
        .iter()
        .map(|kept| (kept.posted + kept.letter.ttl).since(now.running));
    assert!(left.eq([9_000, HOUR - 1_000, 2 * HOUR - 1_000].map(Duration::from_millis)));
}

#[test]
fn what_is_not_known_is_not_exported_and_not_imported() {
    let posted = moment(1, 5_000, WALL);
    let place = Place::with(posted, vec![letter(HOUR)]);
    let unknown = Moment {
        trust: Trust::Never,
        ..moment(2, 1_000, WALL)
    };
    let held = lines_of(&place.open(unknown));
    assert!(!text(&held).contains("unix-ms"), "{}", text(&held));
    let error = place.open(moment(2, 1_000, WALL)).import(&held);
    let error = error.expect_err("it is not known how much is left");
    assert!(error.contains("there is no `deadline-unix-ms`"), "{error}");
    let error = place.open(unknown).import(&held);
    let error = error.expect_err("it is not known what time it is");
    assert!(error.contains("--clock-trust past-record"), "{error}");
    // One that is over is, whatever else is not known.
    let over = br#"{"guest": "door", "topic": "a", "left-ms": 0}"#;
    let opened = place.open(moment(2, 1_000, WALL));
    assert_eq!(opened.import(over), Ok((vec![], 1)));
}

#[test]
fn a_letter_keeps_the_place_that_it_has_taken_over() {
    let now = moment(1, 5_000, WALL);
    let place = Place::with(now, vec![letter(HOUR), letter(HOUR)]);
    let mut opened = place.open(now);
    let last = KeptLetter {
        guest: "door".into(),
        letter: Letter {
            ticket: Ticket(3),
            replace_key: Some("state".into()),
            ..letter(HOUR)
        },
        posted: now.running,
        place: Some(Ticket(1)),
    };
    let over = Change::Over(Ticket(1));
    let kept = opened.commit(vec![Change::Accepted(last), over]);
    kept.expect("nothing fails");
    let lines = lines_of(&opened);
    let of_lines = lines.split(|byte| *byte == b'\n');
    let of_lines = of_lines.filter(|line| !line.is_empty()).map(Line::parse);
    let tickets = of_lines.map(|line| line.expect("it is whole").ticket);
    assert!(tickets.eq([Some(3), Some(2)]));
    let imported = imported(&opened, &lines);
    let keys = imported.iter().map(|it| it.letter.replace_key.as_deref());
    assert!(keys.eq([Some("state"), None]));
}

#[test]
fn a_line_by_hand_needs_little() {
    let place = Place::with(moment(1, 5_000, WALL), vec![]);
    let opened = place.open(moment(1, 5_000, WALL));
    let line = format!(
        "\n  \n{{\"guest\": \"(control)\", \"topic\": \"a\", \"deadline-unix-ms\": {}}}\r\n",
        WALL + 10
    );
    let letters = imported(&opened, line.as_bytes());
    let [
        KeptLetter {
            guest,
            letter: read,
            posted,
            place: None,
        },
    ] = &letters[..]
    else {
        panic!("{letters:?}")
    };
    let expected = Letter {
        topic: "a".into(),
        payload: Payload::new(""),
        ..letter(10)
    };
    assert_eq!((&**guest, read), ("(control)", &expected));
    assert_eq!(*posted, Time::from_millis(5_000));
}

#[test]
fn a_line_that_is_wrong_is_named() {
    let place = Place::with(moment(1, 5_000, WALL), vec![]);
    let opened = place.open(moment(1, 5_000, WALL));
    let good = format!(
        "{{\"guest\": \"door\", \"topic\": \"a\", \"deadline-unix-ms\": {}",
        WALL + 10
    );
    let check = |rest: &str, expected: &str| {
        let lines = format!("{good}}}\n\n{good}{rest}");
        let error = opened.import(lines.as_bytes()).expect_err(rest);
        let expected = format!(", line 3: {expected}");
        assert!(error.starts_with(&expected), "{error}\nand not {expected}");
        assert!(error.ends_with("; nothing is imported"), "{error}");
    };
    check("", "column 65: EOF while parsing an object");
    check(r#", "qos": "1"}"#, "column 77: invalid type: string");
    check(r#", "colour": 1}"#, "column 75: unknown field `colour`");
    check(
        r#", "state": "\u001b[2J"}"#,
        "column 87: unknown variant `\u{fffd}[2J`",
    );
    check(r#", "qos": 3}"#, "qos \"3\" is not a quality of service");
    check(
        r#", "priority": "urgent"}"#,
        "priority \"urgent\" is no priority",
    );
    check(
        r#", "after-reboot": "stay"}"#,
        "after-reboot \"stay\" is nothing that a ttl does",
    );
    check(
        r#", "payload": "a", "payload-base64": "YQ=="}"#,
        "there is both `payload` and `payload-base64`",
    );
    check(
        r#", "payload-base64": "?"}"#,
        "`payload-base64` is not base64",
    );
    let long = "x".repeat(257);
    check(
        &format!(r#", "tag": "{long}"}}"#),
        "the tag is longer than 256",
    );
    check(
        &format!(r#", "replace-key": "{long}"}}"#),
        "the replace key is longer than 256",
    );
    check(
        r#", "properties": {"response-topic": "a/+"}}"#,
        "response topic holds a wildcard",
    );
    let of = |guest: &str, topic: &str| {
        let line = format!(r#"{{"guest": "{guest}", "topic": "{topic}", "left-ms": 1}}"#);
        opened.import(line.as_bytes()).expect_err("it is wrong")
    };
    assert!(of("a guest", "a").starts_with(", line 1: guest \"a guest\" is not a name"));
    assert!(of("door", "a/#").starts_with(", line 1: the topic holds a wildcard"));
    assert!(of("door", "a").starts_with(", line 1: there is no `deadline-unix-ms`"));
}

/// With a guest that may do little.
fn config() -> Config {
    let file = NamedTempFile::new().expect("there is a place for temporary files");
    let text = "max-packet-size = 1000\n[control-permissions]\npublish = [\"a\"]\n[[guest]]\nname = \"door\"\ncomponent = \"door.wasm\"\n\
                [guest.work-list]\nmax = 1\nmax-bytes = 500\n[guest.permissions]\nmax-ttl = \"1h\"\n\
                min-ttl = \"1m\"\npublish = [\"a\"]\n";
    fs::write(&file, text).expect("it is ours");
    Config::load(Some(file.path()), std::iter::empty()).expect("it is right")
}

#[test]
fn what_the_gateway_would_not_take_is_not_imported() {
    let place = Place::with(moment(1, 5_000, WALL), vec![]);
    let opened = place.open(moment(1, 5_000, WALL));
    let import_of = |guest: &str, topic: &str, left: u64, more: &str| {
        let line = format!(
            r#"{{"guest": "{guest}", "topic": "{topic}", "deadline-unix-ms": {}{more}}}"#,
            WALL.saturating_add(left)
        );
        let config = Some(&config());
        import_into(&opened.contents, opened.moment, config, line.as_bytes()).map(|_| ())
    };
    let import = |topic: &str, left: u64, more: &str| import_of("door", topic, left, more);
    let control = ControlSender::NAME;
    assert_eq!(import("a", HOUR, ""), Ok(()));
    assert_eq!(import_of(control, "a", HOUR, ""), Ok(()));
    // It may have had more of its ttl once.
    assert_eq!(import("a", 1, ""), Ok(()));
    let large = "x".repeat(600);
    for (refused, rule) in [
        (import("a", u64::MAX, ""), "max-ttl"),
        (import("a", 2 * HOUR, ""), "max-ttl"),
        (import("b", HOUR, ""), "`permissions.publish`"),
        (
            import_of(control, "b", HOUR, ""),
            "`control-permissions.publish`",
        ),
        (
            import("a", HOUR, &format!(r#", "payload": "{large}""#)),
            "max-bytes",
        ),
        (
            import("a", HOUR, &format!(r#", "payload": "{large}{large}""#)),
            "too large",
        ),
    ] {
        let error = refused.expect_err(rule);
        assert!(error.contains(rule), "{error}\nand not {rule}");
    }
}

#[test]
fn more_than_a_guest_may_have_is_named() {
    let of = |letters| {
        let place = Place::with(moment(1, 5_000, WALL), vec![letter(HOUR); letters]);
        let opened = place.open(moment(1, 5_000, WALL));
        allowed::above_bounds(&config(), &opened.contents)
    };
    assert_eq!(of(1), [""; 0]);
    let above = of(2);
    assert!(
        above[0].starts_with("guest door has 2 letters ("),
        "{above:?}"
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn some_text() -> impl Strategy<Value = Arc<str>> {
    "[^\u{0}]{0,20}".prop_map(Arc::from)
}

fn some_bytes() -> impl Strategy<Value = Payload> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Payload::new),
        ".{0,20}".prop_map(Payload::new),
    ]
}

fn some_letter() -> impl Strategy<Value = Letter> {
    let properties = (
        option::of(some_text()),
        option::of("[a-z/]{1,9}".prop_map(Arc::from)),
        option::of(some_bytes()),
        vec((some_text(), some_text()), 0..3),
    );
    let properties = properties.prop_map(|(content_type, response_topic, data, user)| {
        Arc::new(Properties {
            content_type,
            response_topic,
            correlation_data: data,
            user,
        })
    });
    let when_off = [WhenOff::Count, WhenOff::Pause, WhenOff::Drop];
    let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    let priority = [Priority::Low, Priority::Normal, Priority::High];
    (
        ("[^\u{0}+#]{1,20}", some_bytes(), any::<bool>(), 1..2 * HOUR),
        (0..3_usize, option::of(0..3_usize), 0..3_usize),
        (option::of(some_text()), option::of(some_text())),
        option::of(properties),
    )
        .prop_map(
            move |(main, (qos_at, when_off_at, priority_at), texts, properties)| {
                let (topic, payload, retain, ttl) = main;
                let (replace_key, tag) = texts;
                Letter {
                    topic: topic.into(),
                    payload,
                    retain,
                    qos: qos[qos_at],
                    when_off: when_off_at.map(|at| when_off[at]),
                    priority: priority[priority_at],
                    replace_key,
                    tag,
                    properties,
                    ..letter(ttl)
                }
            },
        )
}

/// A letter as it may stand in files that no gateway has written.
fn some_kept_letter() -> impl Strategy<Value = (u32, KeptLetter)> {
    let seconds = prop_oneof![0..100_u64, any::<u64>()];
    let ttl = (seconds, 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
    let posted = prop_oneof![0..100_000_u64, any::<u64>()];
    let boot = 0..4_u32;
    (some_letter(), boot, posted, ttl).prop_map(|(letter, boot, posted, ttl)| {
        let kept = KeptLetter {
            guest: "door".into(),
            letter: Letter { ttl, ..letter },
            posted: Time::from_millis(posted),
            place: None,
        };
        (boot, kept)
    })
}

/// What a key of a line may be written as, more often than not as something that is right.
fn some_value() -> impl Strategy<Value = serde_json::Value> {
    const TEXTS: &[&str] = &[
        "",
        "door",
        "a/b",
        "a/#",
        "high",
        "pause",
        "YQ==",
        "held",
        "(control)",
        "\u{0}",
    ];
    let value = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map_into(),
        (0..4_u64).prop_map_into(),
        (WALL - HOUR..WALL + HOUR).prop_map_into(),
        any::<u64>().prop_map_into(),
        any::<i64>().prop_map_into(),
        any::<f64>().prop_map_into(),
        select(TEXTS).prop_map_into(),
        ".{0,300}".prop_map_into(),
    ];
    value.prop_recursive(3, 12, 4, |inner| {
        let property = select(PROPERTIES).prop_map(str::to_owned);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            vec((property, inner), 0..4)
                .prop_map(|all| all.into_iter().collect::<serde_json::Value>()),
        ]
    })
}

const KEYS: &[&str] = &[
    "ticket",
    "guest",
    "topic",
    "bytes",
    "qos",
    "retain",
    "after-reboot",
    "priority",
    "replace-key",
    "state",
    "age-ms",
    "left-ms",
    "posted-unix-ms",
    "tag",
    "properties",
    "payload",
    "payload-base64",
    "colour",
];

const PROPERTIES: &[&str] = &[
    "content-type",
    "response-topic",
    "correlation-data",
    "correlation-data-base64",
    "user",
];

/// A line by hand, of which some keys are anything, and some bytes, too.
fn some_line() -> impl Strategy<Value = Vec<u8>> {
    let key = select(KEYS);
    let deadline = prop_oneof![WALL - 10..WALL + HOUR, any::<u64>()];
    let bytes = vec((any::<Index>(), any::<u8>()), 0..3);
    let bytes = prop_oneof![2 => Just(vec![]), 1 => bytes];
    (vec((key, some_value()), 0..4), deadline, bytes).prop_map(|(values, deadline, bytes)| {
        let mut line = serde_json::json!({
            "guest": "door", "topic": "a", "deadline-unix-ms": deadline
        });
        for (key, value) in values {
            line[key] = value;
        }
        let mut line = line.to_string().into_bytes();
        for (at, byte) in bytes {
            *at.get_mut(&mut line) = byte;
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is exported and imported again is the same letter, with another ticket, posted
    /// when it was and over when it would have been; or it has expired meanwhile.
    #[test]
    fn what_is_imported_is_what_was_exported(
        letters in vec(some_letter(), 0..4),
        before in 0..HOUR,
        after in 0..HOUR,
    ) {
        let posted = moment(1, 5_000, WALL);
        let place = Place::with(posted, letters.clone());
        let exported = moment(1, 5_000 + before, WALL + before);
        let exported = lines_of(&place.open(exported));
        let now = moment(1, 5_000 + before + after, WALL + before + after);
        let read = imported(&place.open(now), &exported);
        let live = letters.iter().filter(|it| it.ttl > Duration::from_millis(before + after));
        let expected = live.zip(letters.len() as u64 + 1..).map(|(letter, ticket)| KeptLetter {
            guest: "door".into(),
            letter: Letter { ticket: Ticket(ticket), ..letter.clone() },
            posted: posted.running,
            place: None,
        });
        prop_assert_eq!(read, expected.collect::<Vec<_>>());
    }
}

proptest! {
    /// Whatever stands in a line, it is a letter, has expired, or is named with what is
    /// wrong; and a letter is exported as the same one again.
    #[test]
    fn any_line_is_a_letter_or_is_named(line in some_line()) {
        let now = moment(1, 5_000, WALL);
        let place = Place::with(now, vec![]);
        let mut opened = place.open(now);
        match opened.import(&line) {
            Err(error) => {
                prop_assert!(error.starts_with(", line "), "{}", error);
                prop_assert!(error.ends_with("; nothing is imported"), "{}", error);
                prop_assert!(!error.contains(char::is_control), "{:?}", error);
            }
            Ok((changes, expired)) => {
                let lines = line.split(|byte| *byte == b'\n');
                let count = lines.filter(|line| !line.trim_ascii().is_empty()).count();
                prop_assert_eq!(changes.len() + expired, count);
                let letters = imported(&opened, &line);
                opened.commit(changes).expect("nothing fails");
                let again = imported(&opened, &lines_of(&opened));
                let tickets = letters.len() as u64 + 1..;
                let expected = letters.into_iter().zip(tickets).map(|(mut kept, ticket)| {
                    kept.letter.ticket = Ticket(ticket);
                    kept
                });
                prop_assert_eq!(again, expected.collect::<Vec<_>>());
            }
        }
    }

    /// Whatever is kept can be listed and exported, and each line can be read.
    #[test]
    fn any_letter_is_listed_and_exported(
        letters in vec(some_kept_letter(), 0..4),
        boots in vec((any::<u64>(), any::<u64>(), 0..4_u32, 0..3_u8), 0..3),
        running in prop_oneof![0..100_000_u64, any::<u64>()],
        wall in prop_oneof![Just(WALL), any::<u64>()],
    ) {
        let now = moment(1, 5_000, WALL);
        let place = Place::with(now, vec![]);
        let Opened { disk, mut contents, .. } = place.open(now);
        for (ticket, (boot, kept)) in (1..).map(Ticket).zip(letters) {
            let letter = Letter { ticket, ..kept.letter };
            let kept = KeptLetter { letter, ..kept };
            contents.letters.insert(StoredLetter { boot, kept });
        }
        for (ran, before, number, id) in boots {
            contents.boots.0.push(Boot {
                number,
                id: BootId([id; 16]),
                ran: Time::from_millis(ran),
                ran_before: Duration::from_secs(before),
                began: ran ^ before,
                trust: Trust::PastRecord,
            });
        }
        let opened = Opened::at(disk, contents, moment(1, running, wall), WhenOff::Count);
        let count = opened.contents.letters.len();
        let list = opened.list(None).to_string();
        prop_assert_eq!(list.lines().count(), 1 + count);
        prop_assert_eq!(opened.export(None).len(), count);
        for line in lines_of(&opened).split(|byte| *byte == b'\n').filter(|it| !it.is_empty()) {
            Line::parse(line).expect("it is whole");
        }
    }
}
