//! The state of a feed, and of the databases that are kept up to date.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::duration;

/// A feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// Its name, and that of its deny list.
    pub name: String,
    /// Where it comes from, without the query.
    pub url: String,
    /// How often it is asked for.
    pub interval_s: u64,
    /// Prefixes of the copy that is kept.
    pub prefixes: u64,
    /// When that came, in seconds since 1970; nothing where there is none yet.
    pub fetched_epoch_s: Option<u64>,
    /// When the server last said that it is the newest.
    pub checked_epoch_s: Option<u64>,
    /// How its updates went.
    pub updates: UpdateStatus,
    /// What is wrong with the copy that is kept.
    pub fault: Option<String>,
}

/// How the updates of a feed or a database went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// When it is asked for next.
    pub next_epoch_s: Option<u64>,
    /// Updates that came into force, since the daemon started.
    pub new: u64,
    /// Updates that found nothing new.
    pub unchanged: u64,
    /// Updates that were refused, for each reason.
    pub refused: Vec<ReasonCount>,
    /// The last one.
    pub last: Option<FeedOutcome>,
}

impl UpdateStatus {
    /// Updates that were refused, for all reasons.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused.iter().map(|one| one.count).sum()
    }
}

/// A database that is kept up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// `country` or `asn`.
    pub database: String,
    /// How its updates went.
    pub updates: UpdateStatus,
}

/// Keys of an issuer of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysStatus {
    /// Its name in `gateway.jwt`.
    pub jwt: String,
    /// Where they come from, without the query.
    pub url: String,
    /// When the endpoint last said that these are its keys, in seconds since 1970; nothing where it never
    /// did.
    pub confirmed_epoch_s: Option<u64>,
    /// When they came.
    pub fetched_epoch_s: Option<u64>,
    /// How often a worker asked for newer ones.
    pub wanted: u64,
    /// How its updates went.
    pub updates: UpdateStatus,
}

/// How an update that was asked for ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReport {
    /// The feed or the database.
    pub name: String,
    /// How.
    pub result: FeedResult,
    /// What is in force now, or why it was refused.
    pub text: String,
}

/// How often for a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedOutcome {
    /// When, in seconds since 1970.
    pub at_epoch_s: u64,
    /// How.
    pub result: FeedResult,
    /// Why it was refused, as in metrics.
    pub reason: Option<String>,
    /// The same in words.
    pub error: Option<String>,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedResult {
    /// A new copy is in force.
    New,
    /// The copy in force is the newest.
    Unchanged,
    /// The copy in force stays.
    Refused,
}

/// The feeds for people.
#[must_use]
pub fn render_feeds(feeds: &[FeedStatus], now_epoch_s: u64) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, feeds, now_epoch_s);
    out
}

fn write(out: &mut String, feeds: &[FeedStatus], now_epoch_s: u64) -> fmt::Result {
    if feeds.is_empty() {
        return writeln!(out, "no feeds; packet.feeds in the configuration names them");
    }
    for feed in feeds {
        let ago = |at_epoch_s: u64| duration(now_epoch_s.saturating_sub(at_epoch_s));
        writeln!(out, "feed        {}", feed.name)?;
        writeln!(out, "            {}", feed.url.escape_debug())?;
        match (feed.checked_epoch_s, feed.fetched_epoch_s) {
            (Some(checked), Some(fetched)) => writeln!(
                out,
                "            {} prefixes, {} old, confirmed {} ago",
                feed.prefixes,
                ago(fetched),
                ago(checked)
            )?,
            _ => writeln!(out, "            NO COPY YET: nothing of it is denied")?,
        }
        if let Some(fault) = &feed.fault {
            writeln!(out, "            {}", fault.escape_debug())?;
        }
        write_updates(out, &feed.updates, now_epoch_s)?;
    }
    Ok(())
}

fn write_updates(out: &mut String, updates: &UpdateStatus, now_epoch_s: u64) -> fmt::Result {
    let UpdateStatus { new, unchanged, .. } = updates;
    let refused = updates.refusals();
    writeln!(out, "            updates: {new} new, {unchanged} unchanged, {refused} refused")?;
    if let Some(next) = updates.next_epoch_s {
        writeln!(out, "            next in {}", duration(next.saturating_sub(now_epoch_s)))?;
    }
    if let Some(last) = &updates.last
        && let (Some(reason), Some(error)) = (&last.reason, &last.error)
    {
        writeln!(out, "            last refused ({reason}): {}", error.escape_debug())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_for_people() {
        assert_eq!(
            render_feeds(&[], 0),
            "no feeds; packet.feeds in the configuration names them\n"
        );
        let fresh = FeedStatus {
            name: "ipsum".into(),
            url: "https://example.com/ipsum.txt".into(),
            prefixes: 9,
            fetched_epoch_s: Some(1_000),
            checked_epoch_s: Some(4_600),
            updates: UpdateStatus {
                next_epoch_s: Some(4_720),
                new: 1,
                unchanged: 2,
                ..UpdateStatus::default()
            },
            ..FeedStatus::default()
        };
        let never = FeedStatus {
            name: "drop".into(),
            url: "https://example.com/drop".into(),
            updates: UpdateStatus {
                refused: vec![ReasonCount { reason: "status".into(), count: 3 }],
                last: Some(FeedOutcome {
                    at_epoch_s: 4_000,
                    result: FeedResult::Refused,
                    reason: Some("status".into()),
                    error: Some("expected status 200, found 404\u{1b}".into()),
                }),
                ..UpdateStatus::default()
            },
            ..FeedStatus::default()
        };
        assert_eq!(
            render_feeds(&[fresh, never], 4_660),
            "feed        ipsum
            https://example.com/ipsum.txt
            9 prefixes, 1 h 1 min old, confirmed 1 min 0 s ago
            updates: 1 new, 2 unchanged, 0 refused
            next in 1 min 0 s
feed        drop
            https://example.com/drop
            NO COPY YET: nothing of it is denied
            updates: 0 new, 0 unchanged, 3 refused
            last refused (status): expected status 200, found 404\\u{1b}
"
        );
    }
}
