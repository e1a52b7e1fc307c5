//! Finds the routes that may fit without trying all: by host name, and by the first segment.

use std::collections::HashMap;

use crate::request::path::decoded;

/// Places of routes, each list in the order of the routes.
#[derive(Debug, Default)]
pub struct Index {
    by_host: HashMap<String, Segments>,
    other_hosts: Segments,
}

#[derive(Debug, Default)]
struct Segments {
    by_first: HashMap<String, Vec<usize>>,
    others: Vec<usize>,
}

impl Index {
    /// Enters a route after all that were entered before: under one host name, or under none where a
    /// name does not decide; the same with the first segment.
    pub fn enter(&mut self, host: Option<&str>, first: Option<&str>, place: usize) {
        let segments = match host {
            Some(host) => self.by_host.entry(host.to_owned()).or_default(),
            None => &mut self.other_hosts,
        };
        let places = match first {
            Some(first) => segments.by_first.entry(first.to_owned()).or_default(),
            None => &mut segments.others,
        };
        places.push(place);
    }

    /// The places of routes that may take a request for this host, in lower case, and this path, in
    /// the order of the routes.
    #[must_use]
    pub fn candidates(&self, host: &str, path: &str) -> Candidates<'_> {
        let first = path.strip_prefix('/').and_then(|rest| rest.split('/').next());
        let first = decoded(first.unwrap_or_default());
        let [a, b] = self.by_host.get(host).map_or([&[][..]; 2], |segments| segments.lists(&first));
        let [c, d] = self.other_hosts.lists(&first);
        Candidates { lists: [a, b, c, d] }
    }
}

impl Segments {
    fn lists(&self, first: &str) -> [&[usize]; 2] {
        let named = self.by_first.get(first).map_or(&[][..], Vec::as_slice);
        [named, &self.others]
    }
}

/// Four sorted lists as one.
#[derive(Debug)]
pub struct Candidates<'a> {
    lists: [&'a [usize]; 4],
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let heads = self.lists.iter().filter_map(|list| list.first().copied());
        let next = heads.min()?;
        for list in &mut self.lists {
            if let Some((head, rest)) = list.split_first()
                && *head == next
            {
                *list = rest;
            }
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn candidates_come_in_the_order_of_the_routes() {
        let mut index = Index::default();
        for (place, (host, first)) in [
            (Some("a.example"), Some("users")),
            (None, None),
            (Some("a.example"), None),
            (None, Some("users")),
            (Some("b.example"), Some("users")),
            (Some("a.example"), Some("users")),
        ]
        .into_iter()
        .enumerate()
        {
            index.enter(host, first, place);
        }
        // A route with a name and a wildcard stands in two lists, and comes once.
        index.enter(Some("a.example"), None, 6);
        index.enter(None, None, 6);
        for (host, path, expected) in [
            ("a.example", "/users/7", &[0, 1, 2, 3, 5, 6][..]),
            ("a.example", "/user%73x", &[1, 2, 6]),
            ("a.example", "/%75sers", &[0, 1, 2, 3, 5, 6]),
            ("b.example", "/users", &[1, 3, 4, 6]),
            ("c.example", "/", &[1, 6]),
        ] {
            let found: Vec<usize> = index.candidates(host, path).collect();
            assert_eq!(found, expected, "{host}{path}");
        }
    }
}
