//! `jackalope letters` of a gateway that is stopped, on directories that were written
//! here.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use jackalope::clock;
use jackalope::office::{
    Change, KeptLetter, Letter, LetterOutcome, Outcome, Payload, Priority, Qos, Ticket,
};
use jackalope::store::{ClockTrust, Contents, Disk, Group, Store, Trust};
use jackalope_tests::{ECHO, GatewayOptions, Mosquitto, command, free_port, run_to_end};
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// Nobody waits for a letter to expire here.
const DAY: Duration = Duration::from_secs(86_400);

struct Site(TempDir);

impl Site {
    /// With letters 1 and 2 of the door, of which the second is not text, letter 3 of the
    /// sensor, which has expired, and an outcome that the sensor was not told.
    fn new() -> Self {
        let site = Self(TempDir::new().expect("there is a place for temporary files"));
        let letters = [
            letter("door", 1, b"unlock", DAY),
            letter("door", 2, b"caf\xe9", DAY),
            letter("sensor", 3, b"21.5", Duration::ZERO),
        ];
        let told = LetterOutcome {
            ticket: Ticket(4),
            tag: None,
            outcome: Outcome::Delivered,
        };
        let guest = "sensor".into();
        let owed = Change::Concluded { guest, told };
        let mut disk = site.disk();
        for changes in [letters.map(Change::Accepted).to_vec(), vec![owed]] {
            commit(&mut disk, changes);
        }
        site
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("letters")
    }

    fn disk(&self) -> Disk {
        Disk::open(&self.directory(), 1).expect("it is ours")
    }

    fn contents(&self) -> Contents {
        self.disk().load().expect("it is whole")
    }

    fn log(&self) -> PathBuf {
        self.directory().join("log/0000000001.log")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let trust = ["letters", "--clock-trust", "past-record"];
        let arguments = [&trust[..], arguments].concat();
        run_to_end(BINARY, self.0.path(), &arguments, &[])
    }

    /// Runs it on the directory; it succeeds. Returns what it prints.
    #[track_caller]
    fn expect(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["--directory", "letters"], arguments].concat());
        check(&output, 0);
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// The same; it fails, and says so.
    #[track_caller]
    fn check_fails(&self, arguments: &[&str], expected: &str) {
        let output = self.run(&[&["--directory", "letters"], arguments].concat());
        let said = check(&output, 1);
        assert!(said.contains(expected), "{said}\nand not {expected}");
    }
}

#[track_caller]
fn check(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn letter(guest: &str, ticket: u64, payload: &[u8], ttl: Duration) -> KeptLetter {
    KeptLetter {
        guest: guest.into(),
        posted: clock::now(),
        place: None,
        letter: Letter {
            ticket: Ticket(ticket),
            topic: format!("topics/{guest}").into(),
            payload: Payload::new(payload),
            qos: Qos::AtLeastOnce,
            retain: false,
            ttl,
            when_off: None,
            priority: Priority::High,
            replace_key: None,
            tag: Some("a tag".into()),
            properties: None,
        },
    }
}

fn commit(disk: &mut Disk, changes: Vec<Change>) {
    let number = disk.load().expect("it is whole").number + 1;
    let boot = clock::boot_id().expect("it is Linux");
    let group = Group {
        number,
        moment: clock::moment(boot, ClockTrust::PastRecord),
        changes,
    };
    disk.commit(&group).expect("there is room");
}

#[test]
fn letters_of_a_stopped_gateway_are_listed() {
    let site = Site::new();
    let printed = site.expect(&[]);
    let lines: Vec<_> = printed.lines().map(words).collect();
    let [head, first, second, third, outcomes] = &lines[..] else {
        panic!("{printed}");
    };
    assert_eq!(head[..2], ["TICKET", "STATE"]);
    assert_eq!(first[..2], ["1", "waiting"]);
    assert_eq!(first[first.len() - 3..], ["6", "door", "topics/door"]);
    assert_eq!(second[..2], ["2", "waiting"]);
    assert_eq!(third[..3], ["3", "expired", "-"]);
    assert_eq!(outcomes.join(" "), "1 outcome not told to their guests");

    let list: Value =
        serde_json::from_str(&site.expect(&["--json", "--guest", "door"])).expect("it is JSON");
    assert_eq!((&list["total"], &list["outcomes"]), (&2.into(), &0.into()));
    let left = list["letters"][1]["left-ms"].as_u64().expect("it is known");
    assert!(
        left <= DAY.as_millis() as u64 && left > 80_000_000,
        "{left}"
    );
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_letter_of_a_stopped_gateway_is_called_back() {
    let site = Site::new();
    let said = site.expect(&["--cancel", "1"]);
    assert_eq!(
        said,
        "letter 1 is not sent any more; it may have been sent before\n"
    );
    let contents = site.contents();
    assert!(contents.letters.tickets().eq([Ticket(2), Ticket(3)]));
    let told = &contents.outcomes[&Ticket(1)].told;
    assert_eq!(told.outcome, Outcome::Expired { sent: true });
    site.check_fails(
        &["--cancel", "1"],
        "letter 1 has its outcome already: expired",
    );
    site.check_fails(&["--cancel", "9"], "no letter with this ticket waits");
    assert_eq!(site.contents(), contents);
}

#[test]
fn letters_move_from_one_directory_to_another() {
    let site = Site::new();
    let exported = site.expect(&["--export"]);
    assert_eq!(exported.lines().count(), 3, "{exported}");
    assert!(exported.contains(r#""payload":"unlock""#), "{exported}");
    assert!(
        exported.contains(r#""payload-base64":"Y2Fm6Q==""#),
        "{exported}"
    );

    let other = Site(TempDir::new().expect("there is a place for temporary files"));
    let mut import = command(BINARY)
        .args(["letters", "--clock-trust", "past-record"])
        .args(["--import", "-", "--directory", "letters"])
        .current_dir(other.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built");
    let mut stdin = import.stdin.take().expect("it is piped");
    stdin.write_all(exported.as_bytes()).expect("it is read");
    drop(stdin);
    let output = import.wait_with_output().expect("it ends");
    check(&output, 0);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "2 letters imported, as 1 to 2; 1 letter left out: expired; letters is a new work list\n"
    );
    let (ours, theirs) = (site.contents(), other.contents());
    let trust = theirs.boots.0.last().map(|boot| boot.trust);
    assert_ne!(trust, Some(Trust::PastRecord), "it was said for the import");
    for stored in theirs.letters {
        let from = ours.letters.get(stored.ticket());
        let from = &from.expect("it was exported").kept;
        let deadline = |kept: &KeptLetter| kept.posted + kept.letter.ttl;
        // By the wall clock, which may be set between the two.
        let kept = stored.kept;
        let ttl = from.letter.ttl;
        assert_eq!(
            Letter {
                ttl,
                ..kept.letter.clone()
            },
            from.letter
        );
        assert!(deadline(&kept) <= deadline(from) + Duration::from_secs(60));
    }

    let file = site.0.path().join("letters.jsonl");
    fs::write(&file, exported).expect("there is room");
    let said = site.expect(&["--import", "letters.jsonl"]);
    assert_eq!(
        said,
        "2 letters imported, as 5 to 6; 1 letter left out: expired\n"
    );
    assert_eq!(site.contents().letters.len(), 5);
}

#[test]
fn all_of_an_import_is_there_or_nothing() {
    let site = Site::new();
    let exported = site
        .expect(&["--export"])
        .replacen("\"door\"", "\"a door\"", 2);
    let broken = exported.replacen("\"a door\"", "\"door\"", 1);
    fs::write(site.0.path().join("broken.jsonl"), broken).expect("there is room");
    let before = site.contents();
    site.check_fails(
        &["--import", "broken.jsonl"],
        "broken.jsonl, line 2: guest \"a door\" is not a name",
    );
    site.check_fails(
        &["--import", "missing.jsonl"],
        "missing.jsonl cannot be read",
    );
    assert_eq!(site.contents(), before);
    let place = Site(TempDir::new().expect("there is a place for temporary files"));
    let broken = site.0.path().join("broken.jsonl");
    let broken = broken.to_str().expect("it is text");
    place.check_fails(&["--import", broken], "; nothing is imported");
    assert!(!place.directory().exists(), "a work list was left behind");
}

/// A directory that is not a work list's, or not to be used, stays as it is.
#[test]
fn other_directories_are_refused() {
    let site = Site(TempDir::new().expect("there is a place for temporary files"));
    for arguments in [&[][..], &["--export"], &["--cancel", "1"]] {
        site.check_fails(arguments, "there is no directory letters");
    }
    fs::write(site.0.path().join("none.jsonl"), "").expect("there is room");
    let log = site.directory().join("log");
    fs::create_dir_all(&log).expect("there is room");
    fs::write(log.join("daemon.log"), "").expect("there is room");
    for arguments in [&[][..], &["--cancel", "1"], &["--import", "none.jsonl"]] {
        site.check_fails(arguments, "letters is not the directory of a work list");
    }
    let names = |path: &Path| fs::read_dir(path).expect("it is there").count();
    assert_eq!((names(&site.directory()), names(&log)), (1, 1));

    let site = Site::new();
    fs::set_permissions(site.directory(), Permissions::from_mode(0o777)).expect("it is ours");
    site.check_fails(&["--cancel", "1"], "other users can write to");
}

#[test]
fn a_directory_in_use_is_left_to_its_gateway() {
    let site = Site::new();
    let disk = site.disk();
    let process = format!("is in use by process {}", std::process::id());
    for arguments in [&[][..], &["--export"], &["--cancel", "1"]] {
        site.check_fails(arguments, &process);
    }
    site.check_fails(&[], "`jackalope letters` without --config and --directory");
    drop(disk);
    site.expect(&[]);
}

/// It may lie on a file system that is read-only.
#[test]
fn letters_are_looked_at_without_a_change() {
    let site = Site::new();
    let lock = site.directory().join("lock");
    fs::remove_file(&lock).expect("it is there");
    let mut bytes = fs::read(site.log()).expect("it is there");
    bytes.extend([0; 100]);
    fs::write(site.log(), &bytes).expect("there is room");
    for arguments in [&[][..], &["--json"], &["--export"]] {
        let output = site.run(&[&["--directory", "letters"], arguments].concat());
        let said = check(&output, 0);
        assert!(said.contains("the last 100 bytes of "), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("topics/door"));
    }
    assert!(!lock.exists());
    assert_eq!(fs::read(site.log()).expect("it is there"), bytes);
}

#[test]
fn letters_of_a_log_that_was_set_aside() {
    let site = Site::new();
    let expected = site.expect(&["--export", "--guest", "door"]);
    let aside = site.directory().join("log.damaged-1");
    fs::rename(site.directory().join("log"), &aside).expect("it is ours");
    let directory = ["--directory", "letters/log.damaged-1"];
    let output = site.run(&[&directory[..], &["--export", "--guest", "door"]].concat());
    check(&output, 0);
    let exported = String::from_utf8(output.stdout).expect("it is text");
    let payloads = |lines: &str| {
        let line = |line| serde_json::from_str::<Value>(line).expect("it is JSON");
        let lines = lines.lines().map(line);
        lines
            .map(|line| (line["ticket"].clone(), line["payload"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(payloads(&exported), payloads(&expected));
    let output = site.run(&[&directory[..], &["--cancel", "1"]].concat());
    let said = check(&output, 1);
    assert!(said.contains("is a log that was set aside"), "{said}");
    assert_eq!(fs::read_dir(&aside).expect("it is there").count(), 2);
}

#[test]
fn what_can_be_read_of_a_damaged_work_list() {
    let site = Site::new();
    let mut bytes = fs::read(site.log()).expect("it is there");
    // In the last group, in which no letter is.
    *bytes.last_mut().expect("it is not empty") ^= 1;
    fs::write(site.log(), &bytes).expect("there is room");
    for arguments in [&[][..], &["--export"]] {
        let output = site.run(&[&["--directory", "letters"], arguments].concat());
        let said = check(&output, 1);
        assert!(said.contains("0000000001.log is damaged at byte"), "{said}");
        assert!(said.contains("letters are missing"), "{said}");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(printed.matches("topics/door").count(), 2, "{printed}");
    }
    site.check_fails(&["--cancel", "1"], "0000000001.log is damaged at byte");
    assert_eq!(fs::read(site.log()).expect("it is there"), bytes);
}

#[test]
fn damage_is_told() {
    let site = Site::new();
    let mut bytes = fs::read(site.log()).expect("it is there");
    let place = bytes.windows(6).position(|six| six == b"unlock");
    bytes[place.expect("it is there")] ^= 1;
    fs::write(site.log(), &bytes).expect("there is room");
    site.check_fails(&[], "0000000001.log is damaged at byte");
    assert_eq!(fs::read(site.log()).expect("it is there"), bytes);
}

#[test]
fn a_configuration_says_where_letters_are() {
    let site = Site::new();
    let run = |config: &str| {
        fs::write(site.0.path().join("jackalope.toml"), config).expect("there is room");
        let arguments = ["letters", "--config", "jackalope.toml"];
        run_to_end(BINARY, site.0.path(), &arguments, &[])
    };
    let output = run("[work-list]\nstore = \"disk\"\ndirectory = \"letters\"");
    check(&output, 0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("topics/door"));
    let said = check(&run("[work-list]\nmax = 10"), 78);
    assert!(said.contains("letters are kept in memory alone"), "{said}");
    check(&run("[work-list]\nstore = \"disk\""), 78);
}

#[test]
fn what_does_not_go_together_is_wrong_usage() {
    let site = Site::new();
    for arguments in [
        &["--export"][..],
        &["--import", "file"],
        &["--directory", "letters", "--socket", "socket"],
        &["--directory", "letters", "--config", "file"],
        &["--directory", "letters", "--export", "--json"],
        &[
            "--directory",
            "letters",
            "--import",
            "file",
            "--cancel",
            "1",
        ],
    ] {
        check(
            &run_to_end(
                BINARY,
                site.0.path(),
                &[&["letters"], arguments].concat(),
                &[],
            ),
            64,
        );
    }
}

/// A gateway that is stopped with letters, is looked at, and starts again.
#[test]
fn what_was_changed_meanwhile_is_what_the_gateway_finds() {
    let site = Site(TempDir::new().expect("there is a place for temporary files"));
    let work_list = format!(
        "[work-list]\nstore = \"disk\"\nclock-trust = \"past-record\"\ndirectory = {:?}",
        site.directory()
    );
    fs::write(site.0.path().join("jackalope.toml"), &work_list).expect("there is room");
    let socket = site.0.path().join("run/control.sock");
    let gateway = |port| {
        GatewayOptions::new(BINARY, port)
            .config("backoff = { min = \"50ms\", max = \"100ms\" }")
            .config(&format!("control-socket = {socket:?}\n{work_list}"))
            .guest("echo", ECHO, &["echo/in/+"], "")
            .start()
    };
    let address = socket.display().to_string();
    let run = |arguments: &[&str]| {
        let environment = [("JACKALOPE_CONTROL_SOCKET", &*address)];
        run_to_end(BINARY, site.0.path(), arguments, &environment)
    };
    let kept = |arguments: &[&str]| {
        let output = run(&[&["letters", "--config", "jackalope.toml"], arguments].concat());
        check(&output, 0);
        String::from_utf8(output.stdout).expect("it is text")
    };

    let mut offline = gateway(free_port());
    offline.log.wait_for("offline");
    for payload in ["first", "second"] {
        check(&run(&["publish", "readings", payload]), 0);
    }
    let asked = run(&["letters", "--config", "jackalope.toml"]);
    let said = check(&asked, 1);
    let process = format!("is in use by process {}", offline.id());
    assert!(said.contains(&process), "{said}");
    offline.signal("KILL");
    offline.wait();

    let printed = kept(&[]);
    assert_eq!(printed.matches("waiting").count(), 2, "{printed}");
    let exported = kept(&["--export", "--guest", "(control)"]);
    let first: Value =
        serde_json::from_str(exported.lines().next().expect("there are two")).expect("it is JSON");
    assert_eq!(
        (&first["guest"], &first["payload"]),
        (&"(control)".into(), &"first".into())
    );
    kept(&["--cancel", &first["ticket"].to_string()]);
    // One more of the echo guest, which hears what became of it.
    let line = exported.lines().next().expect("there are two");
    let line = line.replace("(control)", "echo").replace("first", "third");
    fs::write(site.0.path().join("more.jsonl"), line).expect("there is room");
    kept(&["--import", "more.jsonl"]);
    assert_eq!(kept(&[]).matches("waiting").count(), 2);

    let broker = Mosquitto::start();
    let readings = broker.subscribe("readings", 1);
    let mut online = gateway(broker.port());
    let mut messages = readings.wait_for(2);
    messages.sort();
    assert_eq!(messages, ["readings 0 second", "readings 0 third"]);
    online.log.wait_for("online");
    online.signal("TERM");
    assert!(online.wait().success());
    assert_eq!(kept(&[]), "0 letters\n");
}

/// Who asks a gateway that does not run hears where its letters are.
#[test]
fn the_error_of_the_socket_names_the_directory() {
    let site = Site::new();
    let output = run_to_end(BINARY, site.0.path(), &["letters", "--socket", "none"], &[]);
    let said = check(&output, 69);
    assert!(said.contains("no gateway answers at none"), "{said}");
    assert!(
        said.contains("`jackalope letters --config FILE` or `--directory DIR`"),
        "{said}"
    );
}
