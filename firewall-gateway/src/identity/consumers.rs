//! Consumers as the policy names them.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderName, HeaderValue};
use ipnetwork::IpNetwork;

use crate::{
    headers::{X_CONSUMER, X_CONSUMER_ROLES, X_CONSUMER_SCOPES},
    policy::ConsumerPolicy,
};

/// Someone who uses the API.
#[derive(Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Arc<str>,
    /// What its credentials may have at most.
    pub scopes: Arc<[Arc<str>]>,
    /// What it is.
    pub roles: Arc<[Arc<str>]>,
    /// Where it comes from; none is anywhere.
    pub networks: Vec<IpNetwork>,
    /// Whether the policy names it: a key may outlive the entry of its consumer.
    pub known: bool,
}

impl Consumer {
    /// What backends are told of it, where a credential of it has these scopes.
    #[must_use]
    pub fn headers(&self, scopes: &[Arc<str>]) -> Vec<(HeaderName, HeaderValue)> {
        let said = [
            (X_CONSUMER, self.name.to_string()),
            (X_CONSUMER_SCOPES, scopes.join(" ")),
            (X_CONSUMER_ROLES, self.roles.join(" ")),
        ];
        let said = said.into_iter().filter(|(_, text)| !text.is_empty());
        // A policy has only texts that a header may have.
        said.filter_map(|(name, text)| Some((name, text.parse().ok()?))).collect()
    }
}

/// All of them, by name.
#[derive(Debug, Default)]
pub struct Consumers(HashMap<Arc<str>, Arc<Consumer>>);

impl Consumers {
    /// Those of a policy.
    #[must_use]
    pub fn new(policy: &[ConsumerPolicy]) -> Self {
        let consumer = |one: &ConsumerPolicy| {
            let name: Arc<str> = one.name.as_str().into();
            let consumer = Consumer {
                name: name.clone(),
                scopes: shared(&one.scopes),
                roles: shared(&one.roles),
                networks: one.networks.clone(),
                known: true,
            };
            (name, Arc::new(consumer))
        };
        Self(policy.iter().map(consumer).collect())
    }

    /// The one of this name; one without any right where the policy has none.
    #[must_use]
    pub fn find(&self, name: &str) -> Arc<Consumer> {
        match self.0.get(name) {
            Some(known) => known.clone(),
            None => Arc::new(Consumer {
                name: name.into(),
                scopes: Arc::default(),
                roles: Arc::default(),
                networks: Vec::new(),
                known: false,
            }),
        }
    }
}

/// Texts that requests share.
#[must_use]
pub fn shared(texts: &[String]) -> Arc<[Arc<str>]> {
    texts.iter().map(|text| Arc::from(text.as_str())).collect()
}
