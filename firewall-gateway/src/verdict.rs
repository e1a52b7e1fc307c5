//! The stage "what others say of it": a service outside is asked about a request, and its answer acts.
//!
//! The service is an upstream: its backends, TLS, places and circuit breaker are those of any other. The route says how long it
//! is waited for, and what holds where it says nothing.

mod question;

mod answer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header, uri::PathAndQuery};

pub use self::question::Question;
use crate::{
    figures::{LabelCount, VerdictFigures, one},
    limits::VERDICT_ANSWER_BYTES_MAX,
    policy::{GatewayPolicy, OnFailure, VerdictForm, VerdictPolicy, VerdictServicePolicy},
    rejection::{Rejection, UpstreamFailure},
    upstream::{Message, PostError, Upstream},
};

/// A service; routes that ask it share it.
#[derive(Debug)]
pub struct Service {
    name: Arc<str>,
    upstream: usize,
    path: PathAndQuery,
    form: VerdictForm,
    source: String,
    challenge: HeaderValue,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// What a route asks, and of whom.
#[derive(Debug)]
pub struct Asks {
    service: Arc<Service>,
    within: Duration,
    on_failure: OnFailure,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Who was asked.
    pub service: Arc<str>,
    /// What came of it.
    pub outcome: Outcome,
    /// What the service says of it, escaped and bounded.
    pub reason: Option<Arc<str>>,
}

/// The verdict, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may pass.
    Allow,
    /// Whoever sent it has to authenticate better first.
    StepUp,
    /// It may not.
    Block,
    /// No answer in time.
    Timeout,
    /// The service cannot be reached, or broke off.
    Unreachable,
    /// It has no place for a question: too many wait for one.
    Busy,
    /// It was not asked: its circuit breaker is open.
    Skipped,
    /// Its answer is none.
    Malformed,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Allow,
        Self::StepUp,
        Self::Block,
        Self::Timeout,
        Self::Unreachable,
        Self::Busy,
        Self::Skipped,
        Self::Malformed,
    ];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::StepUp => "step_up",
            Self::Block => "block",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Skipped => "skipped",
            Self::Malformed => "malformed",
        }
    }

    fn of_error(error: PostError) -> Self {
        match error {
            PostError::Late => Self::Timeout,
            PostError::TooLong => Self::Malformed,
            PostError::Upstream(UpstreamFailure::BreakerOpen) => Self::Skipped,
            PostError::Upstream(
                UpstreamFailure::QueueFull
                | UpstreamFailure::QueueTimeout
                | UpstreamFailure::NoConnection,
            ) => Self::Busy,
            PostError::Upstream(_) | PostError::Broken => Self::Unreachable,
        }
    }
}

impl Service {
    /// The services of a policy.
    ///
    /// # Errors
    /// One that cannot be asked.
    pub fn all(policy: &GatewayPolicy) -> Result<Vec<Arc<Self>>, VerdictError> {
        let source = policy.events.as_ref().map_or(SOURCE, |events| events.source.as_str());
        let service = |service: &VerdictServicePolicy| {
            if service.upstream >= policy.upstreams.len() {
                return Err(VerdictError::Upstream(service.name.clone()));
            }
            let path = service.path.parse();
            let path = path.map_err(|_| VerdictError::Path(service.name.clone()))?;
            let challenge = challenge(&service.acr_values);
            let challenge = challenge.ok_or_else(|| VerdictError::Acr(service.name.clone()))?;
            Ok(Arc::new(Self {
                name: service.name.as_str().into(),
                upstream: service.upstream,
                path,
                form: service.form,
                source: source.to_owned(),
                challenge,
                outcomes: Default::default(),
            }))
        };
        policy.verdict_services.iter().map(service).collect()
    }

    /// What came of its questions.
    #[must_use]
    pub fn figures(&self) -> VerdictFigures {
        let counts = Outcome::ALL.iter().zip(&self.outcomes);
        VerdictFigures {
            service: self.name.to_string(),
            outcomes: counts
                .map(|(outcome, count)| LabelCount {
                    label: outcome.label().to_owned(),
                    count: count.load(Relaxed),
                })
                .collect(),
        }
    }

    async fn ask(
        &self,
        question: &Question<'_>,
        within: Duration,
        upstream: &Upstream,
    ) -> (Outcome, Option<Arc<str>>) {
        let (content_type, body) = match self.form {
            VerdictForm::Seawall => (CLOUD_EVENT, question.event(&self.source)),
            VerdictForm::Opa => (JSON, question.input()),
        };
        let message = Message {
            path: &self.path,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]),
            body: body.into(),
            client: question.client(),
            within,
            answer_bytes_max: VERDICT_ANSWER_BYTES_MAX,
        };
        match upstream.post(message).await {
            Ok(reply) if reply.status == StatusCode::OK => answer::read(self.form, &reply.body),
            Ok(_) => (Outcome::Malformed, None),
            Err(error) => (Outcome::of_error(error), None),
        }
    }
}

impl Asks {
    /// What a route of the policy asks of one of these services.
    ///
    /// # Errors
    /// There is no such service.
    pub fn new(policy: &VerdictPolicy, services: &[Arc<Service>]) -> Result<Self, VerdictError> {
        Ok(Self {
            service: services.get(policy.service).ok_or(VerdictError::Service)?.clone(),
            within: Duration::from_millis(policy.timeout_ms),
            on_failure: policy.on_failure,
        })
    }

    /// Asks about a request.
    pub async fn ask(&self, question: &Question<'_>, upstreams: &[Upstream]) -> Judged {
        let (outcome, reason) = match upstreams.get(self.service.upstream) {
            Some(upstream) => self.service.ask(question, self.within, upstream).await,
            None => (Outcome::Unreachable, None),
        };
        if let Some(count) = self.service.outcomes.get(outcome as usize) {
            one(count);
        }
        Judged { service: self.service.name.clone(), outcome, reason }
    }

    /// What that means for the request.
    #[must_use]
    pub fn refuses(&self, judged: &Judged) -> Option<Rejection> {
        match judged.outcome {
            Outcome::Allow => None,
            Outcome::StepUp => Some(Rejection::StepUpRequired),
            Outcome::Block => Some(Rejection::VerdictBlocked),
            Outcome::Timeout
            | Outcome::Unreachable
            | Outcome::Busy
            | Outcome::Skipped
            | Outcome::Malformed => match self.on_failure {
                OnFailure::Allow => None,
                OnFailure::Block => Some(Rejection::VerdictUnavailable),
            },
        }
    }

    /// What a client is told that has to authenticate better.
    #[must_use]
    pub fn challenge(&self) -> HeaderValue {
        self.service.challenge.clone()
    }
}

/// RFC 9470, 3.
fn challenge(acr_values: &[String]) -> Option<HeaderValue> {
    let mut text = "Bearer error=\"insufficient_user_authentication\", \
                    error_description=\"A different authentication is required\""
        .to_owned();
    if !acr_values.is_empty() {
        let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !acr_values.iter().all(|value| !value.is_empty() && value.bytes().all(plain)) {
            return None;
        }
        text.push_str(&format!(", acr_values=\"{}\"", acr_values.join(" ")));
    }
    HeaderValue::try_from(text).ok()
}

/// The `source` of questions where no events are told.
const SOURCE: &str = "urn:seawall";

const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Services that cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum VerdictError {
    #[error("gateway.verdict_services: {0:?} names an upstream that is not there")]
    Upstream(String),
    #[error("gateway.verdict_services: {0:?}: path: expected a path that begins with /")]
    Path(String),
    #[error(
        "gateway.verdict_services: {0:?}: acr_values: expected visible characters without quotes and backslashes"
    )]
    Acr(String),
    #[error("verdict: expected one of gateway.verdict_services, found none")]
    Service,
}

#[cfg(test)]
mod tests;
