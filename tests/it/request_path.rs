//! Requests through the real daemon, its gateway worker, and an upstream that says what it was asked.

mod tls;

mod certificates;

mod acme;

mod refusals;

mod limits;

mod routes;

mod backends;

mod forwarding;

mod upstream;

mod changes;

mod log;

mod clients;

mod countries;

mod kept_client;

mod identity_provider;

mod api_keys;

mod logins;

mod shared_sessions;

mod discovery;

mod browser;

mod rates;

mod validation;

mod behaviour;
mod events;

mod h2spec;
mod seen;
