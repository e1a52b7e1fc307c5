//! The daemon's life: starting, refusing, reloading, losing its worker, stopping.

mod bad_input;

mod start_stop;

mod reload;

mod worker;
/// What the policy in force says of a packet.
mod explain;
/// What is dropped, as it comes.
mod watch;
/// What a policy says of a capture.
mod replay;
/// Log lines of the daemon and of the XDP program.
mod log;
/// Deny lists over HTTPS, and what their server may do wrong.
mod feeds;
/// Databases over HTTPS and from files, and addresses looked up.
mod geo_data;
