//! Files and lines: what is read, and in which words it is refused.

use super::{File, Lines, LinesError};

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    match File::parse("s.toml".as_ref(), text) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => assert_eq!(error.to_string(), format!("s.toml:{expected}")),
    }
}

/// Checks a step, written from column 5 of line 4 on.
#[track_caller]
fn check_step(step: &str, expected: &str) {
    let text = format!("[[scenario]]\nname = 'a'\nstep = [\n    {step},\n]\n");
    check_refused(&text, expected);
}

#[test]
fn a_scenario_has_a_name_and_steps() {
    check_refused("", "1:1: scenario: there is none; write [[scenario]]");
    check_refused(
        "\n[[scenario]]\nstep = []",
        "2:1: scenario.name: is missing: say what the scenario shows",
    );
    check_refused(
        "[[scenario]]\nname = ' '",
        "2:8: scenario.name: \" \" is no name; say on one line what the scenario shows",
    );
    check_refused(
        "[[scenario]]\nname = 'a'",
        "1:1: scenario.step: there is none; write step = [{ advance = \"2h\" }, …]",
    );
    check_refused(
        "[[scenario]]\nname = 'a'\nnetwork = 'off'",
        "1:1: scenario.step: there is none; write step = [{ advance = \"2h\" }, …]",
    );
    check_refused(
        "[scenario]\nname = 'a'",
        "1:1: scenario: found a table, expected a table for each scenario: [[scenario]]",
    );
}

#[test]
fn subscriptions_are_those_of_the_configuration() {
    check_refused(
        "subscriptions = ['a/#/b']",
        "1:18: subscriptions.filter: \"a/#/b\" has a misplaced wildcard: \
         `+` and `#` stand alone between slashes, `#` at the end",
    );
    check_refused(
        "subscriptions = 'a'",
        "1:17: subscriptions: found string \"a\", expected a list of topic filters: \
         [\"a/b\", { filter = \"c/#\", qos = 1 }]",
    );
}

#[test]
fn work_lists_are_bounded_as_in_the_configuration() {
    check_refused(
        "work-list.max-bytes = '1 MB'",
        "1:23: work-list.max-bytes: \"1 MB\" is not a size; write e.g. 4096, \"64KiB\", \"1MiB\"",
    );
    check_refused(
        "work-list = 5",
        "1:13: work-list: found integer `5`, expected a table",
    );
}

#[test]
fn unknown_keys_are_refused_where_they_are() {
    check_refused(
        "subscription = []",
        "1:1: unknown key `subscription`, expected one of `subscriptions`, `timer`, `env`, \
         `settings`, `work-list`, `scenario`",
    );
    check_step(
        "{ wait = '2h' }",
        "4:7: scenario.step: unknown key `wait`, expected one of `message`, `network`, `acks`, \
         `guest`, `advance`, `expect-published`, `expect-nothing-published`, `expect-outcome`, \
         `expect-rejected`, `expect-retried`, `expect-failed`, `expect-printed`",
    );
}

#[test]
fn a_step_is_one_thing() {
    check_step(
        "{}",
        "4:5: scenario.step: is empty; write message, network, acks, guest, advance or expect-…",
    );
    check_step(
        "{ advance = '2h', network = 'up' }",
        "4:5: scenario.step: `network` and `advance`: a step is one thing; make two steps of it",
    );
}

#[test]
fn wrong_values_are_refused_where_they_are() {
    for (step, expected) in [
        (
            "{ advance = '2 hours' }",
            r#"4:17: scenario.step.advance: "2 hours" is not a duration; write e.g. "500ms", "60s", "5m", "2h""#,
        ),
        (
            "{ advance = '0s' }",
            r#"4:17: scenario.step.advance: "0s" is out of range; write "1ms" to "8784h""#,
        ),
        (
            "{ network = 'off' }",
            r#"4:17: scenario.step.network: "off" is no state of the network; write "up" or "down""#,
        ),
        (
            "{ acks = true }",
            r#"4:14: scenario.step.acks: true is not what can be done with them; write "withheld" or "sent""#,
        ),
        (
            "{ guest = 'trap' }",
            r#"4:15: scenario.step.guest: "trap" is not what can be done with it; write "restarted""#,
        ),
        (
            "{ message = 'a' }",
            r#"4:17: scenario.step.message: found string "a", expected a table: { topic = "a/b", payload = "…" }"#,
        ),
        (
            "{ message = { payload = 'a' } }",
            "4:17: scenario.step.message.topic: is missing",
        ),
        (
            "{ message = { topic = 'a', payload = 'b', json = 1 } }",
            "4:54: scenario.step.message.json: there is a payload as well; write one of the two",
        ),
        (
            "{ message = { topic = 'a', json = 1979-05-27 } }",
            "4:39: scenario.step.message.json: 1979-05-27 is a date; put it in quotes",
        ),
        (
            "{ message = { topic = 'a', then-network = 'up' } }",
            r#"4:47: scenario.step.message.then-network: "up" is not allowed; write "down""#,
        ),
        (
            "{ expect-published = { topic = 'a', qos = 3 } }",
            "4:47: scenario.step.expect-published.qos: 3 is not a quality of service; write 0, 1 or 2",
        ),
        (
            "{ expect-published = { topic = 'a', priority = 'urgent' } }",
            r#"4:52: scenario.step.expect-published.priority: "urgent" is no priority; write "low", "normal" or "high""#,
        ),
        (
            "{ expect-published = { topic = 'a', replace-key = 1 } }",
            "4:55: scenario.step.expect-published.replace-key: 1 is not a text; put it in quotes",
        ),
        (
            "{ expect-published = { topic = 'a', after-reboot = true } }",
            r#"4:56: scenario.step.expect-published.after-reboot: true is nothing that a ttl does; write "count", "pause" or "drop""#,
        ),
        (
            "{ expect-nothing-published = false }",
            "4:34: scenario.step.expect-nothing-published: false expects nothing at all; write true, or leave the step out",
        ),
        (
            "{ expect-outcome = { topic = 'a' } }",
            "4:24: scenario.step.expect-outcome.outcome: is missing",
        ),
        (
            "{ expect-outcome = { outcome = 'lost' } }",
            r#"4:36: scenario.step.expect-outcome.outcome: "lost" is no outcome; write "delivered", "expired", "displaced" or "refused""#,
        ),
        (
            "{ expect-outcome = { outcome = 'displaced', by = 'priority' } }",
            r#"4:54: scenario.step.expect-outcome.by: "priority" is nothing that displaces letters; write "overflow" or "replace-key""#,
        ),
        (
            "{ expect-outcome = { outcome = 'expired', by = 'overflow' } }",
            r#"4:52: scenario.step.expect-outcome.by: "overflow" is allowed only with outcome = "displaced""#,
        ),
        (
            "{ expect-rejected = 1 }",
            "4:25: scenario.step.expect-rejected: 1 is not a text; put it in quotes",
        ),
    ] {
        check_step(step, expected);
    }
    let (long, start) = ("k".repeat(257), "k".repeat(60));
    check_step(
        &format!("{{ expect-published = {{ topic = 'a', replace-key = '{long}' }} }}"),
        &format!(
            "4:55: scenario.step.expect-published.replace-key: \"{start}\"… is longer than the \
             256 bytes that a replace key may have"
        ),
    );
}

#[test]
fn lines_are_a_topic_in_brackets_and_a_payload() {
    assert!(Lines::parse("# a comment\n\n[a/b] c d\n[a]\r\n").is_ok());
    assert_eq!(Lines::parse("\n# a\n").unwrap_err(), LinesError::Empty);
    let error = Lines::parse("[a] b\na b\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "2: is not a message; write `[topic] payload`"
    );
    let error = Lines::parse("[a/#] b\n").unwrap_err();
    assert!(error.to_string().starts_with("1: \"a/#\" "), "{error}");
}
