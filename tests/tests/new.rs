//! `jackalope new`: what it writes builds, is tested by its scenarios and runs by its
//! configuration, in each language.

use std::fs;
use std::path::Path;

use jackalope_tests::{PROJECT, Process, Project, command, run_to_end, texts};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// Where builds keep what the next run of the tests can use again.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// That the project of a language is a sensor, as it is in each.
#[track_caller]
fn check(language: &str) {
    let project = Project::new(BINARY, language);
    let component = project.component();
    let next = format!("jackalope test {component} scenarios/*.toml");
    assert!(project.said.contains(&next), "{}", project.said);
    if !project.build(KEPT) {
        return;
    }
    let bench = Bench::of(project);

    let said = bench.run(&["check", &component], 0);
    let verdict = "a guest that fits this host, of contract 0.2";
    assert!(said.contains(verdict), "{said}");

    let (readings, alarms) = ("scenarios/01-readings.toml", "scenarios/02-alarms.toml");
    let said = bench.run(&["test", &component, readings, alarms], 0);
    assert!(said.ends_with("6 passed, 0 failed\n"), "{said}");

    bench.check_dev();
    bench.check_refused(
        "topic = \"sensors/cellar\"",
        "",
        "settings.topic is missing",
    );
    bench.check_refused("= 30.0", "= \"high\"", "settings.threshold is not a number");
}

/// A project that was built, and what is compiled of it: once for all commands.
struct Bench {
    project: Project,
    cache: TempDir,
    config: String,
}

impl Bench {
    fn of(project: Project) -> Self {
        Self {
            config: project.read("jackalope.toml"),
            cache: TempDir::new().expect("there is a place for temporary files"),
            project,
        }
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let cache = self.cache.path().to_string_lossy();
        let variables = [("JACKALOPE_CACHE_DIRECTORY", &*cache)];
        let output = run_to_end(BINARY, &self.project.path(), arguments, &variables);
        let said = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    /// An alarm, by its configuration, with less patience.
    #[track_caller]
    fn check_dev(&self) {
        self.write_config("\"10s\"", "\"100ms\"");
        let config = self.project.path().join("jackalope.toml");
        let cache = format!("JACKALOPE_CACHE_DIRECTORY={}", self.cache.path().display());
        let arguments = [&cache, BINARY, "dev", "--config", &config.to_string_lossy()];
        let mut dev = Process::start("env", &arguments);
        dev.type_line("[probes/cellar] 31.5");
        dev.out.wait_for("sensors/cellar/alarm  QoS 1, ttl 5 s");
        dev.end_input();
        assert_eq!(dev.wait().code(), Some(0), "{}", dev.errors.wait_for_end());
    }

    /// Settings that the guest refuses, in its own words.
    #[track_caller]
    fn check_refused(&self, line: &str, instead: &str, why: &str) {
        self.write_config(line, instead);
        for command in ["run", "dev"] {
            let said = self.run(&[command, "--config", "jackalope.toml"], 78);
            assert!(said.contains(&format!("guest \"{PROJECT}\"")), "{said}");
            assert!(said.contains(why), "{said}");
        }
    }

    #[track_caller]
    fn write_config(&self, text: &str, instead: &str) {
        assert!(self.config.contains(text), "{text}: {}", self.config);
        let config = self.config.replace(text, instead);
        let path = self.project.path().join("jackalope.toml");
        fs::write(path, config).expect("it can be written");
    }
}

#[test]
fn a_sensor_in_rust() {
    check("rust");
}

#[test]
fn a_sensor_in_javascript() {
    check("javascript");
}

#[test]
fn a_sensor_in_python() {
    check("python");
}

#[test]
fn a_sensor_in_c() {
    check("c");
}

#[test]
fn what_compiles_a_guest_is_what_the_tests_install() {
    let install = include_str!("../peers/install");
    for (language, file, pinned) in [
        (
            "javascript",
            "package.json",
            "@bytecodealliance/componentize-js@",
        ),
        ("python", "requirements.txt", "componentize-py=="),
        ("c", "README.md", "wit-bindgen-cli@"),
    ] {
        let (_, rest) = install.split_once(pinned).expect("it is installed");
        let version = rest.split([' ', ')']).next().expect("it has a version");
        let text = Project::new(BINARY, language).read(file);
        assert!(text.contains(version), "{pinned}{version} is not in {text}");
    }
}

#[test]
fn what_building_takes_is_in_the_readme() {
    for (language, texts_of_it) in [
        ("rust", &["rustup target add", "Rust by rustup"][..]),
        ("javascript", &["node 20.19 or 22.12", "npm"]),
        ("python", &["python3-venv", "Python 3"]),
        (
            "c",
            &[
                "clang libclang-rt-dev-wasm32 lld make wasi-libc",
                "Rust by rustup",
                "`wasm-component-ld`",
            ],
        ),
    ] {
        let readme = Project::new(BINARY, language).read("README.md");
        for text in texts_of_it {
            assert!(readme.contains(text), "no `{text}` in: {readme}");
        }
    }
    let package = Project::new(BINARY, "javascript").read("package.json");
    let engines = "\"node\": \"^20.19.0 || >=22.12.0\"";
    assert!(package.contains(engines), "{package}");
}

/// A program that prints this. A shell writes it: what another thread starts while this
/// process has the file open for writing has it open as well for a moment, and a file that
/// is open so can not be run.
fn write_program(directory: &Path, name: &str, printed: &Path) {
    let written = command("sh")
        .args([
            "-c",
            r#"printf '#!/bin/sh\necho %s\n' "$1" >"$0" && chmod 755 "$0""#,
        ])
        .args([&directory.join(name), printed])
        .status();
    assert!(written.expect("there is a shell").success());
}

#[test]
fn what_a_makefile_misses_is_named_with_what_to_install() {
    let Some(make) = make() else {
        return;
    };
    let project = Project::new(BINARY, "c");
    let place = TempDir::new().expect("there is a place for temporary files");
    let (programs, sysroot) = (place.path().join("bin"), place.path().join("rust"));
    let linkers = sysroot.join("lib/rustlib/any/bin");
    for directory in [&programs, &linkers, &project.path().join("bindings")] {
        fs::create_dir_all(directory).expect("it can be made");
    }
    let linker = linkers.join("wasm-component-ld");
    fs::write(&linker, "").expect("it can be written");
    let all = || {
        // Whatever file is asked for is there.
        write_program(&programs, "clang", &linker);
        write_program(&programs, "wasm-ld", &linker);
        write_program(&programs, "rustc", &sysroot);
        write_program(&programs, "wit-bindgen", &linker);
    };
    let path = programs.to_string_lossy();
    let run = || run_to_end(&make, &project.path(), &[], &[("PATH", &*path)]);
    all();
    let output = run();
    assert!(output.status.success(), "{}", texts(&output));
    for (missing, text) in [
        ("clang", "there is no clang: sudo apt-get install clang"),
        ("wasm-ld", "there is no wasm-ld: sudo apt-get install lld"),
        ("rustc", "there is no wasm-component-ld: install Rust"),
        (
            "wit-bindgen",
            "there is no wit-bindgen: the README says how",
        ),
    ] {
        all();
        fs::remove_file(programs.join(missing)).expect("it is there");
        let output = run();
        assert_eq!(output.status.code(), Some(2), "{missing}");
        assert!(texts(&output).contains(text), "{}", texts(&output));
    }
    all();
    write_program(&programs, "clang", Path::new("libc.a"));
    let output = run();
    let text = "there is no libc for WASI: sudo apt-get install wasi-libc";
    assert!(texts(&output).contains(text), "{}", texts(&output));
}

/// Where it is, if it is installed.
fn make() -> Option<String> {
    let mut shell = command("sh");
    let output = shell.args(["-c", "command -v make"]).output();
    let path = String::from_utf8(output.expect("there is a shell").stdout);
    let path = path.expect("it is text").trim().to_owned();
    Some(path).filter(|path| !path.is_empty())
}

#[test]
fn what_the_readme_shows_of_a_sensor_is_in_it() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme
        .split_once("### In four languages\n")
        .expect("it is there");
    for (language, file) in [
        ("rust", "src/lib.rs"),
        ("javascript", "sensor.js"),
        ("python", "app.py"),
        ("c", "sensor.c"),
    ] {
        let (_, block) = section
            .split_once(&format!("```{language}\n"))
            .expect(language);
        let (block, _) = block.split_once("```").expect("it ends");
        let text = unindented(&Project::new(BINARY, language).read(file));
        assert!(text.contains(&unindented(block)), "{file}: {text}");
    }
}

fn unindented(text: &str) -> String {
    text.lines()
        .map(|line| line.trim_start().to_owned() + "\n")
        .collect()
}

#[test]
fn the_contract_is_that_of_this_host() {
    let project = Project::new(BINARY, "rust");
    let contract = include_str!("../../wit/gateway.wit");
    assert_eq!(project.read("wit/deps/gateway/gateway.wit"), contract);
}

#[test]
fn a_directory_that_is_empty_or_the_one_at_hand_will_do() {
    let parent = TempDir::new().expect("there is a place for temporary files");
    let directory = parent.path().join("attic");
    fs::create_dir(&directory).expect("it can be made");
    let output = run_to_end(BINARY, &directory, &["new", "."], &[]);
    assert!(output.status.success(), "{}", texts(&output));
    let config = fs::read_to_string(directory.join("jackalope.toml")).expect("it was written");
    assert!(config.contains("client-id = \"attic\""), "{config}");
    assert!(config.contains("release/attic.wasm"), "{config}");
}

#[test]
fn what_can_not_be_made_is_told_why_and_what_to_do() {
    let parent = TempDir::new().expect("there is a place for temporary files");
    fs::create_dir(parent.path().join("full")).expect("it can be made");
    fs::write(parent.path().join("full/letter"), "kept").expect("it can be written");
    fs::write(parent.path().join("file"), "kept").expect("it can be written");
    for (arguments, texts_of_it) in [
        (
            &["full"][..],
            &["full is not empty", "that is empty or not there yet"][..],
        ),
        (
            &["file"],
            &[
                "file can not be written into",
                "Not a directory",
                "not there yet",
            ],
        ),
        (
            &["My_Sensor"],
            &[
                "\"My_Sensor\" does not begin",
                "`jackalope new cellar-sensor`",
            ],
        ),
        (
            &["sensor", "--language", "cobol"],
            &["invalid value 'cobol'", "[possible values: rust"],
        ),
        (&[], &["<DIR>"]),
    ] {
        let mut command = command(BINARY);
        command
            .arg("new")
            .args(arguments)
            .current_dir(parent.path());
        let output = command.output().expect("the binary was built");
        let said = texts(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        for text in texts_of_it {
            assert!(said.contains(text), "no `{text}` in: {said}");
        }
    }
    let left = fs::read_dir(parent.path()).expect("it is there").count();
    assert_eq!(left, 2, "something was written");
    let full = fs::read_dir(parent.path().join("full")).expect("it is there");
    assert_eq!(full.count(), 1, "something was written");
}
