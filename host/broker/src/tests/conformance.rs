//! CONFORMANCE.md names tests that exist, or says why there is none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLES: &str = include_str!("../../CONFORMANCE.md");

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for table in TABLES.split("\n## ").skip(1) {
        let version = table.lines().next().unwrap();
        let mut seen = BTreeSet::new();
        for line in table.lines().filter(|line| line.starts_with("| MQTT-")) {
            count += 1;
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let &[identifier, statement, proof] = cells.as_slice() else {
                wrong.push(format!("{version}: not three cells: {line}"));
                continue;
            };
            if !seen.insert(identifier) {
                wrong.push(format!("{version}: {identifier} is there twice"));
            }
            if statement.is_empty() {
                wrong.push(format!("{version}: {identifier} says nothing"));
            }
            if let Err(why) = check_proof(proof) {
                wrong.push(format!("{version}: {identifier} {why}"));
            }
        }
    }
    assert!(count > 300, "only {count} rows were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tests that exist, separated by commas, or a dash and a reason.
fn check_proof(proof: &str) -> Result<(), String> {
    if let Some(reason) = proof.strip_prefix('–') {
        return if reason.trim().is_empty() {
            Err("has neither a test nor a reason".to_owned())
        } else {
            Ok(())
        };
    }
    for name in proof.split(", ") {
        let test = (name.strip_prefix('`')).and_then(|name| name.strip_suffix('`'));
        let Some((file, test)) = test.and_then(|test| test.split_once("::")) else {
            return Err(format!("names no test as `file::test`: {name}"));
        };
        let path = path(file);
        let source = fs::read_to_string(&path)
            .map_err(|error| format!("names {}: {error}", path.display()))?;
        if !tests(&source).any(|found| found == test) {
            return Err(format!("names a test that is not in {file}: {test}"));
        }
    }
    Ok(())
}

fn path(file: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    match file.strip_prefix("tests/") {
        Some(file) => package.join("../../tests/tests").join(file),
        None => package.join("src/tests").join(file),
    }
}

/// The names of the functions that follow `#[test]`, perhaps with other
/// attributes between.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    source.split("#[test]").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once("fn ")?;
        rest.split_once('(').map(|(name, _)| name)
    })
}
