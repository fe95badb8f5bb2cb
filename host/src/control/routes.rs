//! What there is to ask for, as it is described in `openapi.json`.

use hyper::Method;

/// Something that can be asked for.
pub(super) struct Route {
    pub(super) method: Method,
    /// `{ticket}` stands for any one segment.
    path: &'static str,
    /// The parameters that it takes.
    pub(super) query: &'static [&'static str],
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Publish,
    Letters,
    Cancel,
    Send,
    Status,
    Health,
    Events,
    Reload,
    Reconnect,
    OpenApi,
}

pub(super) const ROUTES: [Route; 10] = [
    Route {
        method: Method::POST,
        path: "/letters",
        query: &[
            "topic",
            "qos",
            "retain",
            "ttl",
            "after-reboot",
            "priority",
            "replace-key",
            "tag",
            "wait",
        ],
        action: Action::Publish,
    },
    Route {
        method: Method::GET,
        path: "/letters",
        query: &["guest", "limit"],
        action: Action::Letters,
    },
    Route {
        method: Method::DELETE,
        path: "/letters/{ticket}",
        query: &[],
        action: Action::Cancel,
    },
    Route {
        method: Method::POST,
        path: "/messages",
        query: &["guest", "topic"],
        action: Action::Send,
    },
    Route {
        method: Method::GET,
        path: "/status",
        query: &[],
        action: Action::Status,
    },
    Route {
        method: Method::GET,
        path: "/health",
        query: &[],
        action: Action::Health,
    },
    Route {
        method: Method::GET,
        path: "/events",
        query: &["payloads"],
        action: Action::Events,
    },
    Route {
        method: Method::POST,
        path: "/reload",
        query: &[],
        action: Action::Reload,
    },
    Route {
        method: Method::POST,
        path: "/reconnect",
        query: &[],
        action: Action::Reconnect,
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        query: &[],
        action: Action::OpenApi,
    },
];

impl Route {
    pub(super) fn is_at(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let is_same = |own: &str| {
            let theirs = segments.next();
            theirs.is_some_and(|theirs| own == theirs || (own == "{ticket}" && !theirs.is_empty()))
        };
        self.path.split('/').all(is_same) && segments.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::Value;

    use super::*;
    use crate::control::OPENAPI;

    /// What is described, as lines: method, path and parameters.
    fn described() -> BTreeSet<String> {
        let description: Value = serde_json::from_str(OPENAPI).expect("it is JSON");
        let paths = description["paths"].as_object().expect("it has paths");
        let mut lines = BTreeSet::new();
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().expect("it has methods") {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let query = parameters.filter(|parameter| parameter["in"] == "query");
                let names: BTreeSet<_> = query
                    .map(|parameter| parameter["name"].as_str().expect("it has a name"))
                    .collect();
                lines.insert(format!("{} {path} {names:?}", method.to_uppercase()));
            }
        }
        lines
    }

    #[test]
    fn what_is_described_is_there_and_what_is_there_is_described() {
        let routes: BTreeSet<_> = ROUTES
            .iter()
            .map(|route| {
                let names: BTreeSet<_> = route.query.iter().collect();
                format!("{} {} {names:?}", route.method, route.path)
            })
            .collect();
        assert_eq!(described(), routes);
    }

    #[test]
    fn paths_are_taken_as_they_are() {
        let at = |path: &str| {
            let found = ROUTES.iter().filter(|route| route.is_at(path));
            found.map(|route| route.action).collect::<Vec<_>>()
        };
        assert_eq!(at("/letters"), [Action::Publish, Action::Letters]);
        assert_eq!(at("/letters/17"), [Action::Cancel]);
        for path in [
            "/",
            "/letters/",
            "/letters/1/2",
            "//letters",
            "/Letters",
            "*",
        ] {
            assert_eq!(at(path), [], "{path}");
        }
    }

    /// What paths are made of.
    const PIECES: &[&str] = &["/", "letters", "status", "events", "17", "{ticket}"];

    proptest! {
        /// Each path has one action a method at most, and only those that are described.
        #[test]
        fn any_path_leads_somewhere_or_nowhere(
            pieces in prop::collection::vec(
                prop_oneof![
                    4 => select(PIECES)
                        .prop_map_into(),
                    1 => ".{0,3}",
                ],
                0..6,
            ),
        ) {
            let path = pieces.concat();
            let here: Vec<_> = ROUTES.iter().filter(|route| route.is_at(&path)).collect();
            for route in &here {
                let same = here.iter().filter(|other| other.method == route.method);
                prop_assert_eq!(same.count(), 1);
                let ticket = path.strip_prefix("/letters/").filter(|it| !it.contains('/'));
                let is_cancel = ticket.is_some_and(|ticket| !ticket.is_empty());
                prop_assert_eq!(route.action == Action::Cancel, is_cancel);
                prop_assert!(is_cancel || route.path == path);
            }
        }
    }
}
