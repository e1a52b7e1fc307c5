//! What goes to the audit log, and what happens where it cannot be written.
//!
//! A change of the policy is refused then: nothing is in force that nobody can account for. A ban is in force all
//! the same, as an attack does not wait for a disk, and so is a stop: their records are owed.

use std::fmt::Write as _;

use super::{
    Daemon,
    change::{Cause, ChangeError, Policy},
};
use crate::{
    audit::{Peer, Record, Who},
    control::{Caller, ListKind},
    plan,
    state::Changes,
};

impl Daemon {
    /// Records a change of the policy, with the number of the generation where it made one.
    pub(super) fn audit(
        &self,
        cause: &Cause,
        generation: Option<u32>,
        before: &Policy,
        next: &Policy,
    ) -> Result<(), ChangeError> {
        let numbered = |number: Option<u32>, text: String| match number {
            Some(number) => format!("generation {number}{text}"),
            None => text.trim_start_matches(", ").to_owned(),
        };
        let (mut was, mut is) = (beside(before, next), beside(next, before));
        let (old, new) = plan::told_apart(&before.config, &next.config);
        if !old.is_empty() {
            // Writing to a string cannot fail.
            let _ = (write!(was, ", {old}"), write!(is, ", {new}"));
        }
        let earlier = generation.map(|generation| generation.saturating_sub(1));
        let record = Record {
            before: numbered(earlier, was),
            after: numbered(generation, is),
            ..record(cause)
        };
        self.audit.record(&record)?;
        Ok(())
    }

    /// Records what was done, where nothing more is to be said than who, what and why.
    pub(super) fn audit_cause(&self, cause: &Cause) -> Result<(), ChangeError> {
        self.audit.record(&record(cause))?;
        Ok(())
    }

    /// Records a ban or the end of one. The end of one is refused where it cannot be recorded.
    pub(super) fn audit_ban(&self, cause: &Cause, before: String) -> Result<(), ChangeError> {
        let Cause { who, verb, what, why, .. } = cause;
        let record = Record { before, ..record(cause) };
        if *verb == "ban" {
            // The log says so itself.
            let _ = self.audit.record_or_owe(&record);
        } else {
            self.audit.record(&record)?;
        }
        tracing::info!(who = %who, verb, what, why, "changed");
        Ok(())
    }

    /// Records that keys were taken back; they hold no longer whether that can be written now or later.
    pub(super) fn audit_revocation(&self, cause: &Cause) {
        let _ = self.audit.record_or_owe(&record(cause));
        let Cause { who, verb, what, .. } = cause;
        tracing::info!(who = %who, verb, what, "changed");
    }

    /// Records that the filter was taken off; it is off whether that can be written now or later.
    pub(super) fn audit_detach(&self, caller: &Caller, interfaces: &str) {
        let after = format!("detached from {interfaces}");
        let record = Record { after, ..Record::new(who(caller), "detach", interfaces) };
        let _ = self.audit.record_or_owe(&record);
    }

    /// Records what the daemon does by itself and cannot leave undone: a start, a stop, a refusal.
    pub(super) fn audit_own(&self, verb: &'static str, what: &str, after: &str) {
        let record = Record { after: after.to_owned(), ..Record::new(Who::Daemon, verb, what) };
        let _ = self.audit.record_or_owe(&record);
    }
}

fn record(cause: &Cause) -> Record {
    let why = cause.why.clone().unwrap_or_default();
    Record { why, ..Record::new(who(&cause.who), cause.verb, &cause.what) }
}

/// The daemon calls itself by its own process.
fn who(caller: &Caller) -> Who {
    let Caller { uid, user, gid, pid, .. } = caller;
    if *pid == std::process::id() {
        return Who::Daemon;
    }
    let name = if *user == uid.to_string() { String::new() } else { user.clone() };
    Who::User(Peer { name, uid: *uid, gid: *gid, pid: *pid })
}

/// What one policy has that the other has not, in short; the log bounds it.
fn beside(one: &Policy, other: &Policy) -> String {
    let mut text = String::new();
    let (mine, theirs): (&Changes, &Changes) = (&one.changes, &other.changes);
    for (name, kind) in [("deny", ListKind::Deny), ("allow", ListKind::Allow)] {
        let theirs = theirs.list(kind);
        // All of 16,384 against as many would take seconds: what stands at the same place is the same.
        let same =
            mine.list(kind).iter().zip(theirs).take_while(|(one, other)| one == other).count();
        let mut mine = mine.list(kind)[same..].iter().filter(|entry| {
            !theirs.get(same..).unwrap_or_default().iter().take(NAMED_MAX).any(|it| it == *entry)
        });
        for entry in mine.by_ref().take(NAMED_MAX) {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {name} {}", entry.prefix);
        }
        let more = mine.take(MORE_MAX).count();
        if more > 0 {
            let _ = write!(text, ", {name} {more} more");
        }
    }
    if mine.geo != theirs.geo {
        let _ = match &mine.geo {
            Some(geo) => write!(text, ", geo {:?} of {} countries", geo.mode, geo.countries.len()),
            None => write!(text, ", geo as configured"),
        };
    }
    for (scope, limit) in &mine.limits {
        if theirs.limits.get(scope) != Some(limit) {
            let rate = limit.rate.map_or("none".to_owned(), |rate| format!("{rate:?}"));
            let _ = write!(text, ", limit {scope:?} {rate}");
        }
    }
    for change in &mine.backends {
        if !theirs.backends.contains(change) {
            let (upstream, address) = (&change.upstream, change.address);
            let draining = if change.draining { ", draining" } else { "" };
            let _ = write!(text, ", backend {upstream} {address} {:?}{draining}", change.state);
        }
    }
    text
}

/// So many entries are named.
const NAMED_MAX: usize = 16;
/// So many are counted beyond those.
const MORE_MAX: usize = 1_000;
