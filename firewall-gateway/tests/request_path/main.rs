//! Requests through a whole gateway: exact bytes in, the answer, what the upstream saw, and what
//! was counted. Needs no privilege: everything is on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

mod upstream;

mod hygiene;

mod headers;

mod clients;

#[path = "../../../tests/src/h2raw.rs"]
mod h2raw;

#[path = "../../../tests/src/forge.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod forge;

mod tokens;

mod keys;

mod provider;

mod login_place;

mod logins;

mod logouts;

mod sessions;

mod behaviour;

#[path = "../../../tests/src/mmdb.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod mmdb;

mod travels;

mod authorise;

mod browser;

#[path = "../../../tests/src/requirement.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod requirement;

#[path = "../../../tests/src/random.rs"]
mod random;

#[path = "../../../tests/src/mutants.rs"]
mod mutants;

mod validation;
mod events;

mod verdicts;

mod rates;

mod rate_store;
mod redis;
mod shared_sessions;

mod http2_hygiene;

mod http2_errors;

mod floods;

mod slow;

mod limits;

mod failures;

mod http2;

mod http2_backend;

mod http2_upstream;

mod trailers;

mod answers;

mod seen;

mod drain;

mod parked;

mod routing;

mod rollout;

mod tunnels;
mod tunnels_http2;

mod server;

mod delivery;

mod hedging;

mod pki;

mod tls;

mod challenges;
mod client_certificates;

mod sanitise;

mod scrub;

mod introspection;

mod explain;

mod worker;
