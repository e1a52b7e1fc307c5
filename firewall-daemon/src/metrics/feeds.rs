//! Feeds and databases: a series for each that is configured, and for each reason of a closed set.

use super::{Families, Labels};
use crate::status::{FeedResult, Snapshot, UpdateStatus};

impl Families<'_> {
    pub(super) fn feeds(&mut self, snapshot: &Snapshot) {
        let feeds = &snapshot.feeds;
        let feed = |name: &str| ("feed", name.to_owned());
        self.gauges(
            "feed_prefixes",
            "Prefixes of the last good copy",
            feeds.iter().map(|one| (vec![feed(&one.name)], one.prefixes)),
        );
        self.gauges(
            "feed_confirmed_timestamp_seconds",
            "When the server last said that this copy is the newest, in seconds since 1970",
            feeds.iter().filter_map(|one| Some((vec![feed(&one.name)], one.checked_epoch_s?))),
        );
        let refused = |updates: &UpdateStatus| {
            updates.last.as_ref().map(|last| last.result) == Some(FeedResult::Refused)
        };
        self.gauges(
            "feed_last_update_ok",
            "0 where the last update was refused, else 1",
            feeds.iter().map(|one| (vec![feed(&one.name)], u64::from(!refused(&one.updates)))),
        );
        self.counters(
            "feed_updates",
            "Updates of feeds",
            feeds.iter().flat_map(|one| results(feed(&one.name), &one.updates)),
        );
        self.counters(
            "feed_refusals",
            "Updates of feeds that were refused: the copy in force stayed",
            feeds.iter().flat_map(|one| reasons(feed(&one.name), &one.updates)),
        );
        let databases = &snapshot.databases;
        let database = |name: &str| ("database", name.to_owned());
        self.counters(
            "geo_updates",
            "Updates of databases",
            databases.iter().flat_map(|one| results(database(&one.database), &one.updates)),
        );
        self.counters(
            "geo_update_refusals",
            "Updates of databases that were refused: the database in force stayed",
            databases.iter().flat_map(|one| reasons(database(&one.database), &one.updates)),
        );
    }
}

pub(super) fn results(of: (&'static str, String), updates: &UpdateStatus) -> Vec<(Labels, u64)> {
    let row = |result: &str, count| (vec![of.clone(), ("result", result.to_owned())], count);
    vec![
        row("new", updates.new),
        row("unchanged", updates.unchanged),
        row("refused", updates.refusals()),
    ]
}

pub(super) fn reasons(of: (&'static str, String), updates: &UpdateStatus) -> Vec<(Labels, u64)> {
    let row = |reason: &str, count| (vec![of.clone(), ("reason", reason.to_owned())], count);
    updates.refused.iter().map(|one| row(&one.reason, one.count)).collect()
}
