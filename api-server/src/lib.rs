//! A TLS API server small enough to be read in one go: the service in the story.
#![forbid(unsafe_code)]

pub mod cli;

pub mod server;

mod routes;

mod problem;

pub mod rate;

pub mod limits;
