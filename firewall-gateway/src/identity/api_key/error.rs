//! Every way in which a key does not hold, each with its name in the log and in metrics.

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum KeyError {
    TooLong,
    Encoding,
    Malformed,
    Checksum,
    Unknown,
    Revoked,
    Expired,
    ConsumerUnknown,
    UserOther,
    Network,
    Route,
}

impl KeyError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::TooLong,
        Self::Encoding,
        Self::Malformed,
        Self::Checksum,
        Self::Unknown,
        Self::Revoked,
        Self::Expired,
        Self::ConsumerUnknown,
        Self::UserOther,
        Self::Network,
        Self::Route,
    ];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLong => "key_too_long",
            Self::Encoding => "key_encoding",
            Self::Malformed => "key_malformed",
            Self::Checksum => "key_checksum",
            Self::Unknown => "key_unknown",
            Self::Revoked => "key_revoked",
            Self::Expired => "key_expired",
            Self::ConsumerUnknown => "key_consumer_unknown",
            Self::UserOther => "key_user_other",
            Self::Network => "key_network",
            Self::Route => "key_route",
        }
    }
}
