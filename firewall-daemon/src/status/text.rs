//! A snapshot for people: fits 80 columns.

use std::fmt::{self, Write as _};

use super::{EventLine, GatewayStatus, LimitStatus, PolicyStatus, Snapshot, day};

/// The snapshot as lines of text.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, snapshot);
    out
}

fn write(out: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let health = snapshot.fault.as_deref().unwrap_or("all well");
    writeln!(
        out,
        "seawall {}, pid {}, up {}, {health}",
        snapshot.version,
        snapshot.pid,
        duration(snapshot.uptime_s)
    )?;
    writeln!(out, "config      {}", snapshot.config.display())?;
    for warning in &snapshot.warnings {
        writeln!(out, "warning     {warning}")?;
    }
    policy(out, snapshot.generation, &snapshot.policy)?;
    if snapshot.changes > 0 {
        writeln!(out, "changes     {} by verbs, over the configuration", snapshot.changes)?;
    }
    for feed in &snapshot.feeds {
        let copy = match feed.checked_epoch_s {
            Some(_) => format!("{} prefixes", feed.prefixes),
            None => "NO COPY YET".to_owned(),
        };
        let refused = feed.updates.refusals();
        writeln!(out, "feed        {}: {copy}, {refused} updates refused", feed.name)?;
    }
    for interface in &snapshot.interfaces {
        writeln!(out, "interface   {} ({} mode)", interface.name, interface.mode)?;
    }
    let reloads = &snapshot.reloads;
    writeln!(out, "reloads     {} in force, {} refused", reloads.ok, reloads.error)?;
    if let Some(error) = reloads.last.as_ref().and_then(|last| last.error.as_ref()) {
        writeln!(out, "            last refused: {}", error.escape_debug())?;
    }
    let audit = &snapshot.audit;
    write!(out, "audit       {} records", audit.sequence)?;
    if audit.owed + audit.lost + audit.failures > 0 {
        write!(
            out,
            ", {} owed, {} lost, {} failed writes",
            audit.owed, audit.lost, audit.failures
        )?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "\n{:<7} {:<13} {:<8} {:>20} {:>22}",
        "verdict", "reason", "protocol", "packets", "bytes"
    )?;
    for row in &snapshot.packets {
        writeln!(
            out,
            "{:<7} {:<13} {:<8} {:>20} {:>22}",
            row.verdict, row.reason, row.protocol, row.packets, row.bytes
        )?;
    }
    for rule in &snapshot.rules {
        writeln!(out, "rule    {:<22} {:>20} {:>22}", rule.name, rule.packets, rule.bytes)?;
    }
    if snapshot.bans > 0 {
        writeln!(out, "bans    {}", snapshot.bans)?;
    }
    let unlimited = snapshot.unlimited;
    if unlimited.bucket + unlimited.contention > 0 {
        writeln!(
            out,
            "passed without their limit being asked: {} (no bucket), {} (contention)",
            unlimited.bucket, unlimited.contention
        )?;
    }
    if let Some(gateway) = &snapshot.gateway {
        write_gateway(out, gateway)?;
    }
    let events = &snapshot.events;
    writeln!(
        out,
        "\nevents      one drop in {}: {} read, {} lost, {} over the bound",
        events.sample_one_in, events.total, events.lost, events.over_bound
    )?;
    events.recent.iter().try_for_each(|event| write_event(out, event))
}

fn policy(out: &mut String, generation: u64, policy: &PolicyStatus) -> fmt::Result {
    writeln!(
        out,
        "policy      generation {generation}: {} protected, {} allow, {} deny prefixes",
        policy.protected, policy.allow, policy.deny
    )?;
    if let Some(geo) = &policy.geo {
        writeln!(out, "countries   {} {}", geo.mode, geo.countries.join(" "))?;
        writeln!(
            out,
            "            {} ({} networks, {})",
            geo.database.display(),
            geo.networks,
            geo.kind.escape_debug()
        )?;
    }
    for shadow in &policy.shadow {
        writeln!(out, "shadow      {} (counts alone)", shadow.escape_debug())?;
    }
    if policy.limits.is_empty() {
        writeln!(out, "limits      none")?;
    }
    policy.limits.iter().try_for_each(|limit| write_limit(out, limit))
}

/// The limits as lines of text.
#[must_use]
pub fn render_limits(limits: &[LimitStatus]) -> String {
    let mut out = String::new();
    if limits.is_empty() {
        out.push_str("limits      none\n");
    }
    for limit in limits {
        // Writing to a string cannot fail.
        let _ = write_limit(&mut out, limit);
    }
    out
}

fn write_limit(out: &mut String, limit: &LimitStatus) -> fmt::Result {
    write!(out, "limit       {}:", limit.scope)?;
    if let (Some(rate), Some(burst)) = (limit.rate_pps, limit.burst_packets) {
        write!(out, " {rate} packets/s, burst {burst}")?;
    }
    if let (Some(rate), Some(burst)) = (limit.rate_bytes_per_s, limit.burst_bytes) {
        write!(out, " {rate} bytes/s, burst {burst}")?;
    }
    writeln!(out)
}

fn write_gateway(out: &mut String, gateway: &GatewayStatus) -> fmt::Result {
    let listen: Vec<String> = gateway.listen.iter().map(ToString::to_string).collect();
    let worker = gateway
        .worker_pid
        .map_or_else(|| "no worker".to_owned(), |pid| format!("worker pid {pid}"));
    writeln!(out, "\ngateway     {}", listen.join(" "))?;
    writeln!(out, "            {worker}, {} restarts", gateway.restarts)?;
    writeln!(out, "            {}", gateway.sandbox.join(", "))?;
    if let Some(first) = gateway.certificates.first() {
        let (total, end) = (gateway.certificates_total, day(first.not_after_epoch_s));
        writeln!(out, "            certificates {total}, {} good until {end}", first.name)?;
    }
    if let Some(acme) = &gateway.acme {
        let (names, next) = (acme.names.join(" "), day(acme.next_epoch_s));
        writeln!(out, "            acme {names}, renewed on {next}")?;
    }
    let figures = &gateway.figures;
    writeln!(
        out,
        "            connections {} open, {} accepted, {} refused",
        figures.connections_active, figures.connections_accepted, figures.connections_refused
    )?;
    writeln!(
        out,
        "            TLS handshakes {} ok ({} resumed), {} failed",
        figures.tls_handshakes_ok, figures.tls_resumptions, figures.tls_handshakes_failed
    )?;
    for count in &figures.tls_failures {
        writeln!(out, "            handshake failed {}: {}", count.label, count.count)?;
    }
    for count in &figures.requests {
        writeln!(out, "            {} {}: {} requests", count.protocol, count.status, count.count)?;
    }
    for count in &figures.rejections {
        writeln!(out, "            refused {}: {}", count.label, count.count)?;
    }
    Ok(())
}

fn write_event(out: &mut String, event: &EventLine) -> fmt::Result {
    writeln!(
        out,
        "  {} {} {} {} -> {} {} {} bytes",
        event.verdict,
        event.reason,
        event.protocol,
        event.source.as_deref().unwrap_or("?"),
        event.destination.as_deref().unwrap_or("?"),
        event.country.as_deref().unwrap_or("--"),
        event.bytes
    )
}

/// A time in its two largest units.
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{PacketCount, ReloadOutcome};

    #[test]
    fn lines_fit_a_terminal_and_escape_what_is_foreign() {
        let mut snapshot =
            Snapshot { version: "0.1.0".into(), uptime_s: 4_000, ..Snapshot::default() };
        snapshot.packets.push(PacketCount {
            verdict: "drop".into(),
            reason: "malformed".into(),
            protocol: "icmpv6".into(),
            packets: u64::MAX,
            bytes: u64::MAX,
        });
        snapshot.reloads.last =
            Some(ReloadOutcome { at_epoch_s: 1, error: Some("list: \u{1b}[2J".into()) });
        let text = render(&snapshot);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("up 1 h 6 min, all well"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn durations() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }
}
