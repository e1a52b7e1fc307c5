//! Whether a new copy is what was to be expected after the last one. A feed is somebody else's: its server can be
//! taken over, and its maker can make a mistake. Whoever has looked takes the copy with `--force`.

use std::net::Ipv6Addr;

use ipnetwork::IpNetwork;

/// The lists of addresses that nobody uses have `224.0.0.0/3`; a wider prefix is a quarter of the internet.
const WIDEST_V4: u8 = 3;
/// All of IPv6 that is given out, `2000::/3`; what lies apart from it is on such lists too.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// How much a feed may change from one copy to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// It may lose so many of a hundred prefixes.
    pub shrink_max_percent: u32,
    /// It may gain so many of a hundred.
    pub grow_max_percent: u32,
}

/// What a size is outside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Too much is gone.
    Below {
        /// So many of a hundred may be.
        max: u32,
    },
    /// Too much is new.
    Above {
        /// So many of a hundred may be.
        max: u32,
    },
}

impl Bounds {
    /// What `new` is outside of, after `old`; nothing where it is within.
    #[must_use]
    pub fn outside(self, old: usize, new: usize) -> Option<Outside> {
        let (was, is) = (old as u128 * 100, new as u128 * 100);
        let (shrink, grow) = (self.shrink_max_percent, self.grow_max_percent);
        if is < was.saturating_sub(old as u128 * u128::from(shrink)) {
            return Some(Outside::Below { max: shrink });
        }
        (is > was + old as u128 * u128::from(grow)).then_some(Outside::Above { max: grow })
    }
}

/// What is suspicious about a copy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It denies everyone.
    #[error("expected no prefix as wide as the internet, found {prefix}; {LOOK}")]
    TooWide {
        /// The prefix.
        prefix: IpNetwork,
    },
    /// Much is gone.
    #[error("expected to lose at most {max} % of {old} prefixes, found {new} left; {LOOK}")]
    Shrink {
        /// Prefixes in force.
        old: usize,
        /// Prefixes of the new copy.
        new: usize,
        /// Percent.
        max: u32,
    },
    /// Much is new.
    #[error("expected to gain at most {max} % on {old} prefixes, found {new}; {LOOK}")]
    Grow {
        /// Prefixes in force.
        old: usize,
        /// Prefixes of the new copy.
        new: usize,
        /// Percent.
        max: u32,
    },
    /// It denies whom this host cannot do without.
    #[error(
        "expected no protected address, found {prefix}, which covers {protected} of packet.protected; {LOOK}"
    )]
    Protected {
        /// The prefix of the copy.
        prefix: IpNetwork,
        /// The protected one.
        protected: IpNetwork,
    },
}

/// What to do about any of them.
const LOOK: &str = "look at the list, then take it with `seawall feeds update NAME --force`";

impl GuardError {
    /// Its name in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooWide { .. } => "too_wide",
            Self::Shrink { .. } => "shrink",
            Self::Grow { .. } => "grow",
            Self::Protected { .. } => "protected",
        }
    }
}

/// Compares a new copy with the one in force, where there is one; both are in order.
///
/// # Errors
///
/// The first thing suspicious. What the copy in force covers already was looked at once.
pub fn check(
    bounds: Bounds,
    protected: &[IpNetwork],
    old: Option<&[IpNetwork]>,
    new: &[IpNetwork],
) -> Result<(), GuardError> {
    let known = |prefix: &IpNetwork| old.is_some_and(|old| old.binary_search(prefix).is_ok());
    if let Some(prefix) = new.iter().find(|prefix| too_wide(prefix) && !known(prefix)) {
        return Err(GuardError::TooWide { prefix: *prefix });
    }
    for protected in protected {
        let covers = |prefix: &&IpNetwork| overlap(prefix, protected) && !known(prefix);
        if let Some(prefix) = new.iter().find(covers) {
            return Err(GuardError::Protected { prefix: *prefix, protected: *protected });
        }
    }
    let Some(old) = old.map(<[_]>::len).filter(|old| *old > 0) else { return Ok(()) };
    let new = new.len();
    match bounds.outside(old, new) {
        None => Ok(()),
        Some(Outside::Below { max }) => Err(GuardError::Shrink { old, new, max }),
        Some(Outside::Above { max }) => Err(GuardError::Grow { old, new, max }),
    }
}

fn too_wide(prefix: &IpNetwork) -> bool {
    match prefix {
        IpNetwork::V4(prefix) => prefix.prefix() < WIDEST_V4,
        IpNetwork::V6(prefix) => prefix.prefix() <= GLOBAL_V6.1 && prefix.contains(GLOBAL_V6.0),
    }
}

fn overlap(one: &IpNetwork, other: &IpNetwork) -> bool {
    one.contains(other.network()) || other.contains(one.network())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<IpNetwork> {
        let mut prefixes: Vec<IpNetwork> =
            texts.iter().map(|text| text.parse().expect("a prefix")).collect();
        prefixes.sort_unstable();
        prefixes
    }

    fn many(count: u8) -> Vec<IpNetwork> {
        (0..count).map(|last| IpAddr::V4(Ipv4Addr::new(198, 18, 0, last)).into()).collect()
    }

    #[test]
    fn what_changes_too_much_is_refused() {
        let bounds = Bounds { shrink_max_percent: 50, grow_max_percent: 100 };
        let look = "look at the list, then take it with `seawall feeds update NAME --force`";
        for (old, new, expected) in [
            (None, 1, Ok(())),
            (None, 200, Ok(())),
            (Some(0), 200, Ok(())),
            (Some(100), 100, Ok(())),
            (Some(100), 50, Ok(())),
            (
                Some(100),
                49,
                Err(format!(
                    "expected to lose at most 50 % of 100 prefixes, found 49 left; {look}"
                )),
            ),
            (Some(100), 200, Ok(())),
            (
                Some(100),
                201,
                Err(format!("expected to gain at most 100 % on 100 prefixes, found 201; {look}")),
            ),
        ] {
            let found = check(bounds, &[], old.map(many).as_deref(), &many(new));
            assert_eq!(found.map_err(|error| error.to_string()), expected, "{old:?} {new}");
        }
    }

    #[test]
    fn what_cuts_off_is_refused_unless_it_was_looked_at() {
        let bounds = Bounds { shrink_max_percent: 100, grow_max_percent: 1_000 };
        let protected = prefixes(&["192.0.2.7/32", "2001:db8:1::/64", "10.0.0.0/8"]);
        for (old, new, expected) in [
            (None, "203.0.113.0/24", Ok(())),
            (None, "192.0.2.0/24", Err("192.0.2.0/24, which covers 192.0.2.7/32")),
            (None, "192.0.2.7/32", Err("192.0.2.7/32, which covers 192.0.2.7/32")),
            (None, "10.1.2.3/32", Err("10.1.2.3/32, which covers 10.0.0.0/8")),
            (None, "2001:db8::/32", Err("2001:db8::/32, which covers 2001:db8:1::/64")),
            (Some("192.0.2.0/24"), "192.0.2.0/24", Ok(())),
            (Some("192.0.2.0/25"), "192.0.2.0/24", Err("192.0.2.0/24, which covers 192.0.2.7/32")),
            (None, "0.0.0.0/0", Err("as wide as the internet, found 0.0.0.0/0;")),
            (None, "128.0.0.0/2", Err("as wide as the internet, found 128.0.0.0/2;")),
            (None, "224.0.0.0/3", Ok(())),
            (None, "::/0", Err("as wide as the internet, found ::/0;")),
            (None, "2000::/3", Err("as wide as the internet, found 2000::/3;")),
            (None, "8000::/1", Ok(())),
        ] {
            let old = old.map(|old| prefixes(&[old]));
            let found = check(bounds, &protected, old.as_deref(), &prefixes(&[new]));
            match (found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (found, expected) => panic!("{new}: {found:?}, not {expected:?}"),
            }
        }
    }
}
