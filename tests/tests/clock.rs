//! The clock goes on while the machine sleeps.
//!
//! A test can not put the machine to sleep. It can run a process for which it
//! has slept: in a time namespace whose boot clock is ahead of the monotonic
//! one, as it is after a sleep.

use std::process::Command;
use std::time::Duration;

use jackalope::clock::{self, Alarm};

/// How long the machine has slept for the child.
const SLEPT: u64 = 100_000;

/// Set for the child alone.
const CHILD: &str = "CLOCK_TEST_CHILD";

#[tokio::test]
async fn the_clock_and_its_alarm_know_of_a_sleep() {
    if std::env::var_os(CHILD).is_some() {
        let moment = clock::now() + Duration::from_millis(1);
        let mut alarm = Alarm::new().expect("the machine has timers");
        alarm
            .wait_until(Some(moment))
            .await
            .expect("the timer works");
        println!("child: {}", clock::now().as_millis());
        return;
    }
    let child = |namespace: &[&str]| {
        Command::new("timeout")
            .args(["60", "unshare"])
            .args(namespace)
            .args(["--time", "--boottime", &SLEPT.to_string(), "--fork"])
            .arg(std::env::current_exe().expect("it runs"))
            .args([
                "--exact",
                "the_clock_and_its_alarm_know_of_a_sleep",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .output()
            .expect("timeout and unshare are part of every Debian")
    };
    let before = clock::now().as_millis();
    let outputs = [child(&[]), child(&["--map-root-user"])];
    let told = outputs.iter().find_map(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .find_map(|line| line.split("child: ").nth(1)?.trim().parse::<u64>().ok())
    });
    let Some(told) = told else {
        let refused = outputs
            .iter()
            .all(|output| String::from_utf8_lossy(&output.stderr).contains("unshare"));
        assert!(refused, "{outputs:?}");
        println!("left out: this machine allows no time namespaces");
        return;
    };
    let ahead = told - before;
    assert!(
        ahead >= SLEPT * 1_000,
        "the clock is {ahead} ms ahead after a sleep of {SLEPT} s"
    );
}
