//! The path of one request. Cannot name a BPF map: the crate graph sees to it.
#![forbid(unsafe_code)]

pub mod context;
pub mod figures;
pub mod limits;
pub mod listener;
pub mod policy;
pub mod rejection;
pub mod worker;
