//! What all threads know of one backend: written by whoever sees it succeed or fail.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};

use super::balance::{Candidate, digest};
use crate::{
    figures::BackendStanding,
    limits::{LATENCY_HALF_LIFE_MS, SLOW_START_PERCENT_MIN},
    policy::{BackendPolicy, EjectionPolicy},
};

/// A backend. Times are milliseconds of the upstream's clock, which begins at 1: 0 is never.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The value of its cookie, where the upstream has sticky sessions.
    pub tag: Option<String>,
    digest: u64,
    weight: AtomicU32,
    quota: AtomicU32,
    draining: AtomicBool,
    in_flight: AtomicU32,
    /// What the active checks say; well until they say otherwise.
    unwell: AtomicBool,
    /// Its share grows from here on.
    risen_ms: AtomicU64,
    failures_in_a_row: AtomicU32,
    ejected_until_ms: AtomicU64,
    ejections_in_a_row: AtomicU32,
    /// One request at a time tries a backend whose ejection is over.
    trying: AtomicBool,
    latency_us: AtomicU64,
    latency_at_ms: AtomicU64,
    ejections: AtomicU64,
    checks_ok: AtomicU64,
    checks_failed: AtomicU64,
}

/// Whether a backend gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Standing {
    Up,
    Ejected,
    /// Its ejection is over and nothing has gone well since.
    Trial,
    Unwell,
    Draining,
}

impl Standing {
    /// What is shown.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Ejected => "ejected",
            Self::Trial => "trial",
            Self::Unwell => "unwell",
            Self::Draining => "draining",
        }
    }
}

impl Server {
    /// A backend that nothing is known of. `risen_ms` is 0 for those there from the start: where all are
    /// new, none has to wait for the others.
    #[must_use]
    pub fn new(policy: &BackendPolicy, tag: Option<String>, risen_ms: u64) -> Self {
        let server = Self {
            address: policy.address,
            tag,
            digest: digest(policy.address.to_string().as_bytes()),
            weight: AtomicU32::new(1),
            quota: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            unwell: AtomicBool::new(false),
            risen_ms: AtomicU64::new(risen_ms),
            failures_in_a_row: AtomicU32::new(0),
            ejected_until_ms: AtomicU64::new(0),
            ejections_in_a_row: AtomicU32::new(0),
            trying: AtomicBool::new(false),
            latency_us: AtomicU64::new(0),
            latency_at_ms: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            checks_ok: AtomicU64::new(0),
            checks_failed: AtomicU64::new(0),
        };
        server.follow(policy);
        server
    }

    /// Takes over what may change of a backend while it serves.
    pub fn follow(&self, policy: &BackendPolicy) {
        self.weight.store(policy.weight.max(1), Relaxed);
        self.quota.store(policy.quota, Relaxed);
        self.draining.store(policy.draining, Relaxed);
    }

    /// Whether it gets requests.
    #[must_use]
    pub fn standing(&self, now_ms: u64) -> Standing {
        let ejected_until_ms = self.ejected_until_ms.load(Relaxed);
        if self.draining.load(Relaxed) {
            Standing::Draining
        } else if self.unwell.load(Relaxed) {
            Standing::Unwell
        } else if ejected_until_ms == 0 {
            Standing::Up
        } else if now_ms < ejected_until_ms {
            Standing::Ejected
        } else {
            Standing::Trial
        }
    }

    /// What a rule may know of it.
    #[must_use]
    pub fn candidate(&self, index: usize, now_ms: u64, slow_start_ms: u64) -> Candidate {
        let risen_ms = self.risen_ms.load(Relaxed);
        let percent = match now_ms.saturating_sub(risen_ms) {
            grown_ms if risen_ms > 0 && grown_ms < slow_start_ms => {
                (grown_ms * 100 / slow_start_ms).max(SLOW_START_PERCENT_MIN)
            }
            _ => 100,
        };
        // Nothing is measured where nothing is sent: what was slow once would stay so for ever.
        let age_ms = now_ms.saturating_sub(self.latency_at_ms.load(Relaxed));
        let halvings = u32::try_from(age_ms / LATENCY_HALF_LIFE_MS).unwrap_or(u32::MAX);
        Candidate {
            index,
            weight: u64::from(self.weight.load(Relaxed)) * percent,
            quota: self.quota.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            latency_us: self.latency_us.load(Relaxed).checked_shr(halvings).unwrap_or(0),
            digest: self.digest,
        }
    }

    /// Takes the only request that may try it after an ejection. One that must not be lost waits until a
    /// repeatable one has tried it, or until none has come for as long as the first ejection.
    #[must_use]
    pub fn try_again(&self, now_ms: u64, repeatable: bool, ejection: &EjectionPolicy) -> bool {
        let over_ms = self.ejected_until_ms.load(Relaxed);
        (repeatable || now_ms >= over_ms.saturating_add(ejection.first_ms))
            && !self.trying.swap(true, Relaxed)
    }

    /// Takes a request in; with `bounded` not beyond its quota.
    #[must_use]
    pub fn enter(&self, bounded: bool) -> bool {
        let quota = self.quota.load(Relaxed);
        let next = |in_flight: u32| {
            (!bounded || quota == 0 || in_flight < quota).then(|| in_flight.saturating_add(1))
        };
        self.in_flight.fetch_update(Relaxed, Relaxed, next).is_ok()
    }

    /// Lets it go.
    pub fn leave(&self) {
        // Each `enter` has one `leave`, so this never goes below 0.
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// The request that tried it ended without saying anything: another may.
    pub fn give_up_trial(&self) {
        self.trying.store(false, Relaxed);
    }

    /// An answer came, good or bad, after so long.
    pub fn answered(&self, latency_us: u64, now_ms: u64) {
        let old = self.latency_us.load(Relaxed);
        // Two threads at once may lose one of two samples, which matters to nobody.
        let new = match old {
            0 => latency_us,
            _ => old - old / LATENCY_WEIGHT + latency_us / LATENCY_WEIGHT,
        };
        self.latency_us.store(new, Relaxed);
        self.latency_at_ms.store(now_ms, Relaxed);
    }

    /// A request went well.
    pub fn succeeded(&self, trial: bool, now_ms: u64) {
        self.failures_in_a_row.store(0, Relaxed);
        if trial {
            self.ejections_in_a_row.store(0, Relaxed);
            self.ejected_until_ms.store(0, Relaxed);
            self.risen_ms.store(now_ms, Relaxed);
            self.trying.store(false, Relaxed);
        }
    }

    /// A request failed. Whether that makes it one to eject.
    #[must_use]
    pub fn failed(&self, trial: bool, policy: &EjectionPolicy) -> bool {
        let in_a_row = self.failures_in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let is_in = self.ejected_until_ms.load(Relaxed) == 0;
        trial || (policy.failures > 0 && in_a_row >= policy.failures && is_in)
    }

    /// Takes it out for a time that doubles.
    pub fn eject(&self, now_ms: u64, policy: &EjectionPolicy) {
        let doublings = self.ejections_in_a_row.fetch_add(1, Relaxed).min(16);
        let wait_ms = policy.first_ms.saturating_mul(1 << doublings).min(policy.max_ms);
        self.ejected_until_ms.store(now_ms.saturating_add(wait_ms), Relaxed);
        self.failures_in_a_row.store(0, Relaxed);
        self.trying.store(false, Relaxed);
        self.ejections.fetch_add(1, Relaxed);
    }

    /// What a check found.
    pub fn checked(&self, good: bool) {
        let counter = if good { &self.checks_ok } else { &self.checks_failed };
        counter.fetch_add(1, Relaxed);
    }

    /// What the checks say of it from now on.
    pub fn set_well(&self, well: bool, now_ms: u64) {
        let was_unwell = self.unwell.swap(!well, Relaxed);
        if well && was_unwell {
            self.risen_ms.store(now_ms, Relaxed);
        }
    }

    /// Whether the checks say that it is well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.unwell.load(Relaxed)
    }

    /// What is shown of it.
    #[must_use]
    pub fn figures(&self, upstream: &str, now_ms: u64) -> BackendStanding {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        BackendStanding {
            upstream: upstream.to_owned(),
            backend: self.address.to_string(),
            state: self.standing(now_ms).label().to_owned(),
            weight: self.weight.load(Relaxed),
            in_flight: u64::from(self.in_flight.load(Relaxed)),
            latency_us: read(&self.latency_us),
            ejections: read(&self.ejections),
            checks_ok: read(&self.checks_ok),
            checks_failed: read(&self.checks_failed),
        }
    }
}

/// An answer counts an eighth of the average: some twenty requests are remembered.
const LATENCY_WEIGHT: u64 = 8;

#[cfg(test)]
mod tests;
