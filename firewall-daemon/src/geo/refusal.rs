//! Why another database is not taken. The old one stays in force.

use std::{io, path::PathBuf};

use super::{checks::CheckError, unpack::UnpackError};
use crate::{fetch::FetchError, policy::geo::GeoError};

/// Every name of a reason in metrics: a closed set.
pub const GEO_REASONS: [&str; 19] = [
    "connect",
    "tls",
    "timeout",
    "status",
    "redirect",
    "too_large",
    "html",
    "protocol",
    "stopping",
    "unpack",
    "format",
    "kind",
    "older",
    "shrink",
    "grow",
    "moved",
    "source",
    "store",
    "policy",
];

/// Why another database is not taken.
#[derive(Debug, thiserror::Error)]
pub enum GeoRefusal {
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// It cannot be read, or is one of something else.
    #[error(transparent)]
    Geo(#[from] GeoError),
    /// It is not what was to be expected after the last one.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Nobody said where it is.
    #[error("{0}")]
    Source(String),
    /// A file cannot be read or written.
    #[error("expected to {what} {}, found: {source}; the old database is still there", path.display())]
    Store {
        /// What was to be done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The policy cannot come into force with it.
    #[error("expected a policy that comes into force with it, found: {0}")]
    Policy(String),
}

impl GeoRefusal {
    /// Its name in metrics, one of [`GEO_REASONS`].
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.label(),
            Self::Unpack(UnpackError::TooLarge { .. }) | Self::Geo(GeoError::TooLarge { .. }) => {
                "too_large"
            }
            Self::Unpack(_) => "unpack",
            Self::Geo(GeoError::NoCountries { .. } | GeoError::NoSystems { .. }) => "kind",
            Self::Geo(GeoError::Read { .. }) | Self::Store { .. } => "store",
            Self::Geo(GeoError::Format { .. }) => "format",
            Self::Geo(GeoError::UnknownSystem { .. }) | Self::Policy(_) => "policy",
            Self::Check(error) => error.label(),
            Self::Source(_) => "source",
        }
    }
}
