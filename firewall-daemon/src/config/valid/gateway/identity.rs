//! Consumers and rules: names that are there, lists that are bounded, no rule that lets everyone in.

use std::collections::BTreeMap;

use firewall_gateway::{
    authorise::Authorise,
    identity::is_carrier,
    limits::{CONSUMERS_MAX, GRANTED_MAX, METHODS_MAX, RULES_MAX},
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, ConsumerPolicy, Day, FailuresPolicy, MethodPolicy,
        OwnerPolicy, RulePolicy, TimePolicy,
    },
    route::Pattern,
};
use ipnetwork::IpNetwork;
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError,
    document::{
        Entries,
        identity::{
            ApiKeyDocument, ConsumerDocument, FailuresDocument, FailuresPerMin, MethodDocument,
            OwnerDocument, PlaceWord, RuleDocument, TimeDocument,
        },
    },
    scalar::{Flag, Given, Name, Prefix},
    valid::Check,
};

/// The header of a key, where a route names none.
const KEY_HEADER: &str = "x-api-key";
/// A scope, role or value of a claim.
const GRANTED_BYTES_MAX: usize = 128;
/// Claims of one rule.
const CLAIMS_MAX: usize = 16;
/// Minutes of a day.
const DAY_MIN: u16 = 1_440;

impl Check<'_> {
    pub(super) fn consumers(
        &self,
        consumers: Option<Entries<ConsumerDocument>>,
    ) -> Result<Vec<ConsumerPolicy>, ConfigError> {
        let Some(consumers) = consumers else { return Ok(Vec::new()) };
        let mut checked = Vec::<ConsumerPolicy>::new();
        for one in self.counted("consumers", 1..=CONSUMERS_MAX, consumers)? {
            let ConsumerDocument { name, scopes, roles, networks } = one.value;
            self.new_name(&name, checked.iter().map(|other| &other.name))?;
            checked.push(ConsumerPolicy {
                name: name.value.0,
                scopes: self.granted("scopes", scopes)?,
                roles: self.granted("roles", roles)?,
                networks: self.networks(networks)?,
            });
        }
        Ok(checked)
    }

    /// What a route says of who may use it.
    pub(super) fn authentication(
        &self,
        methods: Given<Entries<MethodDocument>>,
        keep_credential: Option<Spanned<Flag>>,
    ) -> Result<Option<AuthenticationPolicy>, ConfigError> {
        let Some(methods) = methods.0 else {
            let Some(keep) = keep_credential else { return Ok(None) };
            let message = "keep_credential: expected authentication beside it, found none";
            return self.error(keep.referenced, message.to_owned());
        };
        let (mut checked, mut places) = (Vec::new(), Vec::new());
        for method in self.counted("authentication", 1..=METHODS_MAX, methods)? {
            places.push(method.value.api_key.referenced);
            checked.push(MethodPolicy::ApiKey(self.api_key(method.value.api_key)?));
        }
        if let Some(again) = places.get(1) {
            let message = "authentication: expected api_key once, found it again; \
                           name all its places in one from";
            return self.error(*again, message.to_owned());
        }
        let keep_credential = keep_credential.is_some_and(|keep| keep.value.0);
        Ok(Some(AuthenticationPolicy { methods: checked, keep_credential }))
    }

    fn api_key(&self, key: Spanned<ApiKeyDocument>) -> Result<ApiKeyPolicy, ConfigError> {
        let ApiKeyDocument { from, header } = key.value;
        let places = match from.0 {
            Some(from) => {
                let from = self.counted("from", 1..=3, from)?;
                self.each_once("from", from, |word| word)?
            }
            None => vec![PlaceWord::Header],
        };
        let by_header = places.contains(&PlaceWord::Header);
        let header = match header {
            None => by_header.then(|| KEY_HEADER.to_owned()),
            Some(name) if !by_header => {
                let message = "header: expected header in from beside it, found from without it";
                return self.error(name.referenced, message.to_owned());
            }
            Some(name) => {
                let lower = name.value.to_ascii_lowercase();
                if !is_carrier(&lower) {
                    let message = format!(
                        "header: expected the name of a header that can carry a key, such as \
                         X-Api-Key, found {:?}; for Authorization write from: [bearer]",
                        name.value
                    );
                    return self.error(name.referenced, message);
                }
                Some(lower)
            }
        };
        Ok(ApiKeyPolicy {
            header,
            bearer: places.contains(&PlaceWord::Bearer),
            basic: places.contains(&PlaceWord::Basic),
        })
    }

    /// The rules of a route; `known` says whether it finds out who asks.
    pub(super) fn authorise(
        &self,
        rules: Given<Entries<RuleDocument>>,
        path: &Pattern,
        known: bool,
        consumers: &[ConsumerPolicy],
    ) -> Result<Vec<RulePolicy>, ConfigError> {
        let Some(rules) = rules.0 else { return Ok(Vec::new()) };
        let mut checked = Vec::new();
        for rule in self.counted("authorise", 1..=RULES_MAX, rules)? {
            let place = rule.referenced;
            let rule = self.rule(rule.value, consumers)?;
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

    fn rule(
        &self,
        rule: RuleDocument,
        consumers: &[ConsumerPolicy],
    ) -> Result<RulePolicy, ConfigError> {
        Ok(RulePolicy {
            methods: match rule.methods.0 {
                Some(methods) => self.methods(methods)?,
                None => Vec::new(),
            },
            networks: self.networks(rule.networks)?,
            times: match rule.times.0 {
                Some(times) => self
                    .counted("times", 1..=GRANTED_MAX, times)?
                    .into_iter()
                    .map(|time| self.time(time.value))
                    .collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
            consumers: match rule.consumers.0 {
                Some(names) => self.named(names, consumers)?,
                None => Vec::new(),
            },
            scopes: self.granted("scopes", rule.scopes)?,
            roles: self.granted("roles", rule.roles)?,
            claims: match rule.claims.0 {
                Some(claims) => self.claims(claims.referenced, claims.value)?,
                None => BTreeMap::new(),
            },
            owner: rule.owner.map(|owner| self.owner(owner.value)).transpose()?,
        })
    }

    fn named(
        &self,
        names: Entries<Name>,
        consumers: &[ConsumerPolicy],
    ) -> Result<Vec<String>, ConfigError> {
        let names = self.counted("consumers", 1..=GRANTED_MAX, names)?;
        for name in &names {
            // With tokens alone a policy names no consumers, and a rule may name any.
            let known = consumers.iter().any(|one| one.name == name.value.0);
            if !known && !consumers.is_empty() {
                let message = format!(
                    "consumers: expected names of gateway.consumers, found {:?}",
                    name.value.0
                );
                return self.error(name.referenced, message);
            }
        }
        self.each_once("consumers", names, |name| name.0)
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
            self.claim_name("claims", place, &name)?;
            checked.insert(name, self.granted("claims", Given(Some(values)))?);
        }
        Ok(checked)
    }

    fn owner(&self, owner: OwnerDocument) -> Result<OwnerPolicy, ConfigError> {
        if let Some(claim) = &owner.claim {
            self.claim_name("claim", claim.referenced, &claim.value)?;
        }
        let claim = owner.claim.map(|claim| claim.value);
        Ok(OwnerPolicy { parameter: owner.parameter.value, claim })
    }

    fn claim_name(&self, key: &str, place: Location, name: &str) -> Result<(), ConfigError> {
        let part =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        if name.len() > GRANTED_BYTES_MAX || !name.split('.').all(part) {
            let message = format!(
                "{key}: expected the name of a claim such as sub or realm_access.roles, found {name:?}"
            );
            return self.error(place, message);
        }
        Ok(())
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

    /// Scopes, roles, values of claims: RFC 6749, 3.3, so that they can stand beside each other in one header.
    fn granted(&self, key: &str, list: Given<Entries<String>>) -> Result<Vec<String>, ConfigError> {
        let Some(list) = list.0 else { return Ok(Vec::new()) };
        let list = self.counted(key, 1..=GRANTED_MAX, list)?;
        for text in &list {
            let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            if !(1..=GRANTED_BYTES_MAX).contains(&text.value.len()) || !text.value.bytes().all(fits)
            {
                let message = format!(
                    "{key}: expected 1 to {GRANTED_BYTES_MAX} plain characters without spaces, \
                     quotes and backslashes, found {:?}",
                    text.value
                );
                return self.error(text.referenced, message);
            }
        }
        self.each_once(key, list, |text| text)
    }

    fn networks(&self, list: Given<Entries<Prefix>>) -> Result<Vec<IpNetwork>, ConfigError> {
        let Some(list) = list.0 else { return Ok(Vec::new()) };
        let list = self.counted("networks", 1..=GRANTED_MAX, list)?;
        self.each_once("networks", list, |prefix| prefix.0)
    }
}

/// How many credentials that do not hold are borne.
pub(super) fn failures(document: &FailuresDocument) -> FailuresPolicy {
    let default = FailuresPolicy::default();
    let number =
        |number: Option<FailuresPerMin>, default| number.map_or(default, |number| number.cast());
    FailuresPolicy {
        address_per_min: number(document.address_per_min, default.address_per_min),
        network_per_min: number(document.network_per_min, default.network_per_min),
        consumer_per_min: number(document.consumer_per_min, default.consumer_per_min),
    }
}

fn minute_of(clock: &str) -> Option<u16> {
    let (hour, minute) = clock.split_once(':')?;
    let number = |text: &str, max: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number <= max)
    };
    let minute = number(hour, 24)? * 60 + number(minute, 59)?;
    (minute <= DAY_MIN).then_some(minute)
}
