//! What the policy says of clients that offend: what each offence weighs, and what a score leads to.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::behaviour::signal::Signal;

/// How clients are scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourPolicy {
    /// Nobody is refused or banned: it is counted who would be.
    pub shadow: bool,
    /// After so long half of a score is left.
    pub half_life_s: u32,
    /// Of addresses: with the last the supervisor is asked for a ban.
    pub thresholds: Thresholds,
    /// Who is refused here, as the kernel cannot ban them alone.
    pub refusals: RefusalPolicy,
    /// One for each signal, in the order of [`Signal::ALL`].
    pub weights: [u32; Signal::ALL.len()],
    /// Paths that are asked for by those who look for holes: each with what is below it, in lower case.
    pub scanner_paths: Vec<String>,
    /// Whose offences count for nothing.
    pub exempt: Vec<IpNetwork>,
    /// How consumers are scored.
    pub consumers: ConsumerScorePolicy,
    /// A consumer that is seen in two countries within this time offends; nobody does where it is left out.
    pub travel_s: Option<u32>,
    /// Limits beyond which an address is dropped by the kernel until it may come again; none where it is left out.
    pub budgets: Option<BudgetPolicy>,
    /// What browsers are shown that are refused for the score of their address; nothing but a refusal where it is
    /// left out.
    pub challenge_page: Option<ChallengePagePolicy>,
}

/// Whose requests end in the kernel while a budget is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetPolicy {
    /// Of which limits.
    pub limits: Vec<BudgetLimitPolicy>,
    /// So often one of them has refused an address within the wait that it was told.
    pub refusals: u32,
}

/// One of these limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetLimitPolicy {
    /// Its name in `rates`.
    pub name: String,
    /// Whether the budget is somebody's only where it is known whose: all others have one together.
    pub known: bool,
}

/// A page with which browsers get past a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengePagePolicy {
    /// Bits that are zero in front of the hash of a solution: each one doubles the work.
    pub difficulty_bits: u32,
    /// How long a pass is good for, from the end of its challenge.
    pub pass_s: u32,
}

impl Default for ChallengePagePolicy {
    fn default() -> Self {
        Self { difficulty_bits: 16, pass_s: 3_600 }
    }
}

/// What a score leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// From this score on lines of the access log show it.
    pub watch: u32,
    /// From this score on requests are refused with 429.
    pub challenge: u32,
    /// With this score whose it is is banned, or refused for a time.
    pub ban: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { watch: 25, challenge: 50, ban: 100 }
    }
}

/// For how long somebody is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalPolicy {
    /// The first time.
    pub first_s: u64,
    /// Each further time takes so many times as long as the one before...
    pub factor: u32,
    /// ...and no longer than this.
    pub longest_s: u64,
    /// So long after its end a time still counts as one before.
    pub remember_s: u64,
}

impl Default for RefusalPolicy {
    fn default() -> Self {
        Self { first_s: 600, factor: 4, longest_s: 86_400, remember_s: 86_400 }
    }
}

/// How consumers are scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerScorePolicy {
    /// With the last a consumer is refused for a time.
    pub thresholds: Thresholds,
    /// Consumers, by name, whose offences count for nothing, whatever address they come from.
    pub exempt: Vec<String>,
}

impl Default for BehaviourPolicy {
    fn default() -> Self {
        Self {
            shadow: true,
            half_life_s: 60,
            thresholds: Thresholds::default(),
            refusals: RefusalPolicy::default(),
            weights: Signal::ALL.map(Signal::default_weight),
            scanner_paths: SCANNER_PATHS.map(str::to_owned).to_vec(),
            exempt: Vec::new(),
            consumers: ConsumerScorePolicy::default(),
            travel_s: None,
            budgets: None,
            challenge_page: None,
        }
    }
}

/// What scanners ask every server for, and few servers have.
const SCANNER_PATHS: [&str; 16] = [
    "/.aws",
    "/.env",
    "/.git",
    "/.ssh",
    "/actuator",
    "/boaform",
    "/cgi-bin",
    "/config.json",
    "/hnap1",
    "/phpmyadmin",
    "/server-status",
    "/vendor/phpunit",
    "/wp-admin",
    "/wp-content",
    "/wp-login.php",
    "/xmlrpc.php",
];
