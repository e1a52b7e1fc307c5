//! Under which conditions a route is for someone.

use std::{collections::BTreeMap, fmt};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// A rule: all of its conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulePolicy {
    /// One of these methods; `GET` takes `HEAD` along.
    pub methods: Vec<String>,
    /// From one of these networks.
    pub networks: Vec<IpNetwork>,
    /// In one of these countries: two letters each.
    pub countries: Vec<String>,
    /// At one of these times.
    pub times: Vec<TimePolicy>,
    /// One of these consumers.
    pub consumers: Vec<String>,
    /// All of these scopes.
    pub scopes: Vec<String>,
    /// One of these roles.
    pub roles: Vec<String>,
    /// Each of these claims with one of its values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// What is asked for belongs to who asks.
    pub owner: Option<OwnerPolicy>,
}

impl RulePolicy {
    /// Whether it can hold only for someone who is known.
    #[must_use]
    pub fn needs_identity(&self) -> bool {
        !self.consumers.is_empty()
            || !self.scopes.is_empty()
            || !self.roles.is_empty()
            || !self.claims.is_empty()
            || self.owner.is_some()
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// A time of the week, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimePolicy {
    /// On these days; none is each.
    pub days: Vec<Day>,
    /// From this minute of the day.
    pub from_min: u16,
    /// Up to this one, which is not in it; not above 1440. One that is not later than `from_min` is of the next day.
    pub to_min: u16,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All of them, from Monday on.
    pub const ALL: [Day; 7] =
        [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A parameter of the route's path that must name who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerPolicy {
    /// `id` of `/users/{id}`.
    pub parameter: String,
    /// The claim that it must equal; the consumer's name where there is none.
    pub claim: Option<String>,
}
