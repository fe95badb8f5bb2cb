//! The same on the disk of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::own_directory::SYNCED;
use crate::store::{Disk, Store, StoreError};

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn it_is_read_again_and_nobody_else_can_look_into_it() {
    let place = TempDir::new().expect("there is a place for it");
    let directory = place.path().join("work-list");
    let mut generator = Generator::new(1);
    let mut contents = Contents::default();
    for _ in 0..3 {
        let mut disk = Disk::open(&directory, 1).expect("it can be made");
        contents.forget_boots();
        assert_eq!(disk.load().expect("it is whole"), contents);
        for _ in 0..5 {
            let (group, after) = generator.group(&contents);
            disk.commit(&group).expect("there is room");
            contents = after;
        }
        assert_eq!(disk.reopen().expect("it is whole"), contents.number);
    }
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("lock")), 0o600);
    assert_eq!(mode(&directory.join("log")), 0o700);
    let files = fs::read_dir(directory.join("log")).expect("it is there");
    for file in files {
        assert_eq!(mode(&file.expect("it is there").path()), 0o600);
    }
}

#[test]
fn its_name_is_durable_whoever_has_made_it() {
    let place = TempDir::new().expect("there is a place for it");
    let place = place.path().canonicalize().expect("it is there");
    for _ in 0..2 {
        SYNCED.take();
        let directory = place.join("work-list");
        Disk::open(&directory, 1)
            .and_then(|mut disk| disk.load())
            .expect("it can be made");
        let synced = SYNCED.take();
        for path in [&place, &directory, &directory.join("log")] {
            assert!(synced.contains(path), "{synced:?}");
        }
    }
}

#[test]
fn one_gateway_a_directory() {
    let place = TempDir::new().expect("there is a place for it");
    let disk = Disk::open(place.path(), 1).expect("it is ours");
    let error = Disk::open(place.path(), 1).expect_err("it is in use");
    let text = error.to_string();
    let us = format!("process {};", std::process::id());
    assert!(
        matches!(error, StoreError::InUse { .. }) && text.contains(&us),
        "{text}"
    );
    // Whoever removes the file that says so is told so all the same.
    fs::remove_file(place.path().join("lock")).expect("it is ours");
    let error = Disk::open(place.path(), 1).expect_err("it is in use");
    let text = error.to_string();
    assert!(
        matches!(error, StoreError::InUse { .. }) && text.contains("another process;"),
        "{text}"
    );
    drop(disk);
    Disk::open(place.path(), 1).expect("it is no longer in use");
}

/// As after `rm -r` or `mv` of the files or of the whole directory.
#[test]
fn what_is_removed_while_it_is_in_use() {
    for what in ["", "log", "log/0000000001.log"] {
        let place = TempDir::new().expect("there is a place for it");
        let place = place.path().canonicalize().expect("it is there");
        let directory = place.join("work-list");
        let mut disk = Disk::open(&directory, 1).expect("it can be made");
        let mut contents = disk.load().expect("it is new");
        let mut generator = Generator::new(1);
        for is_moved in [true, false] {
            let (group, after) = generator.group(&contents);
            disk.commit(&group).expect("there is room");
            contents = after;

            let elsewhere = place.join("elsewhere");
            fs::rename(directory.join(what), &elsewhere).expect("it is ours");
            let (group, after) = generator.group(&contents);
            let error = disk.commit(&group).expect_err("it is gone");
            assert!(matches!(error, StoreError::Gone { .. }), "{error:?}");
            assert!(error.to_string().contains("put it back"), "{error}");
            commit_again(&mut disk, &group).expect_err("it is gone");
            assert!(!directory.join(what).exists(), "nothing begins anew");

            if is_moved {
                fs::rename(&elsewhere, directory.join(what)).expect("it is ours");
                commit_again(&mut disk, &group).expect("it is there again");
                contents = after;
            }
        }
    }
}

/// Another gateway may have it that has come meanwhile.
#[test]
fn a_directory_that_was_replaced_while_it_was_in_use() {
    let place = TempDir::new().expect("there is a place for it");
    let directory = place.path().join("work-list");
    let mut disk = Disk::open(&directory, 1).expect("it can be made");
    disk.load().expect("it is new");
    fs::rename(&directory, place.path().join("elsewhere")).expect("it is ours");
    let mut other = Disk::open(&directory, 1).expect("nobody has it");
    other.load().expect("it is new");
    let error = disk.reopen().expect_err("it is in use");
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
}

#[test]
fn what_is_damaged_is_set_aside() {
    let place = TempDir::new().expect("there is a place for it");
    let place = place.path().canonicalize().expect("it is there");
    for number in 1..3 {
        let mut disk = Disk::open(&place, 1).expect("it is ours");
        assert_eq!(disk.load().expect("it is new"), Contents::default());
        let (group, _) = Generator::new(1).group(&Contents::default());
        disk.commit(&group).expect("there is room");
        let file = place.join("log/0000000001.log");
        let mut bytes = fs::read(&file).expect("it is there");
        bytes[20] ^= 1;
        fs::write(&file, &bytes).expect("it is ours");
        let error = disk.reopen().expect_err("it is damaged");
        let text = error.to_string();
        assert!(
            text.contains("0000000001.log is damaged at byte 0"),
            "{text}"
        );
        assert!(text.contains("on-damage"), "{text}");

        let aside = disk.set_aside().expect("it can be renamed");
        assert_eq!(aside, place.join(format!("log.damaged-{number}")));
        assert_eq!(
            fs::read(aside.join("0000000001.log")).expect("it is there"),
            bytes
        );
        assert_eq!(disk.load().expect("it is new"), Contents::default());
    }
}

#[test]
fn a_directory_that_others_can_write_to() {
    let place = TempDir::new().expect("there is a place for it");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let error = Disk::open(place.path(), 1).expect_err("it is not safe");
    assert!(matches!(error, StoreError::NotOwn(_)), "{error:?}");
}

#[test]
fn a_directory_that_is_none() {
    let place = TempDir::new().expect("there is a place for it");
    let file = place.path().join("file");
    fs::write(&file, "").expect("it is ours");
    let error = Disk::open(&file.join("below"), 1).expect_err("it is a file");
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
}
