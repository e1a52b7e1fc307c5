//! Rules of routes: bounded lists, none that lets everyone in, none that could never hold.

use std::collections::BTreeMap;

use firewall_gateway::{
    authorise::Authorise,
    limits::{RULE_ENTRIES_MAX, RULES_MAX},
    policy::{Day, OwnerPolicy, RulePolicy, TimePolicy},
    route::Pattern,
};
use ipnetwork::IpNetwork;
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError,
    document::{
        Entries,
        authorise::{OwnerDocument, RouteRuleDocument, TimeDocument},
    },
    scalar::{CountryCode, Given, Prefix},
    valid::Check,
};

/// Claims of one rule.
const CLAIMS_MAX: usize = 16;
/// Countries of one rule: there are some 250.
const COUNTRIES_MAX: usize = 300;
/// Minutes of a day.
const DAY_MIN: u16 = 1_440;

impl Check<'_> {
    /// The rules of a route; `known` says whether it finds out who asks.
    pub(super) fn authorise(
        &self,
        rules: Given<Entries<RouteRuleDocument>>,
        path: &Pattern,
        known: bool,
    ) -> Result<Vec<RulePolicy>, ConfigError> {
        let Some(rules) = rules.0 else { return Ok(Vec::new()) };
        let mut checked = Vec::new();
        for rule in self.counted("authorise", 1..=RULES_MAX, rules)? {
            let place = rule.referenced;
            let rule = self.route_rule(rule.value)?;
            if let Err(error) = Authorise::new(std::slice::from_ref(&rule), path) {
                return self.error(place, format!("authorise: {error}"));
            }
            if rule.needs_identity() && !known {
                let message = "authorise: expected authentication beside a rule about who asks, \
                               found none; such a rule could never hold";
                return self.error(place, message.to_owned());
            }
            checked.push(rule);
        }
        Ok(checked)
    }

    fn route_rule(&self, rule: RouteRuleDocument) -> Result<RulePolicy, ConfigError> {
        Ok(RulePolicy {
            methods: match rule.methods.0 {
                Some(methods) => self.methods(methods)?,
                None => Vec::new(),
            },
            networks: self.networks(RULE_ENTRIES_MAX, rule.networks)?,
            countries: match rule.countries.0 {
                Some(countries) => {
                    let countries = self.counted("countries", 1..=COUNTRIES_MAX, countries)?;
                    let country = |CountryCode(country)| country;
                    let countries = self.each_once("countries", countries, country)?;
                    countries.iter().map(ToString::to_string).collect()
                }
                None => Vec::new(),
            },
            times: match rule.times.0 {
                Some(times) => self
                    .counted("times", 1..=RULE_ENTRIES_MAX, times)?
                    .into_iter()
                    .map(|time| self.time(time.value))
                    .collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
            consumers: self.given("consumers", rule.consumers)?,
            scopes: self.given("scopes", rule.scopes)?,
            roles: self.given("roles", rule.roles)?,
            claims: match rule.claims.0 {
                Some(claims) => self.claims(claims.referenced, claims.value)?,
                None => BTreeMap::new(),
            },
            owner: rule.owner.map(|owner| self.owner(owner.value)).transpose()?,
        })
    }

    fn claims(
        &self,
        place: Location,
        claims: BTreeMap<String, Entries<String>>,
    ) -> Result<BTreeMap<String, Vec<String>>, ConfigError> {
        if !(1..=CLAIMS_MAX).contains(&claims.len()) {
            let found = claims.len();
            let message = format!("claims: expected 1 to {CLAIMS_MAX} entries, found {found}");
            return self.error(place, message);
        }
        let mut checked = BTreeMap::new();
        for (name, values) in claims {
            self.check_text("claims", &name, place)?;
            checked.insert(name, self.texts("claims", values)?);
        }
        Ok(checked)
    }

    fn owner(&self, owner: OwnerDocument) -> Result<OwnerPolicy, ConfigError> {
        let claim = owner.claim.map(|claim| self.text("claim", claim)).transpose()?;
        Ok(OwnerPolicy { parameter: owner.parameter.value, claim })
    }

    fn time(&self, time: TimeDocument) -> Result<TimePolicy, ConfigError> {
        let days = match time.days.0 {
            Some(days) => {
                let days = self.counted("days", 1..=Day::ALL.len(), days)?;
                self.each_once("days", days, |day| day)?
            }
            None => Vec::new(),
        };
        let minute = |key: &str, clock: Option<Spanned<String>>, default| match clock {
            None => Ok(default),
            Some(clock) => match minute_of(&clock.value) {
                Some(minute) => Ok(minute),
                None => {
                    let message = format!(
                        "{key}: expected a time in UTC from \"00:00\" to \"24:00\", found {:?}",
                        clock.value
                    );
                    self.error(clock.referenced, message)
                }
            },
        };
        let place = time.from.as_ref().or(time.to.as_ref()).map(|clock| clock.referenced);
        let from_min = minute("from", time.from, 0)?;
        let to_min = minute("to", time.to, DAY_MIN)?;
        if let Some(place) = place.filter(|_| from_min == to_min || from_min == DAY_MIN) {
            let message = "from: expected an earlier time than to, or a later one for a time over \
                           midnight, found the same";
            return self.error(place, message.to_owned());
        }
        Ok(TimePolicy { days, from_min, to_min })
    }

    pub(super) fn networks(
        &self,
        max: usize,
        list: Given<Entries<Prefix>>,
    ) -> Result<Vec<IpNetwork>, ConfigError> {
        let Some(list) = list.0 else { return Ok(Vec::new()) };
        let list = self.counted("networks", 1..=max, list)?;
        self.each_once("networks", list, |prefix| prefix.0)
    }
}

fn minute_of(clock: &str) -> Option<u16> {
    let (hour, minute) = clock.split_once(':')?;
    let number = |text: &str, max: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number <= max)
    };
    let minute = number(hour, 24)? * 60 + number(minute, 59)?;
    (minute <= DAY_MIN).then_some(minute)
}
