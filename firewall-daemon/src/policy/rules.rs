//! From rules to tables of bits.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use firewall_common::{
    Country, Reason,
    bucket::{Limit, Rate},
    packet::tcp_flag,
    rules::{
        PER_PREFIX, PER_RULE, PER_SOURCE, RULE_ANSWERS, RULE_CLOSED, RULE_PUBLIC, RuleLimit,
        RuleMasks, RuleTable,
    },
};

use crate::{
    config::{
        Fate, LimitPer, PortRange, RateConfig, RuleConfig, RuleProtocol, RuleVerdict, Service,
        TcpFlags,
    },
    policy::PolicySource,
};

/// The rules of a policy, compiled.
pub struct CompiledRules {
    /// What each does.
    pub masks: RuleMasks,
    /// When each applies; nothing where there are none.
    pub table: Option<Box<RuleTable>>,
    /// The names, by number.
    pub names: Vec<String>,
}

/// What a rule asks of the source.
pub struct Condition {
    /// One of these sets holds it; zero: any source.
    sets: u64,
    /// It is of one of these countries; empty: of any.
    countries: BTreeSet<Country>,
}

impl Condition {
    /// Whether it holds for a source that is in these sets, and of this country.
    pub fn holds(&self, sets: u64, country: Option<Country>) -> bool {
        (self.sets == 0 || self.sets & sets != 0)
            && (self.countries.is_empty()
                || country.is_some_and(|country| self.countries.contains(&country)))
    }
}

/// What each rule asks of the source.
pub fn conditions(source: &PolicySource) -> Vec<Condition> {
    let sets = |rule: &RuleConfig| {
        let named = source.sets.iter().enumerate();
        let asked = named.filter(|(_, (name, _))| rule.sources.contains(name));
        asked.fold(0, |bits, (index, _)| bits | 1 << index)
    };
    let condition =
        |rule: &RuleConfig| Condition { sets: sets(rule), countries: rule.countries.clone() };
    source.rules.iter().map(condition).collect()
}

/// Compiles the rules, the public services and the default verdict of a policy.
#[must_use]
pub fn compile(source: &PolicySource) -> CompiledRules {
    let names = source.rules.iter().map(|rule| rule.name.clone()).collect();
    let closed = !source.public_ports.is_empty() || source.default == Fate::Drop;
    if source.rules.is_empty() && !closed {
        return CompiledRules { masks: RuleMasks::OFF, table: None, names };
    }
    let mut masks = RuleMasks::OFF;
    let mut table = RuleTable::boxed();
    for (index, rule) in source.rules.iter().enumerate() {
        let bit = 1 << index;
        match rule.verdict {
            RuleVerdict::Pass => masks.pass |= bit,
            RuleVerdict::Drop => masks.drop |= bit,
            RuleVerdict::Limit { per, rate } => {
                masks.limit |= bit;
                table.limits[index] = rule_limit(rule, per, rate);
            }
        }
        write_rule(&mut table, bit, rule);
    }
    if closed {
        masks.drop |= 1 << RULE_CLOSED;
        let has_ports = !source.public_ports.is_empty();
        masks.closed_reason = if has_ports { Reason::Port } else { Reason::Default } as u64;
        write_everything(&mut table, 1 << RULE_CLOSED);
        if has_ports {
            masks.pass |= 1 << RULE_PUBLIC | 1 << RULE_ANSWERS;
            write_public(&mut table, 1 << RULE_PUBLIC, &source.public_ports);
        }
    }
    CompiledRules { masks, table: Some(table), names }
}

/// A limit as the program wants it.
#[must_use]
pub fn limit(rate: &RateConfig) -> Limit {
    let packets = rate.packets.map_or(Rate::OFF, |packets| {
        Rate::new(u64::from(packets.rate_pps), u64::from(packets.burst_packets))
    });
    let bytes =
        rate.bytes.map_or(Rate::OFF, |bytes| Rate::new(bytes.rate_bytes_per_s, bytes.burst_bytes));
    Limit { packets, bytes }
}

fn rule_limit(rule: &RuleConfig, per: LimitPer, rate: RateConfig) -> RuleLimit {
    // The buckets of a rule that changes are not those of the rule that it was.
    let mut hasher = DefaultHasher::new();
    format!("{rule:?}").hash(&mut hasher);
    let per = match per {
        LimitPer::Source => PER_SOURCE,
        LimitPer::Prefix => PER_PREFIX,
        LimitPer::Rule => PER_RULE,
    };
    RuleLimit { limit: limit(&rate), scope: hasher.finish(), per }
}

fn write_rule(table: &mut RuleTable, bit: u64, rule: &RuleConfig) {
    match rule.protocol {
        None => write_everything(table, bit),
        Some(RuleProtocol::Tcp) => {
            set_ports(&mut table.tcp, bit, &rule.ports);
            set_flags(&mut table.flags, bit, rule.tcp_flags);
        }
        Some(RuleProtocol::Udp) => set_ports(&mut table.udp, bit, &rule.ports),
        Some(RuleProtocol::Icmp) => set_types(&mut table.icmp, bit, &rule.icmp_types),
        Some(RuleProtocol::Icmpv6) => set_types(&mut table.icmpv6, bit, &rule.icmp_types),
        Some(RuleProtocol::Number(number)) => table.protocols[usize::from(number)] |= bit,
    }
}

fn write_everything(table: &mut RuleTable, bit: u64) {
    let RuleTable { tcp, udp, flags, icmp, icmpv6, protocols, limits: _ } = table;
    for bits in tcp.iter_mut().chain(udp).chain(flags).chain(icmp).chain(icmpv6).chain(protocols) {
        *bits |= bit;
    }
}

/// What the services take, and what only answers: the host's own connections and pings go on, and so
/// do the errors about them.
fn write_public(table: &mut RuleTable, bit: u64, services: &[Service]) {
    let opening = |flags: usize| flags & usize::from(tcp_flag::ACK | tcp_flag::RST) == 0;
    for service in services {
        match service {
            Service::Tcp(ports) => set_ports(&mut table.tcp, bit, &[*ports]),
            Service::Udp(ports) => set_ports(&mut table.udp, bit, &[*ports]),
            Service::IcmpEcho => {
                set_types(&mut table.icmp, bit, &[8]);
                set_types(&mut table.icmpv6, bit, &[128]);
            }
        }
    }
    set_types(&mut table.icmp, bit, &[0, 3, 11, 12]);
    set_types(&mut table.icmpv6, bit, &[1, 2, 3, 4, 129]);
    // A port that is not public is closed to what opens a connection alone: two bits say so, one by
    // port and one by flags, and a packet passes with either.
    let answers = 1 << RULE_ANSWERS;
    for bits in &mut table.tcp {
        *bits |= answers;
    }
    for (flags, bits) in table.flags.iter_mut().enumerate() {
        *bits |= bit;
        if !opening(flags) {
            *bits |= answers;
        }
    }
}

fn set_ports(table: &mut [u64; 1 << 16], bit: u64, ports: &[PortRange]) {
    if ports.is_empty() {
        table.iter_mut().for_each(|bits| *bits |= bit);
    }
    for range in ports {
        for port in range.first..=range.last {
            table[usize::from(port)] |= bit;
        }
    }
}

fn set_flags(table: &mut [u64; 256], bit: u64, asked: Option<TcpFlags>) {
    let asked = asked.unwrap_or(TcpFlags { set: 0, clear: 0 });
    for (flags, bits) in (0_u8..=255).zip(table) {
        if flags & asked.set == asked.set && flags & asked.clear == 0 {
            *bits |= bit;
        }
    }
}

fn set_types(table: &mut [u64; 256], bit: u64, types: &[u8]) {
    if types.is_empty() {
        table.iter_mut().for_each(|bits| *bits |= bit);
    }
    for kind in types {
        table[usize::from(*kind)] |= bit;
    }
}
