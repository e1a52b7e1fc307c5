//! What requests of a route, and the answers to them, must look like.

use serde::{Deserialize, Serialize};

/// A document that describes an API: OpenAPI 3.0 or 3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentPolicy {
    /// Its name in routes.
    pub name: String,
    /// Its text, as JSON.
    pub text: String,
    /// What stands before its paths, without a slash at the end; that of its first server where nothing is said.
    #[serde(default)]
    pub base_path: Option<String>,
}

/// What is asked of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationPolicy {
    /// What says how they look.
    pub against: Against,
    /// What becomes of those that look different.
    pub mode: ValidationMode,
    /// What becomes of answers that look different; they are not looked at where nothing is said.
    #[serde(default)]
    pub responses: Option<ValidationMode>,
    /// What becomes of requests for which the document has no operation.
    pub undocumented: Undocumented,
    /// What becomes of parameters of the query that the operation does not have.
    pub undocumented_query: Undocumented,
    /// Bytes of a body; it is held in memory until it is judged.
    pub body_bytes_max: u32,
    /// Objects and lists within each other.
    pub depth_max: u32,
    /// Values of a body, objects and lists among them; fields and parts of forms likewise.
    pub values_max: u32,
}

impl ValidationPolicy {
    /// Against this, with the bounds that hold where nothing is said.
    #[must_use]
    pub fn new(against: Against) -> Self {
        Self {
            against,
            mode: ValidationMode::Enforce,
            responses: None,
            undocumented: Undocumented::Refuse,
            undocumented_query: Undocumented::Pass,
            body_bytes_max: 65_536,
            depth_max: 32,
            values_max: 1_024,
        }
    }
}

/// What says how a request looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Against {
    /// The operation of this document that has its method and path.
    Document(String),
    /// This operation of OpenAPI 3.1, as JSON; path parameters are those of the route's path.
    Operation(String),
    /// A body of JSON with this schema, as JSON.
    Body(String),
}

/// What becomes of what does not look as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationMode {
    /// It is refused.
    Enforce,
    /// It passes, and is counted and logged.
    Report,
}

/// What becomes of what a document does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undocumented {
    /// It is refused.
    Refuse,
    /// It passes unseen.
    Pass,
}
