//! What is wanted: the rules, the public services, the default.

use super::{
    Judgement, Oracle, OracleAction, OraclePer, OracleProtocol, OracleRule, OracleService, holds,
    judge::{ACK, RST, Way},
    limits::{What, Whose},
    parse::{Packet, Transport},
};

impl Oracle {
    /// The rules, the public services, the default.
    pub(super) fn filtered(&mut self, way: &Way) -> Judgement {
        for (index, rule) in self.policy.rules.iter().enumerate() {
            if !self.matches(rule, way) {
                continue;
            }
            let named = |verdict, reason| Judgement {
                rule: Some(rule.name.clone()),
                ..way.end(verdict, reason)
            };
            match &rule.action {
                OracleAction::Pass => return named("pass", "rule"),
                OracleAction::Drop => return named("drop", "rule"),
                OracleAction::Limit(per, rate) => {
                    let whose = match per {
                        OraclePer::Source => Whose::source(way.packet.source),
                        OraclePer::Prefix => Whose::prefix(way.packet.source),
                        OraclePer::Rule => Whose::Everyones,
                    };
                    let what = What::Rule(index);
                    if !self.buckets.conforms(what, whose, rate, way.bytes, way.now_ns) {
                        return named("drop", "rate_rule");
                    }
                }
            }
        }
        if self.policy.public.is_empty() {
            return way.end(if self.policy.default_drop { "drop" } else { "pass" }, "default");
        }
        let public = self.policy.public.iter().any(|service| serves(service, way.packet));
        if public || answers(way.packet) {
            way.end("pass", "default")
        } else {
            way.end("drop", "port")
        }
    }

    fn matches(&self, rule: &OracleRule, way: &Way) -> bool {
        let Packet { source, protocol, number, transport, .. } = *way.packet;
        let carries = match rule.protocol {
            OracleProtocol::Any => true,
            OracleProtocol::Tcp => protocol == "tcp",
            OracleProtocol::Udp => protocol == "udp",
            OracleProtocol::Icmp => protocol == "icmp",
            OracleProtocol::Icmpv6 => protocol == "icmpv6",
            OracleProtocol::Number(asked) => number == asked,
        };
        let port = rule.ports.is_empty()
            || way.port().is_some_and(|(_, port)| {
                rule.ports.iter().any(|(first, last)| (*first..=*last).contains(&port))
            });
        let icmp = rule.icmp_types.is_empty()
            || matches!(transport, Transport::Icmp { kind } if rule.icmp_types.contains(&kind));
        let flags = rule.flags_set | rule.flags_clear == 0
            || matches!(transport, Transport::Tcp { flags, .. }
                if flags & (rule.flags_set | rule.flags_clear) == rule.flags_set);
        let set = rule.sources.is_empty()
            || self
                .policy
                .sets
                .iter()
                .any(|(name, networks)| rule.sources.contains(name) && holds(networks, source));
        let country = rule.countries.is_empty()
            || way.country.is_some_and(|own| rule.countries.contains(&own));
        carries && port && icmp && flags && set && country
    }
}

fn serves(service: &OracleService, packet: &Packet) -> bool {
    match (service, packet.transport) {
        (OracleService::Tcp(first, last), Transport::Tcp { port, .. })
        | (OracleService::Udp(first, last), Transport::Udp { port }) => {
            (*first..=*last).contains(&port)
        }
        (OracleService::IcmpEcho, Transport::Icmp { kind }) => {
            kind == if packet.protocol == "icmp" { 8 } else { 128 }
        }
        _ => false,
    }
}

/// Whether a packet only answers.
fn answers(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Tcp { flags, .. } => flags & (ACK | RST) != 0,
        Transport::Icmp { kind } if packet.protocol == "icmp" => matches!(kind, 0 | 3 | 11 | 12),
        Transport::Icmp { kind } => matches!(kind, 1..=4 | 129),
        Transport::Udp { .. } | Transport::Unread => false,
    }
}
