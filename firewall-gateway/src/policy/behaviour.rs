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
    /// From this score on lines of the access log show it.
    pub watch: u32,
    /// From this score on requests are refused with 429.
    pub challenge: u32,
    /// With this score the supervisor is asked for a ban.
    pub ban: u32,
    /// Who is refused here, as the kernel cannot ban them alone, is refused for so long.
    pub refuse_s: u64,
    /// One for each signal, in the order of [`Signal::ALL`].
    pub weights: [u32; Signal::ALL.len()],
    /// Paths that are asked for by those who look for holes: each with what is below it, in lower case.
    pub scanner_paths: Vec<String>,
    /// Whose offences count for nothing.
    pub exempt: Vec<IpNetwork>,
}

impl Default for BehaviourPolicy {
    fn default() -> Self {
        Self {
            shadow: true,
            half_life_s: 60,
            watch: 25,
            challenge: 50,
            ban: 100,
            refuse_s: 600,
            weights: Signal::ALL.map(Signal::default_weight),
            scanner_paths: SCANNER_PATHS.map(str::to_owned).to_vec(),
            exempt: Vec::new(),
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
