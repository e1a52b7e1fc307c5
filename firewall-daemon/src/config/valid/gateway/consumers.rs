//! Consumers, where their keys stand, and that consumers and routes are there for each other.

use firewall_gateway::{
    identity::{certificate, jwt::is_header_for_claims},
    limits::{CONSUMERS_MAX, GRANTED_BYTES_MAX, GRANTED_MAX},
    policy::{ApiKeyPolicy, AuthenticationPolicy, ConsumerPolicy, FailuresPolicy, RoutePolicy},
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError,
    document::{
        Entries,
        consumers::{
            ApiKeyDocument, ConsumerDocument, FailuresDocument, FailuresPerMin, PlaceWord,
        },
    },
    scalar::Given,
    valid::Check,
};

/// The header of a key, where a route names none.
const KEY_HEADER: &str = "x-api-key";

impl Check<'_> {
    pub(super) fn consumers(
        &self,
        consumers: Option<Entries<ConsumerDocument>>,
    ) -> Result<Vec<ConsumerPolicy>, ConfigError> {
        let Some(consumers) = consumers else { return Ok(Vec::new()) };
        let mut checked = Vec::<ConsumerPolicy>::new();
        for one in self.counted("consumers", 1..=CONSUMERS_MAX, consumers)? {
            let ConsumerDocument { name, scopes, roles, networks, certificates } = one.value;
            self.new_name(&name, checked.iter().map(|other| &other.name))?;
            let certificates = self.certificates_of(certificates, &checked)?;
            checked.push(ConsumerPolicy {
                name: name.value.0,
                scopes: self.granted("scopes", scopes)?,
                roles: self.granted("roles", roles)?,
                networks: self.networks(GRANTED_MAX, networks)?,
                certificates,
            });
        }
        Ok(checked)
    }

    /// What nobody can use protects nothing: keys and certificates without consumers, and the other way round;
    /// and a rule for a consumer that no credential of its route can have.
    pub(super) fn consumers_act(
        &self,
        place: Location,
        consumers: &[ConsumerPolicy],
        failures: Option<Location>,
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let taking = |takes: fn(&AuthenticationPolicy) -> bool| {
            routes.iter().find(|route| route.authentication.iter().any(takes))
        };
        let (by_key, by_certificate) = (taking(is_key), taking(is_certificate));
        let by_session = taking(|asked| matches!(asked, AuthenticationPolicy::Session(_)));
        let certified = consumers.iter().find(|consumer| !consumer.certificates.is_empty());
        let message = match (by_key, by_certificate) {
            (None, None) if !consumers.is_empty() => {
                "consumers: expected a route that takes API keys or certificates, found none; write \
                 authentication: [{api_key: {}}] in gateway.routes, or remove them"
                    .to_owned()
            }
            (None, _)
                if let Some(place) = failures
                    && by_session.is_none() =>
            {
                let message = "authentication_failures: expected a route that takes API keys or \
                               sessions, found none";
                return self.error(place, message.to_owned());
            }
            (Some(route), _) if consumers.is_empty() => format!(
                "routes: expected gateway.consumers beside the API keys of route {:?}, found none",
                route.name
            ),
            (_, Some(route)) if certified.is_none() => format!(
                "routes: expected certificates of one of gateway.consumers beside certificate in \
                 route {:?}, found none",
                route.name
            ),
            (_, None) if let Some(consumer) = certified => format!(
                "certificates: expected a route that takes those of consumer {:?}, found none; write \
                 authentication: [{{certificate: true}}] in gateway.routes, or remove them",
                consumer.name
            ),
            _ => return self.rules_act(place, consumers, routes),
        };
        self.error(place, message)
    }

    fn rules_act(
        &self,
        place: Location,
        consumers: &[ConsumerPolicy],
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let of_consumers = |asked: &AuthenticationPolicy| is_key(asked) || is_certificate(asked);
        let known = |route: &&RoutePolicy| {
            !route.authentication.is_empty() && route.authentication.iter().all(of_consumers)
        };
        for route in routes.iter().filter(known) {
            let mut named = route.authorise.iter().flat_map(|rule| &rule.consumers);
            if let Some(name) = named.find(|name| consumers.iter().all(|one| one.name != **name)) {
                let message = format!(
                    "authorise: consumers: expected names of gateway.consumers in route {:?}, found {name:?}",
                    route.name
                );
                return self.error(place, message);
            }
        }
        Ok(())
    }

    /// Names of certificates, of which each is one consumer's.
    fn certificates_of(
        &self,
        list: Given<Entries<String>>,
        before: &[ConsumerPolicy],
    ) -> Result<Vec<String>, ConfigError> {
        let Some(list) = list.0 else { return Ok(Vec::new()) };
        let list = self.counted("certificates", 1..=GRANTED_MAX, list)?;
        for name in &list {
            if let Err(expected) = certificate::check_name(&name.value) {
                let message = format!("certificates: expected {expected}, found {:?}", name.value);
                return self.error(name.referenced, message);
            }
            let its = |other: &&ConsumerPolicy| other.certificates.contains(&name.value);
            if let Some(other) = before.iter().find(its) {
                let message = format!(
                    "certificates: expected a name that no other consumer has, found {:?}, which is \
                     {:?} too",
                    name.value, other.name
                );
                return self.error(name.referenced, message);
            }
        }
        self.each_once("certificates", list, |name| name)
    }

    pub(super) fn api_key(
        &self,
        key: Spanned<ApiKeyDocument>,
    ) -> Result<ApiKeyPolicy, ConfigError> {
        let ApiKeyDocument { from, header, keep } = key.value;
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
                if !is_header_for_claims(&lower) {
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
            keep: keep.is_some_and(|keep| keep.0),
        })
    }

    /// Scopes and roles: RFC 6749, 3.3, so that they can stand beside each other in one header.
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
}

fn is_key(asked: &AuthenticationPolicy) -> bool {
    matches!(asked, AuthenticationPolicy::ApiKey(_))
}

fn is_certificate(asked: &AuthenticationPolicy) -> bool {
    matches!(asked, AuthenticationPolicy::Certificate)
}

/// How many credentials that do not hold are borne.
pub(super) fn failures(document: Option<&FailuresDocument>) -> FailuresPolicy {
    let default = FailuresPolicy::default();
    let Some(document) = document else { return default };
    let number =
        |number: Option<FailuresPerMin>, default| number.map_or(default, |number| number.cast());
    FailuresPolicy {
        address_per_min: number(document.address_per_min, default.address_per_min),
        network_per_min: number(document.network_per_min, default.network_per_min),
        consumer_per_min: number(document.consumer_per_min, default.consumer_per_min),
    }
}
