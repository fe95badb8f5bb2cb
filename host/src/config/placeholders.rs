//! Placeholders: what differs from gateway to gateway in a configuration that is
//! the same for all of them.

use std::path::Path;

use ring::hmac;
use toml::Value;

use super::entry::Entry;

/// Where the name of this machine is, and its id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine<'a> {
    pub(super) hostname: &'a Path,
    pub(super) machine_id: &'a Path,
}

/// What placeholders stand for.
#[derive(Debug)]
pub(super) struct Placeholders<'a> {
    pub(super) machine: Machine<'a>,
    /// The client id, once it is known.
    pub(super) client_id: Option<&'a str>,
}

/// What tells our ids of a machine from those of others (sd_id128_get_machine(3)).
/// Never to be changed: gateways are known by what is made of it.
const APPLICATION: [u8; 16] = 0x272b_9040_e781_4123_a88f_d4da_0d5c_7b12_u128.to_be_bytes();

impl Machine<'static> {
    /// The one that this runs on.
    pub(super) fn this() -> Self {
        Self {
            hostname: Path::new("/proc/sys/kernel/hostname"),
            machine_id: Path::new("/etc/machine-id"),
        }
    }
}

impl Placeholders<'_> {
    /// A value with its placeholders filled in. What is no text stays as it is.
    pub(super) fn fill(&self, entry: &Entry) -> Result<Entry, String> {
        let value = match &entry.value {
            Value::String(text) => Value::String(self.fill_text(entry, text)?),
            other => other.clone(),
        };
        Ok(Entry {
            value,
            origin: entry.origin.clone(),
        })
    }

    fn fill_text(&self, entry: &Entry, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                filled.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                filled.push('}');
                rest = after;
            } else if let Some((name, after)) = rest[1..].split_once('}')
                && rest.starts_with('{')
            {
                filled.push_str(&self.value_of(entry, name)?);
                rest = after;
            } else {
                let brace = &rest[..1];
                return Err(entry.but(format_args!(
                    "has a {brace} alone; write {brace}{brace} for the character"
                )));
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value_of(&self, entry: &Entry, name: &str) -> Result<String, String> {
        let failed = |why| entry.but(format_args!("has {{{name}}}, but {why}"));
        match (name, self.client_id) {
            ("hostname", _) => hostname(self.machine.hostname).map_err(failed),
            ("machine-id", _) => machine_id(self.machine.machine_id).map_err(failed),
            ("client-id", Some("")) => {
                Err(failed("client-id is empty: the broker chooses it".into()))
            }
            ("client-id", Some(client_id)) => Ok(client_id.to_owned()),
            (_, client_id) => {
                let also = client_id.map_or("", |_| ", {client-id}");
                Err(entry.but(format_args!(
                    "has {{{}}}, which is no placeholder; there are {{hostname}}, {{machine-id}}{also}; \
                     write {{{{ and }}}} for braces",
                    name.escape_debug(),
                )))
            }
        }
    }
}

/// The name of this machine, which must be one of its own.
fn hostname(path: &Path) -> Result<String, String> {
    let name = read(path)?;
    match name.as_str() {
        "" | "(none)" | "localhost" => Err(format!(
            "this machine is called {name:?}, as others are; name it, e.g. with `hostnamectl hostname`"
        )),
        _ => Ok(name),
    }
}

/// An id of this machine that is only ours: what `systemd-id128 machine-id
/// --app-specific=…` prints. The id itself is not for others to see
/// (machine-id(5)).
fn machine_id(path: &Path) -> Result<String, String> {
    let text = read(path).map_err(|error| format!("{error}; {REMEDY}"))?;
    let path = path.display();
    let id = match text.as_str() {
        "" => return Err(format!("{path} is empty; {REMEDY}")),
        "uninitialized" => {
            return Err(format!("{path} is not initialized yet; {REMEDY}"));
        }
        digits if digits.len() == 32 && !digits.starts_with('+') => {
            u128::from_str_radix(digits, 16).ok()
        }
        _ => None,
    };
    let id = id.filter(|id| *id != 0);
    let id = id.ok_or_else(|| format!("{path} does not hold 32 hexadecimal digits; {REMEDY}"))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &id.to_be_bytes());
    let mut own = [0; 16];
    own.copy_from_slice(&hmac::sign(&key, &APPLICATION).as_ref()[..16]);
    // As a UUID of version 4, variant 1 (RFC 4122).
    own[6] = own[6] & 0x0f | 0x40;
    own[8] = own[8] & 0x3f | 0x80;
    Ok(format!("{:032x}", u128::from_be_bytes(own)))
}

const REMEDY: &str = "`systemd-machine-id-setup` makes one";

fn read(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(text.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Checks what a client id becomes on a machine with this name and id.
    #[track_caller]
    fn check_on(hostname: &str, id: &str, text: &str, expect: Result<&str, &str>) {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let machine = Machine {
            hostname: &file("hostname", hostname),
            machine_id: &file("machine-id", id),
        };
        let entry = Entry::from_variable("JACKALOPE_CLIENT_ID", text.into());
        let placeholders = Placeholders {
            machine,
            client_id: None,
        };
        let filled = placeholders.fill(&entry);
        let filled = filled.map(|entry| entry.text().unwrap().to_owned());
        let directory = format!("{}/", directory.path().display());
        let filled = filled.map_err(|error| error.replace(&directory, ""));
        assert_eq!(
            filled.as_deref().map_err(|error| &**error),
            expect,
            "{text}"
        );
    }

    const ID: &str = "0123456789abcdef0123456789abcdef\n";

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        check_on("gate-7\n", ID, text, expect);
    }

    #[test]
    fn placeholders_are_filled_in() {
        check("", Ok(""));
        check("gateway", Ok("gateway"));
        check("gw-{hostname}", Ok("gw-gate-7"));
        check("{hostname}{hostname}", Ok("gate-7gate-7"));
        check("{{hostname}}", Ok("{hostname}"));
        check("{{{hostname}}}", Ok("{gate-7}"));
        check("é{{}}", Ok("é{}"));
        // As `systemd-id128 machine-id --app-specific=…` prints it.
        check("{machine-id}", Ok("cd201cafd69f49b7a7b44d5f22a2fc7f"));
    }

    #[test]
    fn other_braces_are_refused() {
        for name in ["host", "", "Hostname", " hostname", "client-id"] {
            let expect = format!(
                "\"{{{name}}}\" has {{{name}}}, which is no placeholder; there are {{hostname}}, \
                 {{machine-id}}; write {{{{ and }}}} for braces"
            );
            check(&format!("{{{name}}}"), Err(&expect));
        }
        let alone = "has a { alone; write {{ for the character";
        for text in ["{", "a{hostname", "{{{"] {
            check(text, Err(&format!("{text:?} {alone}")));
        }
        let alone = "has a } alone; write }} for the character";
        for text in ["}", "{hostname}}", "a}b"] {
            check(text, Err(&format!("{text:?} {alone}")));
        }
    }

    #[test]
    fn a_machine_without_a_name_or_an_id_is_told_apart_by_neither() {
        for name in ["localhost", "(none)", ""] {
            let expect = format!(
                "\"{{hostname}}\" has {{hostname}}, but this machine is called {name:?}, as others \
                 are; name it, e.g. with `hostnamectl hostname`"
            );
            check_on(name, ID, "{hostname}", Err(&expect));
        }
        for (id, what) in [
            ("", "is empty"),
            ("\n", "is empty"),
            ("uninitialized\n", "is not initialized yet"),
            ("0123", "does not hold 32 hexadecimal digits"),
            (
                "+123456789abcdef0123456789abcdef",
                "does not hold 32 hexadecimal digits",
            ),
            (
                "00000000000000000000000000000000",
                "does not hold 32 hexadecimal digits",
            ),
        ] {
            let expect = format!(
                "\"{{machine-id}}\" has {{machine-id}}, but machine-id {what}; \
                 `systemd-machine-id-setup` makes one"
            );
            check_on("x", id, "{machine-id}", Err(&expect));
        }
    }
}
