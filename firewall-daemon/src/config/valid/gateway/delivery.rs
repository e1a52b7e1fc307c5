//! How requests reach backends: rules that fit together, and names that can be looked up.

use std::fmt;

use firewall_gateway::policy::{
    BackendPolicy, BackendProtocol, BalancePolicy, BreakerPolicy, DeliveryPolicy, EjectionPolicy,
    HashKey, HealthPolicy, HedgePolicy, RetryPolicy, SheddingPolicy, StickyCookiePolicy,
};
use serde_saphyr::{Location, Spanned};

use super::ways::is_host_name;
use crate::config::{
    BackendName, ConfigError,
    document::{
        Entries,
        gateway::{
            BackendDocument, BalanceDocument, BreakerDocument, EjectionDocument, HashDocument,
            HashOn, HealthDocument, HedgeDocument, ProtocolDocument, RetriesDocument, Status,
            StickyCookieDocument, UpstreamDocument, WaitMs,
        },
    },
    valid::Check,
};

/// Statuses in one list at most.
const STATUSES_MAX: usize = 64;
/// How often a name is looked up where nothing is said.
const REFRESH_S: u64 = 30;
/// Defaults of active checks.
const HEALTH_INTERVAL_MS: u64 = 5_000;
const HEALTH_TIMEOUT_MS: u64 = 1_000;
const HEALTHY_AFTER: u32 = 2;
const UNHEALTHY_AFTER: u32 = 3;
/// Defaults of the circuit breaker.
const BREAKER_PERCENT: u32 = 50;
const BREAKER_REQUESTS: u32 = 20;
const BREAKER_WINDOW_MS: u64 = 10_000;
const BREAKER_OPEN_MS: u64 = 5_000;

impl Check<'_> {
    /// How requests reach the backends of an upstream.
    pub(super) fn delivery(
        &self,
        upstream: &UpstreamDocument,
    ) -> Result<DeliveryPolicy, ConfigError> {
        let place = upstream.name.referenced;
        let shedding = SheddingPolicy::default();
        let wait = |wait: &Option<WaitMs>| wait.map(|wait| wait.0);
        Ok(DeliveryPolicy {
            protocol: match upstream.protocol {
                ProtocolDocument::Http1 => BackendProtocol::Http1,
                ProtocolDocument::Http2 => BackendProtocol::Http2,
            },
            balance: self.balance(place, upstream.balance, upstream.hash.as_ref())?,
            sticky: upstream.sticky_cookie.as_ref().map(|it| self.sticky_cookie(it)).transpose()?,
            slow_start_ms: wait(&upstream.slow_start_ms).unwrap_or(0),
            health: upstream.health.as_ref().map(|health| self.health(health)).transpose()?,
            ejection: self.ejection(place, upstream.ejection.as_ref())?,
            breaker: upstream.breaker.as_ref().map(breaker),
            retries: self.retries(upstream.retries.as_ref())?,
            hedge: upstream.hedge.as_ref().map(|hedge| self.hedge(hedge, upstream)).transpose()?,
            shedding: SheddingPolicy {
                requests_max: upstream
                    .requests_max
                    .map_or(shedding.requests_max, |number| number.cast()),
                queue_max: upstream.queue_max.map_or(shedding.queue_max, |number| number.cast()),
                queue_timeout_ms: wait(&upstream.queue_timeout_ms)
                    .unwrap_or(shedding.queue_timeout_ms),
            },
            connect_timeout_ms: wait(&upstream.connect_timeout_ms),
            response_timeout_ms: wait(&upstream.response_timeout_ms),
            request_timeout_ms: wait(&upstream.request_timeout_ms),
        })
    }

    /// Backends by their addresses, and names that have some.
    pub(super) fn backends(
        &self,
        entries: Vec<Spanned<BackendDocument>>,
        balance: &BalancePolicy,
    ) -> Result<(Vec<BackendPolicy>, Vec<BackendName>), ConfigError> {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for entry in entries {
            let place = entry.referenced;
            let backend = entry.value;
            let weight = backend.weight.map_or(1, |weight| weight.cast());
            let quota = backend.quota.map_or(0, |quota| quota.cast());
            if quota > 0 && *balance != BalancePolicy::Quota {
                let message = "quota: expected `balance: quota` beside it, found another rule";
                return self.error(place, message.to_owned());
            }
            match (backend.address, backend.dns, backend.port) {
                (Some(address), None, None) if backend.refresh_s.is_none() => {
                    let backend = BackendPolicy { weight, quota, ..BackendPolicy::new(address.0) };
                    addresses.push(Spanned::new(Shown(backend), place, place));
                }
                (None, Some(name), Some(port)) => {
                    if !is_host_name(&name.value) {
                        let message = format!("dns: expected a host name, found {:?}", name.value);
                        return self.error(name.referenced, message);
                    }
                    let refresh_s = backend.refresh_s.map_or(REFRESH_S, |wait| wait.0);
                    let port = port.cast();
                    names.push(BackendName { name: name.value, port, refresh_s, weight, quota });
                }
                _ => {
                    let message = "backends: expected an entry with address, or one with dns and \
                                   port, found neither";
                    return self.error(place, message.to_owned());
                }
            }
        }
        let addresses = self.disjoint(
            "backends",
            addresses,
            |shown| shown,
            |one: &Shown, other: &Shown| one.0.address == other.0.address,
        )?;
        Ok((addresses.into_iter().map(|shown| shown.0).collect(), names))
    }

    fn balance(
        &self,
        place: Location,
        balance: BalanceDocument,
        hash: Option<&Spanned<HashDocument>>,
    ) -> Result<BalancePolicy, ConfigError> {
        let rule = match (balance, hash) {
            (BalanceDocument::RoundRobin, None) => BalancePolicy::RoundRobin,
            (BalanceDocument::LeastBusy, None) => BalancePolicy::LeastBusy,
            (BalanceDocument::Quota, None) => BalancePolicy::Quota,
            (BalanceDocument::Hash, Some(hash)) => BalancePolicy::Hash(self.hash_key(hash)?),
            (BalanceDocument::Hash, None) => {
                let message = "balance: expected hash beside it, found none; \
                               it says what a request is known by";
                return self.error(place, message.to_owned());
            }
            (_, Some(hash)) => {
                let message = "hash: expected `balance: hash` beside it, found another rule";
                return self.error(hash.referenced, message.to_owned());
            }
        };
        Ok(rule)
    }

    fn hash_key(&self, hash: &Spanned<HashDocument>) -> Result<HashKey, ConfigError> {
        let name = hash.value.name.as_ref().map(|name| name.value.clone());
        match (hash.value.on, name) {
            (HashOn::Address, None) => Ok(HashKey::Address),
            (HashOn::Path, None) => Ok(HashKey::Path),
            (HashOn::Consumer, None) => Ok(HashKey::Consumer),
            (HashOn::Header, Some(name)) if is_token(&name) => {
                Ok(HashKey::Header(name.to_ascii_lowercase()))
            }
            (HashOn::Cookie, Some(name)) if is_token(&name) => Ok(HashKey::Cookie(name)),
            (HashOn::Header | HashOn::Cookie, found) => {
                let message = format!(
                    "hash.name: expected the name of the header or cookie, found {}",
                    found.map_or("none".to_owned(), |found| format!("{found:?}"))
                );
                self.error(hash.referenced, message)
            }
            (HashOn::Address | HashOn::Path | HashOn::Consumer, Some(_)) => {
                let message = "hash.name: expected none with `on: address`, `on: path` and \
                               `on: consumer`";
                self.error(hash.referenced, message.to_owned())
            }
        }
    }

    fn sticky_cookie(
        &self,
        sticky: &StickyCookieDocument,
    ) -> Result<StickyCookiePolicy, ConfigError> {
        let name = &sticky.name;
        if !is_token(&name.value) {
            let message = format!(
                "sticky_cookie.name: expected letters, digits, - and _, found {:?}",
                name.value
            );
            return self.error(name.referenced, message);
        }
        // The key is kept in the state folder; it is no part of a configuration.
        Ok(StickyCookiePolicy { cookie: name.value.clone(), key_hex: String::new() })
    }

    fn health(&self, health: &HealthDocument) -> Result<HealthPolicy, ConfigError> {
        let path = &health.path;
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !path.value.starts_with('/') || !path.value.bytes().all(plain) {
            let message =
                format!("health.path: expected a path that begins with /, found {:?}", path.value);
            return self.error(path.referenced, message);
        }
        Ok(HealthPolicy {
            path: path.value.clone(),
            interval_ms: health.interval_ms.map_or(HEALTH_INTERVAL_MS, |wait| wait.0),
            timeout_ms: health.timeout_ms.map_or(HEALTH_TIMEOUT_MS, |wait| wait.0),
            healthy_after: health.healthy_after.map_or(HEALTHY_AFTER, |number| number.cast()),
            unhealthy_after: health.unhealthy_after.map_or(UNHEALTHY_AFTER, |number| number.cast()),
            statuses: match &health.statuses {
                Some(statuses) => self.statuses("health.statuses", 1, statuses)?,
                None => vec![200],
            },
        })
    }

    fn ejection(
        &self,
        place: Location,
        document: Option<&EjectionDocument>,
    ) -> Result<EjectionPolicy, ConfigError> {
        let default = EjectionPolicy::default();
        let Some(document) = document else { return Ok(default) };
        let policy = EjectionPolicy {
            failures: document.failures.map_or(default.failures, |number| number.cast()),
            first_ms: document.first_ms.map_or(default.first_ms, |wait| wait.0),
            max_ms: document.max_ms.map_or(default.max_ms, |wait| wait.0),
            percent_max: document.percent_max.map_or(default.percent_max, |number| number.cast()),
        };
        if policy.max_ms < policy.first_ms {
            let message = format!(
                "ejection.max_ms: expected first_ms ({}) or more, found {}",
                policy.first_ms, policy.max_ms
            );
            return self.error(place, message);
        }
        Ok(policy)
    }

    fn retries(&self, document: Option<&RetriesDocument>) -> Result<RetryPolicy, ConfigError> {
        let default = RetryPolicy::default();
        let Some(document) = document else { return Ok(default) };
        Ok(RetryPolicy {
            attempts_max: document.attempts_max.map_or(default.attempts_max, |it| it.cast()),
            statuses: match &document.statuses {
                Some(statuses) => self.statuses("retries.statuses", 0, statuses)?,
                None => default.statuses,
            },
            budget_percent: document.budget_percent.map_or(default.budget_percent, |it| it.cast()),
            budget_per_second: document
                .budget_per_second
                .map_or(default.budget_per_second, |it| it.cast()),
        })
    }

    fn hedge(
        &self,
        hedge: &Spanned<HedgeDocument>,
        upstream: &UpstreamDocument,
    ) -> Result<HedgePolicy, ConfigError> {
        let after_ms = hedge.value.after_ms.0;
        if upstream.sticky_cookie.is_some() {
            let message = "hedge: expected no sticky_cookie beside it, found one; \
                           a copy goes to another backend than the client's own";
            return self.error(hedge.referenced, message.to_owned());
        }
        match upstream.response_timeout_ms {
            Some(wait) if after_ms >= wait.0 => {
                let message = format!(
                    "hedge.after_ms: expected less than response_timeout_ms ({}), found {after_ms}",
                    wait.0
                );
                self.error(hedge.referenced, message)
            }
            Some(_) | None => Ok(HedgePolicy { after_ms }),
        }
    }

    fn statuses(
        &self,
        key: &str,
        min: usize,
        statuses: &Entries<Status>,
    ) -> Result<Vec<u16>, ConfigError> {
        let found = statuses.value.len();
        if !(min..=STATUSES_MAX).contains(&found) {
            let message = format!("{key}: expected {min} to {STATUSES_MAX} entries, found {found}");
            return self.error(statuses.referenced, message);
        }
        Ok(statuses.value.iter().map(|status| status.value.cast()).collect())
    }
}

fn breaker(document: &BreakerDocument) -> BreakerPolicy {
    BreakerPolicy {
        failures_percent: document.failures_percent.map_or(BREAKER_PERCENT, |it| it.cast()),
        requests_min: document.requests_min.map_or(BREAKER_REQUESTS, |it| it.cast()),
        window_ms: document.window_ms.map_or(BREAKER_WINDOW_MS, |wait| wait.0),
        open_ms: document.open_ms.map_or(BREAKER_OPEN_MS, |wait| wait.0),
    }
}

// RFC 9110, 5.6.2, without what nobody uses in a name.
fn is_token(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A backend that is told by its address.
struct Shown(BackendPolicy);

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.address.fmt(formatter)
    }
}
