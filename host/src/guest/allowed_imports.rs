//! What a guest may import, by name.

use std::fmt;

use super::contract;

/// The interfaces of one package that the host serves.
struct Package {
    name: &'static str,
    /// The version as far as compatibility goes: `0.2` serves every `0.2.x`.
    version: &'static str,
    interfaces: &'static [&'static str],
}

const SERVED: &[Package] = &[
    Package {
        name: "jackalope:gateway",
        version: "0.2",
        interfaces: &["jackalope", "settings", "state", "timers", "types"],
    },
    Package {
        name: "jackalope:gateway",
        version: "0.1",
        interfaces: &["jackalope", "types"],
    },
    Package {
        name: "wasi:cli",
        version: "0.2",
        interfaces: &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    },
    Package {
        name: "wasi:clocks",
        version: "0.2",
        interfaces: &["monotonic-clock", "wall-clock"],
    },
    Package {
        name: "wasi:filesystem",
        version: "0.2",
        interfaces: &["preopens", "types"],
    },
    Package {
        name: "wasi:io",
        version: "0.2",
        interfaces: &["error", "poll", "streams"],
    },
    Package {
        name: "wasi:random",
        version: "0.2",
        interfaces: &["insecure", "insecure-seed", "random"],
    },
    Package {
        name: "wasi:sockets",
        version: "0.2",
        interfaces: &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    },
];

/// What the host knows of a name that a guest imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It serves it.
    Served,
    /// It serves the interface in this other version.
    OtherVersion(&'static str),
    /// It has never heard of it.
    Unknown,
}

/// Whether this is the import of `timers`.
pub(super) fn is_timers(name: &str) -> bool {
    split(name).is_some_and(|(name, _)| name == "jackalope:gateway/timers")
}

/// Looks up the name of an import, such as `wasi:io/streams@0.2.6`.
pub(super) fn look_up(name: &str) -> Known {
    let Some((interface, version)) = split(name) else {
        return Known::Unknown;
    };
    let mut packages = SERVED.iter().filter(|package| {
        interface
            .strip_prefix(package.name)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|interface| package.interfaces.contains(&interface))
    });
    let Some(first) = packages.next() else {
        return Known::Unknown;
    };
    let version = compatible(version);
    match packages.next() {
        _ if first.version == version => Known::Served,
        Some(second) if second.version == version => Known::Served,
        Some(_) => Known::OtherVersion(contract::SERVED),
        None => Known::OtherVersion(first.version),
    }
}

/// The name of an interface, and its version.
pub(super) fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once('@')
}

/// The part of a version that compatible versions share, as in Cargo: `0.2` of
/// `0.2.6`, `1` of `1.4.0`. A pre-release is compatible with itself only.
pub(super) fn compatible(version: &str) -> &str {
    if version.contains('-') {
        return version;
    }
    let dots = if version.starts_with("0.") { 2 } else { 1 };
    match version.match_indices('.').nth(dots - 1) {
        Some((end, _)) => &version[..end],
        None => version,
    }
}

/// Prints the list of what a guest may import, one package a line.
pub(super) struct Served;

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for package in SERVED {
            let interfaces = package.interfaces.join(", ");
            write!(f, "\n  {} {}: {interfaces}", package.name, package.version)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_looked_up_by_package_interface_and_version() {
        for (name, expect) in [
            ("jackalope:gateway/jackalope@0.1.0", Known::Served),
            ("jackalope:gateway/types@0.1.7", Known::Served),
            ("jackalope:gateway/jackalope@0.2.3", Known::Served),
            (
                "jackalope:gateway/jackalope@0.3.0",
                Known::OtherVersion("0.2 and 0.1"),
            ),
            (
                "jackalope:gateway/jackalope@0.1.0-rc.1",
                Known::OtherVersion("0.2 and 0.1"),
            ),
            ("jackalope:gateway/nonsense@0.1.0", Known::Unknown),
            ("jackalope:gateways/types@0.1.0", Known::Unknown),
            ("wasi:io/streams@0.2.6", Known::Served),
            ("wasi:io/streams@0.3.0", Known::OtherVersion("0.2")),
            ("wasi:io/streams@1.0.0", Known::OtherVersion("0.2")),
            ("wasi:http/outgoing-handler@0.2.0", Known::Unknown),
            ("wasi:io/streams", Known::Unknown),
            ("env", Known::Unknown),
        ] {
            assert_eq!(look_up(name), expect, "{name}");
        }
    }

    #[test]
    fn versions_are_compatible_as_in_cargo() {
        for (version, expect) in [
            ("0.1.0", "0.1"),
            ("0.1.4", "0.1"),
            ("0.2.0", "0.2"),
            ("1.2.0", "1"),
            ("2.0.0", "2"),
            ("0.2.0-rc.1", "0.2.0-rc.1"),
        ] {
            assert_eq!(compatible(version), expect);
        }
    }
}
