//! What `jackalope new` writes, built with what is installed.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{peers, run_to_end};

/// What the projects of tests are called.
pub const PROJECT: &str = "cellar-sensor";

/// A project in a directory of its own.
#[derive(Debug)]
pub struct Project {
    parent: TempDir,
    language: String,
    /// What the command has said.
    pub said: String,
}

impl Project {
    /// What this binary writes for a language.
    #[track_caller]
    pub fn new(binary: &str, language: &str) -> Self {
        let parent = TempDir::new().expect("there is a place for temporary files");
        let arguments = ["new", PROJECT, "--language", language];
        let output = run_to_end(binary, parent.path(), &arguments, &[]);
        let said = texts(&output);
        assert!(output.status.success(), "{said}");
        Self {
            parent,
            language: language.to_owned(),
            said,
        }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.parent.path().join(PROJECT)
    }

    /// The text of one of its files.
    #[track_caller]
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).expect("it was written")
    }

    /// Where its component is to be, as its configuration says.
    #[track_caller]
    pub fn component(&self) -> String {
        let config = self.read("jackalope.toml");
        let named = config.split_once("component = \"").expect("it has a guest");
        let (component, _) = named.1.split_once('"').expect("it is in quotes");
        component.to_owned()
    }

    /// Builds it by the last of the commands in its README; those before it install what
    /// is there already, or it says what is missing, and is not built. What the next
    /// build can use again is left in `kept`.
    #[track_caller]
    #[must_use]
    pub fn build(&self, kept: &str) -> bool {
        let Some(programs) = self.install(kept) else {
            return false;
        };
        let readme = self.read("README.md");
        let (_, block) = readme.split_once("## Build it\n\n").expect("it says how");
        let (block, _) = block.split_once("\n\n").expect("there is more");
        let line = block.lines().last().expect("it is not empty").trim();
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.path());
        // What is meant for the host.
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER"] {
            shell.env_remove(name);
        }
        if !programs.is_empty() {
            let path = env::var("PATH").unwrap_or_default();
            shell.env("PATH", format!("{programs}:{path}"));
        }
        shell.env("CARGO_NET_OFFLINE", "true");
        shell.env("RUSTFLAGS", "--deny warnings");
        let output = shell.output().expect("there is a shell");
        assert!(output.status.success(), "{line}: {}", texts(&output));
        true
    }

    /// Has the project find what compiles it, perhaps as programs in this directory.
    fn install(&self, kept: &str) -> Option<String> {
        match self.language.as_str() {
            "rust" => {
                // Dependencies as another guest has them, which was built before.
                let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-example/Cargo.lock");
                fs::copy(lock, self.path().join("Cargo.lock")).expect("it can be copied");
                let target = Path::new(kept).join("project");
                fs::create_dir_all(&target).expect("it can be made");
                self.link(&target, "target");
            }
            "javascript" => {
                let compiler = peers::node("@bytecodealliance/componentize-js")?;
                self.link(above(&compiler), "node_modules");
            }
            "python" => {
                let compiler = peers::python_program("componentize-py")?;
                self.link(above(&compiler), ".venv");
            }
            "c" => return peers::cargo_programs_and_clang("wit-bindgen"),
            other => panic!("nobody knows what builds {other}"),
        }
        Some(String::new())
    }

    fn link(&self, installed: &Path, name: &str) {
        symlink(installed, self.path().join(name)).expect("it can be made");
    }
}

/// The directory above that of something.
fn above(path: &str) -> &Path {
    let mut ancestors = Path::new(path).ancestors();
    ancestors.nth(2).expect("it lies deeper")
}

/// All that a command has said.
pub fn texts(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}
