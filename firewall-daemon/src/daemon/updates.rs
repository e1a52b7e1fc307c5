//! Updates of feeds and databases: fetched and checked first, put in their place, then brought into force on the one
//! road. Where that fails, the old file comes back.

use super::{
    Daemon,
    change::{Cause, ChangeError},
    lock,
    snapshot::now_epoch_s,
};
use crate::{
    config::{Config, FeedConfig, PacketConfig},
    control::Caller,
    feeds::{Refusal, figures::Figures, store, update},
    fetch,
    geo::{
        Database, GeoRefusal,
        update::{self as geo_update, From, NewDatabase},
    },
    state::{
        file::Staged,
        swap::{self, Swapped, Update},
    },
    status::{FeedResult, GeoStatus, UpdateReport, duration},
};

impl Daemon {
    /// Updates one feed or all, for a caller.
    pub(super) fn update_feeds(
        &self,
        who: &Caller,
        name: Option<&str>,
        force: bool,
    ) -> Result<Vec<UpdateReport>, String> {
        let feeds = lock(&self.config).packet.feeds.clone();
        let names: Vec<&str> = feeds.iter().map(|feed| feed.name.as_str()).collect();
        if name.map_or(names.is_empty(), |name| !names.contains(&name)) {
            let found = name.map_or("none".to_owned(), |name| format!("{:?}", bounded(name)));
            return Err(format!(
                "expected a feed of packet.feeds ({}), found {found}",
                names.join(", ")
            ));
        }
        let wanted = feeds.iter().filter(|feed| name.is_none_or(|name| feed.name == name));
        Ok(wanted.map(|feed| self.update_feed(who, feed, force)).collect())
    }

    /// Updates a feed, and says how it went: to the log, in the figures and in the report.
    pub(super) fn update_feed(&self, who: &Caller, feed: &FeedConfig, force: bool) -> UpdateReport {
        let taken = {
            // One at a time: two copies of one feed would be staged in one place.
            let _one = lock(&self.refresh.fetching);
            self.take_feed(who, feed, force)
        };
        let taken = taken.map_err(|refusal| (refusal.label(), refusal.to_string()));
        self.report("copy", &self.refresh.feeds, &feed.name, Some(&feed.url), taken)
    }

    /// Says how an update ended.
    fn report(
        &self,
        what: &'static str,
        figures: &Figures,
        name: &str,
        url: Option<&str>,
        taken: Result<(FeedResult, String), (&'static str, String)>,
    ) -> UpdateReport {
        let (result, text, ended) = match taken {
            Ok((result, text)) => (result, text, Ok(result)),
            Err((reason, error)) => {
                let url = url.map(fetch::shown);
                tracing::warn!(
                    what,
                    name,
                    url,
                    reason,
                    error,
                    "an update was refused: what is in force stays"
                );
                let from = url.map_or(String::new(), |url| format!("{url}: "));
                let text = format!("{from}{error}; the {what} in force stays");
                (FeedResult::Refused, text, Err((reason, error)))
            }
        };
        figures.ended(name, now_epoch_s(), ended);
        self.refresh.replan(name);
        UpdateReport { name: name.to_owned(), result, text }
    }

    fn take_feed(
        &self,
        who: &Caller,
        feed: &FeedConfig,
        force: bool,
    ) -> Result<(FeedResult, String), Refusal> {
        let protected = lock(&self.config).packet.protected.clone();
        let new = match update::prepare(feed, &protected, force, &self.refresh.stopping)? {
            Update::Unchanged => {
                return Ok((FeedResult::Unchanged, "the copy in force is the newest".to_owned()));
            }
            Update::New(new) => new,
        };
        let text = format!("{} prefixes, {} before", new.after, new.before);
        let cause = Cause::new(who, "feeds update", format!("{}: {text}", feed.name));
        let taken = self
            .swap_in(&cause, new.staged, |packet| packet.feeds.iter().any(|found| found == feed));
        taken.map_err(|error| Refusal::Policy(error.to_string()))?;
        Ok((FeedResult::New, text))
    }

    /// Updates the databases, for a caller.
    pub(super) fn update_geo(
        &self,
        who: &Caller,
        from: &From,
        force: bool,
    ) -> Result<Vec<UpdateReport>, String> {
        let geo = lock(&self.config).packet.geo.clone();
        let geo = geo.ok_or("expected packet.geo in the configuration, found none")?;
        let wanted: Vec<Database> = match from {
            From::Url(_) | From::File(_) => vec![Database::Country],
            From::Configured => Database::ALL
                .into_iter()
                .filter(|database| geo_update::is_configured(&geo, *database))
                .collect(),
        };
        if wanted.is_empty() {
            return Err("expected packet.geo.update, which says where the database comes from, found none; or give --url or --from".to_owned());
        }
        Ok(wanted
            .into_iter()
            .map(|database| self.update_database(who, database, from, force))
            .collect())
    }

    /// Updates a database, and says how it went.
    pub(super) fn update_database(
        &self,
        who: &Caller,
        database: Database,
        from: &From,
        force: bool,
    ) -> UpdateReport {
        let taken = {
            let _one = lock(&self.refresh.fetching);
            self.take_database(who, database, from, force)
        };
        let taken = taken.map_err(|refusal| (refusal.label(), refusal.to_string()));
        self.report("database", &self.refresh.databases, database.label(), None, taken)
    }

    fn take_database(
        &self,
        who: &Caller,
        database: Database,
        from: &From,
        force: bool,
    ) -> Result<(FeedResult, String), GeoRefusal> {
        let geo = lock(&self.config).packet.geo.clone();
        let geo =
            geo.ok_or_else(|| GeoRefusal::Source("expected packet.geo, found none".to_owned()))?;
        let stopping = &self.refresh.stopping;
        let prepared = geo_update::prepare(&geo, database, from, force, now_epoch_s(), stopping)?;
        let NewDatabase { staged, facts, source } = match prepared {
            Update::Unchanged => {
                return Ok((
                    FeedResult::Unchanged,
                    "the database in force is the newest".to_owned(),
                ));
            }
            Update::New(new) => new,
        };
        let text = format!(
            "{} networks, made {} ago, {}",
            facts.networks,
            duration(now_epoch_s().saturating_sub(facts.build_epoch_s)),
            facts.kind.escape_debug()
        );
        let cause = Cause::new(who, "geo update", format!("{}: {text}", database.label()));
        let path = staged.target().to_path_buf();
        let taken = self.swap_in(&cause, staged, |packet| {
            packet.geo.as_ref().and_then(|geo| geo_update::path(geo, database)) == Some(&path)
        });
        taken.map_err(|error| GeoRefusal::Policy(error.to_string()))?;
        source.iter().for_each(|source| source.note(&path));
        Ok((FeedResult::New, text))
    }

    /// Puts a file in its place and the policy with it in force.
    fn swap_in(
        &self,
        cause: &Cause,
        staged: Staged,
        is_still_wanted: impl FnOnce(&PacketConfig) -> bool,
    ) -> Result<(), ChangeError> {
        let mut swapped = None;
        self.put_in_force(cause, |current| {
            if !is_still_wanted(&current.config.packet) {
                let message = "the configuration was changed meanwhile; ask again";
                return Err(ChangeError::Refused(message.to_owned()));
            }
            let path = staged.target().to_path_buf();
            let done = Swapped::new(staged).map_err(|error| {
                ChangeError::Refused(format!("{} cannot be replaced: {error}", path.display()))
            })?;
            swapped = Some(done);
            Ok((current.clone(), ()))
        })?;
        if let Some(swapped) = swapped {
            swapped.keep();
        }
        Ok(())
    }
}

/// Takes back what an earlier daemon had put in its place and not in force when it died.
pub fn recover(config: &Config) {
    let feeds = config.packet.feeds.iter().map(|feed| feed.copy.as_path());
    let geo = config.packet.geo.iter();
    let databases =
        geo.flat_map(|geo| Database::ALL.map(|one| geo_update::path(geo, one))).flatten();
    for path in feeds.chain(databases) {
        if let Err(error) = swap::recover(path) {
            tracing::warn!(path = %path.display(), %error, "an update that was broken off cannot be taken back");
        }
    }
}

/// What of the feeds and databases is missing or too old, with what to do.
pub fn warnings(packet: &PacketConfig, geo: Option<&GeoStatus>, now_epoch_s: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    for feed in &packet.feeds {
        let name = &feed.name;
        match store::header(&feed.copy) {
            Ok(Some(_)) => {}
            Ok(None) => warnings.push(format!(
                "packet.feeds: expected a copy of {name}, found none yet: nothing of it is denied; `seawall feeds update {name}` says why"
            )),
            Err(error) => warnings.push(format!("packet.feeds: {name}: {error}")),
        }
    }
    if let (Some(config), Some(geo)) = (&packet.geo, geo) {
        let age = now_epoch_s.saturating_sub(geo.build_epoch_s);
        let max = config.age_max.as_secs();
        if age > max {
            warnings.push(format!(
                "packet.geo.database: expected one made at most {} days ago (age_max_days), found {} days: countries change hands; `seawall geo update`",
                max / 86_400,
                age / 86_400
            ));
        }
    }
    warnings
}

/// A name that somebody typed.
fn bounded(name: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 64;
    name.chars().take(SHOWN_CHARACTERS_MAX).collect()
}
