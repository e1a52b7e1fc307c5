//! The harness: what tests and the demo build their world from.

pub mod requirement;
pub mod random;
pub mod bpffs;
pub mod frame;
pub mod data;
pub mod oracle;
pub mod generate;
pub mod mmdb_reader;
pub mod engine;
