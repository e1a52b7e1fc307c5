//! Routes: each name once, one thing that becomes of their requests, none in vain.

use std::net::IpAddr;

use firewall_gateway::{
    limits::{CONDITIONS_MAX, ROLLOUTS_MAX, ROUTES_MAX, UPGRADES_MAX},
    policy::{
        BackendProtocol, ClientCertificateUse, ForwardPolicy, HeaderCondition, HeaderTest,
        RouteAction, RouteLimits, RoutePolicy, Sticky,
    },
    route::{self, Pattern, Redirect},
    upgrade,
};
use serde_saphyr::{Location, Spanned};

use super::{
    rollout::ForwardDocument,
    ways::{Known, is_host_name},
};
use crate::config::{
    ConfigError, UpstreamConfig,
    document::{
        Entries,
        gateway::WaitMs,
        routes::{
            HeaderDocument, MaintenanceDocument, RedirectDocument, RouteDocument,
            RouteLimitsDocument,
        },
        tls::ClientCertificateDocument,
    },
    valid::Check,
};

/// Host names of one route at most.
const HOSTS_MAX: usize = 64;
/// Methods of one route at most: there are no more.
const METHODS_MAX: usize = 7;
/// Words of a maintenance answer at most.
const DETAIL_BYTES_MAX: usize = 512;
/// The value of a header or cookie that a route asks for.
const VALUE_BYTES_MAX: usize = 256;

impl Check<'_> {
    pub(super) fn routes(
        &self,
        routes: Entries<RouteDocument>,
        upstreams: &[UpstreamConfig],
        known: Known<'_>,
    ) -> Result<Vec<RoutePolicy>, ConfigError> {
        let (mut checked, mut places) = (Vec::<RoutePolicy>::new(), Vec::new());
        let whole = routes.referenced;
        for route in self.counted("routes", 1..=ROUTES_MAX, routes)? {
            self.new_name(&route.value.name, checked.iter().map(|other| &other.name))?;
            places.push(route.value.name.referenced);
            checked.push(self.route(route.value, upstreams, known)?);
        }
        // Each route was checked by itself, so there is nothing to say but this.
        if let Ok(Some((earlier, later))) = route::shadowed(&checked)
            && let (Some(earlier), Some(route), Some(place)) =
                (checked.get(earlier), checked.get(later), places.get(later))
        {
            let message = format!(
                "name: expected a route that can take something, found {:?} behind {:?}, which \
                 takes all that it would; move it before that one, or remove it",
                route.name, earlier.name
            );
            return self.error(*place, message);
        }
        let rollouts = checked.iter().filter(|route| is_rollout(route)).count();
        if rollouts > ROLLOUTS_MAX {
            let message = format!(
                "routes: expected at most {ROLLOUTS_MAX} with a split, overrides, a mirror or a \
                 canary, found {rollouts}"
            );
            return self.error(whole, message);
        }
        Ok(checked)
    }

    fn route(
        &self,
        route: RouteDocument,
        upstreams: &[UpstreamConfig],
        known: Known<'_>,
    ) -> Result<RoutePolicy, ConfigError> {
        let path = match Pattern::parse(&route.path.value) {
            Ok(path) => path,
            Err(error) => return self.error(route.path.referenced, format!("path: {error}")),
        };
        let place = route.name.referenced;
        let forward = ForwardDocument {
            upstream: route.upstream,
            split: route.split.0,
            overrides: route.overrides.0,
            sticky: route.sticky,
            rewrite: route.rewrite,
            mirror: route.mirror,
            canary: route.canary,
        };
        let action = match (forward.is_there(), route.redirect, route.maintenance) {
            (true, None, None) => {
                RouteAction::Forward(self.forward(place, forward, &path, upstreams)?)
            }
            (false, Some(redirect), None) => self.redirect(redirect.value, &path)?,
            (false, None, Some(maintenance)) => self.maintenance(maintenance.value)?,
            (_, redirect, maintenance) => {
                let found = match (redirect.is_some(), maintenance.is_some()) {
                    (false, false) => "none of them",
                    _ => "more than one",
                };
                let message = format!(
                    "routes: expected one of upstream, split, redirect and maintenance, found {found}"
                );
                return self.error(place, message);
            }
        };
        let authentication = self.authentication(route.authentication, known)?;
        let authorise = self.authorise(route.authorise, &path, !authentication.is_empty())?;
        let rates = self.route_rates(
            route.rate_limits,
            route.cost,
            known.rates,
            !authentication.is_empty(),
        )?;
        let sanitise = self.sanitise(route.sanitise, &action)?;
        let validate = self.validation(route.validate, &path, &action, known.openapi)?;
        let offences = self.offences(route.offences)?;
        if let RouteAction::Forward(forward) = &action
            && forward.sticky == Some(Sticky::Consumer)
            && authentication.is_empty()
        {
            let message = "sticky: expected authentication beside by: consumer, found none; \
                           without it nobody is known";
            return self.error(place, message.to_owned());
        }
        Ok(RoutePolicy {
            name: route.name.value.0,
            hosts: route.hosts.0.map(|hosts| self.hosts(hosts)).transpose()?.unwrap_or_default(),
            path: route.path.value,
            methods: match route.methods.0 {
                Some(methods) => self.methods(methods)?,
                None => Vec::new(),
            },
            headers: match route.headers.0 {
                Some(headers) => self.conditions(headers)?,
                None => Vec::new(),
            },
            client_certificate: self
                .client_certificate(route.client_certificate, known.client_ca)?,
            upgrades: match route.upgrades.0 {
                Some(upgrades) => self.upgrades(place, upgrades, &action, upstreams)?,
                None => Vec::new(),
            },
            authentication,
            authorise,
            cors: self.cors(route.cors)?,
            csrf: self.csrf(route.csrf)?,
            cookies: self.cookies(route.cookies)?,
            scrub: route.scrub.map(|scrub| self.scrub(scrub)).transpose()?,
            rates,
            sanitise,
            validate,
            verdict: self.route_verdict(route.verdict, known.services)?,
            offences,
            action,
            limits: limits(&route.limits.0.unwrap_or_default()),
            answers: self.answers(
                None,
                route.response_headers,
                route.upstream_errors,
                route.compression,
            )?,
        })
    }

    /// Where clients are asked for a certificate, the upstream learns of it unless it is said otherwise.
    fn client_certificate(
        &self,
        given: Option<Spanned<ClientCertificateDocument>>,
        client_ca: bool,
    ) -> Result<ClientCertificateUse, ConfigError> {
        let Some(given) = given else { return Ok(ClientCertificateUse::default()) };
        let wanted = match given.value {
            ClientCertificateDocument::None => return Ok(ClientCertificateUse::None),
            ClientCertificateDocument::Optional => ClientCertificateUse::Optional,
            ClientCertificateDocument::Required => ClientCertificateUse::Required,
        };
        if !client_ca {
            let message = "client_certificate: expected gateway.tls.client_ca, found none; \
                           without authorities no client is asked for a certificate";
            return self.error(given.referenced, message.to_owned());
        }
        Ok(wanted)
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

    pub(super) fn methods(&self, methods: Entries<String>) -> Result<Vec<String>, ConfigError> {
        let methods = self.counted("methods", 1..=METHODS_MAX, methods)?;
        if let Some(other) = methods.iter().find(|method| !route::is_method(&method.value)) {
            let message = format!(
                "methods: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, found {:?}",
                other.value
            );
            return self.error(other.referenced, message);
        }
        self.each_once("methods", methods, |method| method)
    }

    fn upgrades(
        &self,
        route: Location,
        upgrades: Entries<String>,
        action: &RouteAction,
        upstreams: &[UpstreamConfig],
    ) -> Result<Vec<String>, ConfigError> {
        let upgrades = self.counted("upgrades", 1..=UPGRADES_MAX, upgrades)?;
        let RouteAction::Forward(forward) = action else {
            return self.error(route, "upgrades: expected a route to an upstream".to_owned());
        };
        let multiplexed = forward.answering().filter_map(|place| upstreams.get(place));
        if let Some(upstream) = multiplexed
            .into_iter()
            .find(|upstream| upstream.delivery.protocol == BackendProtocol::Http2)
        {
            let message = format!(
                "upgrades: expected upstreams with `protocol: http1`, found {:?} with http2; \
                 HTTP/2 has no upgrades",
                upstream.name
            );
            return self.error(route, message);
        }
        if let Some(other) = upgrades.iter().find(|name| !upgrade::is_protocol(&name.value)) {
            let message = format!(
                "upgrades: expected the name of a protocol in lower case that is not HTTP, such as \
                 websocket, found {:?}",
                other.value
            );
            return self.error(other.referenced, message);
        }
        self.each_once("upgrades", upgrades, |name| name)
    }

    fn conditions(
        &self,
        headers: Entries<HeaderDocument>,
    ) -> Result<Vec<HeaderCondition>, ConfigError> {
        let headers = self.counted("headers", 1..=CONDITIONS_MAX, headers)?;
        let mut conditions = Vec::new();
        for header in headers {
            let HeaderDocument { name, value, present } = header.value;
            let test = match (value, present) {
                (Some(value), None) => HeaderTest::Value(self.header_value("value", value)?),
                (None, Some(present)) if present.0 => HeaderTest::Present,
                (None, Some(_)) => HeaderTest::Absent,
                (Some(value), Some(_)) => {
                    let message = "headers: expected value or present, found both";
                    return self.error(value.referenced, message.to_owned());
                }
                (None, None) => {
                    let message = "headers: expected value or present, found neither";
                    return self.error(name.referenced, message.to_owned());
                }
            };
            conditions.push(HeaderCondition { name: self.header_name("name", name)?, test });
        }
        Ok(conditions)
    }

    /// The name of a header that clients set, in lower case.
    pub(super) fn header_name(
        &self,
        key: &str,
        name: Spanned<String>,
    ) -> Result<String, ConfigError> {
        let lower = name.value.to_ascii_lowercase();
        if !route::is_client_header(&lower) {
            let message = format!(
                "{key}: expected the name of a header that clients set, found {:?}",
                name.value
            );
            return self.error(name.referenced, message);
        }
        Ok(lower)
    }

    pub(super) fn header_value(
        &self,
        key: &str,
        value: Spanned<String>,
    ) -> Result<String, ConfigError> {
        let text = &value.value;
        let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        if !plain || text.trim() != text || text.len() > VALUE_BYTES_MAX {
            let message = format!(
                "{key}: expected up to {VALUE_BYTES_MAX} plain characters without spaces around \
                 them, found {text:?}"
            );
            return self.error(value.referenced, message);
        }
        Ok(value.value)
    }

    fn redirect(
        &self,
        redirect: RedirectDocument,
        path: &Pattern,
    ) -> Result<RouteAction, ConfigError> {
        let status = redirect.status.map_or(REDIRECT_STATUS, |status| status.cast());
        match Redirect::parse(&redirect.to.value, status, path) {
            Ok(_) => Ok(RouteAction::Redirect { to: redirect.to.value, status }),
            Err(error) => self.error(redirect.to.referenced, format!("redirect: {error}")),
        }
    }

    fn maintenance(&self, maintenance: MaintenanceDocument) -> Result<RouteAction, ConfigError> {
        let detail = maintenance.detail;
        if let Some(detail) = &detail
            && (detail.value.is_empty() || detail.value.len() > DETAIL_BYTES_MAX)
        {
            let found = detail.value.len();
            let message = format!("detail: expected 1 to {DETAIL_BYTES_MAX} bytes, found {found}");
            return self.error(detail.referenced, message);
        }
        let (retry_after_s, detail) =
            (maintenance.retry_after_s.cast(), detail.map(|detail| detail.value));
        Ok(RouteAction::Maintenance { retry_after_s, detail })
    }
}

/// A redirect that keeps the method, and that caches may keep.
const REDIRECT_STATUS: u16 = 308;

fn is_rollout(route: &RoutePolicy) -> bool {
    let several = |forward: &ForwardPolicy| forward.upstreams().count() > 1;
    matches!(&route.action, RouteAction::Forward(forward) if several(forward))
}

fn limits(document: &RouteLimitsDocument) -> RouteLimits {
    let wait = |wait: Option<WaitMs>| wait.map(|wait| wait.0);
    RouteLimits {
        body_bytes_max: document.body_bytes_max.map(|number| number.0),
        body_timeout_ms: wait(document.body_timeout_ms),
        body_gather_bytes: document.body_gather_bytes.map(|number| number.cast()),
        upstream_connect_timeout_ms: wait(document.upstream_connect_timeout_ms),
        upstream_response_timeout_ms: wait(document.upstream_response_timeout_ms),
    }
}
