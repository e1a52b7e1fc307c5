//! One integration binary; this is its table of contents.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

/// What every test below relies on.
mod harness;

/// A server behind Seawall and one client, for the tests of the two paths below.
mod site;

/// Traffic out of a packet socket.
mod frames;

/// One packet at a time through the loaded program.
mod packet_path;

/// Requests through the real daemon, its gateway worker, and an upstream.
mod request_path;

/// The daemon's life: starting, refusing, reloading, losing its worker, stopping.
mod control_path;
