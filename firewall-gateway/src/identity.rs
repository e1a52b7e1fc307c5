//! Who is it: the stage that turns a credential into an identity, on routes that ask for one.
//!
//! It fails closed: what is missing, doubtful or there twice is refused, with one answer for all reasons. The
//! reason is for the operator: in the log and in a metric.

pub mod api_key;

pub mod consumers;

mod credential;

mod failures;

mod challenge;

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

pub use self::challenge::Challenges;
use self::{
    api_key::{Presented, store::KeyStore},
    consumers::Consumers,
    credential::{Carriers, Credential},
    failures::Failures,
};
use crate::policy::{AuthenticationPolicy, GatewayPolicy, MethodPolicy};

/// Who asks.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// What it may.
    pub scopes: Arc<[Arc<str>]>,
    /// What it is.
    pub roles: Arc<[Arc<str>]>,
    /// What its token says, where it came with one.
    pub claims: Option<Arc<Map<String, Value>>>,
    /// How it is known.
    pub method: Method,
    /// Which credential, never what is secret of it.
    pub credential: Arc<str>,
}

/// How someone is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By a key of `seawall key`.
    ApiKey,
    /// By a signed token.
    Jwt,
    /// By a session of a browser.
    Session,
    /// By a certificate.
    Certificate,
}

impl Method {
    /// All of them, in the order of their numbers.
    pub const ALL: [Method; 4] =
        [Method::ApiKey, Method::Jwt, Method::Session, Method::Certificate];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Session => "session",
            Self::Certificate => "certificate",
        }
    }
}

// What a token says may be anything: it stays out of every line.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("consumer", &self.consumer)
            .field("method", &self.method)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// Why a credential does not make an identity. For the operator: clients get one answer for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Denied {
    Missing,
    Several,
    Scheme,
    CredentialMalformed,
    CredentialTooLong,
    KeyMalformed,
    KeyChecksum,
    KeyUnknown,
    KeyRevoked,
    KeyExpired,
    ConsumerUnknown,
    UserOther,
    Network,
    Route,
}

impl Denied {
    /// All of them, in the order of their numbers.
    pub const ALL: [Denied; 14] = [
        Denied::Missing,
        Denied::Several,
        Denied::Scheme,
        Denied::CredentialMalformed,
        Denied::CredentialTooLong,
        Denied::KeyMalformed,
        Denied::KeyChecksum,
        Denied::KeyUnknown,
        Denied::KeyRevoked,
        Denied::KeyExpired,
        Denied::ConsumerUnknown,
        Denied::UserOther,
        Denied::Network,
        Denied::Route,
    ];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several => "several",
            Self::Scheme => "scheme",
            Self::CredentialMalformed => "credential_malformed",
            Self::CredentialTooLong => "credential_too_long",
            Self::KeyMalformed => "key_malformed",
            Self::KeyChecksum => "key_checksum",
            Self::KeyUnknown => "key_unknown",
            Self::KeyRevoked => "key_revoked",
            Self::KeyExpired => "key_expired",
            Self::ConsumerUnknown => "consumer_unknown",
            Self::UserOther => "user_other",
            Self::Network => "network",
            Self::Route => "route",
        }
    }
}

/// What the threads of a worker share about identities.
#[derive(Debug)]
pub struct Identities {
    consumers: Arc<Consumers>,
    keys: KeyStore,
    failures: Failures,
}

impl Identities {
    /// Those of a policy, without a key yet.
    #[must_use]
    pub fn new(policy: &GatewayPolicy) -> Self {
        let consumers = Arc::new(Consumers::new(&policy.consumers));
        let keys = KeyStore::new(consumers.clone());
        Self { consumers, keys, failures: Failures::new(policy.authentication_failures) }
    }

    /// The API keys.
    #[must_use]
    pub fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// The consumers, whose names tokens may carry too.
    #[must_use]
    pub fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    /// Who asks, from this address for this route.
    ///
    /// # Errors
    /// Nobody who is known.
    pub fn identify(
        &self,
        asks: &Authentication,
        headers: &HeaderMap,
        address: IpAddr,
        route: &str,
        now: SystemTime,
    ) -> Result<Identity, Refused> {
        // A clock before 1970 is not set: then every key with an end holds.
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let credential = match asks.carriers.find(headers) {
            Ok(credential) => credential,
            // Who shows nothing has tried nothing.
            Err(Denied::Missing) => return Err(Refused::Denied(Denied::Missing)),
            Err(denied) => return self.failed(denied, address, None, now_ms),
        };
        self.failures.may_try(address, now_ms).map_err(Refused::Failures)?;
        let shown = Shown { credential: &credential, address, route, now_epoch_s: now.as_secs() };
        self.verify(asks, &shown)
            .or_else(|(denied, whose)| self.failed(denied, address, whose.as_deref(), now_ms))
    }

    // By what the credential looks like: a kind that is tried after another would hide why that one failed.
    fn verify(
        &self,
        asks: &Authentication,
        shown: &Shown<'_>,
    ) -> Result<Identity, (Denied, Option<Arc<str>>)> {
        let Credential { text, user, carrier } = shown.credential;
        let takes = |method: &&MethodPolicy| match method {
            MethodPolicy::ApiKey(key) => carrier.is_of(key),
        };
        match asks.methods.iter().find(takes) {
            Some(MethodPolicy::ApiKey(_)) => {
                let presented = Presented {
                    text,
                    user: user.as_deref(),
                    address: shown.address,
                    route: shown.route,
                };
                api_key::verify(&self.keys, &presented, shown.now_epoch_s)
            }
            None => Err((Denied::Scheme, None)),
        }
    }

    fn failed(
        &self,
        denied: Denied,
        address: IpAddr,
        consumer: Option<&str>,
        now_ms: u64,
    ) -> Result<Identity, Refused> {
        // One that is over its bound learns that, whatever it shows.
        self.failures.may_try(address, now_ms).map_err(Refused::Failures)?;
        match self.failures.failed(address, consumer, now_ms) {
            Ok(()) => Err(Refused::Denied(denied)),
            Err(wait) => Err(Refused::Failures(wait)),
        }
    }
}

/// A credential beside what is asked with it.
struct Shown<'a> {
    credential: &'a Credential<'a>,
    address: IpAddr,
    route: &'a str,
    now_epoch_s: u64,
}

/// Why nobody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The credential does not hold: 401.
    Denied(Denied),
    /// Too many did not: 429, and again after this time.
    Failures(Duration),
}

/// How a route finds out who asks.
#[derive(Debug)]
pub struct Authentication {
    methods: Vec<MethodPolicy>,
    carriers: Carriers,
    challenges: Challenges,
    keep_credential: bool,
}

impl Authentication {
    /// As the policy says.
    ///
    /// # Errors
    /// The header that cannot carry a credential.
    pub fn new(policy: &AuthenticationPolicy) -> Result<Self, String> {
        Ok(Self {
            methods: policy.methods.clone(),
            carriers: Carriers::new(&policy.methods)?,
            challenges: Challenges::new(&policy.methods),
            keep_credential: policy.keep_credential,
        })
    }

    /// What a client is told that could have shown one.
    #[must_use]
    pub fn challenges(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        self.challenges.of(headers)
    }

    /// Takes the credential away, in every spelling, unless the upstream is to have it.
    pub fn withhold(&self, headers: &mut HeaderMap) {
        if !self.keep_credential {
            self.carriers.remove(headers);
        }
    }
}

/// Whether a header, in lower case, can carry a key.
#[must_use]
pub fn is_carrier(name: &str) -> bool {
    credential::is_carrier(name)
}

#[cfg(test)]
mod tests {
    use super::{Denied, Method};

    // The figures use the number as an index and `ALL` for the names.
    #[test]
    fn numbers_and_labels_agree() {
        let mut labels = Vec::new();
        for (number, denied) in Denied::ALL.into_iter().enumerate() {
            assert_eq!(denied as usize, number, "{denied:?}");
            labels.push(denied.label());
        }
        for (number, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method as usize, number, "{method:?}");
            labels.push(method.label());
        }
        let total = labels.len();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), total);
    }
}
