//! Rules beyond lists: protocol, port, ICMP type and TCP flags, with source sets and countries.
//!
//! A rule is a bit; the lowest is asked first. Each condition is a table of bits, and a packet's rules
//! are the bits that all of its conditions have in common: the cost is the same for one rule and for
//! fifty. Source sets and countries are conditions of the class, so they cost nothing here.

use crate::{
    bucket::Limit,
    packet::{Packet, Protocol},
    verdict::{Reason, Verdict},
};

/// Rules of the configuration at most; the bits above are those of the program itself.
pub const RULES_MAX: usize = 56;
/// Rules that are counted by name: those in force, and as many of earlier ones as fit beside them.
pub const RULE_SLOTS: u32 = 256;
/// Bytes of a rule's name at most.
pub const RULE_NAME_BYTES: usize = 32;
/// Rules with verdict `limit` at most, each a bucket that a packet may have to take from.
pub const LIMIT_RULES_MAX: usize = 8;
/// The bit of what only answers, where `public_ports` closes the rest.
pub const RULE_ANSWERS: u32 = 60;
/// The bit of what `public_ports` lets in.
pub const RULE_PUBLIC: u32 = 61;
/// The bit of what no rule decided: all of it, where `public_ports` or the default verdict closes.
pub const RULE_CLOSED: u32 = 62;
/// [`crate::Decision::rule`] where no rule of the configuration decided.
pub const NO_RULE: u32 = 63;

/// What the rules do, a bit each. All zero: there are none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleMasks {
    /// They pass.
    pub pass: u64,
    /// They drop.
    pub drop: u64,
    /// They take from a bucket.
    pub limit: u64,
    /// The number of the reason of [`RULE_CLOSED`].
    pub closed_reason: u64,
}

impl RuleMasks {
    /// No rules.
    pub const OFF: Self = Self { pass: 0, drop: 0, limit: 0, closed_reason: 0 };

    /// Whether there are any.
    #[must_use]
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.pass | self.drop | self.limit != 0
    }
}

/// What a rule with verdict `limit` takes from.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleLimit {
    /// How much.
    pub limit: Limit,
    /// What tells its buckets from those of others: made of what the rule says, so that a changed rule
    /// starts with full ones.
    pub scope: u64,
    /// Whose buckets: [`PER_SOURCE`], [`PER_PREFIX`] or [`PER_RULE`].
    pub per: u64,
}

/// A bucket for each source.
pub const PER_SOURCE: u64 = 0;
/// A bucket for each prefix.
pub const PER_PREFIX: u64 = 1;
/// One bucket for all.
pub const PER_RULE: u64 = 2;

impl RuleLimit {
    /// No limit.
    pub const OFF: Self = Self { limit: Limit::OFF, scope: 0, per: PER_RULE };
}

/// Whose packets a slot counts. A rule keeps its slot for as long as there is room for its name, so that its
/// counters go on whatever its place, and whichever daemon put it there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleSlot {
    /// A number that grows with each generation that comes into force: the last one that had the rule.
    pub last_used: u64,
    /// Rules that had to give the slot up.
    pub replaced: u64,
    /// The name, filled up with zeros; all zeros where nobody counts.
    pub name: [u8; RULE_NAME_BYTES],
}

/// The conditions, as tables of bits. 1.1 MiB: a port is looked up, not searched.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RuleTable {
    /// By TCP destination port.
    pub tcp: [u64; 1 << 16],
    /// By UDP destination port.
    pub udp: [u64; 1 << 16],
    /// By the TCP flags as they stand in the header.
    pub flags: [u64; 256],
    /// By ICMP type.
    pub icmp: [u64; 256],
    /// By ICMPv6 type.
    pub icmpv6: [u64; 256],
    /// By protocol number, for all other protocols.
    pub protocols: [u64; 256],
    /// By the number of the rule, those with verdict `limit`.
    pub limits: [RuleLimit; 64],
}

impl RuleTable {
    /// The bits of the rules whose conditions on the packet itself hold.
    #[must_use]
    #[inline(always)]
    pub fn matching(&self, packet: &Packet) -> u64 {
        match packet.protocol {
            Protocol::Tcp => {
                self.tcp[usize::from(packet.destination_port)]
                    & self.flags[usize::from(packet.tcp_flags)]
            }
            Protocol::Udp => self.udp[usize::from(packet.destination_port)],
            Protocol::Icmp => self.icmp[usize::from(packet.icmp[0])],
            Protocol::Icmpv6 => self.icmpv6[usize::from(packet.icmp[0])],
            Protocol::Other | Protocol::None => self.protocols[usize::from(packet.number)],
        }
    }

    /// A table without a rule, on the heap: it is too large for a stack.
    #[cfg(feature = "user")]
    #[must_use]
    pub fn boxed() -> std::boxed::Box<Self> {
        // SAFETY: integers alone, for all of which zeros are a value.
        unsafe { std::boxed::Box::new_zeroed().assume_init() }
    }
}

/// What the rules of a packet say, without the limits among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Bits of the limits that stand before the rule that decides.
    pub limits: u64,
    /// The rule that decides, or [`NO_RULE`].
    pub rule: u32,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// The first rule that decides, and the limits before it.
#[must_use]
#[inline(always)]
pub fn decide(bits: u64, masks: &RuleMasks) -> Ruling {
    let deciding = bits & (masks.pass | masks.drop);
    // The lowest bit alone; all the bits below it are those of earlier rules.
    let first = deciding & deciding.wrapping_neg();
    let earlier = first.wrapping_sub(1);
    let limits = bits & masks.limit & earlier;
    if first == 0 {
        let (verdict, reason) = (Verdict::Pass, Reason::Default);
        return Ruling { limits, rule: NO_RULE, verdict, reason };
    }
    let rule = earlier.count_ones();
    let verdict = if first & masks.pass != 0 { Verdict::Pass } else { Verdict::Drop };
    if rule == RULE_PUBLIC || rule == RULE_ANSWERS {
        return Ruling { limits, rule: NO_RULE, verdict, reason: Reason::Default };
    }
    if rule == RULE_CLOSED {
        let is_port = masks.closed_reason == Reason::Port as u64;
        let reason = if is_port { Reason::Port } else { Reason::Default };
        return Ruling { limits, rule: NO_RULE, verdict, reason };
    }
    Ruling { limits, rule, verdict, reason: Reason::Rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let masks = RuleMasks {
            pass: 0b0001_0010 | 1 << RULE_PUBLIC,
            drop: 0b0010_0100 | 1 << RULE_CLOSED,
            limit: 0b0100_1001,
            closed_reason: Reason::Port as u64,
        };
        let closed = 1 << RULE_CLOSED;
        // (bits, limits, rule, verdict, reason)
        for (bits, limits, rule, verdict, reason) in [
            (0b0000_0000, 0, NO_RULE, Verdict::Pass, Reason::Default),
            (0b0000_0010, 0, 1, Verdict::Pass, Reason::Rule),
            (0b0000_0110, 0, 1, Verdict::Pass, Reason::Rule),
            (0b0000_0100, 0, 2, Verdict::Drop, Reason::Rule),
            (0b0111_1001, 0b1001, 4, Verdict::Pass, Reason::Rule),
            (0b0100_1001, 0b0100_1001, NO_RULE, Verdict::Pass, Reason::Default),
            (0b0000_0001 | closed, 1, NO_RULE, Verdict::Drop, Reason::Port),
            (1 << RULE_PUBLIC | closed, 0, NO_RULE, Verdict::Pass, Reason::Default),
        ] {
            let expected = Ruling { limits, rule, verdict, reason };
            assert_eq!(decide(bits, &masks), expected, "{bits:b}");
        }
        let open = RuleMasks { closed_reason: Reason::Default as u64, ..masks };
        assert_eq!(decide(closed, &open).reason, Reason::Default);
        assert!(!RuleMasks::OFF.is_on());
    }
}
