//! `gateway.openapi` and `validate` of a route as they are written.

use firewall_gateway::policy::{Undocumented, ValidationMode};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::config::scalar::{FilePath, Name, Number};

/// An entry of `openapi`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenApiDocument {
    pub name: Spanned<Name>,
    pub file: FilePath,
    pub base_path: Option<Spanned<String>>,
}

/// `validate`; what is left out has the default of [`firewall_gateway::policy::ValidationPolicy`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidateDocument {
    pub openapi: Option<Spanned<Name>>,
    pub operation: Option<Spanned<Value>>,
    pub body: Option<Spanned<Value>>,
    pub mode: Option<ValidationMode>,
    pub responses: Option<Spanned<ValidationMode>>,
    pub undocumented: Option<Spanned<Undocumented>>,
    pub undocumented_query: Option<Undocumented>,
    pub body_bytes_max: Option<Number<0, 1_048_576>>,
    pub depth_max: Option<Number<1, 64>>,
    pub values_max: Option<Number<1, 65_536>>,
}
