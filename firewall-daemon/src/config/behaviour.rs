//! How clients that offend are scored, and for how long they are banned.

use firewall_gateway::policy::BehaviourPolicy;

/// `gateway.behaviour`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BehaviourConfig {
    /// What the worker does.
    pub policy: BehaviourPolicy,
    /// What the daemon does.
    pub bans: OffenceBans,
}

/// Bans of clients that offend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffenceBans {
    /// The first one of a source.
    pub first_s: u64,
    /// Each further one takes so many times as long as that before...
    pub factor: u32,
    /// ...and no longer than this.
    pub longest_s: u64,
    /// A source is remembered so long after its ban.
    pub remember_s: u64,
    /// So many bans a second at most.
    pub per_s_max: u32,
}

impl Default for OffenceBans {
    fn default() -> Self {
        Self { first_s: 600, factor: 4, longest_s: 86_400, remember_s: 86_400, per_s_max: 100 }
    }
}
