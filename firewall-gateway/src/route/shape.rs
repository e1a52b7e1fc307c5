//! What a route asks of a request, and whether that leaves anything for a later one.

use http::HeaderMap;

use super::{Pattern, RouteError, condition::Condition, host::Host, methods::Methods};
use crate::policy::RoutePolicy;

/// What a route asks of a request.
#[derive(Debug)]
pub struct Shape {
    pub(super) hosts: Vec<Host>,
    pub(super) path: Pattern,
    pub(super) methods: Methods,
    conditions: Vec<Condition>,
}

impl Shape {
    /// Prepares what a policy asks.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn new(policy: &RoutePolicy) -> Result<Self, RouteError> {
        let name = || policy.name.clone();
        let hosts = policy.hosts.iter().map(|host| Host::new(host));
        let conditions = policy.headers.iter().map(Condition::new);
        Ok(Self {
            hosts: hosts.collect(),
            path: Pattern::parse(&policy.path)
                .map_err(|error| RouteError::Path { name: name(), error })?,
            methods: Methods::parse(&policy.methods)
                .map_err(|found| RouteError::Method { name: name(), found })?,
            conditions: conditions
                .collect::<Result<_, _>>()
                .map_err(|found| RouteError::Header { name: name(), found })?,
        })
    }

    /// Whether it takes a request, whatever its method.
    #[must_use]
    pub fn takes(&self, host: &str, path: &str, headers: &HeaderMap) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|known| known.takes(host)))
            && self.path.matches(path)
            && self.conditions.iter().all(|condition| condition.holds(headers))
    }

    /// Whether it takes every request that `other` takes.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let any = |host: &Host| self.hosts.iter().any(|ours| ours.covers(host));
        let hosts = !other.hosts.is_empty() && other.hosts.iter().all(any);
        let holds = |ours: &Condition| other.conditions.iter().any(|theirs| ours.covers(theirs));
        (self.hosts.is_empty() || hosts)
            && self.path.covers(&other.path)
            && self.methods.covers(other.methods)
            && self.conditions.iter().all(holds)
    }
}

/// The first route that can take nothing, since an earlier one takes all that it would: the places
/// of the earlier one and of it.
///
/// # Errors
/// A route that cannot be used, and why.
pub fn shadowed(routes: &[RoutePolicy]) -> Result<Option<(usize, usize)>, RouteError> {
    let mut earlier: Vec<Shape> = Vec::new();
    for (place, route) in routes.iter().enumerate() {
        let shape = Shape::new(route)?;
        if let Some(other) = earlier.iter().position(|other| other.covers(&shape)) {
            return Ok(Some((other, place)));
        }
        earlier.push(shape);
    }
    Ok(None)
}
