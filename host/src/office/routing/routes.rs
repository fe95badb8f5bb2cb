//! Whom a message goes to.

use super::topic;
use crate::office::GuestId;

/// A guest, and the place of the filter in the list of its subscriptions.
pub(in crate::office) type Route = (GuestId, usize);

/// The filters of all guests as a tree of their levels, so that finding those
/// that match takes as many steps as the topic name has levels, however many
/// filters there are.
#[derive(Debug)]
pub(super) struct Routes {
    levels: Vec<Level>,
    /// The guests of each filter, each once, ascending.
    guests: Vec<Vec<Route>>,
    /// Room for the walk through the tree: levels to visit, each with where the
    /// rest of the name begins, if there is a rest.
    pending: Vec<(usize, Option<usize>)>,
    /// Room for the filters that match.
    matched: Vec<usize>,
}

/// A place in the tree: where the filters that begin alike go apart.
#[derive(Debug, Default)]
struct Level {
    /// By the text of the next level, sorted by it.
    named: Vec<(Box<str>, usize)>,
    /// When the next level is `+`.
    any: Option<usize>,
    /// The filter that ends here.
    end: Option<usize>,
    /// The filter that ends with a `#` here.
    rest: Option<usize>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            levels: vec![Level::default()],
            guests: Vec::new(),
            pending: Vec::new(),
            matched: Vec::new(),
        }
    }

    /// Messages that a valid filter, shared or not, matches go to this guest. Guests
    /// are added in ascending order for each filter.
    pub(super) fn add(&mut self, filter: &str, route: Route) {
        let mut at = 0;
        let mut is_rest = false;
        for text in topic::matching_part(filter).split('/') {
            match text {
                "#" => is_rest = true,
                "+" => {
                    at = self.levels[at].any.unwrap_or_else(|| {
                        let new = self.grow();
                        self.levels[at].any = Some(new);
                        new
                    })
                }
                _ => {
                    let named = &self.levels[at].named;
                    at = match named.binary_search_by(|(name, _)| (**name).cmp(text)) {
                        Ok(place) => named[place].1,
                        Err(place) => {
                            let new = self.grow();
                            self.levels[at].named.insert(place, (text.into(), new));
                            new
                        }
                    };
                }
            }
        }
        let level = &mut self.levels[at];
        let end = if is_rest {
            &mut level.rest
        } else {
            &mut level.end
        };
        let number = *end.get_or_insert_with(|| {
            self.guests.push(Vec::new());
            self.guests.len() - 1
        });
        let guests = &mut self.guests[number];
        if guests.last().is_none_or(|last| last.0 != route.0) {
            guests.push(route);
        }
    }

    fn grow(&mut self) -> usize {
        self.levels.push(Level::default());
        self.levels.len() - 1
    }

    /// Adds every guest with a filter that matches a valid name to the empty list
    /// `guests`, each once, in the order in which their filters were added, with the
    /// first of its own filters that match. A filter that begins with a wildcard does
    /// not match a name that begins with `$` ([MQTT-4.7.2-1]).
    pub(super) fn find(&mut self, name: &str, guests: &mut Vec<Route>) {
        let is_special = name.starts_with('$');
        self.matched.clear();
        self.pending.push((0, Some(0)));
        while let Some((at, rest)) = self.pending.pop() {
            let level = &self.levels[at];
            let takes_any = at != 0 || !is_special;
            // `sport/#` also matches `sport` ([MQTT-4.7.1-2]).
            self.matched.extend(level.rest.filter(|_| takes_any));
            let Some(begin) = rest else {
                self.matched.extend(level.end);
                continue;
            };
            let rest = &name[begin..];
            let (text, next) = match rest.find('/') {
                Some(length) => (&rest[..length], Some(begin + length + 1)),
                None => (rest, None),
            };
            let named = level
                .named
                .binary_search_by(|(name, _)| (**name).cmp(text))
                .ok();
            let any = level.any.filter(|_| takes_any);
            let onward = [named.map(|place| level.named[place].1), any];
            self.pending
                .extend(onward.into_iter().flatten().map(|at| (at, next)));
        }
        self.matched.sort_unstable();
        for number in &self.matched {
            if guests.is_empty() {
                guests.extend_from_slice(&self.guests[*number]);
                continue;
            }
            for route in &self.guests[*number] {
                add_route(guests, *route);
            }
        }
    }
}

/// Adds a guest that is not there yet, or an earlier place of one that is.
pub(super) fn add_route(guests: &mut Vec<Route>, (guest, place): Route) {
    match guests.iter_mut().find(|(known, _)| *known == guest) {
        Some((_, first)) => *first = place.min(*first),
        None => guests.push((guest, place)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few different levels, so that filters match and begin alike.
    fn levels(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
        let level = prop::sample::select(texts);
        prop::collection::vec(level, 1..5).prop_map(|levels| levels.join("/"))
    }

    proptest! {
        #[test]
        fn finds_whoever_has_a_filter_that_matches(
            filters in prop::collection::vec(levels(&["a", "b", "", "+", "#", "$c"]), 0..12),
            names in prop::collection::vec(levels(&["a", "b", "", "$c"]), 1..8),
        ) {
            let valid = filters.iter().filter(|filter| topic::check_filter(filter).is_ok());
            // Each filter belongs to two guests.
            let mut wanted: Vec<_> = (0..)
                .zip(valid)
                .flat_map(|(n, filter)| [(filter, GuestId(n / 3)), (filter, GuestId(n / 3 + 1))])
                .collect();
            wanted.sort_by_key(|(_, guest)| *guest);
            let mut distinct: Vec<_> = wanted.iter().map(|(filter, _)| *filter).collect();
            let mut seen = std::collections::BTreeSet::new();
            distinct.retain(|filter| seen.insert(*filter));
            let mut routes = Routes::new();
            // Guests name their filters in the reverse of the order they are added in.
            for (place, (filter, guest)) in wanted.iter().enumerate() {
                routes.add(filter, (*guest, wanted.len() - place));
            }
            for name in names {
                let mut expected = Vec::new();
                for filter in distinct.iter().filter(|filter| topic::matches(filter, &name)) {
                    for (place, (of, guest)) in wanted.iter().enumerate() {
                        // The same filter of one guest counts once.
                        let is_first = !wanted[..place].contains(&(*of, *guest));
                        if of != filter || !is_first {
                            continue;
                        }
                        let place = wanted.len() - place;
                        match expected.iter_mut().find(|(known, _)| known == guest) {
                            Some((_, first)) => *first = place.min(*first),
                            None => expected.push((*guest, place)),
                        }
                    }
                }
                let mut found = Vec::new();
                routes.find(&name, &mut found);
                prop_assert_eq!(found, expected, "{} of {:?}", name, wanted);
            }
        }
    }
}
