//! One condition of a rule.

use std::{net::IpAddr, sync::Arc};

use ipnetwork::IpNetwork;
use serde_json::Value;

use super::{Asked, Forbidden, Kind, hours};
use crate::{
    countries::{self, Code},
    identity::jwt::claim,
    policy::{RulePolicy, TimePolicy},
    route::{Pattern, methods::Methods},
};

/// A condition, with what stands in the log where it does not hold.
#[derive(Debug)]
pub struct Condition {
    test: Test,
    text: Arc<str>,
}

#[derive(Debug)]
enum Test {
    Methods(Methods),
    Networks(Vec<IpNetwork>),
    Countries(Vec<Code>),
    Times(Vec<TimePolicy>),
    Consumers(Vec<String>),
    Scope(String),
    Roles(Vec<String>),
    Claim { name: String, values: Vec<String> },
    Owner { place: usize, claim: Option<String> },
}

/// The conditions of a rule, those that need nobody's identity first.
pub fn of_rule(
    number: usize,
    rule: &RulePolicy,
    path: &Pattern,
) -> Result<Vec<Condition>, RuleError> {
    let mut conditions = Vec::new();
    let mut add = |test: Test, text: String| {
        let kind = test.kind().label();
        conditions.push(Condition { text: format!("rule:{number}:{kind}:{text}").into(), test });
    };
    if rule.is_empty() {
        return Err(RuleError::Empty);
    }
    if !rule.methods.is_empty() {
        let methods = Methods::parse(&rule.methods).map_err(RuleError::Method)?;
        add(Test::Methods(methods), rule.methods.join(","));
    }
    let joined = |texts: &mut dyn Iterator<Item = String>| texts.collect::<Vec<_>>().join(",");
    if !rule.networks.is_empty() {
        let text = joined(&mut rule.networks.iter().map(ToString::to_string));
        add(Test::Networks(rule.networks.clone()), text);
    }
    if !rule.countries.is_empty() {
        let codes = rule
            .countries
            .iter()
            .map(|text| countries::code(text).ok_or_else(|| RuleError::Country(text.clone())));
        add(Test::Countries(codes.collect::<Result<_, _>>()?), rule.countries.join(","));
    }
    if !rule.times.is_empty() {
        let text = joined(&mut rule.times.iter().map(time_text));
        add(Test::Times(rule.times.clone()), text);
    }
    if !rule.consumers.is_empty() {
        add(Test::Consumers(rule.consumers.clone()), rule.consumers.join(","));
    }
    for scope in &rule.scopes {
        add(Test::Scope(scope.clone()), scope.clone());
    }
    if !rule.roles.is_empty() {
        add(Test::Roles(rule.roles.clone()), rule.roles.join(","));
    }
    for (name, values) in &rule.claims {
        let test = Test::Claim { name: name.clone(), values: values.clone() };
        add(test, format!("{name}={}", values.join(",")));
    }
    if let Some(owner) = &rule.owner {
        let place = path.parameter(&owner.parameter);
        let place = place.ok_or_else(|| RuleError::Parameter(owner.parameter.clone()))?;
        let whose = owner.claim.as_deref().unwrap_or("consumer");
        let text = format!("{{{}}}={whose}", owner.parameter);
        add(Test::Owner { place, claim: owner.claim.clone() }, text);
    }
    Ok(conditions)
}

impl Condition {
    /// What its failing says.
    #[must_use]
    pub fn forbidden(&self) -> Forbidden {
        Forbidden { kind: self.test.kind(), text: self.text.clone() }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, asked: &Asked<'_>) -> bool {
        match &self.test {
            Test::Methods(methods) => methods.contains(asked.method),
            Test::Networks(networks) => is_within(networks, asked.address),
            Test::Countries(codes) => asked.country.is_some_and(|code| codes.contains(&code)),
            Test::Times(times) => times.iter().any(|time| hours::within(time, asked.now_epoch_s)),
            Test::Consumers(consumers) => asked
                .identity
                .is_some_and(|identity| consumers.iter().any(|one| **one == *identity.consumer)),
            Test::Scope(scope) => asked
                .identity
                .is_some_and(|identity| identity.scopes.iter().any(|own| **own == **scope)),
            Test::Roles(roles) => asked.identity.is_some_and(|identity| {
                identity.roles.iter().any(|own| roles.iter().any(|role| **role == **own))
            }),
            Test::Claim { name, values } => {
                let found = said(asked, name);
                values.iter().any(|value| says(found, value))
            }
            Test::Owner { place, claim } => {
                let Some(named) = Pattern::parameter_of(asked.path, *place) else { return false };
                match claim {
                    None => asked.identity.is_some_and(|identity| *named == *identity.consumer),
                    // One of a list would say that it belongs to several.
                    Some(name) => said(asked, name)
                        .is_some_and(|found| !found.is_array() && says(Some(found), &named)),
                }
            }
        }
    }
}

impl Test {
    fn kind(&self) -> Kind {
        match self {
            Self::Methods(_) => Kind::Methods,
            Self::Networks(_) => Kind::Networks,
            Self::Countries(_) => Kind::Countries,
            Self::Times(_) => Kind::Times,
            Self::Consumers(_) => Kind::Consumers,
            Self::Scope(_) => Kind::Scopes,
            Self::Roles(_) => Kind::Roles,
            Self::Claim { .. } => Kind::Claims,
            Self::Owner { .. } => Kind::Owner,
        }
    }
}

fn is_within(networks: &[IpNetwork], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(address))
}

/// What the token of who asks says.
fn said<'a>(asked: &Asked<'a>, name: &str) -> Option<&'a Value> {
    claim(asked.identity?.claims.as_deref()?, name)
}

/// Whether a claim says this: a text, a whole number or a truth as it is written, or one of a list of such. Case
/// counts, and so does every space.
fn says(claim: Option<&Value>, expected: &str) -> bool {
    match claim {
        Some(Value::String(text)) => text == expected,
        Some(Value::Number(number)) => {
            (number.is_u64() || number.is_i64()) && number.to_string() == expected
        }
        Some(Value::Bool(truth)) => truth.to_string() == expected,
        Some(Value::Array(all)) => {
            all.iter().any(|one| !one.is_array() && says(Some(one), expected))
        }
        Some(Value::Null | Value::Object(_)) | None => false,
    }
}

fn time_text(time: &TimePolicy) -> String {
    let days: Vec<&str> = time.days.iter().map(|day| day.name()).collect();
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let hours = format!("{}-{}", clock(time.from_min), clock(time.to_min));
    if days.is_empty() { hours } else { format!("{}@{hours}", days.join("+")) }
}

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RuleError {
    #[error("expected a condition, found none: an empty rule would let everyone in")]
    Empty,
    #[error("methods: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, found {0:?}")]
    Method(String),
    #[error("countries: expected two letters such as DE, found {0:?}")]
    Country(String),
    #[error("owner: expected a parameter of the route's path, found {0:?}")]
    Parameter(String),
}
