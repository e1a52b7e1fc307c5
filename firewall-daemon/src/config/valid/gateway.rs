//! What one value of the `gateway` section alone cannot tell.

mod answers;
mod sanitise;
mod scrub;

mod ways;
mod routes;
mod rollout;
mod jwt;
mod authentication;
mod introspection;
mod consumers;
mod login;
mod authorise;
mod browser;
mod rates;
mod validate;
mod behaviour;
mod events;

mod delivery;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

use firewall_gateway::{
    limits::{LISTEN_ADDRESSES_MAX, Limits, THREADS_MAX},
    policy::{KeyPart, RatePolicy, RoutePolicy},
};
use serde_saphyr::{Location, Spanned};

use crate::{
    config::{
        ConfigError, GatewayConfig,
        document::{
            Entries,
            gateway::{GatewayDocument, GatewayLimitsDocument, WaitMs},
        },
        scalar::Address,
        valid::Check,
    },
    supervisor::sticky,
};

const LISTENS_MAX: usize = LISTEN_ADDRESSES_MAX;

const GATEWAY_USER: &str = "seawall-gateway";

impl Check<'_> {
    pub(super) fn gateway(
        &self,
        gateway: GatewayDocument,
        state: &Path,
        countries: Option<&Path>,
    ) -> Result<GatewayConfig, ConfigError> {
        let threads = match gateway.threads {
            Some(threads) => threads.cast(),
            None => thread::available_parallelism()
                .map_or(1, |cpus| cpus.get().min(THREADS_MAX as usize)) as u16,
        };
        let place = gateway.listen.referenced;
        let client_ca = gateway.tls.client_ca.is_some();
        let jwt_place = gateway.jwt.as_ref().map(|jwt| jwt.referenced);
        let jwts = self.jwts(gateway.jwt, state)?;
        let logins_place = gateway.logins.as_ref().map_or(place, |logins| logins.referenced);
        let logins = self.logins(gateway.logins, &jwts, state)?;
        let session_store = self.session_store(gateway.session_store, &logins)?;
        let rates_place = gateway.rate_limits.0.as_ref().map_or(place, |list| list.referenced);
        let rates = self.rate_limits(gateway.rate_limits, gateway.rate_store.is_some())?;
        let rate_store = self.rate_store(gateway.rate_store, &rates)?;
        let openapi_place = gateway.openapi.0.as_ref().map_or(place, |list| list.referenced);
        let openapi = self.openapi(gateway.openapi)?;
        let services_place =
            gateway.verdict_services.0.as_ref().map_or(place, |list| list.referenced);
        let services = self.verdict_services(gateway.verdict_services)?;
        let introspections_place =
            gateway.introspections.0.as_ref().map_or(place, |list| list.referenced);
        let introspections = self.introspections(gateway.introspections)?;
        let known = ways::Known {
            introspections: &introspections,
            client_ca,
            jwts: &jwts,
            logins: &logins,
            rates: &rates,
            openapi: &openapi,
            services: &services,
        };
        let (upstreams, routes) =
            self.ways(place, known, gateway.upstream, gateway.upstreams, gateway.routes)?;
        let introspections =
            self.introspections_act(introspections_place, introspections, &upstreams, &routes)?;
        let verdict_services = self.verdicts_act(services_place, services, &upstreams, &routes)?;
        let events = gateway.events.0.map(|events| self.events(events, &upstreams)).transpose()?;
        self.rates_act(rates_place, &rates, &routes)?;
        self.openapi_acts(openapi_place, &openapi, &routes)?;
        self.jwts_act(jwt_place.unwrap_or(place), &jwts, &routes)?;
        self.logins_act(logins_place, &logins, &routes)?;
        let consumers_place = gateway.consumers.as_ref().map_or(place, |list| list.referenced);
        let consumers = self.consumers(gateway.consumers)?;
        let failures = gateway.authentication_failures;
        let failures_place = failures.as_ref().map(|failures| failures.referenced);
        self.consumers_act(consumers_place, &consumers, failures_place, &routes)?;
        let behaviour = gateway.behaviour.0.map(|it| self.behaviour(it, &rates)).transpose()?;
        let travel = behaviour.as_ref().is_some_and(|it| it.policy.travel_s.is_some());
        let countries = self.country_database(place, countries, &routes, &rates, travel)?;
        self.offences_act(place, behaviour.as_ref(), &routes)?;
        Ok(GatewayConfig {
            listen: self.listen(gateway.listen)?,
            certificate: self.file(gateway.certificate),
            private_key: self.file(gateway.private_key),
            ocsp: gateway.ocsp.map(|path| self.file(path)),
            certificates: self.certificates(gateway.certificates)?,
            acme: gateway.acme.0.map(|acme| self.acme(acme, state)).transpose()?,
            tls: self.tls(gateway.tls)?,
            user: self.user(gateway.user)?,
            threads,
            upstreams,
            routes,
            jwts,
            introspections,
            logins,
            rates,
            rate_store,
            session_store,
            openapi,
            countries,
            consumers,
            authentication_failures: consumers::failures(
                failures.as_ref().map(|failures| &failures.value),
            ),
            clients: self.clients(gateway.clients)?,
            behaviour,
            answers: self.answers(
                Some(true),
                gateway.response_headers,
                gateway.upstream_errors,
                gateway.compression,
            )?,
            access_log: self.access_log(gateway.access_log)?,
            events,
            verdict_services,
            traces: gateway.traces.map(|traces| self.traces(traces)).transpose()?,
            sticky_key: state.join(sticky::FILE),
            limits: limits(&gateway.limits),
        })
    }

    /// The database of countries, where something asks for it.
    fn country_database(
        &self,
        place: Location,
        database: Option<&Path>,
        routes: &[RoutePolicy],
        rates: &[RatePolicy],
        by_travel: bool,
    ) -> Result<Option<PathBuf>, ConfigError> {
        let rules = routes.iter().flat_map(|route| &route.authorise);
        let by_rule = rules.into_iter().any(|rule| !rule.countries.is_empty());
        let by_rate = rates.iter().any(|limit| limit.key.contains(&KeyPart::Country));
        if !by_rule && !by_rate && !by_travel {
            return Ok(None);
        }
        match database {
            Some(database) => Ok(Some(database.to_path_buf())),
            None => {
                let message = "countries: expected packet.geo.database beside rules, limits or behaviour \
                               that ask for a country, found none";
                self.error(place, message.to_owned())
            }
        }
    }

    fn listen(&self, listen: Entries<Address>) -> Result<Vec<SocketAddr>, ConfigError> {
        let listen = self.counted("listen", 1..=LISTENS_MAX, listen)?;
        self.each_once("listen", listen, |Address(address)| address)
    }

    fn user(&self, user: Option<Spanned<String>>) -> Result<String, ConfigError> {
        let Some(user) = user else { return Ok(GATEWAY_USER.to_owned()) };
        // useradd(8) allows 32 characters.
        if user.value.is_empty() || user.value.len() > 32 || user.value.contains('\0') {
            let message = format!("user: expected the name of a user, found {:?}", user.value);
            return self.error(user.referenced, message);
        }
        if user.value == "root" {
            let message = "user: expected an unprivileged user, found \"root\"; \
                           the gateway parses what anyone sends";
            return self.error(user.referenced, message.to_owned());
        }
        Ok(user.value)
    }
}

fn limits(document: &GatewayLimitsDocument) -> Limits {
    let default = Limits::default();
    let wait = |wait: Option<WaitMs>, default| wait.map_or(default, |wait| wait.0);
    Limits {
        connections_max: document
            .connections_max
            .map_or(default.connections_max, |number| number.cast()),
        header_bytes_max: document
            .header_bytes_max
            .map_or(default.header_bytes_max, |number| number.cast()),
        headers_max: document.headers_max.map_or(default.headers_max, |number| number.cast()),
        body_bytes_max: document.body_bytes_max.map_or(default.body_bytes_max, |number| number.0),
        header_timeout_ms: wait(document.header_timeout_ms, default.header_timeout_ms),
        body_timeout_ms: wait(document.body_timeout_ms, default.body_timeout_ms),
        idle_timeout_ms: wait(document.idle_timeout_ms, default.idle_timeout_ms),
        tls_handshake_timeout_ms: wait(
            document.tls_handshake_timeout_ms,
            default.tls_handshake_timeout_ms,
        ),
        upstream_connect_timeout_ms: wait(
            document.upstream_connect_timeout_ms,
            default.upstream_connect_timeout_ms,
        ),
        upstream_response_timeout_ms: wait(
            document.upstream_response_timeout_ms,
            default.upstream_response_timeout_ms,
        ),
        drain_timeout_ms: wait(document.drain_timeout_ms, default.drain_timeout_ms),
        tunnel_idle_timeout_ms: wait(
            document.tunnel_idle_timeout_ms,
            default.tunnel_idle_timeout_ms,
        ),
        http2_streams_max: document
            .http2_streams_max
            .map_or(default.http2_streams_max, |number| number.cast()),
        body_gather_bytes: document
            .body_gather_bytes
            .map_or(default.body_gather_bytes, |number| number.cast()),
        bytes_per_s_min: document
            .bytes_per_s_min
            .map_or(default.bytes_per_s_min, |number| number.cast()),
        sessions_max: document.sessions_max.map_or(default.sessions_max, |number| number.cast()),
    }
}
