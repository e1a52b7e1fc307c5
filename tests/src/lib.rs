//! The harness: what tests and the demo build their world from.
//!
//! Packets one at a time need root and BPF. Worlds need root, `ip`, `tc`, `ethtool`, `curl`, and
//! `seawall` and `api-server` built beside the test.

#![forbid(unsafe_code)]

pub mod requirement;

mod ending;

// One packet at a time.
pub mod bpffs;
pub mod data;
pub mod engine;
pub mod policies;
pub mod frame;
pub mod generate;
pub mod mmdb_reader;
pub mod oracle;
pub mod lay_out;
pub mod trial;
pub mod random;

// A world of hosts.
pub mod world;

pub mod namespace;

pub mod sweep;

// What is in it.
pub mod mmdb;
pub mod pki;

pub mod process;
pub mod manager;
pub mod wait;

pub mod echo;
pub mod publisher;
pub mod acme;
pub mod oidc;
pub mod redis;
pub mod seawall;
pub mod upstream;

// What happens there, and who counted what.
pub mod client;
pub mod flood;
pub mod forge;
pub mod h2raw;
pub mod limit_scopes;
pub mod mutants;
pub mod peer;
pub mod polite;
pub mod raw;
pub mod steady;

pub mod metrics;
pub mod snmp;

pub mod changes;
pub mod switching;
pub mod takeover;

pub mod demo;

// What is written of the program.
pub mod reference;

// How fast.
pub mod bench;
