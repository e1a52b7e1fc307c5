//! A session as it is kept and told of, and what takes sessions away.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::identity::api_key::text::KeyHash;

/// A session. Its secret is nowhere in it: the hash is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRecord {
    /// SHA-256 of its secret.
    pub hash: KeyHash,
    /// The login that it comes from.
    pub login: String,
    /// Whose it is.
    pub consumer: String,
    /// The provider's name for them.
    pub subject: String,
    /// The provider's name for the session that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Who logged in.
    pub address: IpAddr,
    /// When, in seconds since 1970.
    pub created_epoch_s: u64,
    /// When it ends at the latest.
    pub ends_epoch_s: u64,
    /// It ends where it was not used for so long.
    pub idle_timeout_s: u32,
    /// When it was used last, as far as that was told.
    pub used_epoch_s: u64,
    /// What the provider said of them; its signature was verified at the login.
    pub id_token: IdToken,
}

/// An ID token. It says who somebody is, and lets them log out: it stays out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdToken(pub String);

impl std::fmt::Debug for IdToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// Which session it is, without what is secret of it: the first digits of its hash.
#[must_use]
pub fn id(hash: &KeyHash) -> String {
    hash.0.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Of a hash so much tells a session from all others.
pub const ID_BYTES: usize = 8;

impl SessionRecord {
    /// Whether it has ended by itself.
    #[must_use]
    pub fn is_over(&self, now_epoch_s: u64) -> bool {
        self.ends_epoch_s <= now_epoch_s || self.idle_ends_epoch_s() <= now_epoch_s
    }

    /// When it ends if it is not used any more.
    #[must_use]
    pub fn idle_ends_epoch_s(&self) -> u64 {
        self.used_epoch_s.saturating_add(self.idle_timeout_s.into())
    }
}

/// Sessions that end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ending {
    /// The one of this hash.
    One(KeyHash),
    /// All of a consumer.
    Consumer(String),
    /// All of whom the provider calls so.
    Subject {
        /// The login, and so the provider.
        login: String,
        /// Its name for them.
        subject: String,
    },
    /// All that belong to a session at the provider.
    ProviderSession {
        /// The login, and so the provider.
        login: String,
        /// Its name for the session.
        sid: String,
    },
    /// All.
    All,
}

impl Ending {
    /// Whether it ends this session.
    #[must_use]
    pub fn takes(&self, session: &SessionRecord) -> bool {
        match self {
            Self::One(hash) => *hash == session.hash,
            Self::Consumer(consumer) => *consumer == session.consumer,
            Self::Subject { login, subject } => {
                *login == session.login && *subject == session.subject
            }
            Self::ProviderSession { login, sid } => {
                *login == session.login && session.sid.as_ref() == Some(sid)
            }
            Self::All => true,
        }
    }
}

/// What becomes of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SessionChange {
    /// Somebody has logged in.
    Open(Box<SessionRecord>),
    /// Some have ended.
    End(Ending),
    /// Some have ended on another host, which has told those with which it shares them.
    EndElsewhere(Ending),
}
