//! `jackalope test`: scenarios that pass, that fail, and that are none.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use jackalope_tests::{DOOR, ECHO, HOSTILE, SENSOR, WILL, command};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// A run of `jackalope test` in a directory of its own.
#[must_use]
struct Test {
    directory: TempDir,
    arguments: Vec<String>,
    input: Option<String>,
}

/// What has come of it.
#[derive(Debug)]
struct Result {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Test {
    fn of(guest: &str) -> Self {
        Self {
            directory: TempDir::new().expect("there is a place for temporary files"),
            arguments: vec!["test".into(), guest.into()],
            input: None,
        }
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        fs::write(self.directory.path().join(name), text).expect("it can be written");
        self.arguments.push(name.into());
        self
    }

    /// A file with one scenario: a guest that subscribes to `filter`, and steps.
    fn steps(self, filter: &str, steps: &str) -> Self {
        let text = format!(
            "subscriptions = ['{filter}']\n[[scenario]]\nname = 'it'\nstep = [\n{steps}\n]\n"
        );
        self.file("s.toml", &text)
    }

    fn input(mut self, lines: &str) -> Self {
        self.input = Some(lines.into());
        self
    }

    fn run(self) -> Result {
        let mut child = command(BINARY)
            .current_dir(self.directory.path())
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A binary that wants no input may be gone.
        let _ = stdin.write_all(self.input.unwrap_or_default().as_bytes());
        drop(stdin);
        result(child.wait_with_output().expect("it is our child"))
    }

    #[track_caller]
    fn prints(self, stdout: &str) {
        let result = self.run();
        assert_eq!(result.stdout, stdout, "{result:?}");
        assert_eq!(result.code, Some(0), "{result:?}");
    }

    #[track_caller]
    fn passes(self) {
        let result = self.run();
        assert_eq!(result.code, Some(0), "{}", result.stdout);
    }

    #[track_caller]
    fn fails(self, stdout: &str) {
        let result = self.run();
        assert_eq!(result.stdout, stdout, "{result:?}");
        assert_eq!(result.code, Some(1), "{result:?}");
    }

    #[track_caller]
    fn complains(self, code: i32, stderr: &str) {
        let result = self.run();
        assert_eq!(result.stdout, "", "{result:?}");
        assert_eq!(result.stderr, stderr, "{result:?}");
        assert_eq!(result.code, Some(code), "{result:?}");
    }
}

fn result(output: Output) -> Result {
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Result {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

#[test]
fn the_scenarios_of_the_example_pass() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-example");
    let mut files: Vec<_> = fs::read_dir(example.join("scenarios"))
        .expect("the example has scenarios")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    let output = command(BINARY)
        .args(["test", "example:door"])
        .args(&files)
        .output()
        .expect("the binary was built");
    let result = result(output);
    assert_eq!(result.code, Some(0), "{}", result.stdout);
    let first = result.stdout.lines().next().expect("there are scenarios");
    assert!(
        first.ends_with("01-outage.toml the two-hour outage: the command is never sent"),
        "{first}"
    );
    let last = result.stdout.lines().last().expect("there is a summary");
    assert!(last.ends_with(" passed, 0 failed"), "{last}");
}

#[test]
fn expected_and_seen_stand_side_by_side() {
    Test::of(DOOR)
        .steps(
            "doors/+/request",
            r#"{ message = { topic = "doors/front/request", json = { action = "unlock" }, then-network = "down" } },
{ advance = "2h" },
{ network = "up" },
{ expect-published = { topic = "doors/front/command", json = { action = "unlock" }, qos = 1 } },"#,
        )
        .fails(
            r#"FAIL s.toml:8 it
  expected                                          | seen
  doors/front/command {"action":"unlock",…} (qos 1) | doors/front/status {"action":"unlock","outcome":"expired"} (qos 1)
  what happened:
    0:00:00.000  message   doors/front/request {"action":"unlock"}
    0:00:00.000  network   down
    0:00:00.000  printed   front: unlock accepted while offline: goes out within 5 s or not at all
    0:00:05.000  expired   doors/front/command (tag unlock front)
    2:00:00.000  network   up
    2:00:00.000  published doors/front/status {"action":"unlock","outcome":"expired"} (retain, replace key status front)
    2:00:00.000  delivered doors/front/status
0 passed, 1 failed
"#,
        );
}

#[test]
fn what_nobody_has_expected_is_a_failure() {
    let steps = "{ message = { topic = 'echo/in/a', payload = 'b' } },\n\
                 { message = { topic = 'echo/in/c', payload = 'd', qos = 0, retain = true } },";
    Test::of(ECHO).steps("echo/in/+", steps).fails(
        "FAIL s.toml:2 it
  expected       | seen
  (nothing more) | published echo/out/a b
                 | published echo/out/c d (qos 0)
  what happened:
    0:00:00.000  message   echo/in/a b
    0:00:00.000  published echo/out/a b
    0:00:00.000  delivered echo/out/a
    0:00:00.000  message   echo/in/c d (qos 0, retain)
    0:00:00.000  published echo/out/c d (qos 0)
    0:00:00.000  delivered echo/out/c
0 passed, 1 failed
",
    );
    let allowed = format!(
        "subscriptions = ['echo/in/+']\n[[scenario]]\nname = 'it'\nallow-unexpected = true\n\
         step = [\n{steps}\n]\n"
    );
    Test::of(ECHO).file("s.toml", &allowed).passes();
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_being_run() {
    let text = "
        subscriptions = ['echo/in/+']
        [[scenario]]
        name = 'wrong'
        step = [{ expect-outcome = { topic = 'echo/out/a', outcome = 'delivered' } }]
        [[scenario]]
        name = 'right'
        step = [{ expect-nothing-published = true }]
    ";
    Test::of(ECHO).file("s.toml", text).fails(
        "FAIL s.toml:5 wrong
  expected             | seen
  echo/out/a delivered | (no outcome)
  what happened: nothing
ok   s.toml right
1 passed, 1 failed
",
    );
}

#[test]
fn every_expectation_can_be_met() {
    Test::of(HOSTILE)
        .steps(
            "hostile/do",
            "{ message = { topic = 'hostile/do', payload = 'reject' } },
             { expect-rejected = 'as asked' },
             { message = { topic = 'hostile/do', payload = 'retry-twice' } },
             { advance = '10s' },
             { expect-retried = 'as asked' },
             { expect-printed = 'taken' },
             { message = { topic = 'hostile/do', payload = 'panic' } },
             { advance = '10s' },
             { expect-failed = 'unreachable' },
             { message = { topic = 'hostile/do', payload = 'publish-then-reject' } },
             { expect-published = { topic = 'hostile/out', payload = 'then reject', qos = 1, retain = false } },
             { expect-outcome = { outcome = 'delivered' } },
             { expect-rejected = '' },
             { expect-nothing-published = true },",
        )
        .passes();
}

#[test]
fn the_last_will_is_published_when_the_network_goes() {
    Test::of(WILL)
        .steps(
            "a",
            "{ network = 'down' },
             { expect-published = { topic = 'wills/guest', payload = 'gone', retain = true } },",
        )
        .passes();
}

#[test]
fn the_clocks_of_the_guest_show_virtual_time() {
    Test::of(ECHO)
        .steps(
            "echo/clock",
            "{ message = { topic = 'echo/clock' } },
             { expect-published = { topic = 'echo/clock/shows', payload = '1893456000 0' } },
             { advance = '2h' },
             { message = { topic = 'echo/clock' } },
             { expect-published = { topic = 'echo/clock/shows', payload = '1893463200 7200000' } },",
        )
        .passes();
}

#[test]
fn the_work_list_of_the_file_bounds_that_of_the_guest() {
    let payload = "x".repeat(60);
    let file = format!(
        "
        subscriptions = ['echo/in/+']
        [work-list]
        max-bytes = 128
        [[scenario]]
        name = 'there is no room for two'
        step = [
            {{ acks = 'withheld' }},
            {{ message = {{ topic = 'echo/in/a', payload = '{payload}' }} }},
            {{ expect-published = {{ topic = 'echo/out/a' }} }},
            {{ message = {{ topic = 'echo/in/b', payload = '{payload}' }} }},
            {{ expect-outcome = {{ topic = 'echo/out/a', outcome = 'displaced', by = 'overflow' }} }},
            {{ expect-published = {{ topic = 'echo/out/b' }} }},
        ]"
    );
    Test::of(ECHO).file("s.toml", &file).passes();
}

#[test]
fn what_a_letter_asks_of_its_host_can_be_expected() {
    Test::of(ECHO)
        .steps(
            "echo/post",
            "{ message = { topic = 'echo/post', then-network = 'down', payload = 'priority=low; replace-key=k qos=2; replace-key=k after-reboot=drop; priority=high' } },
             { expect-outcome = { outcome = 'displaced', by = 'replace-key' } },
             { network = 'up' },
             { expect-published = { topic = 'echo/out', priority = 'high' } },
             { expect-published = { topic = 'echo/out', replace-key = 'k', priority = 'normal', after-reboot = 'drop' } },
             { expect-published = { topic = 'echo/out', priority = 'low' } },
             { expect-nothing-published = true },",
        )
        .passes();
}

#[test]
fn letters_that_look_alike_are_told_apart_as_they_are_sent() {
    // Some get lost, some arrive twice, and some go out before others.
    for qos in 0..3 {
        let post = |order: &str, then: &str| {
            let order = order.replace("qos", &format!("qos={qos}"));
            format!("{{ message = {{ topic = 'echo/post', payload = '{order}'{then} }} }},\n")
        };
        let arrives =
            |asked: &str| format!("{{ expect-published = {{ topic = 'echo/out', {asked} }} }},\n");
        let nothing = "{ expect-nothing-published = true },\n".to_owned();
        let steps = [
            post("qos priority=low", ""),
            arrives("priority = 'low'"),
            "{ acks = 'withheld' },\n".to_owned(),
            post("qos replace-key=a", ""),
            // One of QoS 2 arrives with the second half of its exchange.
            match qos {
                2 => nothing.clone(),
                _ => arrives("replace-key = 'a'"),
            },
            post(
                "qos replace-key=b; qos priority=high",
                ", then-network = 'down'",
            ),
            "{ acks = 'sent' },\n{ network = 'up' },\n".to_owned(),
            arrives("priority = 'high'"),
            match qos {
                0 => String::new(),
                _ => arrives("replace-key = 'a', priority = 'normal'"),
            },
            arrives("replace-key = 'b'"),
            nothing,
        ];
        Test::of(ECHO).steps("echo/post", &steps.concat()).passes();
    }
}

#[test]
fn what_is_asked_of_the_host_stands_beside_what_was_expected() {
    Test::of(ECHO)
        .steps(
            "echo/post",
            "{ message = { topic = 'echo/post', payload = 'priority=low' } },
             { expect-published = { topic = 'echo/out', priority = 'high', replace-key = 'k', after-reboot = 'drop' } },",
        )
        .fails(
            "FAIL s.toml:6 it
  expected                                                     | seen
  echo/out … (priority high, replace key k, after reboot drop) | echo/out 0 (priority low, replace key (none), after reboot (none))
  what happened:
    0:00:00.000  message   echo/post priority=low
    0:00:00.000  published echo/out 0 (priority low)
    0:00:00.000  delivered echo/out
0 passed, 1 failed
",
        );
    Test::of(ECHO)
        .steps(
            "echo/post",
            "{ message = { topic = 'echo/post', payload = 'replace-key=k count=2', then-network = 'down' } },
             { expect-outcome = { outcome = 'displaced', by = 'overflow' } },",
        )
        .fails(
            "FAIL s.toml:6 it
  expected                | seen
  … displaced by overflow | (of the same call) displaced by replace-key
  what happened:
    0:00:00.000  message   echo/post replace-key=k count=2
    0:00:00.000  network   down
    0:00:00.000  displaced (of the same call) (by replace-key)
0 passed, 1 failed
",
        );
}

#[test]
fn timers_of_the_file_run_in_virtual_time() {
    let file = "
        [[timer]]
        name = 'read'
        every = '1h'
        [[timer]]
        name = 'begin'
        after = '30m'
        [[scenario]]
        name = 'offline and online'
        network = 'down'
        step = [
            { advance = '59m' },
            { network = 'up' },
            { expect-published = { topic = 'readings/begin', payload = 'late 0 missed 0' } },
            { expect-nothing-published = true },
            { advance = '2h' },
            { expect-published = { topic = 'readings/read', payload = 'late 0 missed 0' } },
            { expect-published = { topic = 'readings/read', payload = 'late 0 missed 0' } },
            { expect-nothing-published = true },
        ]";
    Test::of(SENSOR).file("s.toml", file).passes();
    Test::of(ECHO).file("s.toml", file).complains(
        1,
        "error: there are timers for a guest that does not export timer-handler\n",
    );
}

#[test]
fn timers_of_a_guest_take_effect_with_the_call_that_sets_them() {
    Test::of(SENSOR)
        .steps(
            "sensor/+",
            "{ message = { topic = 'sensor/every', payload = 'read 3600000' } },
             { expect-published = { topic = 'answers', payload = 'set' } },
             { message = { topic = 'sensor/set-and-trap', payload = 'trapped 60000' } },
             { advance = '1h' },
             { expect-failed = 'unreachable' },
             { expect-published = { topic = 'readings/read', payload = 'late 0 missed 0' } },
             { message = { topic = 'sensor/set-and-retry', payload = 'retried 60000' } },
             { advance = '2h' },
             { expect-retried = 'as asked for' },
             { expect-failed = 'put off for too long' },
             { expect-published = { topic = 'readings/read', payload = 'late 0 missed 0' } },
             { expect-published = { topic = 'readings/read', payload = 'late 0 missed 0' } },
             { message = { topic = 'sensor/list' } },
             { expect-published = { topic = 'answers', payload = 'read in 3600000 every 3600000' } },
             { message = { topic = 'sensor/cancel', payload = 'read' } },
             { expect-published = { topic = 'answers', payload = 'true' } },
             { message = { topic = 'sensor/cancel', payload = 'read' } },
             { expect-published = { topic = 'answers', payload = 'false' } },
             { message = { topic = 'sensor/after', payload = 'broken 5000' } },
             { expect-published = { topic = 'answers', payload = 'set' } },
             { advance = '1m' },
             { expect-failed = 'unreachable' },
             { message = { topic = 'sensor/list' } },
             { expect-published = { topic = 'answers', payload = '' } },
             { message = { topic = 'sensor/every', payload = 'fast 9' } },
             { expect-published = { topic = 'answers', payload = 'TimerError::TooShort(10)' } },
             { message = { topic = 'sensor/every', payload = ' 1000' } },
             { expect-published = { topic = 'answers', payload = 'TimerError::InvalidName' } },",
        )
        .passes();
}

#[test]
fn a_guest_that_sleeps_is_ended_as_on_a_gateway() {
    Test::of(HOSTILE)
        .steps(
            "hostile/do",
            "{ message = { topic = 'hostile/do', payload = 'sleep' } },
             { expect-failed = 'took longer than 1s' },",
        )
        .passes();
}

#[test]
fn a_guest_that_answers_itself_comes_to_an_end() {
    let steps = "{ message = { topic = 'hostile/do', payload = 'answer-itself' } },
                 { expect-failed = 'called 10000 times at once; does it answer itself?' },";
    let text = format!(
        "subscriptions = ['hostile/do']\n[[scenario]]\nname = 'it'\nallow-unexpected = true\n\
         step = [\n{steps}\n]\n"
    );
    Test::of(HOSTILE).file("s.toml", &text).passes();
}

#[test]
fn a_file_with_a_mistake_is_refused_at_its_place() {
    Test::of(DOOR)
        .steps("a", "{ advance = '2 hours' },")
        .complains(
            78,
            "error: s.toml:5:13: scenario.step.advance: \"2 hours\" is not a duration; \
             write e.g. \"500ms\", \"60s\", \"5m\", \"2h\"\n",
        );
    Test::of(DOOR).steps("a", "{ wait = '2h' },").complains(
        78,
        "error: s.toml:5:3: scenario.step: unknown key `wait`, expected one of `message`, \
         `network`, `acks`, `guest`, `advance`, `expect-published`, `expect-nothing-published`, \
         `expect-outcome`, `expect-rejected`, `expect-retried`, `expect-failed`, \
         `expect-printed`\n",
    );
    let mut nowhere = Test::of(DOOR);
    nowhere.arguments.push("no-such.toml".into());
    nowhere.complains(78, "error: no-such.toml: there is no such file\n");
}

#[test]
fn a_guest_that_is_none_complains() {
    let steps = "{ advance = '1s' },";
    Test::of("example:window").steps("a", steps).complains(
        78,
        "error: there is no example \"window\" in this binary; there is: door\n",
    );
    let result = Test::of("s.toml").steps("a", steps).run();
    assert_eq!(result.code, Some(78), "{result:?}");
    assert!(result.stderr.starts_with("error: s.toml "), "{result:?}");
}

#[test]
fn lines_are_sent_in_turn_and_what_they_lead_to_is_printed() {
    Test::of(DOOR)
        .input("[doors/front/request] {\"action\":\"unlock\"}\n\n[doors/front/request] open\n")
        .prints(
            r#"message   doors/front/request {"action":"unlock"}
published doors/front/command {"action":"unlock"} (priority high)
delivered doors/front/command (tag unlock front)
published doors/front/status {"action":"unlock","outcome":"delivered"} (retain, replace key status front)
delivered doors/front/status
message   doors/front/request open
rejected  doors/front/request: the request is not JSON (expected value at line 1 column 1): expected {"action":"lock"} or {"action":"unlock"}
"#,
        );
}

#[test]
fn lines_fail_when_a_call_does() {
    let result = Test::of(HOSTILE).input("[hostile/do] panic\n").run();
    assert_eq!(result.code, Some(1), "{result:?}");
    let failed: Vec<_> = result
        .stdout
        .lines()
        .filter(|l| l.starts_with("failed"))
        .collect();
    assert_eq!(failed.len(), 4, "{result:?}");
    assert!(failed[3].ends_with(" (given up)"), "{result:?}");
}

#[test]
fn other_lines_are_refused() {
    Test::of(DOOR).input("[a] b\na: b\n").complains(
        78,
        "error: standard input:2: is not a message; write `[topic] payload`\n",
    );
    Test::of(DOOR).complains(
        64,
        "error: no scenario: name scenario files, or give lines `[topic] payload` on standard input\n",
    );
}

#[test]
fn what_mqtt_5_carries_goes_both_ways() {
    let properties = "properties = { content-type = 'text/plain', response-topic = 'answers', \
                      correlation-data = '7', user = { unit = 'K' } }";
    let text = format!(
        "
        subscriptions = ['echo/in/+', 'echo/post', 'echo/about/{{where}}/{{rest...}}']
        [[scenario]]
        name = 'version 5'
        step = [
            {{ message = {{ topic = 'echo/in/a', payload = 'b', {properties} }} }},
            {{ expect-published = {{ topic = 'echo/out/a', payload = 'b', {properties} }} }},
            {{ message = {{ topic = 'echo/post', payload = 'tag=mine content-type=x/y' }} }},
            {{ expect-published = {{ topic = 'echo/out', properties = {{ content-type = 'x/y' }} }} }},
            {{ expect-outcome = {{ outcome = 'delivered', topic = 'echo/out', tag = 'mine' }} }},
            {{ message = {{ topic = 'echo/about/here/and/there' }} }},
            {{ expect-published = {{ topic = 'echo/said', payload = 'echo/about/{{where}}/{{rest...}} where=here,rest=and/there expires=None Origin::Broker' }} }},
        ]
        [[scenario]]
        name = 'version 3.1.1'
        version = '3.1.1'
        step = [
            {{ message = {{ topic = 'echo/in/a', payload = 'b', {properties} }} }},
            {{ expect-published = {{ topic = 'echo/out/a', payload = 'b' }} }},
            {{ message = {{ topic = 'echo/post', payload = 'content-type=x/y' }} }},
            {{ expect-printed = 'NeedsMqtt5' }},
            {{ expect-nothing-published = true }},
        ]
        "
    );
    Test::of(ECHO).file("s.toml", &text).passes();
}

#[test]
fn what_is_not_carried_is_a_failure() {
    let steps = "{ message = { topic = 'echo/in/a', payload = 'b', properties = { content-type = 'x/y' } } },
                 { expect-published = { topic = 'echo/out/a', properties = { content-type = 'text/plain', user = { a = 'b' } } } },";
    Test::of(ECHO).steps("echo/in/+", steps).fails(
        "FAIL s.toml:6 it
  expected                                    | seen
  echo/out/a … (content-type text/plain, a=b) | echo/out/a b (content-type x/y)
  what happened:
    0:00:00.000  message   echo/in/a b (content-type x/y)
    0:00:00.000  published echo/out/a b (content-type x/y)
    0:00:00.000  delivered echo/out/a
0 passed, 1 failed
",
    );
}
