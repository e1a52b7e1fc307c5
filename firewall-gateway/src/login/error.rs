//! Every way in which a login or a logout does not come to its end, each with its name in the log and in metrics.

use crate::rejection::Rejection;

/// Why somebody is not logged in, or not out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum LoginError {
    ParametersWrong,
    StateMissing,
    StateInvalid,
    StateExpired,
    StateWrong,
    IssuerWrong,
    Refused,
    ProviderError,
    ProviderUnknown,
    Busy,
    Connect,
    Timeout,
    Status,
    TooLarge,
    Malformed,
    TokenError,
    IdTokenMissing,
    IdTokenInvalid,
    IdTokenForeign,
    NonceWrong,
    SubjectInvalid,
    SessionsFull,
    Randomness,
    StoreAway,
    LogoutTokenInvalid,
    LogoutTokenForeign,
}

impl LoginError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 26] = [
        Self::ParametersWrong,
        Self::StateMissing,
        Self::StateInvalid,
        Self::StateExpired,
        Self::StateWrong,
        Self::IssuerWrong,
        Self::Refused,
        Self::ProviderError,
        Self::ProviderUnknown,
        Self::Busy,
        Self::Connect,
        Self::Timeout,
        Self::Status,
        Self::TooLarge,
        Self::Malformed,
        Self::TokenError,
        Self::IdTokenMissing,
        Self::IdTokenInvalid,
        Self::IdTokenForeign,
        Self::NonceWrong,
        Self::SubjectInvalid,
        Self::SessionsFull,
        Self::Randomness,
        Self::StoreAway,
        Self::LogoutTokenInvalid,
        Self::LogoutTokenForeign,
    ];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ParametersWrong => "login_parameters_wrong",
            Self::StateMissing => "login_state_missing",
            Self::StateInvalid => "login_state_invalid",
            Self::StateExpired => "login_state_expired",
            Self::StateWrong => "login_state_wrong",
            Self::IssuerWrong => "login_issuer_wrong",
            Self::Refused => "login_refused",
            Self::ProviderError => "login_provider_error",
            Self::ProviderUnknown => "login_provider_unknown",
            Self::Busy => "login_busy",
            Self::Connect => "login_connect",
            Self::Timeout => "login_timeout",
            Self::Status => "login_status",
            Self::TooLarge => "login_too_large",
            Self::Malformed => "login_malformed",
            Self::TokenError => "login_token_error",
            Self::IdTokenMissing => "login_id_token_missing",
            Self::IdTokenInvalid => "login_id_token_invalid",
            Self::IdTokenForeign => "login_id_token_foreign",
            Self::NonceWrong => "login_nonce_wrong",
            Self::SubjectInvalid => "login_subject_invalid",
            Self::SessionsFull => "login_sessions_full",
            Self::Randomness => "login_randomness",
            Self::StoreAway => "session_store_away",
            Self::LogoutTokenInvalid => "logout_token_invalid",
            Self::LogoutTokenForeign => "logout_token_foreign",
        }
    }

    /// What the client is told: that another try may help, or that it does not.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        match self {
            Self::ProviderUnknown
            | Self::Busy
            | Self::Connect
            | Self::Timeout
            | Self::Status
            | Self::TooLarge
            | Self::Malformed
            | Self::SessionsFull
            | Self::Randomness
            | Self::StoreAway => Rejection::LoginUnavailable,
            Self::ParametersWrong
            | Self::StateMissing
            | Self::StateInvalid
            | Self::StateExpired
            | Self::StateWrong
            | Self::IssuerWrong
            | Self::Refused
            | Self::ProviderError
            | Self::TokenError
            | Self::IdTokenMissing
            | Self::IdTokenInvalid
            | Self::IdTokenForeign
            | Self::NonceWrong
            | Self::SubjectInvalid
            | Self::LogoutTokenInvalid
            | Self::LogoutTokenForeign => Rejection::LoginFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::LoginError;

    #[test]
    fn numbers_and_labels_agree() {
        let labels: BTreeSet<&str> = LoginError::ALL.iter().map(|error| error.label()).collect();
        assert_eq!(labels.len(), LoginError::ALL.len());
        for (number, error) in LoginError::ALL.into_iter().enumerate() {
            assert_eq!(error as usize, number, "{error:?}");
        }
    }
}
