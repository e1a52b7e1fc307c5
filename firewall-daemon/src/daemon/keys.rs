//! Keys of issuers are asked for on a schedule, and sooner where tokens name keys that are not there: each
//! issuer by itself, so that a slow one keeps no other waiting.

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

use super::{Daemon, lock, snapshot::now_epoch_s};
use crate::{
    config::{Config, JwtConfig, KeysConfig, KeysUrlConfig, LoginConfig},
    feeds::{figures::Figures, schedule},
    fetch,
    jwks::{
        REASONS, Refusal, store,
        update::{self, Said},
    },
    status::{FeedResult, KeysStatus},
};

/// How often it is asked what is due.
const BEAT: Duration = Duration::from_secs(1);
/// However many tokens name unknown keys, and whatever a worker says: for their sake an issuer is asked once in
/// so long.
const ASKED_INTERVAL: Duration = Duration::from_secs(30);

/// What is known of the issuers' endpoints.
#[derive(Debug, Default)]
pub struct KeyRefresh {
    figures: Figures,
    issuers: Mutex<BTreeMap<String, Issuer>>,
    stopping: AtomicBool,
}

/// An issuer's endpoint.
#[derive(Debug)]
struct Issuer {
    endpoint: KeysUrlConfig,
    copy: Option<store::Copy>,
    due: Instant,
    /// When it was last asked as tokens named keys that are not there.
    asked: Option<Instant>,
    asking: bool,
    /// Tokens named keys that are not there.
    wanted: bool,
    /// How often that was.
    wanted_count: u64,
}

impl Issuer {
    fn new(name: &str, endpoint: &KeysUrlConfig, now: Instant, now_epoch_s: u64) -> Self {
        let copy = store::read(&endpoint.copy, &endpoint.url).unwrap_or_else(|error| {
            tracing::warn!(jwt = name, %error, "the kept copy of an issuer's keys is not used");
            None
        });
        let age = copy.as_ref().map(|copy| now_epoch_s.saturating_sub(copy.confirmed_epoch_s));
        let wait = schedule::wait(endpoint.interval, age.map(Duration::from_secs), 0, chance());
        Self {
            endpoint: endpoint.clone(),
            copy,
            due: now + wait,
            asked: None,
            asking: false,
            wanted: false,
            wanted_count: 0,
        }
    }

    /// Whether to ask it at this moment; from here on it is being asked.
    fn begin(&mut self, now: Instant) -> bool {
        let rested = self.asked.is_none_or(|asked| now.duration_since(asked) >= ASKED_INTERVAL);
        let due = now >= self.due;
        if self.asking || !(due || self.wanted && rested) {
            return false;
        }
        if !due {
            self.asked = Some(now);
        }
        self.wanted = false;
        self.asking = true;
        true
    }
}

impl KeyRefresh {
    /// The state of the endpoints that are configured.
    pub fn status(&self) -> Vec<KeysStatus> {
        let issuers = lock(&self.issuers);
        let status = |(name, issuer): (&String, &Issuer)| KeysStatus {
            jwt: name.clone(),
            url: fetch::shown(&issuer.endpoint.url),
            confirmed_epoch_s: issuer.copy.as_ref().map(|copy| copy.confirmed_epoch_s),
            fetched_epoch_s: issuer.copy.as_ref().map(|copy| copy.fetched_epoch_s),
            wanted: issuer.wanted_count,
            updates: self.figures.status(name, &REASONS),
        };
        issuers.iter().map(status).collect()
    }

    /// Brings the issuers in line with the configuration.
    fn retain(&self, configured: &[(JwtConfig, KeysUrlConfig)], now: Instant) {
        let mut issuers = lock(&self.issuers);
        let found = |name: &str| configured.iter().find(|(jwt, _)| jwt.policy.name == name);
        issuers.retain(|name, issuer| {
            found(name).is_some_and(|(_, endpoint)| *endpoint == issuer.endpoint)
        });
        self.figures.retain(|name| found(name).is_some());
        for (jwt, endpoint) in configured {
            let name = &jwt.policy.name;
            if !issuers.contains_key(name) {
                issuers.insert(name.clone(), Issuer::new(name, endpoint, now, now_epoch_s()));
            }
        }
    }

    fn want(&self, names: impl IntoIterator<Item = String>) {
        let mut issuers = lock(&self.issuers);
        for name in names {
            if let Some(issuer) = issuers.get_mut(&name) {
                issuer.wanted = true;
                issuer.wanted_count += 1;
            }
        }
    }

    /// Takes those that are due.
    fn begin(&self, now: Instant) -> Vec<String> {
        let mut issuers = lock(&self.issuers);
        let due = issuers.iter_mut().filter_map(|(name, issuer)| issuer.begin(now).then_some(name));
        due.cloned().collect()
    }

    /// Notes how it ended, and when to ask again.
    fn end(&self, name: &str, endpoint: &KeysUrlConfig, copy: Option<store::Copy>, now: Instant) {
        let mut issuers = lock(&self.issuers);
        // Where a reload changed the endpoint meanwhile, this was about another one.
        let Some(issuer) = issuers.get_mut(name).filter(|issuer| issuer.endpoint == *endpoint)
        else {
            return;
        };
        let failures = self.figures.failures(name);
        let wait = schedule::wait(endpoint.interval, Some(Duration::ZERO), failures, chance());
        issuer.due = now + wait;
        issuer.asking = false;
        issuer.copy = copy.or(issuer.copy.take());
        self.figures.next(name, now_epoch_s() + wait.as_secs());
    }

    fn copy(&self, name: &str, endpoint: &KeysUrlConfig) -> Option<store::Copy> {
        let issuers = lock(&self.issuers);
        issuers.get(name).filter(|issuer| issuer.endpoint == *endpoint)?.copy.clone()
    }
}

/// Asks for what is due until `stop` says true.
pub async fn follow(daemon: Arc<Daemon>, mut stop: watch::Receiver<bool>) {
    let Some(supervisor) = &daemon.supervisor else { return };
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = supervisor.keys_wanted() => {}
            _ = stop.wait_for(|stop| *stop) => {
                daemon.keys.stopping.store(true, Ordering::Relaxed);
                return;
            }
        }
        let now = Instant::now();
        let configured = endpoints(&lock(&daemon.config));
        if configured.is_empty() && lock(&daemon.keys.issuers).is_empty() {
            continue;
        }
        daemon.keys.retain(&configured, now);
        supervisor.retain_keys(|name| configured.iter().any(|(jwt, _)| jwt.policy.name == name));
        daemon.keys.want(supervisor.take_keys_wanted());
        for name in daemon.keys.begin(now) {
            let found = configured.iter().find(|(jwt, _)| jwt.policy.name == name);
            if let Some((jwt, endpoint)) = found.cloned() {
                let daemon = daemon.clone();
                // Not waited for: it notes its own end, and stops when the daemon does.
                spawn_blocking(move || daemon.refresh_keys(&jwt, &endpoint));
            }
        }
    }
}

impl Daemon {
    fn refresh_keys(&self, jwt: &JwtConfig, endpoint: &KeysUrlConfig) {
        let Some(supervisor) = &self.supervisor else { return };
        let name = jwt.policy.name.as_str();
        let known = self.keys.copy(name, endpoint);
        let asked = update::ask(jwt, endpoint, known, now_epoch_s(), &self.keys.stopping);
        let mut taken = None;
        let ended = asked.and_then(|said| {
            let (result, copy) = match said {
                Said::Same(copy) => (FeedResult::Unchanged, copy),
                Said::Other(copy) => (FeedResult::New, copy),
            };
            supervisor.renew_keys(jwt, copy.keys(), copy.provider.clone());
            // In force before they are on the disk: a full disk is no reason to refuse tokens.
            let kept = store::write(&endpoint.copy, &copy);
            taken = Some(copy);
            kept?;
            Ok(result)
        });
        self.report_keys(name, endpoint, ended);
        self.keys.end(name, endpoint, taken, Instant::now());
    }

    fn report_keys(
        &self,
        name: &str,
        endpoint: &KeysUrlConfig,
        ended: Result<FeedResult, Refusal>,
    ) {
        match &ended {
            Ok(FeedResult::New) => tracing::info!(jwt = name, "an issuer has other keys"),
            Ok(_) => {}
            Err(error) => {
                let (url, reason) = (fetch::shown(&endpoint.url), error.label());
                tracing::warn!(
                    jwt = name,
                    url,
                    reason,
                    %error,
                    "an issuer's keys were not renewed: the last good ones stay in force"
                );
            }
        }
        let ended = ended.map_err(|refusal| (refusal.label(), refusal.to_string()));
        self.keys.figures.ended(name, now_epoch_s(), ended);
    }
}

fn endpoints(config: &Config) -> Vec<(JwtConfig, KeysUrlConfig)> {
    let issuers = config.gateway.iter().flat_map(|gateway| {
        gateway.jwts.iter().cloned().chain(gateway.logins.iter().map(LoginConfig::issuer))
    });
    let endpoint = |jwt: JwtConfig| match &jwt.keys {
        KeysConfig::Url(endpoint) | KeysConfig::Discovered { endpoint, .. } => {
            let endpoint = endpoint.clone();
            Some((jwt, endpoint))
        }
        KeysConfig::Inline(_) | KeysConfig::File(_) => None,
    };
    issuers.filter_map(endpoint).collect()
}

/// From 0 to 1. Where the kernel has no random bits, hosts are not spread, and that is all.
fn chance() -> f64 {
    getrandom::u32().map_or(0.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(now: Instant) -> Issuer {
        let endpoint = KeysUrlConfig {
            url: "https://127.0.0.1:9/".to_owned(),
            ca: None,
            interval: Duration::from_secs(600),
            copy: "/nowhere/keys.json".into(),
        };
        Issuer::new("a", &endpoint, now, 0)
    }

    #[test]
    fn unknown_keys_ask_no_sooner_than_the_bound() {
        let start = Instant::now();
        let refresh = KeyRefresh::default();
        lock(&refresh.issuers).insert("a".to_owned(), issuer(start));
        assert_eq!(refresh.begin(start), ["a"], "the first time at once");
        let mut asked = Vec::new();
        // A storm: each tenth of a second somebody wants newer keys, for ten minutes.
        for tenth in 1..6_000_u64 {
            let now = start + Duration::from_millis(100 * tenth);
            refresh.want(["a".to_owned(), "stranger".to_owned()]);
            if let [_] = refresh.begin(now).as_slice() {
                asked.push(tenth / 10);
                let endpoint = lock(&refresh.issuers)["a"].endpoint.clone();
                refresh.end("a", &endpoint, None, now);
            }
            if tenth == 50 {
                // The first answer took so long: meanwhile nobody else asks.
                assert_eq!(asked, [0; 0]);
                let endpoint = lock(&refresh.issuers)["a"].endpoint.clone();
                refresh.end("a", &endpoint, None, now);
            }
        }
        assert_eq!(asked, (0..20).map(|time| 5 + 30 * time).collect::<Vec<_>>());
        assert_eq!(refresh.status()[0].wanted, 5_999);
    }

    #[test]
    fn another_endpoint_begins_anew() {
        let now = Instant::now();
        let refresh = KeyRefresh::default();
        lock(&refresh.issuers).insert("a".to_owned(), issuer(now));
        refresh.begin(now);
        let old = lock(&refresh.issuers)["a"].endpoint.clone();
        let other = KeysUrlConfig { url: "https://127.0.0.1:9/other".to_owned(), ..old.clone() };
        lock(&refresh.issuers).insert("a".to_owned(), Issuer::new("a", &other, now, 0));
        let copy = store::Copy {
            url: old.url.clone(),
            validators: Default::default(),
            fetched_epoch_s: 1,
            confirmed_epoch_s: 1,
            text: String::new(),
            provider: None,
        };
        refresh.end("a", &old, Some(copy), now);
        assert_eq!(refresh.copy("a", &other), None);
        assert_eq!(refresh.begin(now), ["a"]);
        refresh.retain(&[], now);
        assert_eq!(refresh.status(), []);
    }
}
