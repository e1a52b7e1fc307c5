//! How often: limits that routes name, each counted by a key of its own. A request takes from all of them or from none.
//!
//! Limits that can be told before it is known who asks come first, so that a flood costs no signature to verify; the
//! others once it is. Each of the two goes is one step: the slots of all its limits are held together.

pub mod algorithm;

pub mod token_bucket;

pub mod leaky_bucket;

pub mod fixed_window;

pub mod sliding_log;

pub mod sliding_counter;

pub mod concurrency;

pub mod table;

mod key;

mod limit;

mod due;

mod shared;

mod store;

mod clock;

use std::{
    array,
    hash::RandomState,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};

use self::{
    clock::Clock,
    due::Owed,
    limit::{Limit, Slot},
    store::Store,
};
pub use self::{due::Due, key::Asked};
use crate::{
    figures::{RateFigures, StoreFigures, one},
    headers::never_indexed,
    limits::RATE_LIMITS_OF_ROUTE_MAX,
    policy::{GatewayPolicy, KeyPart, RatePolicy, RateStorePolicy, RouteRates},
};

/// The limits of a worker; threads share it.
pub struct Rates {
    limits: Box<[Limit]>,
    routes: Box<[Asks]>,
    unrouted: Asks,
    hasher: RandomState,
    clock: Clock,
    store: OnceLock<Store>,
}

/// What a route asks of its requests: places of limits, ascending, so that slots are always held in one order.
#[derive(Debug, Default)]
struct Asks {
    early: Box<[usize]>,
    late: Box<[usize]>,
    shared: Box<[usize]>,
    cost: u64,
    policies: Option<HeaderValue>,
}

/// When a limit is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before it is known who asks: limits that need not know.
    Early,
    /// After: the others.
    Late,
}

/// A limit that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Its name.
    pub limit: Arc<str>,
    /// When to come again.
    pub after: Duration,
}

impl Rates {
    /// Prepares the limits of a policy; nobody has asked for anything yet.
    ///
    /// # Errors
    /// The part that cannot be used.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, RateError> {
        let hosts = policy.rate_store.as_ref().map_or(1, |store| store.hosts);
        Self::of(&policy.rates, policy.routes.iter().map(|route| &route.rates), hosts)
    }

    /// The same, for these routes, on one of so many hosts.
    ///
    /// # Errors
    /// The part that cannot be used.
    pub fn of<'a>(
        policies: &[RatePolicy],
        routes: impl Iterator<Item = &'a RouteRates>,
        hosts: u32,
    ) -> Result<Self, RateError> {
        let limits = policies.iter().map(|limit| Limit::new(limit, hosts));
        let limits = limits.collect::<Result<Box<[_]>, _>>()?;
        let everywhere = policies.iter().filter(|limit| limit.everywhere);
        let everywhere: Vec<String> = everywhere.map(|limit| limit.name.clone()).collect();
        let asks = |route: &RouteRates| Asks::new(route, &everywhere, policies, &limits);
        let routes = routes.map(asks).collect::<Result<_, _>>()?;
        let unrouted = asks(&RouteRates::default())?;
        let (hasher, clock) = (RandomState::new(), Clock::new());
        Ok(Self { limits, routes, unrouted, hasher, clock, store: OnceLock::new() })
    }

    /// Begins to count together with other hosts.
    ///
    /// # Errors
    /// The thread for it cannot be started.
    pub fn connect(&self, policy: &RateStorePolicy) -> io::Result<()> {
        // There is one, and it is begun once.
        let _second = self.store.set(Store::start(policy, self.clock)?);
        Ok(())
    }

    fn asks(&self, route: Option<usize>) -> &Asks {
        route.and_then(|place| self.routes.get(place)).unwrap_or(&self.unrouted)
    }

    /// Takes a request from the limits of its route, and says how long it has to wait for its turn.
    ///
    /// # Errors
    /// One of them refuses; nothing was taken then.
    pub fn admit(
        self: &Arc<Self>,
        when: When,
        route: Option<usize>,
        asked: &Asked<'_>,
        due: &mut Due,
    ) -> Result<Duration, Limited> {
        let asks = self.asks(route);
        let places = match when {
            When::Early => &asks.early,
            When::Late => &asks.late,
        };
        if places.is_empty() {
            return Ok(Duration::ZERO);
        }
        let now_ns = self.clock.now_ns();
        let mut counts: [Option<Counting<'_>>; RATE_LIMITS_OF_ROUTE_MAX] = array::from_fn(|_| None);
        for (count, place) in counts.iter_mut().zip(places) {
            let Some(limit) = self.limits.get(*place) else { continue };
            let key = limit.key.hash(&self.hasher, asked);
            *count = limit.hold(key, now_ns).map(|slot| Counting {
                limit,
                place: *place,
                key,
                slot,
                turn_ns: 0,
                passes: true,
            });
        }
        let mut refused: Option<(usize, &Limit, u64)> = None;
        for (number, count) in counts.iter_mut().enumerate() {
            let Some(count) = count else { continue };
            match count.slot.place().ask(count.limit.asks(asks.cost)) {
                Ok(turn_ns) => count.turn_ns = turn_ns,
                Err(_) if count.limit.shadow => count.passes = false,
                Err(after_ns) => {
                    if refused.is_none_or(|(_, _, longest_ns)| after_ns > longest_ns) {
                        refused = Some((number, count.limit, after_ns));
                    }
                }
            }
        }
        if let Some((number, limit, after_ns)) = refused {
            one(&limit.outcomes.refused);
            if let Some(Some(count)) = counts.get_mut(number) {
                due.refused(count.place, limit.units(), count.slot.place().standing());
            }
            let after = Duration::from_nanos(after_ns);
            return Err(Limited { limit: limit.name.clone(), after });
        }
        let mut wait_ns = 0;
        for count in counts.iter_mut().flatten() {
            let limit = count.limit;
            if !count.passes {
                one(&limit.outcomes.shadow_refused);
                due.shadow(limit.name.clone());
                continue;
            }
            one(&limit.outcomes.allowed);
            if count.turn_ns > 0 && !limit.shadow {
                one(&limit.outcomes.delayed);
                wait_ns = count.turn_ns.max(wait_ns);
            }
            let charged = limit.charges(asks.cost);
            if charged > 0 {
                count.slot.place().charge(charged);
            }
            if limit.settles() {
                due.owe(self, Owed { place: count.place, key: count.key });
            }
            if !limit.shadow {
                due.stands(count.place, limit.units(), count.slot.place().standing());
            }
        }
        Ok(Duration::from_nanos(wait_ns))
    }

    /// Counts what is known only now that a request is over, and lets go of what it held.
    fn settle(&self, owed: Owed, bytes: u64, failed: bool) {
        let Some(limit) = self.limits.get(owed.place) else { return };
        let charged = limit.settled(bytes, failed);
        if charged == 0 && !limit.is_concurrency() {
            return;
        }
        let Some(mut slot) = limit.hold(owed.key, self.clock.now_ns()) else { return };
        if limit.is_concurrency() {
            slot.release();
        } else {
            slot.place().charge(charged);
        }
    }

    /// Tells the client of its route's limits, and how it stands with the one that is nearest to its end.
    pub fn describe(&self, route: Option<usize>, due: &Due, headers: &mut HeaderMap) {
        let Some(policies) = &self.asks(route).policies else { return };
        headers.insert(RATELIMIT_POLICY, policies.clone());
        // What a backend says of limits of its own would stand beside ours.
        headers.remove(RATELIMIT);
        let Some((place, standing)) = due.standing() else { return };
        let Some(limit) = self.limits.get(place) else { return };
        let (name, left) = (&limit.name, standing.left.min(limit.units()));
        let reset_s = standing.reset_ns.div_ceil(NS_PER_S);
        let reset = if reset_s > 0 { format!(";t={reset_s}") } else { String::new() };
        if let Ok(value) = HeaderValue::try_from(format!("\"{name}\";r={left}{reset}")) {
            headers.insert(RATELIMIT, never_indexed(value));
        }
    }

    /// How the store is, where there is one.
    #[must_use]
    pub fn store_figures(&self) -> Option<StoreFigures> {
        self.store.get().map(Store::figures)
    }

    /// What the limits have decided.
    #[must_use]
    pub fn figures(&self) -> Vec<RateFigures> {
        self.limits.iter().map(Limit::figures).collect()
    }
}

/// A limit whose slot is held.
struct Counting<'a> {
    limit: &'a Limit,
    place: usize,
    key: u64,
    slot: Slot<'a>,
    turn_ns: u64,
    passes: bool,
}

impl Asks {
    fn new(
        route: &RouteRates,
        everywhere: &[String],
        policies: &[RatePolicy],
        limits: &[Limit],
    ) -> Result<Self, RateError> {
        let names = route.limits.as_deref().unwrap_or(everywhere);
        let (mut early, mut late, mut shared) = (Vec::new(), Vec::new(), Vec::new());
        let mut items = Vec::new();
        let cost = u64::from(route.cost.max(1));
        for name in names {
            let found = policies.iter().position(|limit| limit.name == *name);
            let Some((place, limit)) = found.and_then(|place| Some((place, limits.get(place)?)))
            else {
                return Err(RateError::Unknown(name.clone()));
            };
            if limit.asks(cost) > limit.most() {
                return Err(RateError::Cost { limit: name.clone(), cost, most: limit.most() });
            }
            let key = policies.get(place).map(|limit| limit.key.as_slice());
            let known = !key.unwrap_or_default().iter().any(KeyPart::needs_identity);
            match (limit.shared, known) {
                (true, _) => shared.push(place),
                (false, true) => early.push(place),
                (false, false) => late.push(place),
            }
            if !limit.shadow {
                items.push(limit.item());
            }
        }
        for places in [&mut early, &mut late, &mut shared] {
            places.sort_unstable();
            let found = places.len();
            places.dedup();
            if places.len() < found || found > RATE_LIMITS_OF_ROUTE_MAX {
                return Err(RateError::Number(found));
            }
        }
        let policies = HeaderValue::try_from(items.join(", ")).ok().filter(|it| !it.is_empty());
        let (early, late, shared) = (early.into(), late.into(), shared.into());
        Ok(Self { early, late, shared, cost, policies })
    }
}

/// Limits that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RateError {
    #[error("rate_limits: expected the name of one of gateway.rate_limits, found {0:?}")]
    Unknown(String),
    #[error("key: expected the name of a header, found {0:?}")]
    Header(String),
    #[error(
        "cost: expected at most the {most} that limit {limit:?} can let pass at once, found {cost}"
    )]
    Cost { limit: String, cost: u64, most: u64 },
    #[error("{0}: expected requests or costs to be counted by a limit that hosts share")]
    Shared(String),
    #[error(
        "rate_limits: expected at most {RATE_LIMITS_OF_ROUTE_MAX} limits, each once, found {0}"
    )]
    Number(usize),
}

const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests;
