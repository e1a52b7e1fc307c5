//! Who is asked about a request before it is served.

use serde::{Deserialize, Serialize};

/// A service that answers whether a request may pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictServicePolicy {
    /// Its name in metrics and the log.
    pub name: String,
    /// Its place among the policy's upstreams.
    pub upstream: usize,
    /// What is posted to.
    pub path: String,
    /// How it is asked, and answers.
    pub form: VerdictForm,
    /// What a client is told that has to authenticate better (RFC 9470): classes of authentication.
    pub acr_values: Vec<String>,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictForm {
    /// A CloudEvent; `{"verdict": "allow" | "step_up" | "block"}`.
    Seawall,
    /// The Data API of the Open Policy Agent: `{"input": ...}`; `{"result": true | {"allow": true}}`.
    Opa,
}

/// What a route asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictPolicy {
    /// The place of the service in the policy.
    pub service: usize,
    /// How long its answer may take.
    pub timeout_ms: u64,
    /// What holds without an answer.
    pub on_failure: OnFailure,
}

/// What becomes of a request without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It passes.
    Allow,
    /// It is refused with 503.
    Block,
}
