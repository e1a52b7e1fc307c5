//! The control path, in its order.
#![forbid(unsafe_code)]

pub mod config;
pub mod policy;
pub mod datapath;
