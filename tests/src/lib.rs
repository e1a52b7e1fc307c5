//! The harness: what tests and the demo build their world from.

pub mod random;
pub mod bpffs;
pub mod frame;
pub mod mmdb_reader;
pub mod engine;
