//! What may be done over the control socket, and what may not, not even by a detour.

use jackalope_tests::ECHO;

use super::{Site, check_refused};

/// The table with these keys.
fn permissions(keys: &str) -> String {
    format!("[control-permissions]\n{keys}")
}

/// Of a refusal: what HTTP says, the word for programs, and the rule with its table.
#[track_caller]
fn check_forbidden(answer: &str, rule: &str) {
    check_refused(answer, "403", "not-permitted");
    check_rule(answer, rule);
}

#[track_caller]
fn check_rule(answer: &str, rule: &str) {
    let rule = format!("`control-permissions.{rule}");
    assert!(answer.contains(&rule), "{rule}: {answer}");
}

#[test]
fn what_is_not_permitted_is_answered_with_the_rule() {
    let permissions = "[control-permissions]\npublish = ['gateways/#']\nmax-qos = 1\n\
                       retain = false\nmin-ttl = '1s'\nmax-ttl = '1m'\nrate = '2/h'\n\
                       reconnect = false";
    let site = Site::start_with(permissions);
    let subscriber = site.broker.subscribe("#", 2);
    for (parameters, rule) in [
        ("topic=doors/front&ttl=5s", "publish"),
        ("topic=gateways/a&ttl=5s&qos=2", "max-qos"),
        ("topic=gateways/a&ttl=5s&retain", "retain"),
        ("topic=gateways/a&ttl=999ms", "min-ttl"),
        ("topic=gateways/a", "max-ttl"),
    ] {
        let answer = site.ask(&format!("POST /letters?{parameters}"), "not permitted");
        check_refused(&answer, "403", "not-permitted");
        assert!(
            answer.contains(&format!("`control-permissions.{rule}`")),
            "{answer}"
        );
    }
    let refused = site.expect(&["publish", "doors/front", "x", "--ttl", "5s"], 1);
    let expect = "`control-permissions.publish` does not allow the topic \"doors/front\"";
    assert!(refused.contains(expect), "{refused}");
    let refused = site.expect(&["reconnect"], 1);
    assert!(
        refused.contains("`control-permissions.reconnect` is false"),
        "{refused}"
    );

    // What is refused uses up nothing of the rate; those that are not, do.
    let publish = || site.ask("POST /letters?topic=gateways/a&ttl=5s", "permitted");
    for answer in [publish(), publish()] {
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    let answer = publish();
    check_refused(&answer, "429", "not-permitted");
    let rule =
        "`control-permissions.rate` allows no more for now than 2 letters an hour, 2 at once";
    assert!(answer.contains(rule), "{answer}");
    site.expect(&["publish", "gateways/a", "x", "--ttl", "5s"], 75);

    // Guests have permissions of their own.
    site.broker.publish("echo/in/a", "echoed");
    subscriber.wait_for_message("echo/out/a 0 echoed");
    let seen = subscriber.messages();
    assert!(
        !seen.iter().any(|it| it.contains("not permitted")),
        "{seen:?}"
    );
    assert_eq!(site.gateway.log.count("offline: a new connection"), 0);
}

#[test]
fn guests_get_messages_on_permitted_topics_alone() {
    let site = Site::start_with(&permissions("send = ['echo/in/a', 'echo/in/{b}/c']"));
    let subscriber = site.broker.subscribe("echo/out/#", 1);
    for topic in [
        "echo/in/b",
        "echo%2fin%2fb",
        "echo/post",
        "Echo/in/a",
        "echo/in/a/",
    ] {
        let line = format!("POST /messages?guest=echo&topic={topic}");
        let answer = site.ask(&line, "refused");
        check_forbidden(&answer, "send` does not allow the topic ");
    }
    // A filter is no topic.
    let wildcard = site.ask("POST /messages?guest=echo&topic=echo/in/%2b", "refused");
    check_refused(&wildcard, "400", "invalid-topic");
    let refused = site.expect(&["send", "echo", "echo/in/b", "refused"], 1);
    check_rule(&refused, "send` does not allow the topic \"echo/in/b\"");

    site.expect(&["send", "echo", "echo/in/a", "first"], 0);
    subscriber.wait_for_message("echo/out/a 0 first");
    // None at all, from a reload on.
    site.rewrite(&permissions("send = []"));
    site.expect(&["reload"], 0);
    let refused = site.expect(&["send", "echo", "echo/in/a", "refused"], 1);
    check_rule(&refused, "send` does not allow the topic \"echo/in/a\"");
    site.broker.publish("echo/in/a", "last");
    subscriber.wait_for_message("echo/out/a 0 last");
    assert_eq!(subscriber.messages().len(), 2);
}

#[test]
fn permitted_guests_alone_get_messages() {
    let keys = "send = ['echo/in/#']\nsend-to = ['echo']";
    let site = Site::start_among(&permissions(keys), |options| {
        options.guest("other", ECHO, &["echo/in/#"], "")
    });
    let subscriber = site.broker.subscribe("echo/out/#", 1);
    let refused = site.ask("POST /messages?guest=other&topic=echo/in/a", "refused");
    check_forbidden(&refused, "send-to` does not allow the guest ");
    let refused = site.expect(&["send", "other", "echo/in/a", "refused"], 1);
    check_rule(&refused, "send-to` does not allow the guest \"other\"");
    // Nor is there a way around it: a name is one as a whole, and none is known to nobody.
    for name in ["Echo", "echo%00", "", "*"] {
        let answer = site.ask(&format!("POST /messages?guest={name}&topic=echo/in/a"), "");
        check_refused(&answer, "404", "unknown-guest");
    }
    let topic = site.ask("POST /messages?guest=echo&topic=echo/post", "refused");
    check_forbidden(&topic, "send` does not allow the topic ");
    site.expect(&["send", "echo", "echo/in/a", "first"], 0);
    subscriber.wait_for_message("echo/out/a 0 first");

    site.rewrite_among(&permissions("send-to = ['other']"), |options| {
        options.guest("other", ECHO, &["echo/in/#"], "")
    });
    let said = site.expect(&["reload"], 0);
    assert!(said.contains("control-permissions.send-to"), "{said}");
    let refused = site.expect(&["send", "echo", "echo/in/a", "refused"], 1);
    check_rule(&refused, "send-to` does not allow the guest \"echo\"");
    site.expect(&["send", "other", "echo/in/a", "last"], 0);
    subscriber.wait_for_message("echo/out/a 0 last");
    assert_eq!(subscriber.messages().len(), 2);
}

#[test]
fn letters_of_guests_are_not_called_back_where_only_own_ones_may_be() {
    let site = Site::start_with(&permissions("cancel = 'own'"));
    let subscriber = site.broker.subscribe("#", 1);
    site.cut();
    site.expect(&["send", "echo", "echo/in/a", "of a guest"], 0);
    while !site.expect(&["letters"], 0).contains("echo/out/a") {}
    let said = site.expect(&["publish", "own", "x", "--replace-key", "k"], 0);
    let own: u64 = said
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .expect("a ticket");
    let of_guest = own - 1;
    for ticket in [
        format!("{of_guest}"),
        format!("0{of_guest}"),
        format!("+{of_guest}"),
    ] {
        let answer = site.ask(&format!("DELETE /letters/{ticket}"), "");
        check_forbidden(&answer, "cancel` does not allow letters of guests");
    }
    let of_guest = of_guest.to_string();
    let refused = site.expect(&["letters", "--cancel", &of_guest], 1);
    check_rule(&refused, "cancel` does not allow letters of guests");
    // One that never was is not known, and says nothing of a rule.
    check_refused(&site.ask("DELETE /letters/99", ""), "404", "unknown-ticket");
    let own = own.to_string();
    site.expect(&["letters", "--cancel", &own], 0);
    site.network.restore();
    subscriber.wait_for_message("echo/out/a 0 of a guest");

    site.rewrite(&permissions("cancel = 'all'"));
    site.expect(&["reload"], 0);
    // The subscriber may have it before the gateway knows that the broker has.
    while site.expect(&["letters"], 0) != "0 letters\n" {}
    site.cut();
    site.expect(&["send", "echo", "echo/in/a", "called back"], 0);
    let ticket = loop {
        let listed = site.expect(&["letters"], 0);
        let row = listed.lines().find(|line| line.contains("echo/out/a"));
        if let Some(row) = row {
            break row.split_whitespace().next().expect("a ticket").to_owned();
        }
    };
    site.expect(&["letters", "--cancel", &ticket], 0);
    site.network.restore();
    site.expect(&["publish", "end", "x", "--wait"], 0);
    let seen = subscriber.messages();
    let own = |it: &String| it.starts_with("own ") || it.contains("called back");
    assert!(!seen.iter().any(own), "{seen:?}");
}

#[test]
fn a_reload_is_not_permitted_by_the_file_that_it_would_read() {
    let site = Site::start_with(&permissions("reload = false"));
    site.rewrite(&permissions("reload = true"));
    for _ in 0..2 {
        check_forbidden(&site.ask("POST /reload", ""), "reload` is false");
    }
    let refused = site.expect(&["reload"], 1);
    check_rule(&refused, "reload` is false");
    assert_eq!(site.gateway.log.count("configuration read again"), 0);
    // Whoever may signal the process needs no socket.
    site.gateway.signal("HUP");
    site.gateway.log.wait_for("configuration read again");
    site.expect(&["reload"], 0);
    site.rewrite(&permissions("reload = false"));
    site.expect(&["reload"], 0);
    check_forbidden(&site.ask("POST /reload", ""), "reload` is false");
}

#[test]
fn payloads_are_shown_to_nobody_where_they_are_not_permitted() {
    let site = Site::start_with("");
    let early = site.follow(&["--payloads"]);
    site.broker.publish("echo/in/a", "permitted");
    early.out.wait_for(" delivered (acknowledged)  echo/out/a");
    assert!(early.out.all().join("\n").contains("permitted"));

    site.rewrite(&permissions("payloads = false"));
    site.expect(&["reload"], 0);
    for parameters in ["?payloads", "?payloads=true", "?payloads=%74rue"] {
        let answer = site.ask(&format!("GET /events{parameters}"), "");
        check_forbidden(&answer, "payloads` is false");
    }
    let refused = site.expect(&["follow", "--payloads"], 1);
    check_rule(&refused, "payloads` is false");
    // Who has followed before sees none any more, and neither does who asks for none.
    let late = site.follow(&[]);
    site.broker.publish("echo/in/b", "secret");
    for people in [&early, &late] {
        people.out.wait_for(" delivered (acknowledged)  echo/out/b");
        let seen = people.out.all().join("\n");
        assert!(!seen.contains("secret"), "{seen}");
        assert!(seen.contains("echo/in/b  (6 bytes)"), "{seen}");
    }
}
