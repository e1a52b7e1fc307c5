//! Why a request has no identity, each with its name in the log and in metrics.

use std::time::Duration;

use http::HeaderValue;

use super::{
    api_key::error::KeyError, certificate::CertificateError, introspection::IntrospectionError,
    jwt, session::error::SessionError,
};
use crate::{login::LoginError, rejection::Rejection};

/// Why nobody was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no credential that holds: 401.
    Denied(Denied),
    /// The same where the route takes certificates alone, for which HTTP has no challenge: 403.
    Uncertified(Denied),
    /// Too many did not: 429, and again after this time.
    Failures(Duration),
    /// Nobody can say whether a session holds, as the store that hosts share is away: 503.
    Unconfirmed,
}

impl Refused {
    /// What becomes of the request.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        match self {
            Self::Denied(_) => Rejection::Unauthenticated,
            Self::Uncertified(Denied::Missing) => Rejection::ClientCertificateMissing,
            Self::Uncertified(_) => Rejection::Forbidden,
            Self::Failures(_) => Rejection::AuthenticationFailures,
            Self::Unconfirmed => LoginError::StoreAway.rejection(),
        }
    }

    /// What was wrong with the credential, where one was looked at.
    #[must_use]
    pub fn denied(self) -> Option<Denied> {
        match self {
            Self::Denied(denied) | Self::Uncertified(denied) => Some(denied),
            Self::Failures(_) | Self::Unconfirmed => None,
        }
    }
}

/// Why a request has no identity. The client is told no more than whether it brought a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It brought none of a kind that the route takes.
    Missing,
    /// It brought more than one.
    Repeated,
    /// Its token is not good.
    Jwt(jwt::TokenError),
    /// Its key does not hold.
    Key(KeyError),
    /// Its certificate is nobody's.
    Certificate(CertificateError),
    /// Its session does not hold.
    Session(SessionError),
    /// Who gave out its token does not stand for it.
    Introspection(IntrospectionError),
}

impl Denied {
    /// How many there are.
    pub const COUNT: usize = INTROSPECTIONS_FROM + IntrospectionError::ALL.len();

    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Missing, Self::Repeated]
            .into_iter()
            .chain(jwt::TokenError::ALL.into_iter().map(Self::Jwt))
            .chain(KeyError::ALL.into_iter().map(Self::Key))
            .chain(CertificateError::ALL.into_iter().map(Self::Certificate))
            .chain(SessionError::ALL.into_iter().map(Self::Session))
            .chain(IntrospectionError::ALL.into_iter().map(Self::Introspection))
    }

    /// Its place among all.
    #[must_use]
    pub fn number(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Repeated => 1,
            Self::Jwt(error) => TOKENS_FROM + error as usize,
            Self::Key(error) => KEYS_FROM + error as usize,
            Self::Certificate(error) => CERTIFICATES_FROM + error as usize,
            Self::Session(error) => SESSIONS_FROM + error as usize,
            Self::Introspection(error) => INTROSPECTIONS_FROM + error as usize,
        }
    }

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Repeated => "credential_repeated",
            Self::Jwt(error) => error.label(),
            Self::Key(error) => error.label(),
            Self::Certificate(error) => error.label(),
            Self::Session(error) => error.label(),
            Self::Introspection(error) => error.label(),
        }
    }

    /// RFC 6750, 3: whoever brought nothing is told of no error.
    pub(super) fn bearer(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            // A session is no token.
            Self::Missing | Self::Session(_) => "Bearer",
            Self::Repeated => "Bearer error=\"invalid_request\"",
            Self::Jwt(_) | Self::Key(_) | Self::Certificate(_) | Self::Introspection(_) => {
                "Bearer error=\"invalid_token\""
            }
        })
    }

    // Of several issuers' reasons the one that says most: that a token is of another issuer says least.
    pub(super) fn or(self, other: Self) -> Self {
        match other {
            Self::Jwt(jwt::TokenError::IssuerWrong) if self != Self::Missing => self,
            other => other,
        }
    }
}

const TOKENS_FROM: usize = 2;
const KEYS_FROM: usize = TOKENS_FROM + jwt::TokenError::ALL.len();
const CERTIFICATES_FROM: usize = KEYS_FROM + KeyError::ALL.len();
const SESSIONS_FROM: usize = CERTIFICATES_FROM + CertificateError::ALL.len();
const INTROSPECTIONS_FROM: usize = SESSIONS_FROM + SessionError::ALL.len();

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Denied;
    use crate::identity::Method;

    #[test]
    fn numbers_and_labels_agree() {
        let all: Vec<Denied> = Denied::all().collect();
        assert_eq!(all.len(), Denied::COUNT);
        for (number, denied) in all.iter().enumerate() {
            assert_eq!(denied.number(), number, "{denied:?}");
        }
        let labels: BTreeSet<&str> = all.iter().map(|denied| denied.label()).collect();
        assert_eq!(labels.len(), all.len());
        for (number, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method as usize, number, "{method:?}");
        }
    }
}
