//! Offences by name: which end of a request is one.

use serde::{Deserialize, Serialize};

use crate::{identity::Denied, rejection::Rejection};

/// Something that a good client does seldom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A credential that does not hold.
    CredentialRefused,
    /// None, where one is asked for.
    CredentialMissing,
    /// Something that its sender may not do.
    Forbidden,
    /// Something that is not there.
    NotFound,
    /// A request that does not keep to HTTP, or is larger than it may be.
    BadRequest,
    /// More than is allowed in a time or at once.
    RateLimited,
    /// One that was refused for the score of its address or consumer.
    Challenged,
    /// A path that those ask for who look for holes, and that is not served.
    ScannerPath,
    /// A TLS handshake that did not end well.
    HandshakeFailed,
    /// One that did, and no request after it.
    HandshakeWithoutRequest,
    /// A head, body or read that is slower than it may be.
    Slow,
    /// Frames of HTTP/2 that ask for nothing.
    Flood,
    /// A request that does not look as the API's document says.
    InvalidInput,
    /// A browser by its `User-Agent`, and by its TLS stack none.
    UserAgentContradicted,
    /// A consumer that was in another country a short time ago.
    ImpossibleTravel,
}

impl Signal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::CredentialRefused,
        Self::CredentialMissing,
        Self::Forbidden,
        Self::NotFound,
        Self::BadRequest,
        Self::RateLimited,
        Self::Challenged,
        Self::ScannerPath,
        Self::HandshakeFailed,
        Self::HandshakeWithoutRequest,
        Self::Slow,
        Self::Flood,
        Self::InvalidInput,
        Self::UserAgentContradicted,
        Self::ImpossibleTravel,
    ];

    /// The value of the metric label, the name in a ban's reason, and the key of its weight.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::CredentialRefused => "credential_refused",
            Self::CredentialMissing => "credential_missing",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::RateLimited => "rate_limited",
            Self::Challenged => "challenged",
            Self::ScannerPath => "scanner_path",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeWithoutRequest => "handshake_without_request",
            Self::Slow => "slow",
            Self::Flood => "flood",
            Self::InvalidInput => "invalid_input",
            Self::UserAgentContradicted => "user_agent_contradicted",
            Self::ImpossibleTravel => "impossible_travel",
        }
    }

    /// What it weighs where the policy says nothing else.
    #[must_use]
    pub const fn default_weight(self) -> u32 {
        match self {
            Self::CredentialRefused | Self::Challenged => 6,
            Self::CredentialMissing
            | Self::NotFound
            | Self::RateLimited
            | Self::HandshakeFailed
            | Self::HandshakeWithoutRequest
            | Self::UserAgentContradicted
            | Self::Slow => 1,
            Self::Forbidden | Self::BadRequest | Self::InvalidInput => 2,
            Self::ScannerPath => 10,
            Self::Flood => 20,
            // Watched for it alone, and no more: people have networks of their own in other countries.
            Self::ImpossibleTravel => 30,
        }
    }

    /// What a refusal of ours says of the client.
    #[must_use]
    pub fn of_rejection(rejection: Rejection, denied: Option<Denied>) -> Option<Self> {
        Some(match rejection {
            Rejection::RequestMalformed
            | Rejection::FramingAmbiguous
            | Rejection::HostMissing
            | Rejection::HostRepeated
            | Rejection::HostInvalid
            | Rejection::TargetInvalid
            | Rejection::MethodRefused
            | Rejection::MethodNotAllowed
            | Rejection::ConnectionHeader
            | Rejection::ExpectationRefused
            | Rejection::HeadersTooLarge
            | Rejection::TargetTooLong
            | Rejection::BodyTooLarge
            | Rejection::BodyMalformed
            | Rejection::PathAmbiguous => Self::BadRequest,
            Rejection::RouteMissing | Rejection::OperationUnknown => Self::NotFound,
            Rejection::InputMalformed
            | Rejection::InputUnsupported
            | Rejection::InputTooLarge
            | Rejection::InputInvalid => Self::InvalidInput,
            Rejection::LoginFailed => Self::CredentialRefused,
            Rejection::Unauthenticated => match denied {
                Some(Denied::Missing) | None => Self::CredentialMissing,
                Some(_) => Self::CredentialRefused,
            },
            Rejection::Forbidden
            | Rejection::ClientCertificateMissing
            | Rejection::VerdictBlocked => Self::Forbidden,
            Rejection::AddressRate
            | Rejection::AddressBusy
            | Rejection::AuthenticationFailures
            | Rejection::RateLimited => Self::RateLimited,
            Rejection::Challenged | Rejection::ConsumerRefused => Self::Challenged,
            Rejection::HeaderTimeout
            | Rejection::BodyTimeout
            | Rejection::SlowBody
            | Rejection::SlowRead => Self::Slow,
            Rejection::Http2Flood => Self::Flood,
            // Ours or the upstream's fault, or nobody's: whoever leaves early has done nothing, and whose browser
            // another site's page uses even less.
            Rejection::CrossSite
            | Rejection::Maintenance
            | Rejection::LoginUnavailable
            | Rejection::IdleTimeout
            | Rejection::ClientGone
            | Rejection::UpstreamBusy
            | Rejection::UpstreamFailed
            | Rejection::UpstreamTimeout
            | Rejection::AnswerInvalid
            | Rejection::StreamRefused
            | Rejection::StepUpRequired
            | Rejection::VerdictUnavailable
            | Rejection::DrainCut
            | Rejection::IntrospectionUnavailable
            | Rejection::LeakBlocked => return None,
        })
    }

    /// What an upstream's answer says of the client, where its route says that it does.
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            400 | 422 => Self::BadRequest,
            401 => Self::CredentialRefused,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimited,
            _ => return None,
        })
    }
}
