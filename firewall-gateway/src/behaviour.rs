//! What clients are up to: offences of an address are scored with decay, and a score leads to a refusal or a ban.
//!
//! Scored where every request ends (`observe`), asked before anything is done for the next one. The kernel
//! bans whom the supervisor says; who came through a proxy cannot be banned alone and is refused here.

pub mod offence;

pub mod scores;

pub mod signal;

mod tally;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use ipnetwork::IpNetwork;

use self::{
    offence::{Offence, SignalCount},
    scores::{Added, Scores},
    signal::Signal,
    tally::{Tally, Verdict},
};
use crate::{
    events::Events,
    figures::BehaviourFigures,
    identity::Denied,
    limits::{OFFENCE_PAUSE_MS, OFFENCES_WAITING_MAX},
    policy::{BehaviourPolicy, ClientsPolicy},
    rejection::Rejection,
};

/// What is known of all addresses; threads share it.
#[derive(Debug)]
pub struct Behaviour {
    policy: BehaviourPolicy,
    /// Whose offences count for nothing: who is exempt, and proxies, which bring those of others.
    spared: Vec<IpNetwork>,
    scores: Scores,
    started: Instant,
    tally: Tally,
    offences: SyncSender<Offence>,
    told: Mutex<Option<Receiver<Offence>>>,
    events: Option<Arc<Events>>,
}

/// How an address stands before a request of it is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its score, where that is one to watch.
    pub score: Option<u32>,
    /// It is refused, and may come again after this time.
    pub wait: Option<Duration>,
    /// It would be, in shadow mode.
    pub would_wait: bool,
}

/// Who did something.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The client.
    pub address: IpAddr,
    /// Whether its own packets bring its requests: only then does a ban hit it, and nobody else.
    pub direct: bool,
    /// The request; empty where there was none.
    pub request: &'a str,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The answer's status.
    pub status: u16,
    /// Why it was refused, where it was.
    pub rejection: Option<Rejection>,
    /// Why nobody was recognised.
    pub denied: Option<Denied>,
    /// Statuses of the upstream that are offences.
    pub offences: &'a [u16],
    /// What was asked for.
    pub path: &'a str,
}

impl Behaviour {
    /// Nobody has offended yet.
    #[must_use]
    pub fn new(
        policy: &BehaviourPolicy,
        clients: &ClientsPolicy,
        events: Option<Arc<Events>>,
    ) -> Self {
        let (offences, told) = sync_channel(OFFENCES_WAITING_MAX);
        Self {
            policy: policy.clone(),
            spared: policy.exempt.iter().chain(&clients.trusted_proxies).copied().collect(),
            scores: Scores::new(policy.half_life_s),
            started: Instant::now(),
            tally: Tally::default(),
            offences,
            told: Mutex::new(Some(told)),
            events,
        }
    }

    /// How an address stands.
    #[must_use]
    pub fn standing(&self, address: IpAddr) -> Standing {
        let now_ms = self.now_ms();
        let known = self.scores.known(address, now_ms);
        let refused_ms = known.until_ms.saturating_sub(now_ms);
        let score =
            (known.score >= f64::from(self.policy.watch)).then_some(known.score.round() as u32);
        let challenge = f64::from(self.policy.challenge);
        if refused_ms == 0 && known.score < challenge {
            return Standing { score, wait: None, would_wait: false };
        }
        if self.policy.shadow {
            self.tally.verdict(Verdict::WouldChallenge);
            return Standing { score, wait: None, would_wait: true };
        }
        self.tally.verdict(Verdict::Challenged);
        // A moment later it is below.
        let falls_ms = self.scores.falls_in_ms(known.score, challenge).saturating_add(1);
        let wait = Some(Duration::from_millis(refused_ms.max(falls_ms)));
        Standing { score, wait, would_wait: false }
    }

    /// A request has ended, in whatever way: most of them say nothing of their client.
    pub fn ended(&self, source: &Source<'_>, ended: &Ended<'_>) {
        let signal = match ended.rejection {
            Some(rejection) => Signal::of_rejection(rejection, ended.denied),
            None if ended.offences.contains(&ended.status) => Signal::of_status(ended.status),
            None => None,
        };
        if let Some(signal) = signal {
            self.did(source, signal);
        }
        // A path that we serve is no scanner's.
        if (400..500).contains(&ended.status)
            && ended.rejection != Some(Rejection::Challenged)
            && self.is_scanned(ended.path)
        {
            self.did(source, Signal::ScannerPath);
        }
    }

    /// A client did something.
    pub fn did(&self, source: &Source<'_>, signal: Signal) {
        let address = source.address.to_canonical();
        let weight = self.policy.weights.get(signal as usize).copied().unwrap_or_default();
        if weight == 0 || self.spared.iter().any(|network| network.contains(address)) {
            return;
        }
        self.tally.signal(signal);
        let now_ms = self.now_ms();
        let Some(added) = self.scores.add(address, signal, weight, now_ms) else { return };
        let crosses = |threshold: u32| {
            added.before < f64::from(threshold) && added.after >= f64::from(threshold)
        };
        if crosses(self.policy.watch) {
            self.tally.verdict(Verdict::Watched);
        }
        if added.after >= f64::from(self.policy.ban) {
            self.decide(source, &added, now_ms);
        }
    }

    fn decide(&self, source: &Source<'_>, added: &Added, now_ms: u64) {
        // Where the ban comes no packet arrives; where it does not, the next offences ask again after this.
        let for_ms = if source.direct {
            OFFENCE_PAUSE_MS
        } else {
            self.policy.refuse_s.saturating_mul(1_000)
        };
        let Some(seen) = self.scores.decide(added, now_ms, for_ms) else { return };
        let signals = seen.into_iter().map(|(signal, count)| SignalCount { signal, count });
        let offence = Offence {
            address: source.address.to_canonical(),
            score: added.after.round() as u32,
            signals: signals.collect(),
            request: source.request.to_owned(),
        };
        let tell = |verdict: Verdict| {
            self.tally.verdict(verdict);
            if let Some(events) = &self.events {
                events.offended(&offence, verdict.label());
            }
        };
        if !source.direct {
            let shadow = self.policy.shadow;
            tell(if shadow { Verdict::WouldRefuse } else { Verdict::Refused });
            tracing::debug!(client = %source.address, shadow, "refused for what it did, through a proxy");
            return;
        }
        // A queue that is full is not waited for: it offends again.
        let told = self.offences.try_send(offence.clone()).is_ok();
        tell(if told { Verdict::Reported } else { Verdict::Lost });
    }

    /// Whom the supervisor is to be told of; once.
    pub fn offences(&self) -> Option<Receiver<Offence>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> BehaviourFigures {
        let (addresses, displaced) = self.scores.counts();
        self.tally.figures(addresses, displaced)
    }

    fn is_scanned(&self, path: &str) -> bool {
        let below = |scanned: &String| {
            let begins =
                path.get(..scanned.len()).is_some_and(|it| it.eq_ignore_ascii_case(scanned));
            begins && matches!(path.as_bytes().get(scanned.len()), None | Some(b'/'))
        };
        self.policy.scanner_paths.iter().any(below)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
