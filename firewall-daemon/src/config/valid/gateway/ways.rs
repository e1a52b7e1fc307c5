//! Upstreams and routes: each name once, each route to an upstream that is there, none in vain.

use std::net::IpAddr;

use firewall_gateway::{
    policy::{BackendPolicy, RoutePolicy},
    route::Pattern,
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, UpstreamConfig, UpstreamTlsConfig,
    document::{
        Entries,
        gateway::{
            ConnectionsMax, RouteDocument, SoleUpstreamDocument, UpstreamDocument,
            UpstreamTlsDocument,
        },
    },
    scalar::Name,
    valid::Check,
};

/// Upstreams at most.
const UPSTREAMS_MAX: usize = 256;
/// Backends of one upstream at most.
const BACKENDS_MAX: usize = 256;
/// Routes at most: a request is compared with each until one fits.
const ROUTES_MAX: usize = 1_024;
/// Host names of one route at most.
const HOSTS_MAX: usize = 64;

const UPSTREAM_CONNECTIONS_MAX: u32 = 256;

/// The name of `gateway.upstream` and of its route.
const SOLE_NAME: &str = "api";

type Ways = (Vec<UpstreamConfig>, Vec<RoutePolicy>);

impl Check<'_> {
    /// Where requests go: all to `upstream`, or as `routes` say to `upstreams`.
    pub(super) fn ways(
        &self,
        place: Location,
        sole: Option<Spanned<SoleUpstreamDocument>>,
        upstreams: Option<Entries<UpstreamDocument>>,
        routes: Option<Entries<RouteDocument>>,
    ) -> Result<Ways, ConfigError> {
        match (sole, upstreams, routes) {
            (Some(sole), None, None) => self.sole(sole.value),
            (None, Some(upstreams), Some(routes)) => {
                let upstreams = self.upstreams(upstreams)?;
                let routes = self.routes(routes, &upstreams)?;
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
            backends: vec![BackendPolicy { address: sole.address.0 }],
            host,
            tls: Some(self.upstream_tls(tls)?),
            connections_max: connections_max(sole.connections_max),
        };
        let route = RoutePolicy {
            name: SOLE_NAME.to_owned(),
            hosts: Vec::new(),
            path: "/*".to_owned(),
            upstream: 0,
        };
        Ok((vec![upstream], vec![route]))
    }

    fn upstreams(
        &self,
        upstreams: Entries<UpstreamDocument>,
    ) -> Result<Vec<UpstreamConfig>, ConfigError> {
        let mut checked: Vec<UpstreamConfig> = Vec::new();
        for upstream in self.counted("upstreams", 1..=UPSTREAMS_MAX, upstreams)? {
            let upstream = upstream.value;
            self.new_name(&upstream.name, checked.iter().map(|other| &other.name))?;
            let backends = self.counted("backends", 1..=BACKENDS_MAX, upstream.backends)?;
            let addresses = self.each_once("backends", backends, |backend| backend.address.0)?;
            let tls = upstream.tls.map(|tls| self.upstream_tls(tls)).transpose()?;
            let host = match (upstream.host, &tls) {
                (Some(host), _) => self.host(host)?,
                (None, Some(tls)) => tls.server_name.clone(),
                (None, None) => addresses.first().map(ToString::to_string).unwrap_or_default(),
            };
            checked.push(UpstreamConfig {
                name: upstream.name.value.0,
                backends: addresses.into_iter().map(|address| BackendPolicy { address }).collect(),
                host,
                tls,
                connections_max: connections_max(upstream.connections_max),
            });
        }
        Ok(checked)
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

    fn routes(
        &self,
        routes: Entries<RouteDocument>,
        upstreams: &[UpstreamConfig],
    ) -> Result<Vec<RoutePolicy>, ConfigError> {
        let mut checked: Vec<RoutePolicy> = Vec::new();
        for route in self.counted("routes", 1..=ROUTES_MAX, routes)? {
            let route = route.value;
            self.new_name(&route.name, checked.iter().map(|other| &other.name))?;
            let hosts = match route.hosts {
                Some(hosts) => self.hosts(hosts)?,
                None => Vec::new(),
            };
            if let Err(error) = Pattern::parse(&route.path.value) {
                return self.error(route.path.referenced, format!("path: {error}"));
            }
            let named = route.upstream.value.0;
            let Some(upstream) = upstreams.iter().position(|upstream| upstream.name == named)
            else {
                let names: Vec<&str> =
                    upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
                let message = format!(
                    "upstream: expected one of gateway.upstreams ({}), found {named:?}",
                    names.join(", ")
                );
                return self.error(route.upstream.referenced, message);
            };
            checked.push(RoutePolicy {
                name: route.name.value.0,
                hosts,
                path: route.path.value,
                upstream,
            });
        }
        Ok(checked)
    }

    fn hosts(&self, hosts: Entries<String>) -> Result<Vec<String>, ConfigError> {
        let mut names = Vec::new();
        for host in self.counted("hosts", 1..=HOSTS_MAX, hosts)? {
            let plain = host.value.strip_prefix("*.").unwrap_or(&host.value);
            let address = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let fits = match address {
                Some(address) => address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
                None => is_host_name(plain),
            };
            if !fits {
                let message = format!(
                    "hosts: expected a host name without a port, such as api.example or \
                     *.api.example, found {:?}",
                    host.value
                );
                return self.error(host.referenced, message);
            }
            names.push(Spanned { value: host.value.to_ascii_lowercase(), ..host });
        }
        self.each_once("hosts", names, |name| name)
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

    fn new_name<'a>(
        &self,
        name: &Spanned<Name>,
        mut others: impl Iterator<Item = &'a String>,
    ) -> Result<(), ConfigError> {
        let found = &name.value.0;
        if others.any(|other| other == found) {
            let message =
                format!("name: expected each name once, found {found:?} again; rename one");
            return self.error(name.referenced, message);
        }
        Ok(())
    }
}

fn connections_max(given: Option<ConnectionsMax>) -> u32 {
    given.map_or(UPSTREAM_CONNECTIONS_MAX, |number| number.cast())
}

// RFC 1123, 2.1; underscores are seen in the wild and do no harm.
fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
