//! The harness: a small internet of network namespaces, real processes in it, and what they saw.
//!
//! It needs root, `ip`, `tc`, `ethtool`, `curl` and the release build of `seawall` and `api-server`.

#![forbid(unsafe_code)]

pub mod requirement;

pub mod world;

pub mod namespace;

pub mod sweep;

pub mod pki;

pub mod mmdb;

pub mod process;

pub mod seawall;

pub mod upstream;

pub mod client;

pub mod flood;

pub mod snmp;

pub mod metrics;

pub mod demo;
