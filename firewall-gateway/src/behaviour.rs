//! What clients are up to: offences of an address, and of the consumer that it is, are scored with decay, and a score
//! leads to a refusal or a ban.
//!
//! Scored where every request ends (`observe`), asked before anything is done for the next one. The kernel
//! bans whom the supervisor says; who came through a proxy cannot be banned alone and is refused here, and so is a
//! consumer. A consumer answers for requests that were authenticated as its own, and for nothing that merely names it.

pub mod board;

mod budgets;

pub mod challenge;

pub mod contradiction;

pub mod offence;

pub mod scores;

pub mod signal;

mod slots;

mod tally;

mod travels;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::error::Unspecified;
use ipnetwork::IpNetwork;

use self::{
    board::{Board, Standing},
    budgets::Budgets,
    challenge::Challenges,
    offence::{Budget, Offence, SignalCount},
    scores::{Added, Refusals, Scores, Whose},
    signal::Signal,
    tally::Verdict,
    travels::Travels,
};
use crate::{
    countries::Code,
    events::Events,
    figures::BehaviourFigures,
    identity::Denied,
    limits::{
        BEHAVIOUR_SLOTS, CONSUMER_SCORE_SLOTS, OFFENCE_PAUSE_MS, OFFENCES_WAITING_MAX, TRAVEL_SLOTS,
    },
    policy::{BehaviourPolicy, ClientsPolicy, RefusalPolicy},
    rejection::Rejection,
};

/// What is known of all addresses and consumers; threads share it.
#[derive(Debug)]
pub struct Behaviour {
    policy: BehaviourPolicy,
    /// Whose offences count for nothing: who is exempt, and proxies, which bring those of others.
    spared: Vec<IpNetwork>,
    addresses: Board,
    consumers: Board,
    challenges: Option<Challenges>,
    travels: Option<Travels>,
    budgets: Option<Budgets>,
    refusals: Refusals,
    started: Instant,
    offences: SyncSender<Offence>,
    told: Mutex<Option<Receiver<Offence>>>,
    events: Option<Arc<Events>>,
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
    /// Whose credential it showed, where that held.
    pub consumer: Option<&'a str>,
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
    /// The limit that refused it, and when that lets something pass again.
    pub limited: Option<(&'a str, Duration)>,
}

impl Behaviour {
    /// Nobody has offended yet.
    ///
    /// # Errors
    /// There is no randomness for a key.
    pub fn new(
        policy: &BehaviourPolicy,
        clients: &ClientsPolicy,
        events: Option<Arc<Events>>,
    ) -> Result<Self, Unspecified> {
        let (offences, told) = sync_channel(OFFENCES_WAITING_MAX);
        Ok(Self {
            policy: policy.clone(),
            spared: policy.exempt.iter().chain(&clients.trusted_proxies).copied().collect(),
            addresses: Board::new(
                Scores::new(policy.half_life_s, BEHAVIOUR_SLOTS),
                policy.thresholds,
                policy.shadow,
            ),
            consumers: Board::new(
                Scores::new(policy.half_life_s, CONSUMER_SCORE_SLOTS),
                policy.consumers.thresholds,
                policy.shadow,
            ),
            challenges: policy.challenge_page.map(Challenges::new).transpose()?,
            travels: policy.travel_s.map(|within_s| Travels::new(within_s, TRAVEL_SLOTS)),
            budgets: policy.budgets.as_ref().map(Budgets::new),
            refusals: refusals(&policy.refusals),
            started: Instant::now(),
            offences,
            told: Mutex::new(Some(told)),
            events,
        })
    }

    /// How an address stands; `passes` says whether a challenge is behind it, and is asked where there is one.
    #[must_use]
    pub fn standing(&self, address: IpAddr, passes: impl FnOnce() -> bool) -> Standing {
        self.addresses.standing(Whose::Address(address), self.now_ms(), passes)
    }

    /// How a consumer stands, whose credential a request showed.
    #[must_use]
    pub fn consumer_standing(&self, consumer: &str) -> Standing {
        self.consumers.standing(Whose::Consumer(consumer), self.now_ms(), || false)
    }

    /// A consumer sends a request from a country; where that is not known nothing is said of it.
    pub fn seen_in(&self, source: &Source<'_>, country: Option<Code>) {
        let (Some(travels), Some(consumer), Some(country)) =
            (&self.travels, source.consumer, country)
        else {
            return;
        };
        // The address may be the one of who was robbed.
        if travels.arrives(consumer, country, self.now_ms()) {
            self.consumer_did(source, Signal::ImpossibleTravel);
        }
    }

    /// What browsers are shown that are refused, where there is such a page.
    #[must_use]
    pub fn challenges(&self) -> Option<&Challenges> {
        self.challenges.as_ref()
    }

    /// A request has ended, in whatever way: most of them say nothing of their client.
    pub fn ended(&self, source: &Source<'_>, ended: &Ended<'_>) {
        let signal = match ended.rejection {
            Some(rejection) => Signal::of_rejection(rejection, ended.denied),
            None if ended.offences.contains(&ended.status) => Signal::of_status(ended.status),
            None => None,
        };
        let refused =
            matches!(ended.rejection, Some(Rejection::Challenged | Rejection::ConsumerRefused));
        match signal {
            // The address does nothing wrong by that: others of the consumer brought it there.
            Some(signal) if ended.rejection == Some(Rejection::ConsumerRefused) => {
                self.consumer_did(source, signal);
            }
            Some(signal) => self.did(source, signal),
            None => {}
        }
        // A path that we serve is no scanner's.
        if (400..500).contains(&ended.status) && !refused && self.is_scanned(ended.path) {
            self.did(source, Signal::ScannerPath);
        }
        if let Some((limit, after)) = ended.limited {
            self.over_budget(source, limit, after);
        }
    }

    /// A limit has refused a request; who goes on is told of, where nobody else's requests would end with its own.
    fn over_budget(&self, source: &Source<'_>, limit: &str, after: Duration) {
        let Some(budgets) = self.budgets.as_ref().filter(|_| source.direct) else { return };
        let Some(limit) = budgets.limit(limit) else { return };
        let address = source.address.to_canonical();
        let spared = source.consumer.map_or(limit.known, |consumer| self.is_exempt_name(consumer))
            || self.is_spared(address);
        if spared || !budgets.refuses(&limit.name, address, after, self.now_ms()) {
            return;
        }
        self.addresses.verdict(Verdict::Exhausted);
        // Not before it may: what is left of a second counts as one.
        let for_s = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        let limit = limit.name.clone();
        self.report(Offence {
            address,
            score: 0,
            signals: Vec::new(),
            request: source.request.to_owned(),
            budget: Some(Budget { limit, refusals: budgets.refusals(), for_s }),
        });
    }

    /// A client did something. Where it is known whose it is, that consumer answers for it, and the address beside it
    /// where it is its own: behind a proxy it may be anyone's.
    pub fn did(&self, source: &Source<'_>, signal: Signal) {
        if source.consumer.is_none() {
            return self.address_did(source, signal);
        }
        let scored = self.consumer_did(source, signal);
        if scored && source.direct {
            self.address_did(source, signal);
        }
    }

    /// Whether it counts: not of a consumer that is exempt, nor of an address that is.
    fn consumer_did(&self, source: &Source<'_>, signal: Signal) -> bool {
        let Some(consumer) = source.consumer else { return false };
        let weight = self.weight(signal);
        if weight == 0 || self.is_exempt_name(consumer) || self.is_exempt(source.address) {
            return false;
        }
        let (whose, now_ms) = (Whose::Consumer(consumer), self.now_ms());
        let Some(added) = self.consumers.add(whose, signal, weight, now_ms) else { return true };
        if let Some(signals) = self.consumers.decide(&added, now_ms, &self.refusals) {
            let verdict = if self.policy.shadow { Verdict::WouldRefuse } else { Verdict::Refused };
            self.consumers.verdict(verdict);
            if let Some(events) = &self.events {
                let offence = offence(source, &added, signals);
                events.offended(&offence, Some(consumer), verdict.label());
            }
            tracing::debug!(consumer, shadow = self.policy.shadow, "refused for what it did");
        }
        true
    }

    fn address_did(&self, source: &Source<'_>, signal: Signal) {
        let address = source.address.to_canonical();
        let weight = self.weight(signal);
        if weight == 0 || self.is_spared(address) {
            return;
        }
        let now_ms = self.now_ms();
        if let Some(added) = self.addresses.add(Whose::Address(address), signal, weight, now_ms) {
            self.decide(source, &added, now_ms);
        }
    }

    fn decide(&self, source: &Source<'_>, added: &Added, now_ms: u64) {
        // Where the ban comes no packet arrives; where it does not, the next offences ask again after this.
        let pause = Refusals::of(OFFENCE_PAUSE_MS);
        let refusals = if source.direct { &pause } else { &self.refusals };
        let Some(signals) = self.addresses.decide(added, now_ms, refusals) else { return };
        let offence = offence(source, added, signals);
        if !source.direct {
            let shadow = self.policy.shadow;
            self.tell(&offence, if shadow { Verdict::WouldRefuse } else { Verdict::Refused });
            tracing::debug!(client = %source.address, shadow, "refused for what it did, through a proxy");
            return;
        }
        self.report(offence);
    }

    fn report(&self, offence: Offence) {
        // A queue that is full is not waited for: it offends again.
        let told = self.offences.try_send(offence.clone()).is_ok();
        self.tell(&offence, if told { Verdict::Reported } else { Verdict::Lost });
    }

    fn tell(&self, offence: &Offence, verdict: Verdict) {
        self.addresses.verdict(verdict);
        if let Some(events) = &self.events {
            events.offended(offence, None, verdict.label());
        }
    }

    fn weight(&self, signal: Signal) -> u32 {
        self.policy.weights.get(signal as usize).copied().unwrap_or_default()
    }

    fn is_exempt_name(&self, consumer: &str) -> bool {
        self.policy.consumers.exempt.iter().any(|exempt| exempt == consumer)
    }

    fn is_spared(&self, address: IpAddr) -> bool {
        self.spared.iter().any(|network| network.contains(address))
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.policy.exempt.iter().any(|network| network.contains(address))
    }

    /// Whom the supervisor is to be told of; once.
    pub fn offences(&self) -> Option<Receiver<Offence>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> BehaviourFigures {
        BehaviourFigures {
            addresses: self.addresses.figures(),
            consumers: self.consumers.figures(),
            travels_displaced: self.travels.as_ref().map(Travels::displaced).unwrap_or_default(),
            budgets_displaced: self.budgets.as_ref().map(Budgets::displaced).unwrap_or_default(),
            challenges: self.challenges.as_ref().map(Challenges::figures).unwrap_or_default(),
        }
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

fn refusals(policy: &RefusalPolicy) -> Refusals {
    let ms = |time_s: u64| time_s.saturating_mul(1_000);
    Refusals {
        first_ms: ms(policy.first_s),
        factor: policy.factor,
        longest_ms: ms(policy.longest_s),
        remember_ms: ms(policy.remember_s),
    }
}

fn offence(source: &Source<'_>, added: &Added, signals: Vec<SignalCount>) -> Offence {
    Offence {
        address: source.address.to_canonical(),
        score: added.after.round() as u32,
        signals,
        request: source.request.to_owned(),
        budget: None,
    }
}

#[cfg(test)]
mod tests;
