//! `jackalope new`: what it writes builds, is tested by its scenarios and runs by its
//! configuration, in each language.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jackalope_tests::{Process, command, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// Where builds keep what the next run of the tests can use again.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

const NAME: &str = "cellar-sensor";

/// A project in a directory of its own.
struct Project {
    parent: TempDir,
    component: String,
}

impl Project {
    /// What `jackalope new` writes.
    #[track_caller]
    fn new(language: &str, component: &str) -> Self {
        let parent = TempDir::new().expect("there is a place for temporary files");
        let arguments = ["new", NAME, "--language", language];
        let output = run_to_end(BINARY, parent.path(), &arguments, &[]);
        let said = texts(&output);
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains(&format!("jackalope test {component}")),
            "{said}"
        );
        Self {
            parent,
            component: component.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.parent.path().join(NAME)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).expect("it was written")
    }

    /// Runs a command that builds it.
    #[track_caller]
    fn build(&self, command: &mut Command) {
        let output = command.current_dir(self.path()).output();
        let output = output.expect("the tool is installed");
        assert!(output.status.success(), "{command:?}: {}", texts(&output));
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], code: i32) -> String {
        // What is compiled for one command serves the others.
        let cache = self.parent.path().join("cache");
        let cache = cache.to_string_lossy();
        let variables = [("JACKALOPE_CACHE_DIRECTORY", cache.as_ref())];
        let output = run_to_end(BINARY, &self.path(), arguments, &variables);
        let said = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    /// That it is a sensor, as it is in each language.
    #[track_caller]
    fn check(&self) {
        let said = self.run(&["check", &self.component], 0);
        assert!(
            said.contains("a guest that fits this host, of contract 0.2"),
            "{said}"
        );
        assert!(said.contains("is called by timers"), "{said}");

        let (readings, alarms) = ("scenarios/01-readings.toml", "scenarios/02-alarms.toml");
        let said = self.run(&["test", &self.component, readings, alarms], 0);
        assert!(said.ends_with("6 passed, 0 failed\n"), "{said}");

        self.check_dev();

        let config = self.read("jackalope.toml");
        for (line, instead, why) in [
            (
                "topic = \"sensors/cellar\"",
                "",
                "settings.topic is missing",
            ),
            (
                "threshold = 30.0",
                "threshold = \"high\"",
                "settings.threshold is not a number",
            ),
        ] {
            self.write_config(&config.replace(line, instead));
            let said = self.run(&["run", "--config", "jackalope.toml"], 78);
            assert!(said.contains(&format!("guest \"{NAME}\"")), "{said}");
            assert!(said.contains(why), "{said}");
        }
    }

    fn check_dev(&self) {
        let config = self.read("jackalope.toml").replace("\"10s\"", "\"100ms\"");
        self.write_config(&config);
        let path = self.path().join("jackalope.toml");
        let mut dev = Process::start(BINARY, &["dev", "--config", &path.to_string_lossy()]);
        dev.type_line("[probes/cellar] 31.5");
        dev.out.wait_for("sensors/cellar/alarm  QoS 1, ttl 5 s");
        dev.end_input();
        assert_eq!(dev.wait().code(), Some(0), "{}", dev.errors.wait_for_end());
    }

    fn write_config(&self, text: &str) {
        fs::write(self.path().join("jackalope.toml"), text).expect("it can be written");
    }
}

fn texts(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_sensor_in_rust() {
    let project = Project::new("rust", "target/wasm32-wasip2/release/cellar_sensor.wasm");
    // Dependencies as the other guests have them, which are built already or at least
    // downloaded.
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-example/Cargo.lock");
    fs::copy(lock, project.path().join("Cargo.lock")).expect("it can be copied");
    let target = Path::new(KEPT).join("new-rust");
    fs::create_dir_all(&target).expect("it can be made");
    symlink(target, project.path().join("target")).expect("it can be made");

    let mut cargo = Command::new(env!("CARGO"));
    // What is meant for the host.
    for name in [
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
    ] {
        cargo.env_remove(name);
    }
    let arguments = [
        "build",
        "--release",
        "--target",
        "wasm32-wasip2",
        "--offline",
    ];
    project.build(cargo.args(arguments).env("RUSTFLAGS", "--deny warnings"));
    project.check();
}

#[test]
fn the_contract_is_that_of_this_host() {
    let project = Project::new("rust", "target/");
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
