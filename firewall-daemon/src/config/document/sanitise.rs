//! `sanitise` of a route as it is written.

use firewall_gateway::policy::{ControlCharacters, UnicodeForm, Unwanted, ValidationMode};
use serde::Deserialize;

use crate::config::{
    document::Entries,
    scalar::{Given, Number},
};

/// `sanitise`; what is left out has the default of [`firewall_gateway::policy::SanitisePolicy`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SanitiseDocument {
    pub mode: Option<ValidationMode>,
    pub unicode: Option<UnicodeForm>,
    pub control_characters: Option<ControlCharacters>,
    pub double_encoding: Option<Unwanted>,
    #[serde(default)]
    pub html: Given<Entries<String>>,
    pub other_bodies: Option<Unwanted>,
    pub body_bytes_max: Option<Number<0, 1_048_576>>,
    pub depth_max: Option<Number<1, 64>>,
    pub values_max: Option<Number<1, 65_536>>,
}
