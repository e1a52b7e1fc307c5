//! One packet at a time through the loaded program; needs root.

/// What a case of the tables is.
mod case;
/// Frame, verdict, and the exact counters that moved.
mod verdicts;
/// Every reason: what meets it, and the nearest that does not.
mod reasons;
/// Ways in which other firewalls were walked around, each by its name.
mod known_failures;
/// What generated frames and policies say, beside a second implementation.
mod oracle;
/// The real country database, beside a second reader of it.
mod geo;
/// A real block list, beside a set of its lines.
mod deny;
/// Token buckets, to the packet.
mod rate_limit;
/// Bans, up to the last that fits.
mod bans;
/// What a new generation keeps and what it replaces.
mod generations;
/// Changes of policy under traffic.
mod switching;
/// SYN cookies with real clients.
mod syn_cookies;
/// Other programs on the interface.
mod coexistence;
/// Sampled drops.
mod events;
/// What the program and its tables may cost.
mod budget;
