//! Feeds and databases are asked for on a schedule, one after the other.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{Daemon, lock, snapshot::now_epoch_s, updates};
use crate::{
    config::{FeedConfig, PacketConfig},
    control::Caller,
    feeds::{REASONS, figures::Figures, schedule, store},
    fetch,
    geo::{
        Database, GEO_REASONS,
        update::{self as geo_update, From},
    },
    status::{DatabaseStatus, FeedStatus},
};

/// How often it is asked what is due.
const BEAT: Duration = Duration::from_secs(1);
/// How often the log says what is missing or too old.
const WARN_EVERY: Duration = Duration::from_secs(86_400);

/// What is kept up to date from the network.
#[derive(Debug, Default)]
pub struct Refresh {
    /// Held while one is fetched and taken.
    pub fetching: Mutex<()>,
    /// The daemon stops: nobody waits for a server any more.
    pub stopping: AtomicBool,
    /// Of the feeds.
    pub feeds: Figures,
    /// Of the databases.
    pub databases: Figures,
    /// When each is due, and at which interval that was planned.
    plan: Mutex<BTreeMap<String, (Duration, Instant)>>,
}

/// One thing that is asked for.
#[derive(Clone, Debug)]
enum Target {
    Feed(Box<FeedConfig>),
    Database(Database, Duration),
}

impl Target {
    fn key(&self) -> &str {
        match self {
            Self::Feed(feed) => &feed.name,
            Self::Database(database, _) => database.label(),
        }
    }

    fn interval(&self) -> Duration {
        match self {
            Self::Feed(feed) => feed.interval,
            Self::Database(_, interval) => *interval,
        }
    }
}

impl Refresh {
    /// The state of the feeds that are configured.
    pub fn feeds(&self, packet: &PacketConfig) -> Vec<FeedStatus> {
        self.feeds.retain(|name| packet.feeds.iter().any(|feed| feed.name == name));
        let status = |feed: &FeedConfig| {
            let kept = store::header(&feed.copy);
            let fault = kept.as_ref().err().map(ToString::to_string);
            let kept = kept.ok().flatten();
            FeedStatus {
                name: feed.name.clone(),
                url: fetch::shown(&feed.url),
                interval_s: feed.interval.as_secs(),
                prefixes: kept.as_ref().map_or(0, |(header, _)| header.prefixes as u64),
                fetched_epoch_s: kept.as_ref().map(|(header, _)| header.fetched_epoch_s),
                checked_epoch_s: kept.map(|(_, checked_epoch_s)| checked_epoch_s),
                updates: self.feeds.status(&feed.name, &REASONS),
                fault,
            }
        };
        packet.feeds.iter().map(status).collect()
    }

    /// The state of the databases that are kept up to date.
    pub fn databases(&self, packet: &PacketConfig) -> Vec<DatabaseStatus> {
        let geo = packet.geo.iter().filter(|geo| geo.update.is_some());
        let wanted = geo.flat_map(|geo| {
            Database::ALL.into_iter().filter(|one| geo_update::is_configured(geo, *one))
        });
        let status = |database: Database| DatabaseStatus {
            database: database.label().to_owned(),
            updates: self.databases.status(database.label(), &GEO_REASONS),
        };
        wanted.map(status).collect()
    }

    /// Forgets when one is due: it was just asked for.
    pub fn replan(&self, key: &str) {
        lock(&self.plan).remove(key);
    }

    /// Whether it is due; when it is, where nobody has said yet.
    fn is_due(&self, target: &Target, now: Instant) -> bool {
        let mut plan = lock(&self.plan);
        let (key, interval) = (target.key(), target.interval());
        let planned =
            plan.get(key).filter(|(planned, _)| *planned == interval).map(|(_, due)| *due);
        let due = planned.unwrap_or_else(|| {
            let (figures, age) = match target {
                Target::Feed(feed) => (&self.feeds, feed_age(feed)),
                // The first time at once: a server says in one line that nothing is new.
                Target::Database(..) => (&self.databases, None),
            };
            let status = figures.status(key, &[]);
            let since_last = status.last.map(|last| last.at_epoch_s);
            let age = age.or_else(|| {
                since_last.map(|at| Duration::from_secs(now_epoch_s().saturating_sub(at)))
            });
            let wait = schedule::wait(interval, age, figures.failures(key), chance());
            figures.next(key, now_epoch_s() + wait.as_secs());
            now + wait
        });
        plan.insert(key.to_owned(), (interval, due));
        due <= now
    }
}

/// Asks for what is due until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned: Option<Instant> = None;
    loop {
        let stopping = daemon.clone();
        let round = async {
            beat.tick().await;
            let now = Instant::now();
            if warned.is_none_or(|at| now.duration_since(at) >= WARN_EVERY) {
                warned = Some(now);
                warn(&daemon);
            }
            let daemon = daemon.clone();
            if let Err(error) = spawn_blocking(move || all_due(&daemon)).await {
                tracing::error!(%error, "updates of feeds and databases broke off");
            }
        };
        tokio::select! {
            () = round => {}
            _ = stop.wait_for(|stop| *stop) => {
                stopping.refresh.stopping.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}

fn all_due(daemon: &Daemon) {
    let packet = lock(&daemon.config).packet.clone();
    let now = Instant::now();
    for target in targets(&packet) {
        if daemon.refresh.stopping.load(Ordering::Relaxed) {
            return;
        }
        if !daemon.refresh.is_due(&target, now) {
            continue;
        }
        let who = Caller::daemon();
        match target {
            Target::Feed(feed) => drop(daemon.update_feed(&who, &feed, false)),
            Target::Database(database, _) => {
                drop(daemon.update_database(&who, database, &From::Configured, false));
            }
        }
    }
}

fn targets(packet: &PacketConfig) -> Vec<Target> {
    let feeds = packet.feeds.iter().map(|feed| Target::Feed(Box::new(feed.clone())));
    let databases = packet.geo.iter().filter_map(|geo| Some((geo, geo.update.as_ref()?)));
    let databases = databases.flat_map(|(geo, update)| {
        let configured =
            Database::ALL.into_iter().filter(|one| geo_update::is_configured(geo, *one));
        configured.map(|database| Target::Database(database, update.interval))
    });
    feeds.chain(databases).collect()
}

fn warn(daemon: &Daemon) {
    let packet = lock(&daemon.config).packet.clone();
    let geo = lock(&daemon.policy).geo.clone();
    for warning in updates::warnings(&packet, geo.as_ref(), now_epoch_s()) {
        tracing::warn!(warning, "what is kept up to date is missing or too old");
    }
}

/// Since the server last confirmed the copy.
fn feed_age(feed: &FeedConfig) -> Option<Duration> {
    let (header, checked_epoch_s) = store::header(&feed.copy).ok()??;
    // Of another source it says nothing.
    (header.source == feed.source())
        .then(|| Duration::from_secs(now_epoch_s().saturating_sub(checked_epoch_s)))
}

/// From 0 to 1. Where the kernel has no random bits, hosts are not spread, and that is all.
fn chance() -> f64 {
    getrandom::u32().map_or(0.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}
