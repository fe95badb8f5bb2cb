//! Configuration and password files on disk.

use std::fs;

use super::*;

/// A directory with a configuration file in it, and the error of loading it
/// without the path of the directory.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(configuration: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("j.toml"), configuration).unwrap();
        Self(directory)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.path().join(name), content).unwrap();
        self
    }

    fn load(&self, variables: &[(&str, String)]) -> Result<Config, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Config::load(Some(&self.0.path().join("j.toml")), variables)
    }

    #[track_caller]
    fn check_refused(&self, expect: &str) {
        let error = self.load(&[]).unwrap_err().to_string();
        let directory = format!("{}/", self.0.path().display());
        assert_eq!(error.replace(&directory, ""), expect);
    }

    #[track_caller]
    fn check_password(&self, expect: &str) {
        assert_eq!(password(&self.load(&[]).unwrap()), expect);
    }
}

const WITH_PASSWORD: &str = "user-name = 'u'\npassword-file = 'pw'\n";

#[test]
fn a_missing_file() {
    let path = Path::new("no/such/jackalope.toml");
    let error = Config::load(Some(path), std::iter::empty()).unwrap_err();
    assert_eq!(error, ConfigError::NotFound(path.to_owned()));
    assert_eq!(
        error.to_string(),
        "no/such/jackalope.toml: there is no such file"
    );
}

#[test]
fn an_unreadable_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = Config::load(Some(directory.path()), std::iter::empty()).unwrap_err();
    let line = error.to_string();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{line}");
    assert!(line.contains(": cannot be read: "), "{line}");
}

#[test]
fn a_file_that_is_not_text() {
    Disk::new(b"client-id = '\xc3\xa9'\nserver = '\xff'")
        .check_refused("j.toml:2:11: is not UTF-8 text");
    Disk::new(b"\xff\xfea\0").check_refused("j.toml:1:1: is not UTF-8 text");
}

#[test]
fn components_are_beside_the_file() {
    let disk = Disk::new("[[guest]]\ncomponent = 'guests/door.wasm'");
    let expect = ComponentSource::File(disk.0.path().join("guests/door.wasm"));
    assert_eq!(disk.load(&[]).unwrap().guests[0].component, expect);
}

#[test]
fn the_cache_is_beside_whoever_names_it() {
    let disk = Disk::new("cache-directory = 'cache'");
    let expect = CacheDirectory::Named(disk.0.path().join("cache"));
    assert_eq!(disk.load(&[]).unwrap().cache_directory, expect);
    let variable = ("JACKALOPE_CACHE_DIRECTORY", "cache".to_owned());
    let expect = CacheDirectory::Named("cache".into());
    assert_eq!(disk.load(&[variable]).unwrap().cache_directory, expect);
}

#[test]
fn one_line_break_is_no_part_of_the_password() {
    for (content, password) in [
        ("secret", "secret"),
        ("secret\n", "secret"),
        ("secret\r\n", "secret"),
        ("secret\n\n", "secret\n"),
        (" se\ncret \r", " se\ncret \r"),
        ("", ""),
    ] {
        Disk::new(WITH_PASSWORD)
            .with("pw", content)
            .check_password(password);
    }
    let longest = "x".repeat(65_535);
    Disk::new(WITH_PASSWORD)
        .with("pw", format!("{longest}\r\n"))
        .check_password(&longest);
}

#[test]
fn bad_password_files() {
    let at = "j.toml:2:17: password-file: \"pw\"";
    Disk::new(WITH_PASSWORD).check_refused(&format!(
        "{at} cannot be read: No such file or directory (os error 2)"
    ));
    Disk::new(WITH_PASSWORD)
        .with("pw", b"\xff")
        .check_refused(&format!("{at} is not UTF-8 text"));
    for length in [65_536, 65_540] {
        Disk::new(WITH_PASSWORD)
            .with("pw", "x".repeat(length))
            .check_refused(&format!("{at} is longer than 65535 bytes"));
    }
    Disk::new("user-name = 'u'\npassword-file = '.'")
        .check_refused("j.toml:2:17: password-file: \".\" is not a regular file");
}

#[test]
fn a_user_name_can_be_in_a_file() {
    let disk = Disk::new("user-name-file = 'name'").with("name", "gateway 7\n");
    let config = disk.load(&[]).unwrap();
    assert_eq!(login(&config).unwrap().user_name, "gateway 7");
    let disk = disk.with("name", "gateway 8");
    assert_eq!(login(&config).unwrap().user_name, "gateway 8");
    let disk = disk.with("name", "\n");
    let path = disk.0.path().join("name");
    let expect = format!("user name file {} is empty", path.display());
    assert_eq!(login(&config).unwrap_err(), expect);

    let at = "j.toml:1:18: user-name-file: \"name\"";
    disk.check_refused(&format!("{at} is empty"));
    Disk::new("user-name-file = 'name'")
        .with("name", "a\0b")
        .check_refused(&format!("{at} holds a null character ([MQTT-1.5.3-2])"));
    Disk::new("user-name-file = 'name'").check_refused(&format!(
        "{at} cannot be read: No such file or directory (os error 2)"
    ));
}

#[test]
fn a_command_is_beside_the_file() {
    let text = "user-name = 'u'\npassword-command = ['./token', '--sas']";
    let at = "j.toml:2:20: password-command: ";
    Disk::new(text).check_refused(&format!(
        "{at}./token cannot be run: No such file or directory (os error 2)"
    ));
    let disk = Disk::new(text).with("token", "#!/bin/sh\necho $1");
    let token = disk.0.path().join("./token");
    let error = disk.load(&[]).unwrap_err().to_string();
    let expect = "is not executable; run `chmod +x ";
    assert!(error.contains(expect), "{error}");
    Disk::new("user-name = 'u'\npassword-command = ['./']")
        .check_refused(&format!("{at}./ is not a program"));

    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&token, executable).unwrap();
    match disk.load(&[]).unwrap().login.unwrap().password {
        PasswordSource::Command(command) => assert_eq!(command.program(), token),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_environment_names_another_password() {
    let disk = Disk::new(WITH_PASSWORD).with("other", "from the other file\n");
    let other = disk.0.path().join("other").display().to_string();
    for (variable, expect) in [
        (("JACKALOPE_PASSWORD", "at once\n".to_owned()), "at once\n"),
        (("JACKALOPE_PASSWORD_FILE", other), "from the other file"),
        (
            (
                "JACKALOPE_PASSWORD_COMMAND",
                "['echo', 'from a command']".to_owned(),
            ),
            "from a command",
        ),
    ] {
        assert_eq!(password(&disk.load(&[variable]).unwrap()), expect);
    }
}

#[test]
fn the_environment_is_relative_to_the_working_directory() {
    // Tests run in the directory of their crate.
    let manifest = ("JACKALOPE_PASSWORD_FILE", "Cargo.toml".to_owned());
    let config = Disk::new(WITH_PASSWORD).load(&[manifest]).unwrap();
    assert!(password(&config).starts_with("[package]"));
}

#[test]
fn a_password_file_is_read_each_time() {
    let disk = Disk::new(WITH_PASSWORD).with("pw", "one\n");
    let config = disk.load(&[]).unwrap();
    assert_eq!(password(&config), "one");
    let disk = disk.with("pw", "two\n");
    assert_eq!(password(&config), "two");

    let file = disk.0.path().join("pw");
    let check = |what: &str| {
        let error = login(&config).unwrap_err();
        let expect = format!("password file {} {what}", file.display());
        assert_eq!(error, expect);
    };
    fs::remove_file(&file).unwrap();
    check("cannot be read: No such file or directory (os error 2)");
    let disk = disk.with("pw", b"\xff");
    check("is not UTF-8 text");
    let disk = disk.with("pw", "x".repeat(65_536));
    check("is longer than 65535 bytes");
    let _disk = disk.with("pw", "three");
    assert_eq!(password(&config), "three");
}

#[test]
fn a_password_that_is_given_stays() {
    let disk = Disk::new("user-name = 'u'");
    let variable = ("JACKALOPE_PASSWORD", "given".to_owned());
    let config = disk.load(&[variable]).unwrap();
    assert_eq!(password(&config), "given");
    assert_eq!(password(&config), "given");
}
