//! What becomes of a store on a disk that is damaged or full.

use std::fs;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::Path;

use super::files::{copy, list, place};
use super::flow::random;
use super::{Flow, Kept, Kind, Result};

/// Changes one byte, so many times, and looks who notices.
pub(crate) fn damage(kinds: &[Kind], trials: usize) {
    println!(
        "\n| one byte changed, {trials} times | no difference | an error | a panic | other contents, unnoticed |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    for kind in kinds {
        let place = place();
        let mut flow = Flow::new(*kind, place.path(), 16);
        while flow.next < 3_000 {
            for changes in flow.prepare(16, false) {
                flow.store.commit(&changes).expect("there is room");
            }
        }
        drop(flow);
        let whole = read(*kind, place.path()).expect("it is whole");
        let mut chance = 7;
        let [mut same, mut error, mut panic, mut other] = [0; 4];
        for _ in 0..trials {
            let damaged = self::place();
            copy(place.path(), damaged.path());
            change_byte(damaged.path(), &mut chance);
            let result = catch_unwind(|| read(*kind, damaged.path()).map_err(drop));
            *match result {
                Ok(Ok(kept)) if kept == whole => &mut same,
                Ok(Ok(_)) => &mut other,
                Ok(Err(())) => &mut error,
                Err(_) => &mut panic,
            } += 1;
        }
        println!("| {} | {same} | {error} | {panic} | {other} |", kind.name());
    }
    set_hook(hook);
}

fn read(kind: Kind, directory: &Path) -> Result<Kept> {
    let mut store = kind.open(directory)?;
    store.check()?;
    store.load()
}

fn change_byte(directory: &Path, chance: &mut u64) {
    let files = list(directory);
    let total: u64 = files.iter().map(|(_, length)| length).sum();
    let mut at = random(chance) % total;
    for (path, length) in files {
        if at < length {
            let mut bytes = fs::read(&path).expect("it is there");
            bytes[at as usize] ^= 1 << (random(chance) % 8);
            return fs::write(path, bytes).expect("there is room");
        }
        at -= length;
    }
}

/// Fills a small file system, makes room, and looks whether what was durable is there.
pub(crate) fn full(kinds: &[Kind], small: &Path) {
    println!(
        "\n| on a full disk | letters until then | it says | with room again | opened again |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for kind in kinds {
        let directory = small.join("store");
        fs::create_dir(&directory).expect("it is there");
        let ballast = small.join("ballast");
        fs::write(&ballast, vec![1; 1 << 20]).expect("there is room");
        let mut flow = Flow::new(*kind, &directory, 1);
        let mut durable = 0;
        let error = loop {
            let changes = flow.accept(100);
            match flow.store.commit(&changes) {
                Ok(()) => durable += 100,
                Err(error) => break error,
            }
        };
        let until = durable;
        fs::remove_file(&ballast).expect("it was made");
        let changes = flow.accept(100);
        let again = match flow.store.commit(&changes) {
            Ok(()) => {
                durable += 100;
                "goes on".to_owned()
            }
            Err(error) => error.to_string(),
        };
        drop(flow);
        let opened = match read(*kind, &directory) {
            Ok(kept) => format!("{} letters of {durable}", kept.letters()),
            Err(error) => error.to_string(),
        };
        println!(
            "| {} | {until} | {error} | {again} | {opened} |",
            kind.name()
        );
        fs::remove_dir_all(&directory).expect("it is ours");
    }
}
