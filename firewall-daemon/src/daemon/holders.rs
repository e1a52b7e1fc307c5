//! Who holds a prefix: which list, and where it is written. What is there already, what outranks it, and
//! where it has to be removed is told by this.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnetwork::IpNetwork;

use super::{Daemon, change::Policy, lock};
use crate::{
    config::{Config, ListConfig},
    control::ListKind,
    explain::Origin,
    policy::list,
    state::{Changes, Entry},
    status::utc,
};

/// Prefixes that a note names one by one.
const NAMED_IN_NOTES: usize = 3;

/// What is in force, to be asked for prefixes.
pub struct Holders<'a> {
    config: &'a Config,
    changes: &'a Changes,
    origin: Arc<Origin>,
}

/// A prefix on a list.
pub struct Stand {
    /// The prefix.
    pub prefix: IpNetwork,
    /// The list's name.
    pub list: String,
    place: Place,
}

enum Place {
    /// `packet.allow.prefixes` or `packet.deny.prefixes`.
    Config(ListKind),
    /// A list file.
    File(PathBuf),
    /// It was added by a verb.
    Verb,
    /// Not in a file of the configuration.
    Elsewhere,
}

impl<'a> Holders<'a> {
    /// Of the policy in force.
    pub fn new(daemon: &Daemon, policy: &'a Policy) -> Self {
        let origin = lock(&daemon.origin).clone();
        Self { config: &policy.config, changes: &policy.changes, origin }
    }

    /// The entry that a verb made.
    pub fn entry(&self, kind: ListKind, prefix: IpNetwork) -> Option<&Entry> {
        self.changes.list(kind).iter().find(|entry| entry.prefix == prefix)
    }

    /// The first prefix of a kind of list that `is` what is looked for.
    fn find(&self, kind: ListKind, is: impl Fn(&IpNetwork) -> bool) -> Option<Stand> {
        let stand =
            |prefix: IpNetwork, list: &str, place| Stand { prefix, list: list.to_owned(), place };
        let config = self.configured(kind);
        if let Some(prefix) = config.prefixes.iter().find(|prefix| is(prefix)) {
            return Some(stand(*prefix, kind.label(), Place::Config(kind)));
        }
        if let Some(entry) = self.changes.list(kind).iter().find(|entry| is(&entry.prefix)) {
            return Some(stand(entry.prefix, kind.label(), Place::Verb));
        }
        self.find_in_files(kind, is)
    }

    /// The same where no verb and no line of the configuration has it.
    fn find_in_files(&self, kind: ListKind, is: impl Fn(&IpNetwork) -> bool) -> Option<Stand> {
        let config = self.configured(kind);
        let files: Vec<(String, &PathBuf)> = config.file_names().zip(&config.files).collect();
        let of_files = self.origin.lists(kind).filter(|(name, _)| *name != kind.label());
        for (name, prefixes) in of_files {
            let Some(prefix) = prefixes.iter().find(|prefix| is(prefix)) else { continue };
            let file = files.iter().find(|(of_file, _)| of_file == name);
            let place = file.map_or(Place::Elsewhere, |(_, file)| Place::File((*file).clone()));
            return Some(Stand { prefix: *prefix, list: name.to_owned(), place });
        }
        None
    }

    fn configured(&self, kind: ListKind) -> &ListConfig {
        match kind {
            ListKind::Deny => &self.config.packet.deny,
            ListKind::Allow => &self.config.packet.allow,
        }
    }

    /// The prefix itself or one around it, which stands in a file.
    pub fn find_beside_verbs(&self, kind: ListKind, prefix: IpNetwork) -> Option<Stand> {
        let inline = self.configured(kind).prefixes.iter();
        match inline.copied().find(|other| holds(*other, prefix)) {
            Some(prefix) => {
                let list = kind.label().to_owned();
                Some(Stand { prefix, list, place: Place::Config(kind) })
            }
            // The list of the configuration itself holds what verbs added too.
            None => self.find_in_files(kind, |other| holds(*other, prefix)),
        }
    }

    /// The prefix itself, on a list of a kind.
    pub fn same(&self, kind: ListKind, prefix: IpNetwork) -> Option<Stand> {
        self.find(kind, |other| *other == prefix)
    }

    /// A prefix around it, on a list of a kind.
    pub fn around(&self, kind: ListKind, prefix: IpNetwork) -> Option<Stand> {
        self.find(kind, |other| holds(*other, prefix))
    }

    /// The protected prefix around it.
    pub fn protected_around(&self, prefix: IpNetwork) -> Option<IpNetwork> {
        self.origin.protected().iter().find(|other| holds(**other, prefix)).copied()
    }

    /// What passes within a prefix that is denied: protected and allowed ones.
    pub fn passing_within(&self, prefix: IpNetwork) -> Option<String> {
        let protected = self.origin.protected().iter().map(|other| (*other, "protected"));
        let allow = self.origin.lists(ListKind::Allow);
        let allowed = allow.flat_map(|(_, prefixes)| prefixes.iter().map(|one| (*one, "allowed")));
        let mut within = protected.chain(allowed).filter(|(other, _)| holds(prefix, *other));
        let first: Vec<String> = within
            .by_ref()
            .take(NAMED_IN_NOTES)
            .map(|(other, why)| format!("{} ({why})", shown(other)))
            .collect();
        if first.is_empty() {
            return None;
        }
        let more = match within.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = first.join(", ");
        Some(format!("within {}, {first}{more} passes all the same", shown(prefix)))
    }

    /// Where it stands, in words.
    pub fn place(&self, stand: &Stand) -> String {
        let at = |path: &Path, line: Option<u64>| match line {
            Some(line) => format!("it stands in {}:{line}", path.display()),
            None => format!("it stands in {}", path.display()),
        };
        match &stand.place {
            Place::Config(kind) => at(&self.config.path, self.config.line_of(*kind, stand.prefix)),
            Place::File(file) => at(file, list::line_of(file, stand.prefix)),
            Place::Verb => "a verb added it".to_owned(),
            Place::Elsewhere => format!("it came with the list {}", stand.list),
        }
    }
}

/// Whether a prefix holds all of another.
pub fn holds(outer: IpNetwork, inner: IpNetwork) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.network())
}

/// A prefix as people write it: the address alone, where it is one.
pub fn shown(prefix: IpNetwork) -> String {
    let max = if prefix.is_ipv4() { 32 } else { 128 };
    if prefix.prefix() == max { prefix.ip().to_string() } else { prefix.to_string() }
}

/// An address as a prefix.
pub fn of_address(address: IpAddr) -> IpNetwork {
    IpNetwork::from(address)
}

/// A time in words, to the second.
pub fn at(epoch_s: u64) -> String {
    utc(epoch_s.saturating_mul(1_000_000_000)).replace(".000000", "")
}
