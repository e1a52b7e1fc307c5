//! The order of the stages, over tables in memory.

use std::{cell::RefCell, vec, vec::Vec};

use super::*;
use crate::{bucket::Rate, rules::RuleMasks};

/// Answers what it is told, and notes which buckets were asked.
struct Memory {
    class: Option<Class>,
    banned: bool,
    rules: u64,
    /// The scope or aggregate whose bucket is empty.
    empty: Option<u64>,
    asked: RefCell<Vec<u64>>,
}

impl Memory {
    fn new(class: Option<Class>) -> Self {
        Self { class, banned: false, rules: 0, empty: None, asked: RefCell::default() }
    }

    fn ask(&self, bucket: u64) -> bool {
        self.asked.borrow_mut().push(bucket);
        self.empty != Some(bucket)
    }
}

impl Tables for Memory {
    fn kind(&self, _: SourceKey) -> Option<Kind> {
        self.class.map(|class| class.kind())
    }

    fn class_id(&self, _: Address) -> Option<ClassId> {
        self.class.map(|class| Kind::STEP + class.kind() as u32)
    }

    fn class(&self, _: ClassId) -> Option<Class> {
        self.class
    }

    fn is_banned(&self, _: SourceKey) -> bool {
        self.banned
    }

    fn matching_rules(&self, _: &Packet) -> u64 {
        self.rules
    }

    fn rule_limit(&self, _: u32) -> Option<&RuleLimit> {
        None
    }

    fn take_rule(&self, rule: u32, packet: &Packet, draw: Draw) -> bool {
        take_rule(rule, packet, draw, self)
    }

    fn port_limit(&self, _: bool, _: u16) -> Option<&Limit> {
        None
    }

    fn has_syn_cookies(&self, _: u16) -> bool {
        false
    }

    fn now_units(&self) -> u64 {
        1
    }

    fn limits(
        &self,
        packet: &Packet,
        country: u32,
        draw: Draw,
        settings: &Settings,
    ) -> Option<End> {
        limits(packet, country, draw, settings, self)
    }

    fn take(&self, _: &Limit, scope: u64, _: SourceKey, _: Draw) -> bool {
        self.ask(scope)
    }

    fn take_aggregate(&self, _: &Limit, aggregate: u32, _: Draw) -> bool {
        self.ask(u64::from(aggregate))
    }
}

fn udp() -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([
        0x08, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 198, 51, 100, 1, 192, 0, 2, 10,
    ]);
    frame.extend([0, 1, 0, 2, 0, 8, 0, 0]);
    frame
}

const LIMIT: Limit = Limit { packets: Rate { cost: 1, window: 1 }, bytes: Rate::OFF };

fn limited() -> Settings {
    let protocols = [LIMIT; 4];
    Settings { source: LIMIT, prefix: LIMIT, protocols, timed: 1, ..Settings::UNSET }
}

fn judge(settings: &Settings, tables: &Memory) -> (Verdict, Reason) {
    let mut packet = Packet::NONE;
    let decision = inspect(&udp().as_slice(), &mut packet, settings, tables);
    assert_eq!(packet.protocol, Protocol::Udp);
    (decision.verdict, decision.reason)
}

#[test]
fn each_list_decides_alone_and_only_the_rest_is_limited() {
    let udp_class = u64::from(limits::aggregate_protocol(ProtocolClass::Udp));
    let all = [limits::SCOPE_SOURCE, limits::SCOPE_PREFIX, udp_class];
    // (list, in shadow, banned, verdict, reason, buckets asked)
    for (list, shadow, banned, verdict, reason, asked) in [
        (List::Protected, false, true, Verdict::Pass, Reason::Protected, &[][..]),
        (List::Allow, false, true, Verdict::Pass, Reason::Allow, &[]),
        (List::Deny, false, false, Verdict::Drop, Reason::Deny, &[]),
        (List::Geo, false, false, Verdict::Drop, Reason::Geo, &[]),
        (List::Default, false, true, Verdict::Drop, Reason::Ban, &[]),
        (List::Default, false, false, Verdict::Pass, Reason::Default, &all),
        (List::Deny, true, false, Verdict::Shadow, Reason::Deny, &all),
        (List::Deny, true, true, Verdict::Drop, Reason::Ban, &[]),
        (List::Geo, true, false, Verdict::Shadow, Reason::Geo, &all),
    ] {
        let class = Class::new(list, None).in_shadow(shadow);
        let tables = Memory { banned, ..Memory::new(Some(class)) };
        assert_eq!(judge(&limited(), &tables), (verdict, reason), "{list:?} {shadow}");
        assert_eq!(tables.asked.borrow().as_slice(), asked, "{list:?} {shadow}");
    }
    assert_eq!(judge(&limited(), &Memory::new(None)), (Verdict::Pass, Reason::Fault));
}

#[test]
fn limits_end_with_the_first_that_is_empty() {
    let udp_class = u64::from(limits::aggregate_protocol(ProtocolClass::Udp));
    for (empty, reason, asked) in [
        (limits::SCOPE_SOURCE, Reason::RateSource, 1),
        (limits::SCOPE_PREFIX, Reason::RatePrefix, 2),
        (udp_class, Reason::RateProtocol, 3),
    ] {
        let tables = Memory { empty: Some(empty), ..Memory::new(Some(Class::DEFAULT)) };
        assert_eq!(judge(&limited(), &tables), (Verdict::Drop, reason));
        assert_eq!(tables.asked.borrow().len(), asked);
        let shadow = Settings { shadow: 1, ..limited() };
        assert_eq!(judge(&shadow, &tables), (Verdict::Shadow, reason));
    }
}

#[test]
fn rules_come_before_limits() {
    let rules = RuleMasks { pass: 1, drop: 2, ..RuleMasks::OFF };
    let settings = Settings { rules, ..limited() };
    let class = Some(Class::DEFAULT.with_rules(3));
    for (bits, verdict, reason, asked) in [
        (1, Verdict::Pass, Reason::Rule, 3),
        (2, Verdict::Drop, Reason::Rule, 0),
        (0, Verdict::Pass, Reason::Default, 3),
    ] {
        let tables = Memory { rules: bits, ..Memory::new(class) };
        assert_eq!(judge(&settings, &tables), (verdict, reason));
        assert_eq!(tables.asked.borrow().len(), asked);
    }
}

#[test]
fn what_is_not_ip_asks_no_table() {
    let tables = Memory::new(None);
    let passing = Settings { non_ip_pass: 1, malformed_pass: 1, ..Settings::UNSET };
    for (ethertype, settings, verdict, reason) in [
        (0x0806_u16, Settings::UNSET, Verdict::Pass, Reason::Essential),
        (0x8847, Settings::UNSET, Verdict::Drop, Reason::NonIp),
        (0x8847, passing, Verdict::Pass, Reason::NonIp),
        (0x0800, Settings::UNSET, Verdict::Drop, Reason::Malformed),
        (0x0800, passing, Verdict::Pass, Reason::Malformed),
    ] {
        let mut frame = vec![0; 12];
        frame.extend(ethertype.to_be_bytes());
        let mut packet = Packet::NONE;
        let decision = inspect(&frame.as_slice(), &mut packet, &settings, &tables);
        assert_eq!((decision.verdict, decision.reason), (verdict, reason), "{ethertype:04x}");
        assert_eq!((packet.protocol, packet.version), (Protocol::None, 0));
    }
}
