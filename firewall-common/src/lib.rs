//! The words that kernel and userspace share, and the pure packet engine: parse, decide.
//!
//! Nothing here allocates, uses floats or reaches a kernel: the XDP program and the tests
//! run the same [`pipeline::inspect`] over their own [`pipeline::Tables`].
//! Modules stand in the order in which a packet meets them.
#![no_std]

#[cfg(any(test, feature = "user"))]
extern crate std;

pub mod bytes;
pub mod packet;
pub mod parse;
pub mod essential;
pub mod country;
pub mod class;
pub mod kinds;
pub mod ranges;
pub mod ban_places;
pub mod tcp_flags;
pub mod rules;
pub mod bucket;
pub mod limits;
pub mod port_limits;
pub mod syn_cookie;
pub mod settings;
pub mod verdict;
pub mod pipeline;
pub mod counter;
pub mod event;
pub mod maps;

mod abi;

pub use country::Country;
pub use packet::{Address, Packet, Protocol, SourceKey};
pub use verdict::{Answer, Decision, Reason, Verdict};
