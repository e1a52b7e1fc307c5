//! Whether another database is what was to be expected after the one that is there.

use std::{path::Path, time::Duration};

use firewall_common::Country;
use ipnetwork::IpNetwork;

use super::{Database, GeoRefusal};
use crate::{
    feeds::guard::{Bounds, Outside},
    policy::{
        asn,
        geo::{self, Record},
    },
};

/// A maker's clock may be ahead by so much.
const AHEAD_MAX: Duration = Duration::from_secs(86_400);
/// Networks of the old database whose countries are looked up in the new one.
const LOOKUPS: usize = 1_000;
/// So many of a hundred of them may be of another country. From one month to the next it is one or two.
const MOVED_MAX_PERCENT: usize = 20;

/// What is suspicious about a database.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It was made before the one that is there.
    #[error(
        "expected a database not older than the one in force, made {old} s since 1970, found one made {new}; {LOOK}"
    )]
    Older {
        /// When the old one was made.
        old: u64,
        /// When this one was.
        new: u64,
    },
    /// It was not made yet.
    #[error(
        "expected a database made before now, {now} s since 1970, found one made {new}; is the clock right? {LOOK}"
    )]
    Ahead {
        /// Now.
        now: u64,
        /// When it was made.
        new: u64,
    },
    /// Much is gone.
    #[error("expected to lose at most {max} % of {old} networks, found {new} left; {LOOK}")]
    Shrink {
        /// Networks of the old one.
        old: usize,
        /// Networks of this one.
        new: usize,
        /// Percent.
        max: u32,
    },
    /// Much is new.
    #[error("expected to gain at most {max} % on {old} networks, found {new}; {LOOK}")]
    Grow {
        /// Networks of the old one.
        old: usize,
        /// Networks of this one.
        new: usize,
        /// Percent.
        max: u32,
    },
    /// It is scrambled.
    #[error(
        "expected at most {MOVED_MAX_PERCENT} % of {asked} networks in another country than before, found {moved}; {LOOK}"
    )]
    Moved {
        /// How many were looked up.
        asked: usize,
        /// How many differ.
        moved: usize,
    },
}

/// What to do about any of them.
const LOOK: &str = "look at it, then take it with `seawall geo update --force`";

impl CheckError {
    /// Its name in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Older { .. } | Self::Ahead { .. } => "older",
            Self::Shrink { .. } => "shrink",
            Self::Grow { .. } => "grow",
            Self::Moved { .. } => "moved",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The database's type, as its maker calls it.
    pub kind: String,
    /// When it was made, in seconds since 1970.
    pub build_epoch_s: u64,
    /// Its networks.
    pub networks: usize,
}

/// Reads all of a database, and compares it with the old one, where there is one. With `force` only what cannot be
/// read is refused.
///
/// # Errors
///
/// Where it is none, one of something else, or suspicious.
pub fn check(
    database: Database,
    new: &Path,
    old: Option<&Path>,
    bounds: Bounds,
    now_epoch_s: u64,
    force: bool,
) -> Result<Facts, GeoRefusal> {
    let (facts, _) = read(database, new)?;
    if force {
        return Ok(facts);
    }
    // An old one that cannot be read is no reason to keep it.
    let old = old.and_then(|old| read(database, old).ok());
    if facts.build_epoch_s > now_epoch_s + AHEAD_MAX.as_secs() {
        return Err(CheckError::Ahead { now: now_epoch_s, new: facts.build_epoch_s }.into());
    }
    let Some((was, countries)) = old else { return Ok(facts) };
    if facts.build_epoch_s < was.build_epoch_s {
        return Err(CheckError::Older { old: was.build_epoch_s, new: facts.build_epoch_s }.into());
    }
    size(was.networks, facts.networks, bounds)?;
    spot_lookups(new, &countries)?;
    Ok(facts)
}

fn size(old: usize, new: usize, bounds: Bounds) -> Result<(), CheckError> {
    match bounds.outside(old, new) {
        None => Ok(()),
        Some(Outside::Below { max }) => Err(CheckError::Shrink { old, new, max }),
        Some(Outside::Above { max }) => Err(CheckError::Grow { old, new, max }),
    }
}

type Countries = Vec<(IpNetwork, Country)>;

fn read(database: Database, path: &Path) -> Result<(Facts, Countries), GeoRefusal> {
    match database {
        Database::Country => {
            let (networks, found) = geo::read(path)?;
            let facts = Facts {
                kind: found.kind,
                build_epoch_s: found.build_epoch_s,
                networks: networks.len(),
            };
            let step = networks.len().div_ceil(LOOKUPS).max(1);
            Ok((facts, networks.into_iter().step_by(step).collect()))
        }
        Database::Asn => {
            let found = asn::read(path, &Default::default())?;
            let asn::AsnDatabase { kind, build_epoch_s, networks, .. } = found;
            Ok((Facts { kind, build_epoch_s, networks }, Vec::new()))
        }
    }
}

fn spot_lookups(new: &Path, countries: &Countries) -> Result<(), GeoRefusal> {
    if countries.is_empty() {
        return Ok(());
    }
    let reader = geo::open(new)?;
    let differs = |(network, country): &&(IpNetwork, Country)| {
        let found = reader.lookup(network.network()).ok();
        let record: Option<Record<'_>> = found.and_then(|found| found.decode().ok().flatten());
        record.as_ref().and_then(geo::country) != Some(*country)
    };
    let (asked, moved) = (countries.len(), countries.iter().filter(differs).count());
    if moved * 100 > asked * MOVED_MAX_PERCENT {
        return Err(CheckError::Moved { asked, moved }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let bounds = Bounds { shrink_max_percent: 30, grow_max_percent: 100 };
        for (old, new, expected) in [
            (0, 9, Err(CheckError::Grow { old: 0, new: 9, max: 100 })),
            (10, 7, Ok(())),
            (10, 6, Err(CheckError::Shrink { old: 10, new: 6, max: 30 })),
            (10, 20, Ok(())),
            (10, 21, Err(CheckError::Grow { old: 10, new: 21, max: 100 })),
        ] {
            assert_eq!(size(old, new, bounds), expected);
        }
    }
}
