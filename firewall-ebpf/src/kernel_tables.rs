//! What the stages ask, answered by the kernel's maps.

use firewall_common::{
    Address, Packet, SourceKey,
    bucket::{Limit, UNITS_PER_NS},
    class::{Class, ClassId, Kind},
    pipeline::{Draw, End, Tables},
    rules::RuleLimit,
    settings::Settings,
};

use crate::{bans, buckets::Taking, clock, limits, rules, tables};

/// [`Tables`] of this generation.
pub struct KernelTables {
    /// Zero: the kernel's own clock.
    at_ns: u64,
    /// Nothing is taken from a bucket.
    dry: bool,
}

impl KernelTables {
    /// Tables that take from the buckets now.
    #[inline(always)]
    pub fn live() -> Self {
        Self { at_ns: 0, dry: false }
    }

    /// Tables that take from the buckets at another time; where that is zero, they only look, now.
    #[inline(always)]
    pub fn at(at_ns: u64) -> Self {
        Self { at_ns, dry: at_ns == 0 }
    }

    /// Tables for who brings a time.
    #[inline(always)]
    pub fn taking(dry: bool) -> Self {
        Self { at_ns: 0, dry }
    }

    #[inline(always)]
    fn taker(&self, draw: Draw) -> Taking {
        Taking { now_units: draw.now_units, dry: self.dry }
    }
}

impl Tables for KernelTables {
    #[inline(always)]
    fn kind(&self, source: SourceKey) -> Option<Kind> {
        tables::kind(source)
    }

    #[inline(always)]
    fn class_id(&self, address: Address) -> Option<ClassId> {
        tables::class_id(address)
    }

    #[inline(always)]
    fn class(&self, id: ClassId) -> Option<Class> {
        tables::class(id)
    }

    #[inline(always)]
    fn is_banned(&self, source: SourceKey) -> bool {
        bans::is_banned(source)
    }

    #[inline(always)]
    fn matching_rules(&self, packet: &Packet) -> u64 {
        rules::matching(packet)
    }

    #[inline(always)]
    fn rule_limit(&self, rule: u32) -> Option<&RuleLimit> {
        rules::limit(rule)
    }

    #[inline(always)]
    fn take_rule(&self, rule: u32, _: &Packet, draw: Draw) -> bool {
        limits::rule(rule, draw, self.dry)
    }

    #[inline(always)]
    fn limits(&self, _: &Packet, country: u32, draw: Draw, settings: &Settings) -> Option<End> {
        // Nothing is called where no limit is on; the bound on events is none of these.
        if settings.timed == 0 { None } else { limits::all(country, draw, self.dry) }
    }

    #[inline(always)]
    fn port_limit(&self, is_udp: bool, port: u16) -> Option<&Limit> {
        rules::port_limit(is_udp, port)
    }

    #[inline(always)]
    fn has_syn_cookies(&self, port: u16) -> bool {
        rules::has_syn_cookies(port)
    }

    #[inline(always)]
    fn now_units(&self) -> u64 {
        let now_ns = if self.at_ns == 0 { clock::now_ns() } else { self.at_ns };
        now_ns.wrapping_mul(UNITS_PER_NS)
    }

    #[inline(always)]
    fn take(&self, limit: &Limit, scope: u64, key: SourceKey, draw: Draw) -> bool {
        self.taker(draw).take(limit, scope, key, draw.length)
    }

    #[inline(always)]
    fn take_aggregate(&self, limit: &Limit, aggregate: u32, draw: Draw) -> bool {
        self.taker(draw).take_aggregate(limit, aggregate, draw.length)
    }
}
