//! `gateway.behaviour` as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{Flag, Given, Number, Prefix},
};

/// A score.
pub type Score = Number<1, 100_000>;

/// A time of a ban.
pub type BanS = Number<1, 31_536_000>;

/// `gateway.behaviour`; what is left out has the default of [`firewall_gateway::policy::BehaviourPolicy`] and of
/// [`crate::config::OffenceBans`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviourDocument {
    pub shadow: Option<Flag>,
    pub half_life_s: Option<Number<1, 86_400>>,
    pub watch: Option<Spanned<Score>>,
    pub challenge: Option<Spanned<Score>>,
    pub ban: Option<Spanned<Score>>,
    #[serde(default)]
    pub weights: Given<WeightsDocument>,
    #[serde(default)]
    pub scanner_paths: Given<Entries<String>>,
    #[serde(default)]
    pub exempt: Given<Entries<Prefix>>,
    #[serde(default)]
    pub consumers: Given<ConsumerScoresDocument>,
    pub travel_s: Option<Number<60, 604_800>>,
    #[serde(default)]
    pub budgets: Given<BudgetsDocument>,
    #[serde(default)]
    pub challenge_page: Given<ChallengePageDocument>,
    pub ban_s: Option<Spanned<BanS>>,
    pub ban_s_max: Option<BanS>,
    pub ban_factor: Option<Number<1, 100>>,
    pub remember_s: Option<Number<0, 31_536_000>>,
    pub bans_per_s_max: Option<Number<1, 10_000>>,
}

/// `consumers`; thresholds that are left out are those of addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerScoresDocument {
    pub watch: Option<Spanned<Score>>,
    pub challenge: Option<Spanned<Score>>,
    pub ban: Option<Spanned<Score>>,
    #[serde(default)]
    pub exempt: Given<Entries<String>>,
}

/// `budgets`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetsDocument {
    pub limits: Entries<String>,
    pub refusals: Option<Number<1, 100_000>>,
}

/// `challenge_page`; what is left out has the default of [`firewall_gateway::policy::ChallengePagePolicy`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengePageDocument {
    /// A browser tries some 100,000 numbers a second: one more bit is twice the work.
    pub difficulty_bits: Option<Number<1, 24>>,
    pub pass_s: Option<Number<60, 86_400>>,
}

/// What an offence weighs; 0 is nothing.
pub type Weight = Number<0, 10_000>;

/// `weights`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsDocument {
    pub credential_refused: Option<Weight>,
    pub credential_missing: Option<Weight>,
    pub forbidden: Option<Weight>,
    pub not_found: Option<Weight>,
    pub bad_request: Option<Weight>,
    pub rate_limited: Option<Weight>,
    pub challenged: Option<Weight>,
    pub scanner_path: Option<Weight>,
    pub handshake_failed: Option<Weight>,
    pub handshake_without_request: Option<Weight>,
    pub slow: Option<Weight>,
    pub flood: Option<Weight>,
    pub invalid_input: Option<Weight>,
    pub user_agent_contradicted: Option<Weight>,
    pub impossible_travel: Option<Weight>,
}
