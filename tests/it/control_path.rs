//! The daemon's life: starting, refusing, reloading, losing its worker, stopping.

mod bad_input;

mod start_stop;

/// The next daemon, under traffic.
mod takeover;
/// What one daemon leaves, and what the next makes of it.
mod handover;

mod reload;

mod worker;
/// What the policy in force says of a packet.
mod explain;
/// What is dropped, as it comes.
mod watch;
/// What of the machine keeps the filter from working.
mod doctor;
/// What a person sees on a terminal.
mod screens;
/// What a policy says of a capture.
mod replay;
/// Log lines of the daemon and of the XDP program.
mod log;
/// The guard, changes that take themselves back, the history.
mod safe_change;
/// Asking by the command and by a packet.
mod asked;
/// The everyday verbs.
mod verbs;
/// What they changed is kept.
mod kept;
/// A configuration that there is no room for.
mod full_disk;
/// What a service manager is told.
mod service;
/// The audit log.
mod audit;
/// A Prometheus that scrapes the daemon, its dashboard and its alerts.
mod prometheus;
/// Deny lists over HTTPS, and what their server may do wrong.
mod feeds;
/// Databases over HTTPS and from files, and addresses looked up.
mod geo_data;
