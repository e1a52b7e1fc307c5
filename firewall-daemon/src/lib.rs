//! The control path, in its order: command, configuration, policy, kernel, gateway, and what is
//! seen of them.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod policy;
mod netlink;
pub mod fetch;
pub mod feeds;
pub mod jwks;
pub mod geo;
pub mod acme;
pub mod datapath;
pub mod state;
pub mod supervisor;
pub mod status;
pub mod explain;
pub mod doctor;
pub mod top;
pub mod guard;
pub mod plan;
pub mod audit;
pub mod control;
pub mod metrics;
pub mod capture;
pub mod daemon;
mod logging;
mod hex;
