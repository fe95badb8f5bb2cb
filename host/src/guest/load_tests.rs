//! Files that are no guests, and what is said about them.

use std::error::Error;
use std::path::Path;

use super::testing::{GuestText, engine};
use super::{Component, LoadProblem, MAX_COMPONENT_SIZE, Report};

/// Loads what should not load, and compares parts of the message.
#[track_caller]
fn check(bytes: &[u8], expect: &[&str]) -> LoadProblem {
    let error = Component::from_bytes(&engine(), "door.wasm", bytes).expect_err("no guest");
    let text = error.to_string();
    assert!(text.starts_with("door.wasm "), "{text}");
    for part in expect {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    // The engine's words are not for newcomers.
    assert!(!text.contains("linker"), "{text}");
    error.problem
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text of a component")
}

#[test]
fn a_guest_loads() {
    let engine = engine();
    let bytes = GuestText::default().bytes();
    let component = GuestText::default().load(&engine);
    assert!(!component.exports_will());
    assert_eq!(component.size(), bytes.len());
    assert_eq!(component.imports()[0], "jackalope:gateway/jackalope@0.1.0");
    assert_eq!(component.imports()[1], "wasi:io/poll@0.2.0");
    let handler = "jackalope:gateway/handler@0.1.0".to_owned();
    assert!(component.exports().contains(&handler));

    let with_will = GuestText {
        last_will: Some("i32.const 64"),
        ..GuestText::default()
    };
    assert!(with_will.load(&engine).exports_will());
}

#[test]
fn a_guest_of_a_compatible_version_loads() {
    let text = GuestText {
        imports: "jackalope:gateway/jackalope@0.1.7",
        handler: "jackalope:gateway/handler@0.1.7",
        ..GuestText::default()
    };
    text.load(&engine());
}

#[test]
fn a_missing_file() {
    let path = Path::new("/nowhere/door.wasm");
    let error = Component::load(&engine(), path).expect_err("no file");
    assert!(matches!(error.problem, LoadProblem::Unreadable(_)));
    let text = error.to_string();
    assert_eq!(
        text,
        "/nowhere/door.wasm can not be read. Check the path and who may read it"
    );
    assert!(error.source().is_some());
}

#[test]
fn a_file_that_is_too_large() {
    let problem = check(&vec![0; MAX_COMPONENT_SIZE + 1], &["64 MiB", "--release"]);
    assert!(matches!(problem, LoadProblem::TooLarge));

    let file = tempfile::NamedTempFile::new().expect("a file");
    let size = u64::try_from(MAX_COMPONENT_SIZE).expect("a size") + 1;
    file.as_file().set_len(size).expect("a sparse file");
    let error = Component::load(&engine(), file.path()).expect_err("no guest");
    assert!(matches!(error.problem, LoadProblem::TooLarge));
}

#[test]
fn something_else() {
    for bytes in [&b""[..], b"\0asm", b"#!/bin/sh\necho hello"] {
        let problem = check(bytes, &["is not WebAssembly", "wasm32-wasip2"]);
        assert!(matches!(problem, LoadProblem::NotWasm));
    }
}

#[test]
fn a_core_module() {
    let of_unknown = component("(module)");
    let of_preview_1 = component(r#"(module (import "wasi_snapshot_preview1" "a" (func)))"#);
    for (bytes, rather_than) in [
        (of_unknown, "rather than for wasm32-unknown-unknown"),
        (of_preview_1, "rather than for wasm32-wasip1"),
    ] {
        let problem = check(&bytes, &["module", "--target wasm32-wasip2", rather_than]);
        assert!(matches!(problem, LoadProblem::CoreModule { .. }));
    }
}

#[test]
fn what_compilers_of_guests_make_of_the_usual_mistakes() {
    for (text, hint) in [
        // componentize-js, as long as nobody says what to leave out.
        (
            r#"(component (import "wasi:http/types@0.2.10" (instance)))"#,
            "by componentize-js with `--disable http fetch-event`",
        ),
        (
            r#"(component (import "wasi:sockets/types@0.3.0" (instance)))"#,
            "do without `std::net` in Rust, sockets in C",
        ),
        (
            r#"(component (import "wasi:filesystem/streams@0.3.0" (instance)))"#,
            "do without `std::fs` in Rust",
        ),
        (
            r#"(component (import "my:own/thing@0.1.0" (instance)))"#,
            "my:own/thing@0.1.0. Do without it",
        ),
        // componentize-qjs without `--sync`.
        (
            r#"(component (core func (canon task.cancel)))"#,
            "for componentize-qjs that is `--sync`",
        ),
        // componentize-py, of a world that is none of a guest's.
        (
            r#"(component (instance $it) (export "exports" (instance $it)))"#,
            "`componentize-py -d wit -w WORLD componentize`",
        ),
        // A program in Rust, or in C without `-mexec-model=reactor`.
        (
            r#"(component (instance $it) (export "wasi:cli/run@0.2.6" (instance $it)))"#,
            "write `crate-type = [\"cdylib\"]` below [lib]",
        ),
        ("(component)", "export it: in Rust by `export!`"),
    ] {
        check(&component(text), &[hint]);
    }
}

#[test]
fn a_damaged_component() {
    let mut bytes = GuestText::default().bytes();
    bytes.truncate(bytes.len() / 2);
    let problem = check(&bytes, &["damaged", "Build it again"]);
    assert!(matches!(problem, LoadProblem::Malformed(_)));
    assert!(problem.source().is_some());
}

#[test]
fn unknown_imports() {
    let text = r#"(component
        (import "wasi:http/types@0.2.0" (instance (export "a" (func))))
        (import "my:own/thing" (instance (export "b" (func)))))"#;
    let problem = check(
        &component(text),
        &[
            "wasi:http/types@0.2.0, my:own/thing",
            "jackalope:gateway 0.2: jackalope, settings, state, timers, types",
            "jackalope:gateway 0.1: jackalope, types",
            "wasi:clocks 0.2: monotonic-clock, wall-clock",
        ],
    );
    assert!(matches!(problem, LoadProblem::UnknownImports(_)));
}

#[test]
fn another_version_of_the_contract() {
    let imports = GuestText {
        imports: "jackalope:gateway/jackalope@0.3.0",
        ..GuestText::default()
    };
    let exports = GuestText {
        handler: "jackalope:gateway/handler@0.3.0",
        ..GuestText::default()
    };
    for text in [imports, exports] {
        let problem = check(&text.bytes(), &["@0.3.0", "version 0.2 and 0.1"]);
        assert!(matches!(problem, LoadProblem::OtherVersion { .. }));
    }
}

#[test]
fn two_versions_of_the_contract_in_one() {
    let text = GuestText {
        handler: "jackalope:gateway/handler@0.2.0",
        ..GuestText::default()
    };
    let expect = [
        "speaks two versions",
        "exports jackalope:gateway/handler@0.2.0",
        "has jackalope:gateway/jackalope@0.1.0",
    ];
    let problem = check(&text.bytes(), &expect);
    assert!(matches!(problem, LoadProblem::MixedVersions { .. }));
}

#[test]
fn an_import_of_another_type() {
    let text = r#"(component
        (import "jackalope:gateway/jackalope@0.1.0" (instance
            (export "reconnect" (func (param "when" u32))))))"#;
    let problem = check(
        &component(text),
        &["imports jackalope:gateway/jackalope@0.1.0 with other"],
    );
    assert!(matches!(problem, LoadProblem::WrongImport { .. }));
    assert!(problem.source().is_some());
}

#[test]
fn no_handler() {
    let problem = check(&component("(component)"), &["exports nothing at all"]);
    assert!(matches!(problem, LoadProblem::MissingExport { .. }));

    let text = GuestText {
        handler: "my:own/handler@0.1.0",
        ..GuestText::default()
    };
    let expect = [
        "does not export jackalope:gateway/handler@0.2.0",
        "my:own/handler@0.1.0",
    ];
    let problem = check(&text.bytes(), &expect);
    assert!(matches!(problem, LoadProblem::MissingExport { .. }));
}

#[test]
fn a_handler_of_another_type() {
    let text = GuestText {
        connection_type: "(param \"status\" u32)",
        ..GuestText::default()
    };
    let expect = ["exports jackalope:gateway/handler@0.1.0 with other"];
    let problem = check(&text.bytes(), &expect);
    assert!(matches!(problem, LoadProblem::WrongExport { .. }));
    let source = problem.source().expect("what the engine says");
    assert_eq!(source.to_string(), "the function `connection`");
}

#[test]
fn a_handler_that_lacks_a_function() {
    let text = r#"(component
        (instance $handler)
        (export "jackalope:gateway/handler@0.1.0" (instance $handler)))"#;
    let problem = check(&component(text), &["with other functions"]);
    assert!(matches!(problem, LoadProblem::WrongExport { .. }));
}

#[test]
fn a_report_tells_what_there_is_to_tell() {
    let engine = engine();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().display().to_string();
    std::fs::write(file.path(), component("(component)")).expect("written");
    let report = Report::of(&engine, file.path()).to_string();
    let expect = format!("{path}: 8 bytes\nno guest for this host: it does not export");
    assert!(report.starts_with(&expect), "{report}");

    let guest = GuestText::default().bytes();
    std::fs::write(file.path(), &guest).expect("written");
    let report = Report::of(&engine, file.path());
    assert!(report.verdict.is_ok());
    assert_eq!(report.size, Some(guest.len()));
    let text = report.to_string();
    assert!(
        text.contains("imports:\n  jackalope:gateway/jackalope@0.1.0\n"),
        "{text}"
    );
    let expect = "by what it imports, it
  publishes letters
  looks whether the gateway is online
  may ask for a reconnect
  sleeps, within the time of a call
  draws random numbers
  prints, which goes to the log
by what it exports, it
  takes messages, and hears of the connection
  hears outcomes
  hears of its subscriptions
imports:
";
    assert!(text.contains(expect), "{text}");
    let expect = "\na guest that fits this host, of contract 0.1";
    assert!(text.ends_with(expect), "{text}");
}

#[test]
fn where_it_comes_from_that_there_is_nothing_of_is_told() {
    let text = r#"(component
        (import "wasi:filesystem/preopens@0.2.6"
            (instance (export "get-directories" (func))))
        (import "wasi:sockets/tcp-create-socket@0.2.6"
            (instance (export "create-tcp-socket" (func)))))"#;
    let report = Report::of_bytes(&engine(), "it".into(), &component(text)).to_string();
    for line in [
        "\n  looks for files, and finds none: what compiles C, JavaScript and Python asks in any \
         case, in Rust `std::fs` does; what is to last goes into the state of the guest\n",
        "\n  looks for a network, and finds none: what compiles Python asks in any case, in Rust \
         `std::net` does, in C sockets do; what is to go out is published\n",
    ] {
        assert!(report.contains(line), "{report}");
    }
}
