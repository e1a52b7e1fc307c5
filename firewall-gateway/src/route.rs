//! What becomes of a request: the first route that fits says so. No route is an answer too: 404.

mod pattern;

mod template;

mod host;

pub mod methods;

mod condition;

mod shape;

mod index;

use std::sync::Arc;

use http::{HeaderMap, Method};

use self::{
    condition::Condition,
    host::{Host, name},
    index::Index,
    methods::Methods,
    shape::Shape,
};
pub use self::{
    pattern::{Pattern, PatternError},
    shape::shadowed,
    template::{Redirect, Template, TemplateError},
};
use crate::{
    authorise::{Authorise, RuleError},
    browser::{BrowserError, Cookies, Cors, Csrf},
    figures::{RolloutFigures, VerdictFigures},
    limits::{LimitError, Limits},
    policy::{
        Against, ClientCertificateUse, GatewayPolicy, HeaderCondition, HeaderTest, RouteAction,
        RouteLimits, RoutePolicy, RulePolicy,
    },
    rejection::Rejection,
    request::Target,
    rollout::Forward,
    sanitise::{MarkError, Sanitise},
    scrub::Scrub,
    upgrade::Upgrades,
    validate::{
        Validation, ValidationError,
        openapi::{Api, DocumentError},
    },
    verdict::{self, Service, VerdictError},
};

/// All routes, in the order in which they are tried; threads share it.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
    services: Vec<Arc<Service>>,
    index: Index,
    upgrades: bool,
}

/// One route, ready to be compared with.
#[derive(Debug)]
pub struct Route {
    /// Its name in metrics and the log.
    pub name: Arc<str>,
    /// Its place in the policy.
    pub place: usize,
    /// What becomes of its requests.
    pub action: Action,
    /// The gateway's limits with its own.
    pub limits: Arc<Limits>,
    /// Its rules, where not everyone may.
    pub authorise: Option<Authorise>,
    /// Who is asked about its requests.
    pub verdict: Option<verdict::Asks>,
    /// Which pages may read its answers.
    pub cors: Option<Cors>,
    /// Whose pages may change something.
    pub csrf: Option<Csrf>,
    /// What becomes of its upstream's cookies.
    pub cookies: Option<Cookies>,
    /// What its answers should not say.
    pub scrub: Option<Scrub>,
    /// In which form the texts of its requests go on.
    pub sanitise: Option<Sanitise>,
    /// What its requests must look like.
    pub validation: Option<Validation>,
    /// Statuses of the upstream that are offences of the client, where there are such.
    pub offences: Option<Arc<[u16]>>,
    /// Its own alone.
    pub own_limits: RouteLimits,
    /// What becomes of the client's certificate.
    pub client_certificate: ClientCertificateUse,
    /// What its clients may change to.
    pub upgrades: Upgrades,
    shape: Shape,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Action {
    /// It goes to an upstream.
    Forward(Forward),
    /// Its client is told to go elsewhere.
    Redirect(Redirect),
    /// Its client is told to come again.
    Maintenance {
        /// In so many seconds.
        retry_after_s: u32,
        /// Words for the client, instead of ours.
        detail: Option<Arc<str>>,
    },
}

/// No route takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Whatever its method.
    Path,
    /// With its method; these are served.
    Method(Methods),
}

impl Missing {
    /// What becomes of the request.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        match self {
            Self::Path => Rejection::RouteMissing,
            Self::Method(_) => Rejection::MethodNotAllowed,
        }
    }
}

impl Router {
    /// Prepares the routes of a policy.
    ///
    /// # Errors
    /// The route that cannot be used, and why.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, RouteError> {
        if policy.routes.is_empty() {
            return Err(RouteError::None);
        }
        let limits = Arc::new(policy.limits.clone());
        let names: Vec<&str> = policy.upstreams.iter().map(|one| one.name.as_str()).collect();
        let documents = policy.openapi.iter().map(|document| {
            let looks = |against: &Against| *against == Against::Document(document.name.clone());
            let mut validations = policy.routes.iter().filter_map(|route| route.validate.as_ref());
            let answers = validations.any(|it| it.responses.is_some() && looks(&it.against));
            let api = Api::of_document(document, answers)
                .map_err(|error| RouteError::Document { name: document.name.clone(), error })?;
            Ok::<_, RouteError>((document.name.clone(), Arc::new(api)))
        });
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        let services = Service::all(policy)?;
        let numbered = policy.routes.iter().enumerate();
        let known = Known { upstreams: &names, documents: &documents, services: &services };
        let routes = numbered.map(|(place, route)| Route::new(place, route, known, &limits));
        let routes = routes.collect::<Result<Vec<_>, _>>()?;
        let mut index = Index::default();
        for (place, route) in routes.iter().enumerate() {
            let first = route.shape.path.first_literal();
            let mut everywhere = route.shape.hosts.is_empty();
            for host in &route.shape.hosts {
                match host {
                    Host::Exact(name) => index.enter(Some(name), first, place),
                    Host::Below(_) => everywhere = true,
                }
            }
            if everywhere {
                index.enter(None, first, place);
            }
        }
        let upgrades = routes.iter().any(|route| !route.upgrades.is_empty());
        Ok(Self { routes, services, index, upgrades })
    }

    /// Whether any route lets its clients change to another protocol.
    #[must_use]
    pub fn has_upgrades(&self) -> bool {
        self.upgrades
    }

    /// The names, in the order of the policy.
    pub fn names(&self) -> impl Iterator<Item = Arc<str>> {
        self.routes.iter().map(|route| route.name.clone())
    }

    /// The route of a request.
    ///
    /// # Errors
    /// No route takes it.
    pub fn find(
        &self,
        target: &Target,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<&Route, Missing> {
        let host = name(&target.host);
        let path = target.path.path();
        let mut others = Methods::default();
        let candidates = self.index.candidates(&host, path);
        for route in candidates.filter_map(|place| self.routes.get(place)) {
            if !route.shape.takes(&host, path, headers) {
                continue;
            }
            if route.shape.methods.contains(method) {
                return Ok(route);
            }
            others = others.with(route.shape.methods);
        }
        if others == Methods::default() {
            return Err(Missing::Path);
        }
        Err(Missing::Method(others))
    }

    /// A route by its place in the policy.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Route> {
        self.routes.get(place)
    }

    /// What came of questions to services.
    #[must_use]
    pub fn verdicts(&self) -> Vec<VerdictFigures> {
        self.services.iter().map(|service| service.figures()).collect()
    }

    /// What its rollouts have counted.
    #[must_use]
    pub fn rollouts(&self) -> RolloutFigures {
        let mut figures = RolloutFigures::default();
        for route in &self.routes {
            if let Action::Forward(forward) = &route.action {
                forward.count(&route.name, &mut figures);
            }
        }
        figures
    }
}

/// Whether a method is one that is served.
#[must_use]
pub fn is_method(name: &str) -> bool {
    Methods::parse(&[name.to_owned()]).is_ok()
}

/// Whether a header, in lower case, can say something about a request: those that we set cannot.
#[must_use]
pub fn is_client_header(name: &str) -> bool {
    let present = HeaderCondition { name: name.to_owned(), test: HeaderTest::Present };
    Condition::new(&present).is_ok()
}

/// What routes may name.
#[derive(Clone, Copy)]
struct Known<'a> {
    upstreams: &'a [&'a str],
    documents: &'a [(String, Arc<Api>)],
    services: &'a [Arc<Service>],
}

impl Route {
    fn new(
        place: usize,
        policy: &RoutePolicy,
        known: Known<'_>,
        limits: &Arc<Limits>,
    ) -> Result<Self, RouteError> {
        let name = || policy.name.clone();
        let shape = Shape::new(policy)?;
        let action = match &policy.action {
            RouteAction::Forward(forward) => {
                if forward.upstreams().any(|place| place >= known.upstreams.len()) {
                    return Err(RouteError::Upstream { name: name() });
                }
                let forward = Forward::new(forward, &policy.name, &shape.path, known.upstreams);
                Action::Forward(
                    forward.map_err(|error| RouteError::Rewrite { name: name(), error })?,
                )
            }
            RouteAction::Redirect { to, status } => Action::Redirect(
                Redirect::parse(to, *status, &shape.path)
                    .map_err(|error| RouteError::Redirect { name: name(), error })?,
            ),
            RouteAction::Maintenance { retry_after_s, detail } => Action::Maintenance {
                retry_after_s: *retry_after_s,
                detail: detail.as_deref().map(Arc::from),
            },
        };
        let limits = if policy.limits.is_empty() {
            limits.clone()
        } else {
            let own = limits.of_route(&policy.limits);
            own.validate().map_err(|error| RouteError::Limits { name: name(), error })?;
            Arc::new(own)
        };
        let authorise = match policy.authorise.as_slice() {
            [] => None,
            rules => Some(
                Authorise::new(rules, &shape.path)
                    .map_err(|error| RouteError::Authorise { name: name(), error })?,
            ),
        };
        let knows = !policy.authentication.is_empty();
        if !knows && policy.authorise.iter().any(RulePolicy::needs_identity) {
            return Err(RouteError::Nobody { name: name() });
        }
        let wrong =
            |key| move |error| RouteError::Browser { name: policy.name.clone(), key, error };
        let cors = policy.cors.as_ref().map(Cors::new).transpose().map_err(wrong("cors"))?;
        let csrf = policy.csrf.as_ref().map(Csrf::new).transpose().map_err(wrong("csrf"))?;
        let cookies = policy.cookies.as_ref().map(Cookies::new).transpose();
        let cookies = cookies.map_err(wrong("cookies"))?;
        let sanitise = policy.sanitise.as_ref().map(Sanitise::new).transpose();
        let sanitise = sanitise.map_err(|error| RouteError::Sanitise { name: name(), error })?;
        let validation = policy.validate.as_ref();
        let validation = validation
            .map(|validation| Validation::new(validation, &shape.path, known.documents))
            .transpose()
            .map_err(|error| RouteError::Validation { name: name(), error })?;
        let verdict = policy.verdict.as_ref().map(|asks| verdict::Asks::new(asks, known.services));
        let verdict = verdict.transpose()?;
        let own_limits = policy.limits.clone();
        let name = policy.name.as_str().into();
        let client_certificate = policy.client_certificate;
        let upgrades = Upgrades::new(&policy.upgrades)
            .map_err(|found| RouteError::Upgrade { name: policy.name.clone(), found })?;
        Ok(Self {
            name,
            place,
            action,
            limits,
            authorise,
            verdict,
            cors,
            csrf,
            cookies,
            scrub: policy.scrub.as_ref().map(Scrub::new),
            sanitise,
            validation,
            offences: (!policy.offences.is_empty()).then(|| policy.offences.as_slice().into()),
            own_limits,
            client_certificate,
            upgrades,
            shape,
        })
    }
}

/// Routes that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RouteError {
    #[error("gateway.routes: expected at least one route, found none")]
    None,
    #[error("gateway.routes: route {name:?} names an upstream that is not there")]
    Upstream { name: String },
    #[error("gateway.routes: route {name:?}: path: {error}")]
    Path { name: String, error: PatternError },
    #[error(
        "gateway.routes: route {name:?}: methods: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, found {found:?}"
    )]
    Method { name: String, found: String },
    #[error(
        "gateway.routes: route {name:?}: headers: expected the name of a header that clients set, found {found:?}"
    )]
    Header { name: String, found: String },
    #[error("gateway.routes: route {name:?}: rewrite: {error}")]
    Rewrite { name: String, error: TemplateError },
    #[error("gateway.routes: route {name:?}: redirect: {error}")]
    Redirect { name: String, error: TemplateError },
    #[error(
        "gateway.routes: route {name:?}: upgrades: expected names of protocols in lower case, such as websocket, found {found:?}"
    )]
    Upgrade { name: String, found: String },
    #[error("gateway.routes: route {name:?}: authorise: {error}")]
    Authorise { name: String, error: RuleError },
    #[error(
        "gateway.routes: route {name:?}: authorise: expected authentication beside rules about who asks, found none"
    )]
    Nobody { name: String },
    #[error("gateway.routes: route {name:?}: {key}: {error}")]
    Browser { name: String, key: &'static str, error: BrowserError },
    #[error("gateway.openapi: document {name:?}: {error}")]
    Document { name: String, error: DocumentError },
    #[error("gateway.routes: route {name:?}: sanitise: html: {error}")]
    Sanitise { name: String, error: MarkError },
    #[error("gateway.routes: route {name:?}: validate: {error}")]
    Validation { name: String, error: ValidationError },
    #[error(transparent)]
    Verdict(#[from] VerdictError),
    #[error("gateway.routes: route {name:?}: {error}")]
    Limits { name: String, error: LimitError },
}

#[cfg(test)]
mod tests;
