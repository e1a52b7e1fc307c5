//! Requests through a whole gateway: exact bytes in, the answer, what the upstream saw, and what
//! was counted. Needs no privilege: everything is on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

mod upstream;

mod hygiene;

mod headers;

mod limits;

mod failures;

mod http2;

mod drain;

mod parked;

mod worker;
