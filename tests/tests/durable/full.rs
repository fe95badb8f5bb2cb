//! Disks that take no more. Skipped, with the reason on standard error, where nobody may
//! mount them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write, stderr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use jackalope_tests::Gateway;
use tempfile::TempDir;

use crate::refusals::check_refused;
use crate::site::Site;

/// A small file system of its own. It is gone when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Or none, and why that is.
    fn make(place: &Path) -> Option<Self> {
        let path = place.join("disk");
        fs::create_dir(&path).expect("it can be made");
        let text = path.display().to_string();
        let made = mount(&["-t", "tmpfs", "-o", "size=1m,mode=0755", "none", &text]);
        if let Err(reason) = made {
            let test = thread::current();
            // Past the test runner, which keeps what passing tests print to itself.
            let _ = writeln!(stderr(), "skipped: {}: {reason}", test.name().unwrap_or(""));
            return None;
        }
        Some(Self(path))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        mount(&["-o", &options, &self.0.display().to_string()]).expect("it was mounted");
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("there is room for that");
        while file.write_all(&[0; 4_096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it was written");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).output();
    let output = output.map_err(|error| format!("mount: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "mount {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

/// A site on a disk of its own.
fn small() -> Option<(Site, Mounted)> {
    let place = TempDir::new().expect("there is a place for temporary files");
    let disk = Mounted::make(place.path())?;
    let directory = disk.0.join("letters");
    Some((Site::over(place, directory), disk))
}

fn health(site: &Site) -> String {
    let mut stream = UnixStream::connect(site.socket()).expect("it listens");
    let request = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_full_disk() {
    let Some((site, disk)) = small() else {
        return;
    };
    let (by_hand, out) = (site.subscribe("by-hand"), site.subscribe("out"));
    let gateway = site.start_online();
    assert!(health(&site).starts_with("HTTP/1.1 200 "));
    site.cut(&gateway);
    site.expect(&["publish", "by-hand", "before"], 0);
    site.send("tell/in", "a");
    site.wait_for_letters(2);

    disk.fill();
    // More than there is left of a block.
    let large = format!("lost {}", "x".repeat(20_000));
    // The disk was given the first one, and nothing after it.
    for code in [6, 75] {
        let said = site.expect(&["publish", "by-hand", &large], code);
        assert!(said.contains("the disk is full: "), "{said}");
        assert_eq!(
            said.contains("it is not known whether letter"),
            code == 6,
            "{said}"
        );
    }
    site.send("tell/in", "b");
    let line = gateway.log.wait_for("NotKept(\"the disk is full");
    assert!(line.contains("the disk is full: "), "{line}");
    let status = site.expect(&["status"], 4);
    let said = "THE WORK LIST CANNOT BE KEPT, nothing is accepted: the disk is full: ";
    assert!(status.contains(said), "{status}");
    let online = |site: &Site| {
        site.network.restore();
        site.broker.publish("tell/report", "");
    };
    online(&site);
    let before = |lines: &[String]| lines.iter().filter(|it| it.contains(" online")).count() > 1;
    gateway.log.wait_until("second session", before);
    let answer = health(&site);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("the disk is full: "), "{answer}");
    let said = "the work list cannot be kept, and nothing is accepted: ";
    let lines = gateway.log.all();
    let reasons: Vec<_> = lines.iter().filter_map(|it| it.split_once(said)).collect();
    // Once each: a second later it is another file that cannot be written.
    let distinct: BTreeSet<_> = reasons.iter().map(|(_, why)| why).collect();
    assert_eq!(reasons.len(), distinct.len(), "{reasons:?}");
    assert!(!reasons.is_empty());

    disk.make_room();
    gateway.log.wait_for("the work list is kept again");
    by_hand.wait_for_message("by-hand 0 before");
    out.wait_for_message("out 0 a 1");
    out.wait_for_message("out 0 b 2");
    site.expect(&["publish", "by-hand", "after"], 0);
    by_hand.wait_for_message("by-hand 0 after");
    assert_eq!(by_hand.messages(), ["by-hand 0 before", "by-hand 0 after"]);
    assert!(health(&site).starts_with("HTTP/1.1 200 "));
}

/// Starts a gateway. It has one letter that waits for the network, and no room on its disk
/// for another one.
fn start_and_fill(site: &Site, disk: &Mounted) -> Gateway {
    let gateway = site.start_online();
    site.cut(&gateway);
    site.expect(&["publish", "by-hand", "before"], 0);
    disk.fill();
    site.expect(&["publish", "by-hand", &"x".repeat(20_000)], 6);
    gateway
}

#[test]
fn what_was_not_kept_is_not_there_after_a_kill() {
    let Some((site, disk)) = small() else {
        return;
    };
    let by_hand = site.subscribe("by-hand");
    let mut first = start_and_fill(&site, &disk);
    first.signal("KILL");
    first.wait();
    disk.make_room();
    let second = site.start();
    site.network.restore();
    second.log.wait_for(" online");
    site.expect(&["publish", "by-hand", "after"], 0);
    by_hand.wait_for_message("by-hand 0 after");
    assert_eq!(by_hand.messages(), ["by-hand 0 before", "by-hand 0 after"]);
}

#[test]
fn a_reload_says_that_it_cannot_be_kept_whom_it_takes_away() {
    let Some((site, disk)) = small() else {
        return;
    };
    let gateway = site.start_online();
    site.send("tell/in", "a");
    site.wait_for_letters(0);
    disk.fill();
    site.expect(&["publish", "by-hand", &"x".repeat(20_000)], 6);
    gateway.reconfigure(&site.without_guests("gone-guests = \"drop\""));
    let said = site.expect(&["reload"], 0);
    let dropped = "\nremoved: teller\ndropped: teller (";
    assert!(said.contains(dropped), "{said}");
    let why = "\nthat guests are gone cannot be kept yet: the disk is full: ";
    assert!(said.contains(why), "{said}");
    disk.make_room();
    gateway.log.wait_for("the work list is kept again");
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_is_full() {
    let Some((site, disk)) = small() else {
        return;
    };
    let mut gateway = start_and_fill(&site, &disk);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let said = gateway.log.wait_for_end();
    let expected = "the next start finds the work list as it was before: the disk is full: ";
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("they are lost"), "{said}");
}

#[test]
fn a_disk_that_is_read_only_at_the_start() {
    let Some((site, disk)) = small() else {
        return;
    };
    disk.remount("ro");
    check_refused(
        site.start(),
        &["[work-list]", "read-only", &disk.0.display().to_string()],
    );
    disk.remount("rw");
    let gateway = site.start_online();
    site.expect(&["publish", "by-hand", "x"], 0);
    drop(gateway);
    disk.remount("ro");
    check_refused(
        site.start(),
        &["[work-list]", "the file system is read-only: "],
    );
    disk.remount("rw");
    site.start_online();
}

#[test]
fn a_disk_that_is_full_at_the_start() {
    let Some((site, disk)) = small() else {
        return;
    };
    let mut first = site.start_online();
    disk.fill();
    // Until the last block is full as well.
    while site.run(&["publish", "by-hand", "x"]).status.success() {}
    first.signal("KILL");
    first.wait();
    let second = site.start_online();
    // The disk may be known to be full by then, from what was noted at the start.
    let output = site.run(&["publish", "by-hand", &"x".repeat(5_000)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(75 | 6)), "{said}");
    assert!(said.contains("the disk is full: "), "{said}");
    disk.make_room();
    second.log.wait_for("the work list is kept again");
    site.expect(&["publish", "by-hand", "after"], 0);
}
