//! `scrub` of a route as it is written.

use firewall_gateway::policy::{LeakAction, LeakKind};
use serde::Deserialize;

use crate::config::{
    document::Entries,
    scalar::{Given, Number},
};

/// `scrub`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubDocument {
    pub action: LeakAction,
    #[serde(default)]
    pub kinds: Given<Entries<LeakKind>>,
    pub bytes_max: Option<Number<1_024, 67_108_864>>,
}
