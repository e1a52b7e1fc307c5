//! Certificates from an authority that speaks ACME (RFC 8555): ordered, proved, kept, renewed in time.
//!
//! All of it happens in the supervisor: the worker only shows the certificate by which the authority
//! sees that a name is ours (RFC 8737).

mod http;
mod order;
mod schedule;
mod store;

pub use order::{Challenge, obtain};
pub use schedule::Schedule;
pub use store::{Identity, Store};

/// Why there is no other certificate. The one in force did not change.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority, or the way to it.
    #[error("the authority {directory}: {source}")]
    Authority {
        /// Its directory, without what may be secret in it.
        directory: String,
        /// What it answered.
        source: Box<instant_acme::Error>,
    },
    /// It does not offer what is served here.
    #[error(
        "expected the challenge tls-alpn-01 for {name}, found others alone; choose an authority that offers it"
    )]
    NoChallenge {
        /// The name.
        name: String,
    },
    /// It did not find the name to be ours.
    #[error(
        "the authority found {name} not to be ours: {why}; it connects to port 443 of every address of that name"
    )]
    Refused {
        /// The name.
        name: String,
        /// In its words.
        why: String,
    },
    /// The worker does not answer.
    #[error("the gateway's worker did not show the challenge within {0} ms")]
    NotShown(u64),
    /// It took too long.
    #[error("no certificate within {0} s")]
    Late(u64),
    /// A key or a request could not be made.
    #[error("a key or request cannot be made: {0}")]
    Key(#[from] rcgen::Error),
    /// What it issued is not what was asked for.
    #[error("the authority issued something else: {0}")]
    Issued(String),
    /// The folder.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
    /// A file in it.
    #[error("{path}: expected what an earlier run wrote, found: {found}; remove it to begin anew")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Whom the way to the authority trusts.
    #[error(transparent)]
    Trust(#[from] crate::fetch::FetchError),
}

impl AcmeError {
    /// Whether it is this error of RFC 8555, 6.7.
    fn is_of(&self, kind: &str) -> bool {
        let Self::Authority { source, .. } = self else { return false };
        let instant_acme::Error::Api(problem) = &**source else { return false };
        let found = problem.r#type.as_deref();
        found.and_then(|found| found.strip_prefix("urn:ietf:params:acme:error:")) == Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::AcmeError;

    #[test]
    fn an_error_is_known_by_its_kind() {
        let of = |kind: &str| {
            let problem = serde_json::from_str(&format!("{{\"type\": \"{kind}\"}}")).unwrap();
            let source = Box::new(instant_acme::Error::Api(problem));
            AcmeError::Authority { directory: String::new(), source }
        };
        for (kind, expected) in [
            ("urn:ietf:params:acme:error:badNonce", true),
            ("urn:ietf:params:acme:error:badCSR", false),
            ("badNonce", false),
            ("about:blank", false),
        ] {
            assert_eq!(of(kind).is_of("badNonce"), expected, "{kind}");
        }
        assert!(!AcmeError::Late(1).is_of("badNonce"));
    }
}
