//! Every way in which a session does not hold, each with its name in the log and in metrics.

/// Why a session is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum SessionError {
    Malformed,
    Unknown,
    LoginOther,
    Ended,
    Expired,
    Idle,
    Claims,
}

impl SessionError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Unknown,
        Self::LoginOther,
        Self::Ended,
        Self::Expired,
        Self::Idle,
        Self::Claims,
    ];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "session_malformed",
            Self::Unknown => "session_unknown",
            Self::LoginOther => "session_login_other",
            Self::Ended => "session_ended",
            Self::Expired => "session_expired",
            Self::Idle => "session_idle",
            Self::Claims => "session_claims",
        }
    }

    /// Whether somebody tried what may be no session at all, rather than coming back with one of theirs.
    #[must_use]
    pub fn is_try(self) -> bool {
        match self {
            Self::Malformed | Self::Unknown | Self::LoginOther => true,
            Self::Ended | Self::Expired | Self::Idle | Self::Claims => false,
        }
    }
}
