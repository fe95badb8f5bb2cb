//! Commands, as they should be and as they should not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::clock;

/// The password that a shell prints with this script.
fn with(script: &str) -> Credentials {
    with_command("/bin/sh", &["-c", script])
}

fn with_command(program: &str, arguments: &[&str]) -> Credentials {
    with_command_within(Duration::from_secs(60), program, arguments)
}

fn with_command_within(limit: Duration, program: &str, arguments: &[&str]) -> Credentials {
    let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
    Credentials {
        user_name: UserName::Given("gateway".into()),
        password: PasswordSource::Command(PasswordCommand::new(program.into(), arguments, limit)),
    }
}

#[track_caller]
fn check(credentials: &Credentials, expect: Result<&str, &str>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let login = runtime.block_on(credentials.login());
    let password = login.map(|login| login.password.unwrap().expose().to_owned());
    assert_eq!(password.as_deref().map_err(|error| &**error), expect);
}

/// Waits until a process that has written its number to this file is no more.
#[track_caller]
fn check_dead(file: &Path) {
    let id = fs::read_to_string(file).unwrap();
    let give_up = clock::now() + Duration::from_secs(60);
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", id.trim()));
        // Whose parent is gone may be left as a zombie, where nobody adopts it.
        if status.map_or(true, |status| status.contains("State:\tZ")) {
            return;
        }
        assert!(clock::now() < give_up, "process {id} goes on");
        std::thread::yield_now();
    }
}

#[test]
fn what_it_prints_is_the_password() {
    check(&with("printf 'token\n'"), Ok("token"));
    check(&with("printf ' to\nken\r\n'"), Ok(" to\nken"));
    check(&with("printf 'token\n\n'; echo warning >&2"), Ok("token\n"));
    let longest = "x".repeat(65_535);
    check(
        &with("head -c 65535 /dev/zero | tr '\\0' x; echo"),
        Ok(&longest),
    );
}

#[test]
fn there_is_no_shell() {
    let credentials = with_command("printf", &["%s|", "$HOME *", "; true"]);
    check(&credentials, Ok("$HOME *|; true|"));
}

#[test]
fn what_goes_wrong_is_said() {
    let fails = |script: &str, what: &str| {
        let expect = format!("password command /bin/sh {what}");
        check(&with(script), Err(&expect));
    };
    fails("echo secret; exit 3", "failed: exit status: 3");
    fails(
        "for i in 1 2 3; do echo $i >&2; done; printf 'it\\tis so' >&2; exit 1",
        "failed: exit status: 1: it is so",
    );
    fails(
        "echo secret; echo 'I have secret' >&2; exit 1",
        "failed: exit status: 1: (a line with what it has printed)",
    );
    fails("echo secret; kill -9 $$", "failed: signal: 9 (SIGKILL)");
    fails("true", "printed nothing");
    fails("echo", "printed nothing");
    fails("printf '\\377'", "printed something that is not UTF-8 text");
    fails(
        "head -c 65536 /dev/zero | tr '\\0' x; echo",
        "printed more than 65535 bytes",
    );
    fails("yes", "printed more than 65535 bytes");
    check(
        &with_command("no-such-program", &[]),
        Err(
            "password command no-such-program cannot be started: No such file or directory (os error 2)",
        ),
    );
    check(
        &with_command("/etc/passwd", &[]),
        Err("password command /etc/passwd cannot be started: Permission denied (os error 13)"),
    );
}

#[test]
fn a_script_without_its_interpreter() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "#!/no/such/shell\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&file, executable).unwrap();
    let program = file.display().to_string();
    let what = "cannot be started: the interpreter in its first line is not there";
    check(
        &with_command(&program, &[]),
        Err(&format!("password command {program} {what}")),
    );
}

#[test]
fn what_takes_too_long_is_killed_with_all_that_it_has_started() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("id");
    for end in ["wait", "exit 0"] {
        let script = format!("sleep 1000 & echo $! > {}; {end}", file.display());
        let limit = Duration::from_secs(1);
        check(
            &with_command_within(limit, "/bin/sh", &["-c", &script]),
            Err("password command /bin/sh did not end within 1s, and was killed"),
        );
        check_dead(&file);
    }
}

#[test]
fn what_complains_without_end_is_heard_out() {
    check(&with("yes >&2 & echo token; sleep 0; kill $!"), Ok("token"));
    // What it leaves behind may hold its standard error open.
    check(&with("sleep 5 >/dev/null & echo token"), Ok("token"));
}

#[tokio::test]
async fn whoever_waits_no_longer_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("id");
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; sleep 1000",
        file.display()
    );
    let credentials = with(&script);
    {
        let mut login = std::pin::pin!(credentials.login());
        let give_up = clock::now() + Duration::from_secs(60);
        while !file.exists() {
            assert!(clock::now() < give_up, "it does not begin");
            tokio::select! {
                biased;
                login = &mut login => panic!("{login:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    check_dead(&file);
}

#[test]
fn it_is_said_where_both_come_from() {
    let mut credentials = with("echo secret");
    assert_eq!(
        credentials.to_string(),
        "the user name is from user-name, the password from the command /bin/sh"
    );
    credentials.user_name = UserName::File("/etc/name".into());
    credentials.password = PasswordSource::File("/etc/password".into());
    assert_eq!(
        credentials.to_string(),
        "the user name is from the file /etc/name, the password from the file /etc/password"
    );
    credentials.password = PasswordSource::Given(Secret::new("secret".into()).unwrap());
    assert!(
        credentials
            .to_string()
            .ends_with("the password from JACKALOPE_PASSWORD")
    );
}
