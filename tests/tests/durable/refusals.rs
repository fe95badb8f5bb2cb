//! What a gateway does not begin with.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use jackalope_tests::Gateway;

use crate::site::Site;

/// The first file of the log.
const FILE: &str = "log/0000000001.log";

/// The gateway ends at once, and says this.
#[track_caller]
pub(crate) fn check_refused(gateway: Gateway, expected: &[&str]) {
    check_refused_with(78, gateway, expected);
}

#[track_caller]
fn check_refused_with(code: i32, mut gateway: Gateway, expected: &[&str]) {
    let status = gateway.wait();
    let said = gateway.log.wait_for_end();
    assert_eq!(status.code(), Some(code), "{said}");
    for expected in expected {
        assert!(said.contains(expected), "{said}\nand not {expected}");
    }
}

/// A gateway that has kept some letters, and was killed.
fn leave_letters(site: &Site) {
    site.network.cut();
    let mut gateway = site.start();
    gateway.log.wait_for(" starts ");
    for payload in ["x", "y", "z"] {
        site.expect(&["publish", "by-hand", payload], 0);
    }
    gateway.signal("KILL");
    gateway.wait();
}

/// Changes the bytes of the first file.
fn damage(site: &Site, change: impl FnOnce(&mut Vec<u8>)) {
    let path = site.directory().join(FILE);
    let mut bytes = fs::read(&path).expect("it is there");
    change(&mut bytes);
    fs::write(path, bytes).expect("it is ours");
}

#[test]
fn damage_is_refused_or_set_aside() {
    let site = Site::new();
    leave_letters(&site);
    let flip = |at: usize| damage(&site, |bytes| bytes[at] ^= 0x10);
    // In a group that others come behind.
    let path = site.directory().join(FILE);
    let bytes = fs::read(path).expect("it is there");
    let at = bytes.windows(7).position(|part| part == b"by-hand");
    let at = at.expect("a letter is in there");
    flip(at);
    let damaged = fs::read(site.directory().join(FILE)).expect("it is there");
    let said = [
        &format!("{FILE} is damaged at byte "),
        "`on-damage = \"set-aside\"` in [work-list]",
    ];
    check_refused(site.start(), &said.map(|said| said as &str));
    check_refused(site.options("on-damage = \"refuse\"").start(), &[]);
    // Nothing was changed by that.
    let bytes = fs::read(site.directory().join(FILE)).expect("it is there");
    assert_eq!(bytes, damaged);

    let by_hand = site.subscribe("by-hand");
    let gateway = site.options("on-damage = \"set-aside\"").start();
    let line = gateway.log.wait_for("it is set aside as ");
    assert!(line.contains("log.damaged-1"), "{line}");
    let aside = site.directory().join("log.damaged-1/0000000001.log");
    assert_eq!(fs::read(aside).expect("it is there"), damaged);
    site.network.restore();
    gateway.log.wait_for(" online");
    site.expect(&["publish", "by-hand", "new"], 0);
    by_hand.wait_for_message("by-hand 0 new");
    assert_eq!(by_hand.messages(), ["by-hand 0 new"]);
}

#[test]
fn what_a_newer_program_has_written() {
    let site = Site::new();
    leave_letters(&site);
    damage(&site, |bytes| {
        bytes[8..12].copy_from_slice(&3_u32.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..12]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    });
    let said = "has version 3 of the format, and this program reads no newer one than 2; start \
                the newer program, name another directory, or have it set aside";
    check_refused(site.start(), &[said]);
    check_set_aside(&site, said);
}

#[test]
fn a_file_that_cannot_be_read() {
    let site = Site::new();
    leave_letters(&site);
    let file = site.directory().join(FILE);
    fs::remove_file(&file).expect("it is there");
    fs::create_dir(&file).expect("it is ours");
    let said = format!("can not read {}", file.display());
    check_refused(site.start(), &[&said]);
    check_set_aside(&site, &said);
}

/// What cannot be read is renamed and nothing else, and the gateway begins anew.
#[track_caller]
fn check_set_aside(site: &Site, why: &str) {
    let gateway = site.options("on-damage = \"set-aside\"").start();
    let line = gateway.log.wait_for("it is set aside as ");
    assert!(line.contains(why), "{line}");
    assert!(
        site.directory()
            .join("log.damaged-1/0000000001.log")
            .exists()
    );
    gateway.log.wait_for(" starts ");
}

#[test]
fn two_gateways_on_one_directory() {
    let site = Site::new();
    let first = site.start_online();
    let other = site
        .options("")
        .env("JACKALOPE_CLIENT_ID", "other")
        .env("JACKALOPE_CONTROL_SOCKET", "")
        .start();
    let said = format!(
        "is in use by process {}; each gateway needs a directory of its own",
        first.id()
    );
    // It may be free again in a moment.
    check_refused_with(75, other, &[&said]);
    site.expect(&["publish", "by-hand", "x"], 0);
}

#[test]
fn a_directory_that_others_can_write_to() {
    let site = Site::new();
    fs::create_dir(site.directory()).expect("it is not there yet");
    let open = Permissions::from_mode(0o777);
    fs::set_permissions(site.directory(), open).expect("it is ours");
    let said = [
        "[work-list]",
        "(mode 0777)",
        &format!("`chmod go-w {}`", site.directory().display()),
    ];
    check_refused(site.start(), &said.map(|said| said as &str));
}
