//! What a project is called.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The name of a project. It fits everywhere that it is written: a package of cargo and
/// of npm, a guest, a client id, a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name(String);

const MAX_NAME: usize = 64;

/// What cargo takes for no package, beside the keywords of Rust.
const RESERVED: &[&str] = &[
    "alloc",
    "core",
    "deps",
    "examples",
    "build",
    "incremental",
    "std",
    "test",
];

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

impl Name {
    /// The last part of the path of a project.
    pub(super) fn of(directory: &Path) -> anyhow::Result<Self> {
        // `.` and what ends in `..` have their names elsewhere.
        let path = match directory.file_name() {
            Some(_) => directory.to_owned(),
            None => resolved(directory)?,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(why) = refused(&name) {
            bail!(
                "{name:?} {why}. The last part of DIR becomes the name of the package, of the \
                 guest and of its client id: write e.g. `jackalope new cellar-sensor`"
            );
        }
        Ok(Self(name.into_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn resolved(directory: &Path) -> anyhow::Result<PathBuf> {
    env::current_dir()
        .and_then(|current| current.join(directory).canonicalize())
        .with_context(|| format!("{} can not be found", directory.display()))
}

/// Why a text is no name, if it is none.
fn refused(name: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("does not begin with a letter of a to z".to_owned());
    }
    if let Some(other) = name.chars().find(|c| !is_allowed(*c)) {
        return Some(format!(
            "has {other:?} in it, and may have a to z, 0 to 9 and `-`"
        ));
    }
    if name.len() > MAX_NAME {
        return Some(format!("is longer than {MAX_NAME} characters"));
    }
    if KEYWORDS.contains(&name) || RESERVED.contains(&name) {
        return Some("means something else to Rust".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path() {
        for path in [
            "cellar-2",
            "/somewhere/cellar-2",
            "./cellar-2/",
            "a b/cellar-2/.",
        ] {
            let name = Name::of(Path::new(path)).expect(path);
            assert_eq!(name.as_str(), "cellar-2");
        }
    }

    #[test]
    fn what_is_no_name_is_told_why_and_what_would_be_one() {
        let long = "a".repeat(65);
        for (path, why) in [
            ("Cellar", "does not begin with a letter of a to z"),
            ("2cellar", "does not begin with a letter of a to z"),
            ("/", "does not begin with a letter of a to z"),
            ("my cellar", "has ' ' in it"),
            ("my_cellar", "has '_' in it"),
            ("käse", "has 'ä' in it"),
            ("a.b", "has '.' in it"),
            ("fn", "means something else to Rust"),
            ("test", "means something else to Rust"),
            (&long, "is longer than 64 characters"),
        ] {
            let error = Name::of(Path::new(path)).expect_err(path).to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains("`jackalope new cellar-sensor`"), "{error}");
        }
    }
}
