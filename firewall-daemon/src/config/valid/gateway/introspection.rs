//! Who is asked about tokens: each is an upstream that is there, and each is asked by a route.

use std::path::PathBuf;

use firewall_gateway::{
    limits::INTROSPECTIONS_MAX,
    policy::{AuthenticationPolicy, IntrospectionPolicy, RoutePolicy},
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, IntrospectionConfig, UpstreamConfig,
    document::{Entries, introspection::IntrospectionDocument},
    scalar::{Given, Name},
    valid::Check,
};

/// How long a service is waited for, where nothing else is said.
const TIMEOUT_MS: u64 = 1_000;
/// How long an answer is remembered, likewise: a token that is taken back is good for so long.
const CACHE_S: u32 = 30;
const CONSUMER_CLAIM: &str = "sub";
/// Audiences that one list may name.
const AUDIENCES_MAX: usize = 32;

/// A service whose upstream is not known yet.
pub(super) struct NamedIntrospection {
    pub policy: IntrospectionPolicy,
    upstream: Spanned<Name>,
    secret: Option<PathBuf>,
}

impl Check<'_> {
    pub(super) fn introspections(
        &self,
        list: Given<Entries<IntrospectionDocument>>,
    ) -> Result<Vec<NamedIntrospection>, ConfigError> {
        let Some(list) = list.0 else { return Ok(Vec::new()) };
        let mut checked = Vec::<NamedIntrospection>::new();
        for one in self.counted("introspections", 1..=INTROSPECTIONS_MAX, list)? {
            let one = one.value;
            self.new_name(&one.name, checked.iter().map(|other| &other.policy.name))?;
            let policy = IntrospectionPolicy {
                name: one.name.value.0,
                upstream: 0,
                path: self.posted(one.path)?,
                client_id: self.text("client_id", one.client_id)?,
                client_secret: None,
                timeout_ms: one.timeout_ms.map_or(TIMEOUT_MS, |wait| wait.0),
                cache_s: one.cache_s.map_or(CACHE_S, |time| time.cast()),
                issuer: one.issuer.map(|issuer| self.text("issuer", issuer)).transpose()?,
                audiences: match one.audience.0 {
                    None => Vec::new(),
                    Some(list) => {
                        let list = self.counted("audience", 1..=AUDIENCES_MAX, list)?;
                        self.each_once("audience", list, |text| text)?
                    }
                },
                consumer_claim: match one.consumer_claim {
                    None => CONSUMER_CLAIM.to_owned(),
                    Some(claim) => self.text("consumer_claim", claim)?,
                },
                scopes_claim: one
                    .scopes_claim
                    .map(|claim| self.text("scopes_claim", claim))
                    .transpose()?,
                roles_claim: one
                    .roles_claim
                    .map(|claim| self.text("roles_claim", claim))
                    .transpose()?,
            };
            let secret = one.client_secret_file.map(|path| self.file(path));
            checked.push(NamedIntrospection { policy, upstream: one.upstream, secret });
        }
        Ok(checked)
    }

    pub(super) fn introspections_act(
        &self,
        place: Location,
        services: Vec<NamedIntrospection>,
        upstreams: &[UpstreamConfig],
        routes: &[RoutePolicy],
    ) -> Result<Vec<IntrospectionConfig>, ConfigError> {
        let mut configs = Vec::new();
        for (number, service) in services.into_iter().enumerate() {
            let asks = AuthenticationPolicy::Introspection(number);
            if !routes.iter().any(|route| route.authentication.contains(&asks)) {
                let message = format!(
                    "introspections: expected a route that asks {0:?}, found none; write \
                     authentication: [{{introspection: {0}}}] in gateway.routes, or remove it",
                    service.policy.name
                );
                return self.error(place, message);
            }
            let upstream = self.upstream(service.upstream, upstreams)?;
            let policy = IntrospectionPolicy { upstream, ..service.policy };
            configs.push(IntrospectionConfig { policy, secret: service.secret });
        }
        Ok(configs)
    }
}
