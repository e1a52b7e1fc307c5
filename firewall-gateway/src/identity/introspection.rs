//! Tokens that say nothing by themselves: whoever gave one out is asked whether it is good (RFC 7662).
//!
//! The service is an upstream, so that its TLS, its backends and its circuit breaker are those of any other. What
//! it says is remembered for a short time, in each thread by itself: that a token is good, and that it is not.
//! Where it says nothing, nobody passes.

mod answer;

use std::{cell::RefCell, net::IpAddr, sync::Arc, time::Duration};

use form_urlencoded::Serializer;
use http::{HeaderMap, HeaderValue, StatusCode, header, uri::PathAndQuery};

use super::{
    Denied, Recognised,
    jwt::{
        bearer,
        cache::{Cache, CacheKey, Verified},
        verify::sha256,
    },
};
use crate::{
    client_authentication,
    figures::Meter,
    limits::INTROSPECTION_ANSWER_BYTES_MAX,
    policy::{GatewayPolicy, IntrospectionPolicy},
    upstream::{Message, PostError, Upstream},
};

/// Why a token is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum IntrospectionError {
    Inactive,
    Issuer,
    Audience,
    Expired,
    NotYet,
    Claims,
    NotAsked,
}

impl IntrospectionError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Inactive,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYet,
        Self::Claims,
        Self::NotAsked,
    ];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Inactive => "introspection_inactive",
            Self::Issuer => "introspection_issuer",
            Self::Audience => "introspection_audience",
            Self::Expired => "introspection_expired",
            Self::NotYet => "introspection_not_yet",
            Self::Claims => "introspection_claims",
            Self::NotAsked => "introspection_not_asked",
        }
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Outcome {
    Good,
    Refused,
    Timeout,
    Unreachable,
    Malformed,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Good, Self::Refused, Self::Timeout, Self::Unreachable, Self::Malformed];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
        }
    }
}

/// A token that was not asked about yet.
#[derive(Debug)]
pub struct Opaque<'a> {
    token: &'a str,
    key: CacheKey,
}

/// Nobody says whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

/// The services of a policy; threads share them.
#[derive(Debug)]
pub struct Services(Vec<Service>);

#[derive(Debug)]
struct Service {
    policy: IntrospectionPolicy,
    path: PathAndQuery,
    authorization: Option<HeaderValue>,
}

impl Services {
    /// As the policy says.
    ///
    /// # Errors
    /// The name of one that cannot be asked.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, String> {
        let service = |one: &IntrospectionPolicy| {
            let path = one.path.parse().ok().filter(|_| one.upstream < policy.upstreams.len());
            let secret = one.client_secret.as_ref();
            let authorization = match secret
                .map(|secret| client_authentication::basic(&one.client_id, &secret.0))
            {
                None => Some(None),
                Some(value) => value.map(Some),
            };
            match (path, authorization) {
                (Some(path), Some(authorization)) => {
                    Ok(Service { policy: one.clone(), path, authorization })
                }
                _ => Err(one.name.clone()),
            }
        };
        policy.introspections.iter().map(service).collect::<Result<_, _>>().map(Self)
    }
}

/// What was said of a token.
type Known = Result<Recognised, IntrospectionError>;

/// Asks and remembers, in one thread.
#[derive(Debug)]
pub struct Introspector {
    services: Arc<Services>,
    meter: Arc<Meter>,
    known: RefCell<Cache<Known>>,
}

impl Introspector {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(services: Arc<Services>, meter: Arc<Meter>) -> Self {
        Self { services, meter, known: RefCell::default() }
    }

    /// The token of a request, where nothing is known of it.
    pub fn unknown<'a>(
        &self,
        place: usize,
        headers: &'a HeaderMap,
        now_epoch_s: u64,
    ) -> Option<Opaque<'a>> {
        let token = bearer::opaque(headers).ok()?;
        let key = (sha256(token.as_bytes()), place);
        let known = self.known.borrow_mut().find(&key, GENERATION, now_epoch_s);
        known.is_none().then_some(Opaque { token, key })
    }

    /// Who it is, of what is known.
    ///
    /// # Errors
    /// Why it is nobody.
    pub fn recall(
        &self,
        place: usize,
        headers: &HeaderMap,
        now_epoch_s: u64,
    ) -> Result<Recognised, Denied> {
        let token = bearer::opaque(headers)?;
        let key = (sha256(token.as_bytes()), place);
        let known = self.known.borrow_mut().find(&key, GENERATION, now_epoch_s);
        known.unwrap_or(Err(IntrospectionError::NotAsked)).map_err(Denied::Introspection)
    }

    /// Asks about a token.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask(
        &self,
        opaque: &Opaque<'_>,
        upstreams: &[Upstream],
        client: IpAddr,
        now_epoch_s: u64,
    ) -> Result<(), Unanswered> {
        let service = self.services.0.get(opaque.key.1).ok_or(Unanswered)?;
        let upstream = upstreams.get(service.policy.upstream).ok_or(Unanswered)?;
        let found = service.ask(opaque, upstream, client, now_epoch_s).await;
        let (outcome, known) = match found {
            Ok(known) => {
                let good = known.identity.is_ok();
                (if good { Outcome::Good } else { Outcome::Refused }, Ok(known))
            }
            Err(outcome) => (outcome, Err(Unanswered)),
        };
        self.meter.introspected(outcome);
        let known = known?;
        self.known.borrow_mut().keep(opaque.key, opaque.token.len(), known);
        Ok(())
    }
}

impl Service {
    async fn ask(
        &self,
        opaque: &Opaque<'_>,
        upstream: &Upstream,
        client: IpAddr,
        now_epoch_s: u64,
    ) -> Result<Verified<Known>, Outcome> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", opaque.token).append_pair("token_type_hint", "access_token");
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, FORM);
        headers.insert(header::ACCEPT, JSON);
        match &self.authorization {
            Some(authorization) => {
                headers.insert(header::AUTHORIZATION, authorization.clone());
            }
            None => client_authentication::post(&mut form, &self.policy.client_id, None),
        }
        let message = Message {
            path: &self.path,
            headers,
            body: form.finish().into(),
            client,
            within: Duration::from_millis(self.policy.timeout_ms),
            answer_bytes_max: INTROSPECTION_ANSWER_BYTES_MAX,
        };
        let reply = upstream.post(message).await.map_err(|error| match error {
            PostError::Late => Outcome::Timeout,
            PostError::TooLong => Outcome::Malformed,
            PostError::Upstream(_) | PostError::Broken => Outcome::Unreachable,
        })?;
        if reply.status != StatusCode::OK {
            return Err(Outcome::Malformed);
        }
        let credential = answer::credential(&opaque.key.0);
        answer::read(&self.policy, &reply.body, credential, now_epoch_s).ok_or(Outcome::Malformed)
    }
}

/// There are no keys that could change.
const GENERATION: u64 = 0;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
