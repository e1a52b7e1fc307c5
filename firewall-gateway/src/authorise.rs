//! May they: a route's rules, of which one must hold in all its conditions. No rule that holds is a no.
//!
//! The first condition that does not hold is for the operator's log; the client learns that it may not.

mod condition;

mod hours;

use std::{net::IpAddr, sync::Arc};

use http::Method;

use self::condition::Condition;
pub use self::condition::RuleError;
use crate::{countries::Code, identity::Identity, policy::RulePolicy, route::Pattern};

/// What is asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks, where the route finds that out.
    pub identity: Option<&'a Identity>,
    /// From where.
    pub address: IpAddr,
    /// In which country that is, where it is known.
    pub country: Option<Code>,
    /// How.
    pub method: &'a Method,
    /// For what: the path in its one form, which fits the route's pattern.
    pub path: &'a str,
    /// When; 0 is a clock that is not set.
    pub now_epoch_s: u64,
}

/// The rules of a route.
#[derive(Debug)]
pub struct Authorise {
    rules: Vec<Vec<Condition>>,
}

impl Authorise {
    /// As the policy says, for paths of this pattern.
    ///
    /// # Errors
    /// What of a rule cannot be used.
    pub fn new(rules: &[RulePolicy], path: &Pattern) -> Result<Self, RuleError> {
        let numbered = rules.iter().enumerate();
        let rules = numbered.map(|(place, rule)| condition::of_rule(place + 1, rule, path));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether a rule holds.
    ///
    /// # Errors
    /// None does: the first condition that does not hold of the rule that came furthest.
    pub fn check(&self, asked: &Asked<'_>) -> Result<(), Forbidden> {
        let mut furthest: Option<(usize, &Condition)> = None;
        for rule in &self.rules {
            let failing = rule.iter().enumerate().find(|(_, condition)| !condition.holds(asked));
            let Some((place, condition)) = failing else { return Ok(()) };
            if furthest.is_none_or(|(other, _)| place > other) {
                furthest = Some((place, condition));
            }
        }
        Err(furthest.map_or_else(Forbidden::none, |(_, condition)| condition.forbidden()))
    }
}

/// A request that may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// Which kind of condition did not hold.
    pub kind: Kind,
    /// Which one exactly, in the words of the policy.
    pub text: Arc<str>,
}

impl Forbidden {
    // There is always a rule, and an empty rule holds: but where neither were so, it is a no.
    fn none() -> Self {
        Self { kind: Kind::Rules, text: Arc::from("no rule") }
    }
}

/// A kind of condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Kind {
    Methods,
    Networks,
    Countries,
    Times,
    Consumers,
    Scopes,
    Roles,
    Claims,
    Owner,
    Rules,
}

impl Kind {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Kind; 10] = [
        Kind::Methods,
        Kind::Networks,
        Kind::Countries,
        Kind::Times,
        Kind::Consumers,
        Kind::Scopes,
        Kind::Roles,
        Kind::Claims,
        Kind::Owner,
        Kind::Rules,
    ];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::Networks => "networks",
            Self::Countries => "countries",
            Self::Times => "times",
            Self::Consumers => "consumers",
            Self::Scopes => "scopes",
            Self::Roles => "roles",
            Self::Claims => "claims",
            Self::Owner => "owner",
            Self::Rules => "rules",
        }
    }
}

#[cfg(test)]
mod tests;
