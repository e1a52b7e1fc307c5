//! The stages in the order of [`crate::pipeline`], each asked for what it would say.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use super::{Assumed, ExplainError, HEADERS_MAX, Question, RequestExplanation, StageSaid};
use crate::{
    authorise,
    browser::{CrossSite, Preflight},
    clients::Clients,
    countries::{Code, Countries},
    figures::Meter,
    identity::{
        self, Identifier, Identities, Identity,
        api_key::store::{KeyPolicy, KeyStore},
        consumers::shared,
    },
    policy::{ClientCertificateUse, GatewayPolicy, RouteAction, RoutePolicy, ValidationMode},
    rejection::Rejection,
    request::{self, Target},
    route::{Action, Missing, Route, Router},
};

/// What `policy` and these keys say of a request at this time since 1970.
///
/// # Errors
/// What of the question cannot be a request, or what of the policy cannot be used.
pub fn explain(
    policy: &GatewayPolicy,
    keys: &[KeyPolicy],
    countries: &Countries,
    question: &Question,
    now: Duration,
) -> Result<RequestExplanation, ExplainError> {
    let request = request(question)?;
    let router = Router::new(policy)?;
    let identities = Identities::new(policy)?;
    fill(&identities.keys, keys);
    let identifier = Identifier::new(Arc::new(identities), Arc::new(Meter::new(router.names())));
    let mut path = Path {
        policy,
        router: &router,
        identifier: &identifier,
        countries,
        question,
        now,
        country: None,
        told: RequestExplanation::default(),
    };
    match path.walk(&request) {
        Ok(()) => {}
        Err(Refusal { rejection, denied }) => {
            path.told.verdict = "refuse".to_owned();
            path.told.status = Some(rejection.status().as_u16());
            path.told.reason = Some(rejection.label().to_owned());
            path.told.denied = denied;
        }
    }
    Ok(path.told)
}

struct Path<'a> {
    policy: &'a GatewayPolicy,
    router: &'a Router,
    identifier: &'a Identifier,
    countries: &'a Countries,
    question: &'a Question,
    now: Duration,
    country: Option<Code>,
    told: RequestExplanation,
}

struct Refusal {
    rejection: Rejection,
    denied: Option<String>,
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, denied: None }
    }
}

impl From<CrossSite> for Refusal {
    fn from(refused: CrossSite) -> Self {
        Self { rejection: Rejection::CrossSite, denied: Some(refused.label().to_owned()) }
    }
}

impl<'a> Path<'a> {
    fn say(&mut self, stage: &str, said: impl Into<String>) {
        self.told.stages.push(StageSaid { stage: stage.to_owned(), said: said.into() });
    }

    /// Says how a stage ends, whichever way it does.
    fn ends<T>(
        &mut self,
        stage: &str,
        result: Result<T, impl Into<Refusal>>,
    ) -> Result<T, Refusal> {
        result.map_err(|refused| {
            let refusal: Refusal = refused.into();
            let denied = refusal.denied.as_deref().map(|text| format!(", {text}"));
            let (status, label) = (refusal.rejection.status().as_u16(), refusal.rejection.label());
            self.say(stage, format!("refused: {status} {label}{}", denied.unwrap_or_default()));
            refusal
        })
    }

    fn walk(&mut self, request: &Request<()>) -> Result<(), Refusal> {
        let headers = request.headers();
        let address = self.clients(headers);
        let target = self.ends("request", request::inspect(request, &self.policy.limits))?;
        self.say("request", format!("well-formed, for {}{}", target.host, target.path.path()));
        if self.preflight(request, &target)? {
            return Ok(());
        }
        let route = self.route(request, &target)?;
        let Some(policy) = self.policy.routes.get(route.place) else { return Ok(()) };
        self.certificate(route)?;
        self.rates(policy);
        self.browser(request, route, &target)?;
        let identity = self.identity(headers, route, policy, address)?;
        self.authorise(request.method(), route, &target, identity.as_ref(), address)?;
        self.sanitise(route, policy, &target)?;
        self.action(route, policy, &target)
    }

    fn clients(&mut self, headers: &HeaderMap) -> IpAddr {
        let clients = Clients::new(&self.policy.clients, &self.policy.limits);
        let client = clients.origin(self.question.address, headers).client;
        let through = match client == self.question.address.to_canonical() {
            true => String::new(),
            false => format!(", named by the trusted proxy {}", self.question.address),
        };
        self.told.client = Some(client);
        self.country = self.countries.of(client);
        let country = self.country.as_ref().map(|code| String::from_utf8_lossy(code));
        let country = country.map(|code| format!(" in {code}")).unwrap_or_default();
        let unasked = match self.policy.behaviour {
            Some(_) => "; its score and requests are not asked",
            None => "; its requests are not asked",
        };
        self.say("clients", format!("from {client}{country}{through}{unasked}"));
        client
    }

    fn preflight(&mut self, request: &Request<()>, target: &Target) -> Result<bool, Refusal> {
        let Some(asked) = Preflight::of(request.method(), request.headers()) else {
            return Ok(false);
        };
        let found = self.router.find(target, &asked.method, request.headers());
        let Some((route, cors)) = found.ok().and_then(|route| Some((route, route.cors.as_ref()?)))
        else {
            return Ok(false);
        };
        self.told.route = Some(route.name.to_string());
        self.ends("browser", cors.preflight(&asked, request.headers()))?;
        self.say("browser", "a page may send it: the preflight is answered here");
        self.told.verdict = "preflight".to_owned();
        self.told.status = Some(crate::browser::PREFLIGHT_STATUS.as_u16());
        Ok(true)
    }

    fn route(&mut self, request: &Request<()>, target: &Target) -> Result<&'a Route, Refusal> {
        let router = self.router;
        let found = router.find(target, request.method(), request.headers());
        let route = self.ends("route", found.map_err(Missing::rejection))?;
        self.told.route = Some(route.name.to_string());
        self.say("route", format!("taken by {}", route.name));
        Ok(route)
    }

    /// Whoever asks has shown no certificate: what the route makes of one is said.
    fn certificate(&mut self, route: &Route) -> Result<(), Refusal> {
        match route.client_certificate {
            ClientCertificateUse::None | ClientCertificateUse::Optional => Ok(()),
            ClientCertificateUse::Required if self.question.assumed.is_some() => {
                self.say("route", "needs a client certificate, which is taken as shown");
                Ok(())
            }
            ClientCertificateUse::Required => {
                self.ends("route", Err(Rejection::ClientCertificateMissing))
            }
        }
    }

    fn rates(&mut self, route: &RoutePolicy) {
        let everywhere = || self.policy.rates.iter().filter(|limit| limit.everywhere);
        let names: Vec<&str> = match &route.rates.limits {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => everywhere().map(|limit| limit.name.as_str()).collect(),
        };
        if !names.is_empty() {
            self.say("rate", format!("counted by {}; what is left is not asked", names.join(", ")));
        }
    }

    fn browser(
        &mut self,
        request: &Request<()>,
        route: &Route,
        target: &Target,
    ) -> Result<(), Refusal> {
        let Some(csrf) = &route.csrf else { return Ok(()) };
        let headers = request.headers();
        // A body is not asked about, and a request that upgrades has none.
        let upgrades = headers.contains_key(header::UPGRADE);
        self.ends("browser", csrf.check(request.method(), upgrades, headers, &target.host))?;
        self.say("browser", "not from another site's page");
        Ok(())
    }

    fn identity(
        &mut self,
        headers: &HeaderMap,
        route: &Route,
        policy: &RoutePolicy,
        address: IpAddr,
    ) -> Result<Option<Identity>, Refusal> {
        if policy.authentication.is_empty() {
            self.say("identity", "not asked for");
            return Ok(None);
        }
        if let Some(assumed) = &self.question.assumed {
            let identity = taken(assumed);
            self.say("identity", format!("taken to be {}", identity.consumer));
            self.behaviour(&identity.consumer);
            return Ok(Some(identity));
        }
        let (place, now) = (route.place, self.now);
        let recognised = self.identifier.recognise(place, headers, None, Ok(()), address, now);
        let recognised = recognised.map_err(|refused| Refusal {
            rejection: refused.rejection(),
            denied: refused.denied().map(|denied| denied.label().to_owned()),
        });
        let Some(recognised) = self.ends("identity", recognised)? else { return Ok(None) };
        let Identity { consumer, method, scopes, roles, .. } = &recognised.identity;
        let mut said = format!("{consumer}, by {}", method.label());
        for (what, texts) in [("scopes", scopes), ("roles", roles)] {
            if !texts.is_empty() {
                said.push_str(&format!(", {what} {}", texts.join(" ")));
            }
        }
        let consumer = consumer.clone();
        self.say("identity", said);
        self.behaviour(&consumer);
        Ok(Some(recognised.identity))
    }

    /// What a consumer does is scored; its score is the worker's.
    fn behaviour(&mut self, consumer: &str) {
        let Some(policy) = &self.policy.behaviour else { return };
        let said = match policy.consumers.exempt.iter().any(|exempt| exempt == consumer) {
            true => format!("{consumer} is exempt: what it does counts for nothing"),
            false => format!("what {consumer} does wrong counts for it; its score is not asked"),
        };
        self.say("behaviour", said);
    }

    fn authorise(
        &mut self,
        method: &Method,
        route: &Route,
        target: &Target,
        identity: Option<&Identity>,
        address: IpAddr,
    ) -> Result<(), Refusal> {
        let Some(authorise) = &route.authorise else { return Ok(()) };
        let path = target.path.path();
        let now_epoch_s = self.now.as_secs();
        let asked = authorise::Asked {
            identity,
            address,
            country: self.country,
            method,
            path,
            now_epoch_s,
        };
        let checked = authorise.check(&asked).map_err(|forbidden| Refusal {
            rejection: Rejection::Forbidden,
            denied: Some(forbidden.text.to_string()),
        });
        self.ends("authorise", checked)?;
        self.say("authorise", "a rule holds");
        Ok(())
    }

    fn sanitise(
        &mut self,
        route: &Route,
        policy: &RoutePolicy,
        target: &Target,
    ) -> Result<(), Refusal> {
        let (Some(sanitise), Some(policy)) = (&route.sanitise, &policy.sanitise) else {
            return Ok(());
        };
        let reported = policy.mode == ValidationMode::Report;
        let said = match sanitise.target(&target.path) {
            Ok(None) => "path and query stay as they are".to_owned(),
            Ok(Some(_)) if reported => "the query would be changed".to_owned(),
            Ok(Some(cleaned)) => format!("goes on as {cleaned}"),
            Err(invalid) if reported => format!("would be refused: {}", invalid.text()),
            Err(invalid) => {
                let (rejection, denied) = (invalid.fault.rejection(), Some(invalid.text()));
                return self.ends("sanitise", Err(Refusal { rejection, denied }));
            }
        };
        self.say("sanitise", format!("{said}; a body is not asked about"));
        Ok(())
    }

    fn action(
        &mut self,
        route: &Route,
        policy: &RoutePolicy,
        target: &Target,
    ) -> Result<(), Refusal> {
        let forward = match &route.action {
            Action::Forward(forward) => forward,
            Action::Redirect(redirect) => {
                let location = redirect.location(target.path.path(), target.path.query());
                let location = self.ends("route", location.ok_or(Rejection::TargetInvalid))?;
                self.say(
                    "route",
                    format!("sent to {}", String::from_utf8_lossy(location.as_bytes())),
                );
                self.told.verdict = "redirect".to_owned();
                self.told.status = Some(redirect.status.as_u16());
                return Ok(());
            }
            Action::Maintenance { .. } => return self.ends("route", Err(Rejection::Maintenance)),
        };
        let path = forward.rewritten(target.path.path());
        let path = path.unwrap_or_else(|| target.path.path().to_owned());
        if let RouteAction::Forward(forward) = &policy.action {
            let name = |place: usize| Some(self.policy.upstreams.get(place)?.name.clone());
            let mut names: Vec<String> = forward.upstreams().filter_map(name).collect();
            names.dedup();
            self.told.upstreams = names;
        }
        let upstreams = self.told.upstreams.join(" or ");
        self.say(
            "upstream",
            format!("goes to {upstreams} as {path}; how its backends are is not asked"),
        );
        self.told.path = Some(path);
        self.told.verdict = "forward".to_owned();
        Ok(())
    }
}

fn request(question: &Question) -> Result<Request<()>, ExplainError> {
    let Question { method, url, headers, .. } = question;
    if headers.len() > HEADERS_MAX {
        return Err(ExplainError::Headers(headers.len()));
    }
    let uri: Uri = url.parse().map_err(|_| ExplainError::Url(url.clone()))?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(ExplainError::Url(url.clone()));
    };
    let host = HeaderValue::from_str(authority.as_str());
    let host = host.map_err(|_| ExplainError::Url(url.clone()))?;
    let origin_form =
        uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| ExplainError::Method(question.method.clone()))?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = origin_form;
    request.headers_mut().insert(header::HOST, host);
    for (name, value) in headers {
        // What is wrong may be a secret: only its name is said again.
        let wrong = || ExplainError::Header(name.clone());
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

fn fill(store: &KeyStore, keys: &[KeyPolicy]) {
    store.fill(keys.iter().filter_map(|key| store.key(key)).collect());
}

fn taken(assumed: &Assumed) -> Identity {
    Identity {
        consumer: assumed.consumer.as_str().into(),
        scopes: shared(&assumed.scopes),
        roles: shared(&assumed.roles),
        claims: Some(Arc::new(assumed.claims.clone())),
        method: identity::Method::Jwt,
        credential: "assumed".into(),
    }
}
