//! Which route a request takes: the first whose host and path fit. No route is an answer too: 404.

mod pattern;

use std::sync::Arc;

pub use self::pattern::{Pattern, PatternError};
use crate::{policy::RoutePolicy, rejection::Rejection, request::Target};

/// All routes, in the order in which they are tried; never changed, so threads share it.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
}

/// One route, ready to be compared with.
#[derive(Debug)]
pub struct Route {
    /// Its name in metrics and the log.
    pub name: Arc<str>,
    /// The upstream's place in the policy.
    pub upstream: usize,
    hosts: Vec<Host>,
    path: Pattern,
}

#[derive(Debug)]
enum Host {
    Exact(String),
    // With its leading dot.
    Below(String),
}

impl Router {
    /// Prepares the routes of a policy with so many upstreams.
    ///
    /// # Errors
    /// The route that cannot be used, and why.
    pub fn new(routes: &[RoutePolicy], upstreams: usize) -> Result<Self, RouteError> {
        if routes.is_empty() {
            return Err(RouteError::None);
        }
        let routes = routes.iter().map(|route| Route::new(route, upstreams));
        Ok(Self { routes: routes.collect::<Result<_, _>>()? })
    }

    /// The route of a request.
    ///
    /// # Errors
    /// No route takes it.
    pub fn find(&self, target: &Target) -> Result<&Route, Rejection> {
        let host = name(&target.host);
        let path = target.path.path();
        self.routes.iter().find(|route| route.takes(host, path)).ok_or(Rejection::RouteMissing)
    }
}

impl Route {
    fn new(policy: &RoutePolicy, upstreams: usize) -> Result<Self, RouteError> {
        if policy.upstream >= upstreams {
            return Err(RouteError::Upstream { name: policy.name.clone() });
        }
        let path = Pattern::parse(&policy.path)
            .map_err(|error| RouteError::Path { name: policy.name.clone(), error })?;
        let hosts = policy.hosts.iter().map(|host| match host.strip_prefix('*') {
            Some(below) => Host::Below(below.to_owned()),
            None => Host::Exact(host.clone()),
        });
        let (name, upstream) = (policy.name.as_str().into(), policy.upstream);
        Ok(Self { name, upstream, hosts: hosts.collect(), path })
    }

    fn takes(&self, host: &str, path: &str) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|known| known.takes(host)))
            && self.path.matches(path)
    }
}

impl Host {
    fn takes(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(tail) => {
                host.len() > tail.len()
                    && host
                        .get(host.len() - tail.len()..)
                        .is_some_and(|end| end.eq_ignore_ascii_case(tail))
            }
        }
    }
}

// The port is no part of a name, nor is the dot that ends a fully qualified one (RFC 9110, 4.2.1).
fn name(host: &str) -> &str {
    if host.starts_with('[') {
        return host
            .rsplit_once("]:")
            .map_or(host, |(_, port)| &host[..host.len() - port.len() - 1]);
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name)
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
}

#[cfg(test)]
mod tests {
    use super::{Router, name};
    use crate::{policy::RoutePolicy, rejection::Rejection, request::Target};

    #[test]
    fn the_first_that_fits_takes_it() {
        let route = |name: &str, hosts: &[&str], path: &str| RoutePolicy {
            name: name.to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            path: path.to_owned(),
            upstream: 0,
        };
        let router = Router::new(
            &[
                route("user", &["api.example"], "/users/{id}"),
                route("api", &["api.example"], "/*"),
                route("below", &["*.example"], "/v1/*"),
                route("any", &[], "/health"),
            ],
            1,
        )
        .unwrap();
        for (host, path, expected) in [
            ("api.example", "/users/7?x=1", Some("user")),
            ("API.example:443", "/users/7", Some("user")),
            ("api.example.", "/users/7/keys", Some("api")),
            ("api.example", "/", Some("api")),
            ("shop.example", "/v1/a", Some("below")),
            ("a.b.example", "/v1", Some("below")),
            ("example", "/v1/a", None),
            ("badexample", "/v1/a", None),
            ("shop.example", "/v2", None),
            ("[2001:db8::1]:443", "/health", Some("any")),
            ("else.where", "/healthy", None),
        ] {
            let target = Target { host: host.to_owned(), path: path.parse().unwrap() };
            let found = router.find(&target);
            assert_eq!(found.as_ref().map(|route| &*route.name).ok(), expected, "{host}{path}");
            if let Err(rejection) = found {
                assert_eq!(rejection, Rejection::RouteMissing);
            }
        }
    }

    #[test]
    fn names_end_before_the_port() {
        for (host, expected) in [
            ("a.example", "a.example"),
            ("a.example:1", "a.example"),
            ("a.example.:1", "a.example"),
            ("[::1]", "[::1]"),
            ("[::1]:1", "[::1]"),
        ] {
            assert_eq!(name(host), expected);
        }
    }
}
