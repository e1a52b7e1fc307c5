//! `deny` and `allow`: entries beside those of the configuration, all of a request or none of it.

use std::{fmt::Display, path::PathBuf, sync::Arc};

use ipnetwork::IpNetwork;

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
    holders::{Holders, at, shown},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    control::{
        Caller, Changed, Configured, ListAdd, ListKind, ListRemove, ListShown, NAMED_MAX, Prefix,
    },
    state::{Entry, changes::COMMENT_BYTES_MAX},
};

impl Daemon {
    /// `deny add`, `allow add`.
    pub(super) fn add_entries(
        &self,
        caller: &Caller,
        ask: &ListAdd,
    ) -> Result<Changed, ChangeError> {
        let kind = ask.list;
        let prefixes = named(&ask.prefixes)?;
        let comment = words("comment", ask.comment.as_deref())?;
        let verb = match kind {
            ListKind::Deny => "deny add",
            ListKind::Allow => "allow add",
        };
        let now = now_epoch_s();
        let until = ask.for_s.map(|for_s| now.saturating_add(for_s));
        let span = until.map_or("for good".to_owned(), |until| format!("until {}", at(until)));
        let what = format!("{} {span}", joined(&prefixes));
        let cause = Cause::new(caller, verb, what).because(comment.clone());
        let (generation, mut changed) = self.put_in_force(&cause, |current| {
            let holders = Holders::new(self, current);
            let mut changes = current.changes.going_on(now);
            let mut told = Changed::default();
            for prefix in prefixes {
                told.notes.extend(addable(&holders, kind, prefix)?);
                told.changed.push(format!("{} is on the list {kind}, {span}", shown(prefix)));
                changes.list_mut(kind).push(Entry {
                    prefix,
                    comment: comment.clone(),
                    who: caller.user.clone(),
                    added_epoch_s: now,
                    expires_epoch_s: until,
                });
            }
            let shadow = &current.config.packet.shadow;
            if kind == ListKind::Deny && (shadow.policy || shadow.lists.contains(kind.label())) {
                told.notes.push("it is in shadow: it counts what it would drop".to_owned());
            }
            Ok((Policy { changes: Arc::new(changes), ..current.clone() }, told))
        })?;
        changed.generation = Some(generation);
        Ok(changed)
    }

    /// `deny remove`, `allow remove`.
    pub(super) fn remove_entries(
        &self,
        caller: &Caller,
        ask: &ListRemove,
    ) -> Result<Changed, ChangeError> {
        let kind = ask.list;
        let prefixes = named(&ask.prefixes)?;
        let verb = match kind {
            ListKind::Deny => "deny remove",
            ListKind::Allow => "allow remove",
        };
        let cause = Cause::new(caller, verb, joined(&prefixes));
        let (generation, mut changed) = self.put_in_force(&cause, |current| {
            let holders = Holders::new(self, current);
            let mut changes = current.changes.going_on(now_epoch_s());
            let mut told = Changed::default();
            for prefix in prefixes {
                let entries = changes.list_mut(kind);
                let Some(place) = entries.iter().position(|entry| entry.prefix == prefix) else {
                    return Err(not_there(&holders, kind, prefix));
                };
                entries.remove(place);
                told.changed.push(format!("{} is no longer on the list {kind}", shown(prefix)));
                if let Some(stand) = holders.find_beside_verbs(kind, prefix) {
                    told.notes.push(format!(
                        "{} is still within {} of the list {}: {}",
                        shown(prefix),
                        shown(stand.prefix),
                        stand.list,
                        holders.place(&stand)
                    ));
                }
            }
            Ok((Policy { changes: Arc::new(changes), ..current.clone() }, told))
        })?;
        changed.generation = Some(generation);
        Ok(changed)
    }

    /// `deny list`, `allow list`.
    pub(super) fn show_entries(&self, kind: ListKind) -> ListShown {
        let current = self.policy_in_force();
        let origin = lock(&self.origin).clone();
        let list = match kind {
            ListKind::Deny => &current.config.packet.deny,
            ListKind::Allow => &current.config.packet.allow,
        };
        let mut configured = Vec::new();
        let mut add = |name: &str, file: PathBuf, prefixes: usize| {
            let prefixes = prefixes as u64;
            configured.push(Configured { name: name.to_owned(), file, prefixes });
        };
        if !list.prefixes.is_empty() {
            add(kind.label(), current.config.path.clone(), list.prefixes.len());
        }
        for (file, name) in list.files.iter().zip(list.file_names()) {
            let found = origin.lists(kind).find(|(of_list, _)| **of_list == name);
            add(&name, file.clone(), found.map_or(0, |(_, prefixes)| prefixes.len()));
        }
        let now = now_epoch_s();
        let entries = current.changes.list(kind).iter().filter(|entry| !entry.is_over(now));
        ListShown { entries: entries.cloned().collect(), configured }
    }
}

/// What is to be said where a prefix is added.
fn addable(
    holders: &Holders<'_>,
    kind: ListKind,
    prefix: IpNetwork,
) -> Result<Vec<String>, ChangeError> {
    let text = shown(prefix);
    let refused = |message| Err(ChangeError::Refused(message));
    if let Some(entry) = holders.entry(kind, prefix) {
        let until =
            entry.expires_epoch_s.map_or(String::new(), |end| format!(", until {}", at(end)));
        return refused(format!(
            "{text} is on the list {kind} already: {} added it {}{until}; to give it another time or \
             comment, remove it first: seawall {kind} remove {text}",
            entry.who,
            at(entry.added_epoch_s)
        ));
    }
    if let Some(stand) = holders.same(kind, prefix) {
        let place = holders.place(&stand);
        return refused(format!("{text} is on the list {} already: {place}", stand.list));
    }
    let mut notes = Vec::new();
    if let Some(around) = holders.protected_around(prefix) {
        let around = shown(around);
        if kind == ListKind::Deny {
            return refused(format!(
                "{text} is within {around}, which is protected, and what is protected passes all the \
                 same: take it off packet.protected first"
            ));
        }
        notes.push(format!("{text} passes in any case: {around} is protected"));
    }
    match kind {
        ListKind::Deny => {
            if let Some(stand) = holders.around(ListKind::Allow, prefix) {
                return refused(format!(
                    "{text} is within {} of the list {}, and what is allowed passes all the same: {}; \
                     take it off first",
                    shown(stand.prefix),
                    stand.list,
                    holders.place(&stand)
                ));
            }
            notes.extend(holders.passing_within(prefix));
        }
        ListKind::Allow => {
            if let Some(stand) = holders.around(ListKind::Deny, prefix) {
                let (around, list) = (shown(stand.prefix), stand.list);
                notes
                    .push(format!("{text} is within {around} of the deny list {list}: allow wins"));
            }
        }
    }
    if let Some(stand) = holders.around(kind, prefix) {
        let (around, list) = (shown(stand.prefix), stand.list);
        notes.push(format!("{text} is within {around} of the list {list} already"));
    }
    Ok(notes)
}

/// Why a prefix cannot be removed, and where it could be.
fn not_there(holders: &Holders<'_>, kind: ListKind, prefix: IpNetwork) -> ChangeError {
    let text = shown(prefix);
    let message = if let Some(stand) = holders.same(kind, prefix) {
        format!(
            "{text} is on the list {}, and no verb added it: {}; remove it there and reload",
            stand.list,
            holders.place(&stand)
        )
    } else if holders.entry(kind.other(), prefix).is_some() {
        let other = kind.other();
        format!("{text} is on the list {other}: seawall {other} remove {text}")
    } else if let Some(stand) = holders.around(kind, prefix) {
        format!(
            "{text} is not on the list {kind} by itself: it is within {} of the list {}, {}",
            shown(stand.prefix),
            stand.list,
            holders.place(&stand)
        )
    } else {
        format!("{text} is not on the list {kind}: `seawall {kind} list` shows what is")
    };
    ChangeError::Refused(message)
}

/// The prefixes of a request: so many, each once.
fn named(prefixes: &[Prefix]) -> Result<Vec<IpNetwork>, ChangeError> {
    let prefixes: Vec<IpNetwork> = prefixes.iter().map(|prefix| prefix.0).collect();
    each_once("prefix", "prefixes", &prefixes, |prefix| shown(*prefix))?;
    Ok(prefixes)
}

/// What a request names: so many, each once.
pub fn each_once<T: PartialEq>(
    one: &str,
    many: &str,
    named: &[T],
    show: impl Fn(&T) -> String,
) -> Result<(), ChangeError> {
    let refused = |message| Err(ChangeError::Refused(message));
    if !(1..=NAMED_MAX).contains(&named.len()) {
        return refused(format!(
            "expected 1 to {NAMED_MAX} {many} at once, found {}; more belong into a list file",
            named.len()
        ));
    }
    let mut before = named.iter().enumerate();
    match before.find(|(place, found)| named[..*place].contains(found)) {
        Some((_, found)) => {
            refused(format!("expected each {one} once, found {} again; name it once", show(found)))
        }
        None => Ok(()),
    }
}

/// A comment or a reason: it goes to terminals, logs and the audit.
pub fn words(key: &str, text: Option<&str>) -> Result<Option<String>, ChangeError> {
    let Some(text) = text else { return Ok(None) };
    let bytes = text.len();
    if text.trim().is_empty() || bytes > COMMENT_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(ChangeError::Refused(format!(
            "{key}: expected 1 to {COMMENT_BYTES_MAX} bytes of text on one line, found {:?} ({bytes} bytes)",
            text.chars().take(32).collect::<String>()
        )));
    }
    Ok(Some(text.to_owned()))
}

/// What a request names, in a line.
pub fn joined(named: &[IpNetwork]) -> String {
    named.iter().map(|prefix| shown(*prefix)).collect::<Vec<_>>().join(" ")
}

impl Display for ListKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.label())
    }
}
