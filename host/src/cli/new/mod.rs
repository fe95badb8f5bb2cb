//! `jackalope new`: a project to begin a guest with.

mod language;
mod name;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, anyhow};

pub(super) use self::language::Language;
use self::name::Name;
use super::Failure;

/// What a project has in every language: its path and its text. The contract is the one
/// of this binary.
const SHARED: &[(&str, &str)] = &[
    ("README.md", include_str!("../../../templates/README.md")),
    (
        "jackalope.toml",
        include_str!("../../../templates/jackalope.toml"),
    ),
    (
        "scenarios/01-readings.toml",
        include_str!("../../../templates/scenarios/01-readings.toml"),
    ),
    (
        "scenarios/02-alarms.toml",
        include_str!("../../../templates/scenarios/02-alarms.toml"),
    ),
    (
        "wit/world.wit",
        include_str!("../../../templates/world.wit"),
    ),
    (
        "wit/deps/gateway/gateway.wit",
        include_str!("../../../../wit/gateway.wit"),
    ),
];

/// Writes a project into a directory that is empty or not there yet.
pub(super) fn new(directory: &Path, language: Language) -> Result<(), Failure> {
    let name = Name::of(directory).map_err(Failure::Usage)?;
    check_empty(directory)?;
    write_files(directory, &name, language).map_err(Failure::Other)?;
    say(directory, &name, language).map_err(Failure::other)
}

fn check_empty(directory: &Path) -> Result<(), Failure> {
    let shown = directory.display();
    let is_empty = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            return Err(Failure::Usage(anyhow!(
                "{shown} can not be written into ({error}): name a directory that is not \
                 there yet"
            )));
        }
    };
    if is_empty {
        return Ok(());
    }
    Err(Failure::Usage(anyhow!(
        "{shown} is not empty, and nothing in it is to be lost: name a directory that is \
         empty or not there yet"
    )))
}

fn write_files(directory: &Path, name: &Name, language: Language) -> anyhow::Result<()> {
    for (path, text) in SHARED.iter().chain(language.files()) {
        let path = directory.join(path);
        let write = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, filled_in(text, name, language))
        };
        write().with_context(|| format!("{} can not be written", path.display()))?;
    }
    Ok(())
}

/// A template with what differs from project to project.
fn filled_in(text: &str, name: &Name, language: Language) -> String {
    let indented = |line: &&str| format!("    {line}\n");
    let build: String = language.build().iter().map(indented).collect();
    text.replace("@build@", build.trim_end())
        .replace("@needs@", language.needs())
        .replace("@component@", &language.component(name))
        .replace("@name@", name.as_str())
        .replace("@source@", language.source())
        .replace("@title@", language.title())
}

/// Says what there is now, and what to do with it.
fn say(directory: &Path, name: &Name, language: Language) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (title, shown) = (language.title(), directory.display());
    let component = language.component(name);
    writeln!(out, "{shown} is a guest in {title}. What comes next:\n")?;
    if directory != Path::new(".") {
        writeln!(out, "    cd {shown}")?;
    }
    for line in language.build() {
        writeln!(out, "    {}", filled_in(line, name, language))?;
    }
    writeln!(out, "    jackalope test {component} scenarios/*.toml")?;
    writeln!(out, "    jackalope dev --config jackalope.toml")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        let name = Name::of(Path::new("cellar-sensor")).expect("it is a name");
        for language in Language::value_variants() {
            for (path, text) in SHARED.iter().chain(language.files()) {
                let text = filled_in(text, &name, *language);
                for placeholder in [
                    "@build@",
                    "@needs@",
                    "@component@",
                    "@name@",
                    "@source@",
                    "@title@",
                ] {
                    assert!(!text.contains(placeholder), "{language:?} {path}");
                }
            }
        }
    }

    #[test]
    fn a_readme_is_read_in_a_minute() {
        let name = Name::of(Path::new("cellar-sensor")).expect("it is a name");
        for language in Language::value_variants() {
            let readme = filled_in(SHARED[0].1, &name, *language);
            assert!(readme.lines().count() <= 40, "{language:?}: {readme}");
        }
    }
}
