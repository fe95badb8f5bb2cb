//! The README's table of brokers, of what the cases prove.

use std::fs;
use std::io::{Write, stderr};

use crate::brokers::{ALL, Broker, Transport};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

/// A line a broker.
fn table() -> String {
    let mut table = String::from("| broker | version | MQTT |");
    for transport in Transport::ALL {
        table += &format!(" {} |", transport.name());
    }
    table += " what differs |\n| --- | --- | --- |";
    table += &" --- |".repeat(Transport::ALL.len() + 1);
    for broker in ALL {
        table += &line(broker);
    }
    table + "\n"
}

fn line(broker: &Broker) -> String {
    let versions = if broker.speaks_5 { "3.1.1, 5" } else { "3.1.1" };
    let mut line = format!("\n| {} | {} | {versions} |", broker.name, broker.version);
    for transport in Transport::ALL {
        let has_it = broker.transports.contains(&transport);
        line += if has_it { " yes |" } else { " – |" };
    }
    line + " " + broker.notes + " |"
}

#[test]
fn the_readme_has_the_table() {
    let table = table();
    // For whoever wants to copy it.
    let _ = writeln!(stderr(), "{table}");
    let readme = fs::read_to_string(README).expect("it is in the repository");
    assert!(readme.contains(&table), "section Brokers of README.md");
}
