//! The path of one request. Cannot name a BPF map: the crate graph sees to it.
//!
//! The modules stand in the order in which a request meets them.
#![forbid(unsafe_code)]

pub mod policy;

pub mod limits;

pub mod listener;

pub mod server;

pub mod clients;

pub mod countries;

pub mod behaviour;

mod read_ahead;

pub mod tls;

mod connection;

pub mod upgrade;

mod tunnel;

mod context;

mod pipeline;

mod request;

pub mod route;

pub mod identity;

mod client_authentication;

mod redis;

pub mod login;

pub mod authorise;

pub mod verdict;

pub mod rate;

pub mod sanitise;
pub mod validate;

mod rollout;

mod body;

mod headers;

pub mod browser;

mod signing;

mod upstream;

mod scrub;

mod response;

pub mod answer;

pub mod rejection;

mod observe;

mod access_log;

pub mod events;

pub mod date;

mod trace;

pub mod figures;

pub mod explain;

pub mod worker;

#[cfg(test)]
mod generated;
