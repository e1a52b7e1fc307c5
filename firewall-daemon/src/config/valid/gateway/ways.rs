//! Upstreams, and that they go with routes.

use firewall_gateway::{
    limits::BACKENDS_MAX,
    policy::{
        BackendPolicy, BalancePolicy, DeliveryPolicy, HashKey, RatePolicy, RouteAction, RoutePolicy,
    },
};
use serde_saphyr::{Location, Spanned};

use super::{events::NamedService, introspection::NamedIntrospection};
use crate::config::{
    ConfigError, JwtConfig, LoginConfig, OpenApiConfig, UpstreamConfig, UpstreamTlsConfig,
    document::{
        Entries,
        gateway::{ConnectionsMax, SoleUpstreamDocument, UpstreamDocument, UpstreamTlsDocument},
        routes::RouteDocument,
    },
    valid::Check,
};

/// Upstreams at most.
const UPSTREAMS_MAX: usize = 256;

const UPSTREAM_CONNECTIONS_MAX: u32 = 256;

/// The name of `gateway.upstream` and of its route.
const SOLE_NAME: &str = "api";

/// What routes may ask for.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// Whether there are authorities of clients' certificates.
    pub client_ca: bool,
    /// Issuers of tokens.
    pub jwts: &'a [JwtConfig],
    /// Where people log in.
    pub logins: &'a [LoginConfig],
    /// Who knows tokens.
    pub introspections: &'a [NamedIntrospection],
    /// Limits of rates.
    pub rates: &'a [RatePolicy],
    /// What APIs take.
    pub openapi: &'a [OpenApiConfig],
    /// Services that judge requests.
    pub services: &'a [NamedService],
}

type Ways = (Vec<UpstreamConfig>, Vec<RoutePolicy>);

impl Check<'_> {
    /// Where requests go: all to `upstream`, or as `routes` say to `upstreams`.
    pub(super) fn ways(
        &self,
        place: Location,
        known: Known<'_>,
        sole: Option<Spanned<SoleUpstreamDocument>>,
        upstreams: Option<Entries<UpstreamDocument>>,
        routes: Option<Entries<RouteDocument>>,
    ) -> Result<Ways, ConfigError> {
        match (sole, upstreams, routes) {
            (Some(sole), None, None) => self.sole(sole.value),
            (None, Some(upstreams), Some(routes)) => {
                let place = upstreams.referenced;
                let upstreams = self.upstreams(upstreams)?;
                let routes = self.routes(routes, &upstreams, known)?;
                self.consumers_are_known(place, &upstreams, &routes)?;
                Ok((upstreams, routes))
            }
            (Some(sole), upstreams, routes) => {
                let other = upstreams.map(|list| list.referenced);
                let place = other.or(routes.map(|list| list.referenced));
                let message = "gateway: expected upstream alone, or upstreams and routes, \
                               found both; remove upstream";
                self.error(place.unwrap_or(sole.referenced), message.to_owned())
            }
            (None, None, None) => {
                let message = "gateway: expected upstream, or upstreams and routes, found neither";
                self.error(place, message.to_owned())
            }
            (None, Some(list), None) => {
                let message = "gateway: expected routes beside upstreams, found none; \
                               a request goes where a route sends it";
                self.error(list.referenced, message.to_owned())
            }
            (None, None, Some(list)) => {
                let message = "gateway: expected upstreams beside routes, found none";
                self.error(list.referenced, message.to_owned())
            }
        }
    }

    fn sole(&self, sole: SoleUpstreamDocument) -> Result<Ways, ConfigError> {
        let host = sole.server_name.value.clone();
        let tls = UpstreamTlsDocument { server_name: sole.server_name, ca: sole.ca };
        let upstream = UpstreamConfig {
            name: SOLE_NAME.to_owned(),
            backends: vec![BackendPolicy::new(sole.address.0)],
            names: Vec::new(),
            host,
            tls: Some(self.upstream_tls(tls)?),
            connections_max: connections_max(sole.connections_max),
            delivery: DeliveryPolicy::default(),
        };
        Ok((vec![upstream], vec![RoutePolicy::to_upstream(SOLE_NAME, "/*", 0)]))
    }

    fn upstreams(
        &self,
        upstreams: Entries<UpstreamDocument>,
    ) -> Result<Vec<UpstreamConfig>, ConfigError> {
        let mut checked: Vec<UpstreamConfig> = Vec::new();
        for upstream in self.counted("upstreams", 1..=UPSTREAMS_MAX, upstreams)? {
            let upstream = upstream.value;
            self.new_name(&upstream.name, checked.iter().map(|other| &other.name))?;
            let delivery = self.delivery(&upstream)?;
            let place = upstream.backends.referenced;
            let backends = self.counted("backends", 1..=BACKENDS_MAX, upstream.backends)?;
            let (backends, names) = self.backends(backends, &delivery.balance)?;
            let others: usize =
                checked.iter().map(|other| other.backends.len() + other.names.len()).sum();
            if others + backends.len() + names.len() > BACKENDS_MAX {
                let message = format!(
                    "backends: expected {BACKENDS_MAX} of all upstreams together at most, found more"
                );
                return self.error(place, message);
            }
            let tls = upstream.tls.map(|tls| self.upstream_tls(tls)).transpose()?;
            let host = match (upstream.host, &tls, backends.first(), names.first()) {
                (Some(host), ..) => self.host(host)?,
                (None, Some(tls), ..) => tls.server_name.clone(),
                (None, None, Some(backend), _) => backend.address.to_string(),
                (None, None, None, name) => {
                    name.map(|name| format!("{}:{}", name.name, name.port)).unwrap_or_default()
                }
            };
            checked.push(UpstreamConfig {
                name: upstream.name.value.0,
                backends,
                names,
                host,
                tls,
                connections_max: connections_max(upstream.connections_max),
                delivery,
            });
        }
        Ok(checked)
    }

    // What is known by its consumer has to come over a route that asks who it is.
    fn consumers_are_known(
        &self,
        place: Location,
        upstreams: &[UpstreamConfig],
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let asks = |number: usize| {
            routes.iter().filter(|route| !route.authentication.is_empty()).any(|route| {
                matches!(&route.action, RouteAction::Forward(forward)
                    if forward.answering().any(|upstream| upstream == number))
            })
        };
        for (number, upstream) in upstreams.iter().enumerate() {
            let by_consumer = BalancePolicy::Hash(HashKey::Consumer);
            if upstream.delivery.balance == by_consumer && !asks(number) {
                let message = format!(
                    "hash: expected a route with authentication that goes to upstream {:?}, found \
                     none; without one `on: consumer` knows nobody",
                    upstream.name
                );
                return self.error(place, message);
            }
        }
        Ok(())
    }

    fn upstream_tls(&self, tls: UpstreamTlsDocument) -> Result<UpstreamTlsConfig, ConfigError> {
        let name = tls.server_name;
        if rustls::pki_types::ServerName::try_from(name.value.as_str()).is_err() {
            let message = format!(
                "server_name: expected the DNS name or address in the upstream's certificate, \
                 found {:?}",
                name.value
            );
            return self.error(name.referenced, message);
        }
        Ok(UpstreamTlsConfig { server_name: name.value, ca: self.file(tls.ca) })
    }

    fn host(&self, host: Spanned<String>) -> Result<String, ConfigError> {
        let (name, port) = host.value.split_once(':').unwrap_or((&host.value, "1"));
        if !is_host_name(name) || port.parse::<u16>().is_err() {
            let message = format!(
                "host: expected a host name with or without a port, found {:?}",
                host.value
            );
            return self.error(host.referenced, message);
        }
        Ok(host.value)
    }
}

fn connections_max(given: Option<ConnectionsMax>) -> u32 {
    given.map_or(UPSTREAM_CONNECTIONS_MAX, |number| number.cast())
}

// RFC 1123, 2.1; underscores are seen in the wild and do no harm.
pub(super) fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
