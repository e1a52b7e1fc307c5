//! Why there is no file, in words that say what to do.

use std::{error::Error as _, io, path::PathBuf, time::Duration};

use super::REDIRECTS_MAX;

/// Why there is no file. Whoever reports it says what was to be fetched, and from where.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody to trust.
    #[error(
        "expected certificate authorities in PEM in {}, found {found}; install ca-certificates, or name a file with `ca`",
        path.display()
    )]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Nobody answers.
    #[error("expected a server, found {found}; is the name right, and does this host reach it?")]
    Connect {
        /// What was met.
        found: String,
    },
    /// Somebody answers who is not to be trusted.
    #[error(
        "expected a certificate of this name from an authority that is trusted, found {found}; is the name right? A private authority is named with `ca`"
    )]
    Tls {
        /// What was met.
        found: String,
    },
    /// It takes too long.
    #[error(
        "expected the whole answer within {within_s} s, found the {stage} unfinished; try again later"
    )]
    Timeout {
        /// What took too long.
        stage: String,
        /// How long it may take.
        within_s: u64,
    },
    /// It is not there.
    #[error("expected status 200, found {found}; {}", remedy(*found))]
    Status {
        /// The status.
        found: u16,
    },
    /// It sends us away.
    #[error(
        "expected at most {REDIRECTS_MAX} redirects, all to https, found {found}; use the URL that it ends at"
    )]
    Redirect {
        /// What was met.
        found: &'static str,
    },
    /// It sends more than was agreed.
    #[error(
        "expected at most {bytes_max} bytes, found more; is it the right URL? Else raise bytes_max"
    )]
    TooLarge {
        /// How many there may be.
        bytes_max: u64,
    },
    /// It is a page for people.
    #[error(
        "expected a data file, found an HTML page; is it the right URL, and is no login in the way?"
    )]
    Html,
    /// It is no HTTP, or ends in the middle.
    #[error("expected a whole answer in HTTP, found {found}; try again later")]
    Protocol {
        /// What was met.
        found: String,
    },
    /// The daemon stops.
    #[error("expected time to fetch, found the daemon stopping")]
    Stopping,
}

impl FetchError {
    /// The name of the kind in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Authorities { .. } | Self::Tls { .. } => "tls",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::Redirect { .. } => "redirect",
            Self::TooLarge { .. } => "too_large",
            Self::Html => "html",
            Self::Protocol { .. } => "protocol",
            Self::Stopping => "stopping",
        }
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => "does it ask for an account, or refuse this host?",
        404 | 410 => "is it the right URL? The list may have moved or ended",
        429 => "it was asked too often: raise interval_s",
        500.. => "the server is not well: try again later",
        _ => "is it the right URL?",
    }
}

impl FetchError {
    /// What the client met, of a request that may take so long.
    pub(super) fn of(error: ureq::Error, timeout: Duration) -> Self {
        let within_s = timeout.as_secs();
        match error {
            ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
                Self::Connect { found: "no answer within the time for a connection".to_owned() }
            }
            ureq::Error::Timeout(stage) => Self::Timeout { stage: stage.to_string(), within_s },
            ureq::Error::HostNotFound => Self::Connect { found: "no such name".to_owned() },
            ureq::Error::ConnectionFailed => Self::Connect { found: "no connection".to_owned() },
            ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
                Self::Redirect { found: "more" }
            }
            // Its text holds the URL, and a URL may hold a key.
            ureq::Error::RequireHttpsOnly(_) => Self::Redirect { found: "one to another scheme" },
            ureq::Error::Rustls(error) => Self::Tls { found: error.to_string() },
            ureq::Error::Tls(found) => Self::Tls { found: found.to_owned() },
            ureq::Error::Io(error) => io_error(&error, within_s),
            other => Self::Protocol { found: other.to_string() },
        }
    }
}

fn io_error(error: &io::Error, within_s: u64) -> FetchError {
    let inner = error.get_ref();
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return FetchError::Tls { found: tls.to_string() };
    }
    let found = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            FetchError::Timeout { stage: "answer".to_owned(), within_s }
        }
        io::ErrorKind::UnexpectedEof => {
            FetchError::Protocol { found: "an answer that ends in the middle".to_owned() }
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::InvalidData => {
            FetchError::Protocol { found }
        }
        _ => FetchError::Connect { found },
    }
}
