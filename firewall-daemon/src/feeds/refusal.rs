//! Why a new copy of a feed is not taken. The old one stays in force.

use super::{format::FormatError, guard::GuardError, store::StoreError};
use crate::fetch::FetchError;

/// Every name of a reason in metrics: a closed set.
pub const REASONS: [&str; 20] = [
    "connect",
    "tls",
    "timeout",
    "status",
    "redirect",
    "too_large",
    "html",
    "protocol",
    "stopping",
    "empty",
    "entry",
    "incomplete",
    "too_many",
    "too_wide",
    "shrink",
    "grow",
    "protected",
    "unknown",
    "store",
    "policy",
];

/// Why a new copy is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is not what was to be expected after the last one.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// It cannot be kept, or the last one cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy cannot come into force with it.
    #[error("expected a policy that comes into force with it, found: {0}")]
    Policy(String),
    /// There is no such feed any more.
    #[error(
        "expected a feed of packet.feeds, found none of this name; `seawall feeds status` lists them"
    )]
    Unknown,
}

impl Refusal {
    /// Its name in metrics, one of [`REASONS`].
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.label(),
            Self::Format(error) => error.label(),
            Self::Guard(error) => error.label(),
            Self::Store(_) => "store",
            Self::Policy(_) => "policy",
            Self::Unknown => "unknown",
        }
    }

    /// Whether `--force` takes the copy all the same: the guard's doubts alone.
    #[must_use]
    pub const fn can_be_forced(&self) -> bool {
        matches!(self, Self::Guard(_))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io, net::IpAddr};

    use super::*;

    #[test]
    fn every_refusal_has_a_reason_of_the_closed_set() {
        let address = IpAddr::from([192, 0, 2, 1]).into();
        let text = || String::new();
        let refusals = [
            Refusal::from(FetchError::Connect { found: text() }),
            FetchError::Tls { found: text() }.into(),
            FetchError::Timeout { stage: text(), within_s: 1 }.into(),
            FetchError::Status { found: 404 }.into(),
            FetchError::Redirect { found: "" }.into(),
            FetchError::TooLarge { bytes_max: 1 }.into(),
            FetchError::Html.into(),
            FetchError::Protocol { found: text() }.into(),
            FetchError::Stopping.into(),
            FormatError::Empty.into(),
            FormatError::Entry { line: 1, what: text() }.into(),
            FormatError::Incomplete { what: text() }.into(),
            FormatError::TooMany { line: 1, max: 1 }.into(),
            GuardError::TooWide { prefix: address }.into(),
            GuardError::Shrink { old: 1, new: 1, max: 1 }.into(),
            GuardError::Grow { old: 1, new: 1, max: 1 }.into(),
            GuardError::Protected { prefix: address, protected: address }.into(),
            Refusal::Unknown,
            StoreError::Write { path: "/".into(), source: io::Error::other("x") }.into(),
            Refusal::Policy(text()),
        ];
        let labels: Vec<&str> = refusals.iter().map(Refusal::label).collect();
        assert_eq!(labels, REASONS);
        assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), REASONS.len());
        let forced: Vec<&str> =
            refusals.iter().filter(|one| one.can_be_forced()).map(Refusal::label).collect();
        assert_eq!(forced, ["too_wide", "shrink", "grow", "protected"]);
    }
}
