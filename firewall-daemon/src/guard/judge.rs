//! What a compiled policy says of a frame, by the stages that the XDP program runs too, over its tables
//! in memory. Buckets are full and nobody is banned: it is the policy that is asked.

use std::net::IpAddr;

use firewall_common::{
    Address, Packet, Reason, SourceKey, Verdict,
    bucket::Limit,
    class::{Class, ClassId, Kind, NO_NAME},
    pipeline::{self, Draw, End, Tables},
    rules::{NO_RULE, RuleLimit},
    settings::Settings,
};

use crate::{datapath::PacketOptions, policy::compile::CompiledPolicy};

/// A policy that can be asked.
pub struct Judge<'a> {
    policy: &'a CompiledPolicy,
    settings: Settings,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What would become of the frame.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The list, country or rule that decides, by name.
    named: Option<String>,
}

impl Said {
    /// What decides, in words.
    #[must_use]
    pub fn by(&self, address: IpAddr) -> String {
        let named = self.named.as_deref();
        match self.reason {
            Reason::Deny => format!("deny list {}", named.unwrap_or("unknown")),
            Reason::Geo => match named {
                Some(country) => format!("geo, by country {country},"),
                None => format!("geo, as {address} is of no known country,"),
            },
            Reason::Rule => format!("rule {}", named.unwrap_or("unknown")),
            Reason::Port => "packet.public_ports, which does not name the service,".to_owned(),
            Reason::Default => "packet.default".to_owned(),
            other => format!("reason {}", other.label()),
        }
    }
}

impl<'a> Judge<'a> {
    /// The judge of a policy.
    #[must_use]
    pub fn new(policy: &'a CompiledPolicy, options: &PacketOptions) -> Self {
        Self { policy, settings: options.settings_of(policy) }
    }

    /// What the policy says of a frame.
    #[must_use]
    pub fn says(&self, frame: &[u8]) -> Said {
        let mut packet = Packet::NONE;
        let decision = pipeline::inspect(&frame, &mut packet, &self.settings, self);
        let class = self.policy.classes.get(decision.class_id as usize);
        let list = class.filter(|class| class.name != NO_NAME);
        let named = match decision.reason {
            Reason::Geo => class.and_then(|class| class.country()).map(|found| found.to_string()),
            Reason::Rule if decision.rule != NO_RULE => {
                self.policy.rules.names.get(decision.rule as usize).cloned()
            }
            Reason::Deny => {
                list.and_then(|class| self.policy.names.get(usize::from(class.name)).cloned())
            }
            _ => None,
        };
        Said { verdict: decision.verdict, reason: decision.reason, named }
    }
}

impl Tables for Judge<'_> {
    fn kind(&self, _: SourceKey) -> Option<Kind> {
        // The first look is a shortcut of the program's.
        None
    }

    fn class_id(&self, address: Address) -> Option<ClassId> {
        match address {
            Address::V4(bits) => self.policy.v4.class(bits),
            Address::V6 { high, low } => {
                self.policy.v6.class(u128::from(high) << 64 | u128::from(low))
            }
        }
    }

    fn class(&self, id: ClassId) -> Option<Class> {
        self.policy.classes.get(id as usize).copied()
    }

    fn is_banned(&self, _: SourceKey) -> bool {
        false
    }

    fn matching_rules(&self, packet: &Packet) -> u64 {
        self.policy.rules.table.as_ref().map_or(0, |table| table.matching(packet))
    }

    fn rule_limit(&self, _: u32) -> Option<&RuleLimit> {
        None
    }

    fn take_rule(&self, _: u32, _: &Packet, _: Draw) -> bool {
        true
    }

    fn port_limit(&self, _: bool, _: u16) -> Option<&Limit> {
        None
    }

    fn has_syn_cookies(&self, _: u16) -> bool {
        false
    }

    fn now_units(&self) -> u64 {
        0
    }

    fn limits(&self, _: &Packet, _: u32, _: Draw, _: &Settings) -> Option<End> {
        None
    }

    fn take(&self, _: &Limit, _: u64, _: SourceKey, _: Draw) -> bool {
        true
    }

    fn take_aggregate(&self, _: &Limit, _: u32, _: Draw) -> bool {
        true
    }
}
