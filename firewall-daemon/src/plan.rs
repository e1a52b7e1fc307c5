//! What a configuration would change against what is in force. Pure but for the serialisation.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, Fate, ListConfig, PacketConfig, RuleVerdict},
    fetch,
    guard::Cut,
};

mod text;

pub use text::render;

/// What would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The generation in force, which it was compared with.
    pub generation: u32,
    /// Lists that are there before or after, and differ.
    pub lists: Vec<ListChange>,
    /// All else that differs.
    pub changes: Vec<Change>,
    /// Sources that were seen lately.
    pub seen: Seen,
    /// Protected addresses that it would cut: `apply` would refuse it.
    pub cuts: Vec<Cut>,
    /// What only a restart can change: `apply` would refuse it.
    pub restart: Option<String>,
}

/// A list that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChange {
    /// `protected`, `allow` or `deny`.
    pub section: String,
    /// Its name.
    pub name: String,
    /// Prefixes before; nothing where the list is new.
    pub before: Option<u64>,
    /// Prefixes after; nothing where the list goes.
    pub after: Option<u64>,
    /// Prefixes that are on it after, and were not before.
    pub new: u64,
    /// Prefixes that were on it, and are no longer.
    pub gone: u64,
}

/// An option, rule or limit that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub what: String,
    /// How it is.
    pub before: String,
    /// How it would be.
    pub after: String,
}

/// Sources that were seen lately, and what becomes of them: of the last sampled drops, and the other ends
/// of TCP connections that are open on this host. Whoever only passed, and is gone, is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Of sampled events.
    pub from_events: u64,
    /// Of open TCP connections.
    pub connected: u64,
    /// Those that pass now, and would be dropped.
    pub dropped: Vec<SeenChange>,
    /// Those that are dropped now, and would pass.
    pub let_in: Vec<SeenChange>,
    /// So many more of either are not listed.
    pub left_off: u64,
}

/// A source whose fate changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenChange {
    /// Who.
    pub source: IpAddr,
    /// What of it, and where it was seen.
    pub traffic: String,
    /// Why it is dropped, after or before.
    pub by: String,
}

/// Changes of each kind that are listed at most.
pub const LISTED_MAX: usize = 100;

impl Plan {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.lists.is_empty() && self.changes.is_empty() && self.restart.is_none()
    }
}

/// A list as it is or would be: section, name, prefixes.
pub type NamedList = (&'static str, String, Arc<Vec<IpNetwork>>);

/// The lists that differ, by section and name.
#[must_use]
pub fn lists(before: &[NamedList], after: &[NamedList]) -> Vec<ListChange> {
    let key = |list: &NamedList| (list.0, list.1.clone());
    let keys: BTreeSet<_> = before.iter().chain(after).map(key).collect();
    let change = |(section, name): (&'static str, String)| {
        let find = |lists: &[NamedList]| {
            let found = lists.iter().find(|list| list.0 == section && list.1 == name);
            found.map(|list| list.2.clone())
        };
        let (old, new) = (find(before), find(after));
        if let (Some(old), Some(new)) = (&old, &new)
            && (Arc::ptr_eq(old, new) || old == new)
        {
            return None;
        }
        let sorted = |list: &Option<Arc<Vec<IpNetwork>>>| -> Vec<IpNetwork> {
            let mut all = list.as_deref().cloned().unwrap_or_default();
            all.sort_unstable();
            all.dedup();
            all
        };
        let (old_sorted, new_sorted) = (sorted(&old), sorted(&new));
        let missing = |from: &[IpNetwork], of: &[IpNetwork]| {
            from.iter().filter(|prefix| of.binary_search(prefix).is_err()).count() as u64
        };
        let (gone, new_ones) =
            (missing(&old_sorted, &new_sorted), missing(&new_sorted, &old_sorted));
        let count =
            |list: &Option<Arc<Vec<IpNetwork>>>| list.as_ref().map(|list| list.len() as u64);
        let (before, after) = (count(&old), count(&new));
        // The order of prefixes, and one that is there twice, mean nothing.
        let same = before.is_some() && after.is_some() && gone == 0 && new_ones == 0;
        (!same).then(|| ListChange {
            section: section.into(),
            name,
            before,
            after,
            new: new_ones,
            gone,
        })
    };
    keys.into_iter().filter_map(change).collect()
}

/// All that differs beside the lists.
#[must_use]
pub fn changes(
    before: &Config,
    old: &PacketConfig,
    after: &Config,
    new: &PacketConfig,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |what: &str, before: String, after: String| {
        if before != after {
            changes.push(Change { what: what.to_owned(), before, after });
        }
    };
    compare("geo", geo(old), geo(new));
    for (key, of) in OPTIONS {
        compare(key, of(old), of(new));
    }
    let names = |config: &PacketConfig| -> Vec<String> { config.sets.keys().cloned().collect() };
    let sets: BTreeSet<String> = names(old).into_iter().chain(names(new)).collect();
    for name in sets {
        compare(&format!("set {name}"), set(old.sets.get(&name)), set(new.sets.get(&name)));
    }
    rules(old, new, &mut compare);
    let (limits_before, limits_after) = (limits(old), limits(new));
    let scopes: BTreeSet<&String> =
        limits_before.iter().chain(&limits_after).map(|(scope, _)| scope).collect();
    for scope in scopes {
        let of = |all: &[(String, String)]| {
            let found = all.iter().find(|(other, _)| other == scope);
            found.map_or("none".to_owned(), |(_, rate)| rate.clone())
        };
        compare(&format!("limit {scope}"), of(&limits_before), of(&limits_after));
    }
    if before.gateway != after.gateway {
        compare("gateway", "as it is".into(), "another section".into());
    }
    changes
}

/// What differs between two configurations, before and after, for the audit: bounded, and without the
/// prefixes.
#[must_use]
pub fn told_apart(before: &Config, after: &Config) -> (String, String) {
    let mut all = changes(before, &before.packet, after, &after.packet);
    let list = |list: &ListConfig| {
        let files: Vec<String> = list.files.iter().map(|file| file.display().to_string()).collect();
        format!("{} prefixes, files {}", list.prefixes.len(), joined(&files, "none"))
    };
    let feeds = |packet: &PacketConfig| {
        joined(
            packet.feeds.iter().map(|feed| format!("{} {}", feed.name, fetch::shown(&feed.url))),
            "none",
        )
    };
    let protected = |packet: &PacketConfig| format!("{} prefixes", packet.protected.len());
    let (old, new) = (&before.packet, &after.packet);
    for (what, differs, is, would_be) in [
        ("protected", old.protected != new.protected, protected(old), protected(new)),
        ("allow", old.allow != new.allow, list(&old.allow), list(&new.allow)),
        ("deny", old.deny != new.deny, list(&old.deny), list(&new.deny)),
        ("feeds", old.feeds != new.feeds, feeds(old), feeds(new)),
    ] {
        if differs {
            all.push(Change { what: what.into(), before: is, after: would_be });
        }
    }
    let text = |of: fn(&Change) -> &String| {
        let told: Vec<String> =
            all.iter().map(|change| format!("{}: {}", change.what, of(change))).collect();
        told.join("; ").chars().take(TOLD_CHARS_MAX).collect()
    };
    (text(|change| &change.before), text(|change| &change.after))
}

/// So much of either is recorded.
const TOLD_CHARS_MAX: usize = 2_000;

type OptionText = fn(&PacketConfig) -> String;

const OPTIONS: [(&str, OptionText); 11] = [
    ("default", |config| fate(config.default)),
    ("malformed", |config| fate(config.malformed)),
    ("tcp_flags", |config| fate(config.tcp_flags)),
    ("fragments", |config| fate(config.fragments)),
    ("non_ip", |config| fate(config.non_ip)),
    ("public_ports", |config| joined(&config.public_ports, "all")),
    ("shadow.policy", |config| config.shadow.policy.to_string()),
    ("shadow.lists", |config| joined(&config.shadow.lists, "none")),
    ("shadow.countries", |config| joined(&config.shadow.countries, "none")),
    ("protect", |config| {
        let protect = config.protect;
        let on = [
            (protect.ssh_peer, "ssh_peer"),
            (protect.gateway, "gateway"),
            (protect.resolvers, "resolvers"),
        ];
        let on: Vec<&str> = on.iter().filter_map(|(on, name)| on.then_some(*name)).collect();
        joined(&on, "nothing")
    }),
    // Tuning: told that it differs by its own fields.
    ("syn_cookies, events, kernel_log", |config| {
        format!("{:?}, {:?}, {:?}", config.syn_cookies, config.events, config.kernel_log)
    }),
];

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Pass => "pass".to_owned(),
        Fate::Drop => "drop".to_owned(),
    }
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>, none: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

fn geo(config: &PacketConfig) -> String {
    let Some(geo) = &config.geo else { return "none".to_owned() };
    let countries = match geo.mode {
        None => "no country dropped".to_owned(),
        Some(mode) => format!("{} {}", mode.label(), joined(&geo.countries, "none")),
    };
    format!("{countries}, from {}", geo.database.display())
}

/// The files alone are compared by name: what is in them is compared where they are lists.
fn set(set: Option<&ListConfig>) -> String {
    let Some(set) = set else { return "none".to_owned() };
    let files: Vec<String> = set.files.iter().map(|file| file.display().to_string()).collect();
    format!("{}; files {}", joined(&set.prefixes, "no prefixes"), joined(&files, "none"))
}

fn rules(old: &PacketConfig, new: &PacketConfig, compare: &mut impl FnMut(&str, String, String)) {
    let names = |config: &PacketConfig| -> Vec<String> {
        config.rules.iter().map(|rule| rule.name.clone()).collect()
    };
    let (before, after) = (names(old), names(new));
    let all: BTreeSet<&String> = before.iter().chain(&after).collect();
    for name in all {
        let of =
            |config: &PacketConfig| config.rules.iter().find(|rule| rule.name == *name).cloned();
        let (old, new) = (of(old), of(new));
        let verdict = |rule: &Option<crate::config::RuleConfig>| match rule {
            None => "none".to_owned(),
            Some(rule) => match rule.verdict {
                RuleVerdict::Pass => "pass".to_owned(),
                RuleVerdict::Drop => "drop".to_owned(),
                _ => "limit".to_owned(),
            },
        };
        let (is, would_be) = (verdict(&old), verdict(&new));
        let would_be = match old != new && is == would_be {
            true => format!("{would_be}, with other conditions"),
            false => would_be,
        };
        compare(&format!("rule {name}"), is, would_be);
    }
    let common = |names: &[String], other: &[String]| -> String {
        joined(names.iter().filter(|name| other.contains(name)), "none")
    };
    compare("order of rules", common(&before, &after), common(&after, &before));
}

fn limits(config: &PacketConfig) -> Vec<(String, String)> {
    let text = |limit: crate::status::LimitStatus| {
        let packets = limit.rate_pps.zip(limit.burst_packets);
        let packets = packets.map(|(rate, burst)| format!("{rate} packets/s burst {burst}"));
        let bytes = limit.rate_bytes_per_s.zip(limit.burst_bytes);
        let bytes = bytes.map(|(rate, burst)| format!("{rate} bytes/s burst {burst}"));
        (limit.scope, joined(packets.into_iter().chain(bytes), "none"))
    };
    crate::daemon::limit_status(&config.limits).into_iter().map(text).collect()
}

#[cfg(test)]
mod tests;
