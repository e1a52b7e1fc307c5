//! Requests through a whole gateway: exact bytes in, the answer, what the upstream saw, and what
//! was counted. Needs no privilege: everything is on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "request_path/world.rs"]
mod world;

#[path = "request_path/upstream.rs"]
mod upstream;

#[path = "request_path/hygiene.rs"]
mod hygiene;

#[path = "request_path/headers.rs"]
mod headers;

#[path = "request_path/limits.rs"]
mod limits;

#[path = "request_path/failures.rs"]
mod failures;

#[path = "request_path/http2.rs"]
mod http2;

#[path = "request_path/drain.rs"]
mod drain;

#[path = "request_path/worker.rs"]
mod worker;
