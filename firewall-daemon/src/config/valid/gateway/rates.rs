//! Limits of rates: what goes together, and that each is one of a route.

use std::fmt;

use firewall_gateway::{
    limits::{RATE_LIMITS_MAX, RATE_LIMITS_OF_ROUTE_MAX, RATE_LOG_ENTRIES_MAX},
    policy::{
        Counted, KeyPart, RateAlgorithm, RatePolicy, RateStorePolicy, RoutePolicy, RouteRates,
    },
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, RateStoreConfig,
    document::{
        Entries,
        rates::{AlgorithmWord, CountWord, RateLimitDocument, RateStoreDocument},
    },
    scalar::{Given, Name, Number},
    valid::Check,
};

/// Parts of one key.
const KEY_PARTS_MAX: usize = 8;
/// Keys that are remembered, where nothing else is said.
const KEYS_MAX: u32 = 65_536;
/// The longest wait of a leaky bucket, likewise.
const WAIT_MAX_MS: u32 = 1_000;
/// How long the store is waited for, likewise.
const STORE_TIMEOUT_MS: u32 = 50;
/// What its keys begin with, likewise.
const PREFIX: &str = "seawall";

impl Check<'_> {
    pub(super) fn rate_limits(
        &self,
        limits: Given<Entries<RateLimitDocument>>,
        store: bool,
    ) -> Result<Vec<RatePolicy>, ConfigError> {
        let Some(limits) = limits.0 else { return Ok(Vec::new()) };
        let mut checked = Vec::<RatePolicy>::new();
        for limit in self.counted("rate_limits", 1..=RATE_LIMITS_MAX, limits)? {
            self.new_name(&limit.value.name, checked.iter().map(|other| &other.name))?;
            checked.push(self.rate_limit(limit.value, store)?);
        }
        Ok(checked)
    }

    /// The store, which some limit needs.
    pub(super) fn rate_store(
        &self,
        store: Option<Spanned<RateStoreDocument>>,
        limits: &[RatePolicy],
    ) -> Result<Option<RateStoreConfig>, ConfigError> {
        let Some(store) = store else { return Ok(None) };
        if !limits.iter().any(|limit| limit.shared) {
            let message = "rate_store: expected a limit with shared: true, found none";
            return self.error(store.referenced, message.to_owned());
        }
        let RateStoreDocument { address, password, prefix, hosts, timeout_ms } = store.value;
        let policy = RateStorePolicy {
            address: address.0,
            password: None,
            prefix: prefix.map_or_else(|| PREFIX.to_owned(), |prefix| prefix.0),
            hosts: hosts.cast(),
            timeout_ms: timeout_ms.map_or(STORE_TIMEOUT_MS, |timeout| timeout.cast()),
        };
        let password = password.map(|path| self.file(path));
        Ok(Some(RateStoreConfig { policy, password }))
    }

    fn rate_limit(&self, limit: RateLimitDocument, store: bool) -> Result<RatePolicy, ConfigError> {
        let count = limit.count.as_ref().map_or(CountWord::Requests, |count| count.value);
        let algorithm = self.rate_algorithm(&limit, count)?;
        let shared = limit.shared.as_ref().is_some_and(|shared| shared.value.0);
        if let Some(place) = limit.shared.as_ref().map(|it| it.referenced).filter(|_| shared) {
            if !store {
                let message = "shared: expected gateway.rate_store beside it, found none";
                return self.error(place, message.to_owned());
            }
            if !matches!(count, CountWord::Requests | CountWord::Cost) {
                let message = "shared: expected count: requests or cost, found another; each host \
                               counts it by itself";
                return self.error(place, message.to_owned());
            }
        }
        let keys_max = match (limit.keys_max, algorithm) {
            (Some(keys_max), RateAlgorithm::SlidingLog { limit: units, .. })
                if keys_max.0 * units > RATE_LOG_ENTRIES_MAX =>
            {
                let message = format!(
                    "limit: expected limit times keys_max to be at most {RATE_LOG_ENTRIES_MAX} with \
                     sliding_log, which remembers each request, found {units} times {}; take \
                     sliding_counter for more",
                    keys_max.0
                );
                return self.error(limit.limit.referenced, message);
            }
            (Some(keys_max), _) => keys_max.cast(),
            (None, RateAlgorithm::SlidingLog { limit: units, .. }) => {
                u32::try_from(RATE_LOG_ENTRIES_MAX / units).unwrap_or(KEYS_MAX).min(KEYS_MAX)
            }
            (None, _) => KEYS_MAX,
        };
        let key = match limit.key.0 {
            Some(key) => self.rate_key(key)?,
            None => vec![KeyPart::Address],
        };
        Ok(RatePolicy {
            name: limit.name.value.0,
            algorithm,
            count: count.counted(),
            key,
            shadow: limit.shadow.0,
            everywhere: limit.everywhere.0,
            shared,
            keys_max,
        })
    }

    fn rate_algorithm(
        &self,
        limit: &RateLimitDocument,
        count: CountWord,
    ) -> Result<RateAlgorithm, ConfigError> {
        let units = limit.limit.value.0;
        let word = limit.algorithm.as_ref().map_or(AlgorithmWord::TokenBucket, |word| word.value);
        let concurrency = count == CountWord::Concurrency;
        let alone =
            |key: &str, with: &str| format!("{key}: expected {with} beside it, found another");
        if let Some(burst) = limit.burst.as_ref()
            && (concurrency || word != AlgorithmWord::TokenBucket)
        {
            return self.error(burst.referenced, alone("burst", "algorithm: token_bucket"));
        }
        if let Some(wait) = limit.wait_max_ms.as_ref()
            && (concurrency || word != AlgorithmWord::LeakyBucket)
        {
            return self.error(wait.referenced, alone("wait_max_ms", "algorithm: leaky_bucket"));
        }
        if concurrency {
            let place = limit.algorithm.as_ref().map(|word| word.referenced);
            if let Some(place) = place.or(limit.window_s.as_ref().map(|window| window.referenced)) {
                let message = "count: expected no algorithm and no window_s beside concurrency, \
                               which is about what is in flight, found one";
                return self.error(place, message.to_owned());
            }
            return Ok(RateAlgorithm::Concurrency { limit: units });
        }
        let Some(window) = &limit.window_s else {
            let message = "window_s: expected the time that limit is for, found none";
            return self.error(limit.limit.referenced, message.to_owned());
        };
        let window_s = window.value.cast();
        let one_by_one = matches!(count, CountWord::Requests | CountWord::Cost);
        if let Some(place) = limit.algorithm.as_ref().map(|word| word.referenced) {
            if word == AlgorithmWord::LeakyBucket && !one_by_one {
                let message = "algorithm: expected count: requests or cost with leaky_bucket, which \
                               lets requests wait for their turn, found another";
                return self.error(place, message.to_owned());
            }
            if word == AlgorithmWord::SlidingLog && count == CountWord::Bytes {
                let message = "algorithm: expected another than sliding_log with count: bytes; it \
                               remembers each unit";
                return self.error(place, message.to_owned());
            }
        }
        Ok(match word {
            AlgorithmWord::TokenBucket => {
                let burst = limit.burst.as_ref().map_or(units, |burst| burst.value.0);
                RateAlgorithm::TokenBucket { limit: units, window_s, burst }
            }
            AlgorithmWord::LeakyBucket => {
                let wait = limit.wait_max_ms.as_ref();
                let wait_max_ms = wait.map_or(WAIT_MAX_MS, |wait| wait.value.cast());
                RateAlgorithm::LeakyBucket { limit: units, window_s, wait_max_ms }
            }
            AlgorithmWord::FixedWindow => RateAlgorithm::FixedWindow { limit: units, window_s },
            AlgorithmWord::SlidingLog if units > RATE_LOG_ENTRIES_MAX => {
                let message = format!(
                    "limit: expected at most {RATE_LOG_ENTRIES_MAX} with sliding_log, found {units}"
                );
                return self.error(limit.limit.referenced, message);
            }
            AlgorithmWord::SlidingLog => RateAlgorithm::SlidingLog { limit: units, window_s },
            AlgorithmWord::SlidingCounter => {
                RateAlgorithm::SlidingCounter { limit: units, window_s }
            }
        })
    }

    fn rate_key(&self, key: Entries<String>) -> Result<Vec<KeyPart>, ConfigError> {
        let mut parts = Vec::new();
        for part in self.counted("key", 0..=KEY_PARTS_MAX, key)? {
            let (word, rest) = part.value.split_once(':').unwrap_or((&part.value, ""));
            let place = part.referenced;
            let value = match (word, rest) {
                ("address", "") => KeyPart::Address,
                ("network", "") => KeyPart::Network,
                ("country", "") => KeyPart::Country,
                ("consumer", "") => KeyPart::Consumer,
                ("key", "") => KeyPart::Key,
                ("route", "") => KeyPart::Route,
                ("header", name) if !name.is_empty() => {
                    let name = Spanned { value: name.to_owned(), ..part.clone() };
                    KeyPart::Header(self.header_name("key", name)?)
                }
                ("claim", path) if !path.is_empty() => {
                    self.check_text("key", path, place)?;
                    KeyPart::Claim(path.to_owned())
                }
                _ => {
                    let message = format!(
                        "key: expected address, network, country, consumer, key, route, \
                         header:NAME or claim:NAME, found {:?}",
                        part.value
                    );
                    return self.error(place, message);
                }
            };
            let Spanned { referenced, defined, .. } = part;
            parts.push(Spanned { value: Shown(value), referenced, defined });
        }
        let parts = self.each_once("key", parts, |part| part)?;
        Ok(parts.into_iter().map(|Shown(part)| part).collect())
    }

    /// The limits of a route: known, each once, and none that would refuse all.
    pub(super) fn route_rates(
        &self,
        names: Given<Entries<Name>>,
        cost: Option<Spanned<Number<1, 1_000_000>>>,
        limits: &[RatePolicy],
        known: bool,
    ) -> Result<RouteRates, ConfigError> {
        let place = cost.as_ref().map(|cost| cost.referenced);
        let cost: u32 = cost.map_or(1, |cost| cost.value.cast());
        let own = match names.0 {
            None => None,
            Some(names) => {
                let names = self.counted("rate_limits", 0..=RATE_LIMITS_OF_ROUTE_MAX, names)?;
                for name in &names {
                    let found = limits.iter().find(|limit| limit.name == name.value.0);
                    self.route_rate(name.referenced, &name.value.0, found, known)?;
                }
                Some(self.each_once("rate_limits", names, |name| name.0)?)
            }
        };
        let of_route = |limit: &&RatePolicy| match &own {
            Some(names) => names.contains(&limit.name),
            None => limit.everywhere,
        };
        let costs = |limit: &&RatePolicy| limit.count == Counted::Cost;
        let mut counted = limits.iter().filter(of_route).filter(costs).peekable();
        if let Some(place) = place {
            if counted.peek().is_none() {
                let message = "cost: expected a limit of the route with count: cost, found none";
                return self.error(place, message.to_owned());
            }
            if let Some(limit) = counted.find(|limit| u64::from(cost) > limit.algorithm.most()) {
                let message = format!(
                    "cost: expected at most the {} that limit {:?} lets pass at once, found {cost}",
                    limit.algorithm.most(),
                    limit.name
                );
                return self.error(place, message);
            }
        }
        Ok(RouteRates { limits: own, cost })
    }

    fn route_rate(
        &self,
        place: Location,
        name: &str,
        found: Option<&RatePolicy>,
        known: bool,
    ) -> Result<(), ConfigError> {
        let Some(limit) = found else {
            let message = format!(
                "rate_limits: expected the name of one of gateway.rate_limits, found {name:?}"
            );
            return self.error(place, message);
        };
        if !known && limit.key.iter().any(KeyPart::needs_identity) {
            let message = format!(
                "rate_limits: expected authentication beside {name:?}, which tells requests apart by \
                 who sends them, found none; all would count together"
            );
            return self.error(place, message);
        }
        Ok(())
    }

    /// A limit that is no route's limits nothing.
    pub(super) fn rates_act(
        &self,
        place: Location,
        limits: &[RatePolicy],
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let everywhere = routes.iter().filter(|route| route.rates.limits.is_none()).count();
        if everywhere > 0
            && limits.iter().filter(|limit| limit.everywhere).count() > RATE_LIMITS_OF_ROUTE_MAX
        {
            let message = format!(
                "rate_limits: expected at most {RATE_LIMITS_OF_ROUTE_MAX} with everywhere: true"
            );
            return self.error(place, message);
        }
        let named = |limit: &RatePolicy| {
            let mut names = routes.iter().filter_map(|route| route.rates.limits.as_ref());
            limit.everywhere || names.any(|names| names.contains(&limit.name))
        };
        match limits.iter().find(|limit| !named(limit)) {
            None => Ok(()),
            Some(limit) => {
                let message = format!(
                    "rate_limits: expected each to be named by a route, or everywhere: true, found \
                     {:?} without",
                    limit.name
                );
                self.error(place, message)
            }
        }
    }
}

#[derive(PartialEq)]
struct Shown(KeyPart);

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            KeyPart::Address => formatter.write_str("address"),
            KeyPart::Network => formatter.write_str("network"),
            KeyPart::Country => formatter.write_str("country"),
            KeyPart::Consumer => formatter.write_str("consumer"),
            KeyPart::Key => formatter.write_str("key"),
            KeyPart::Route => formatter.write_str("route"),
            KeyPart::Header(name) => write!(formatter, "header:{name}"),
            KeyPart::Claim(path) => write!(formatter, "claim:{path}"),
        }
    }
}
