//! The order of the stages, over tables in memory.

use std::{cell::Cell, vec, vec::Vec};

use super::*;
use crate::bucket::Rate;

struct Memory {
    list: Option<List>,
    tokens: Cell<u32>,
}

impl Tables for Memory {
    fn class(&self, _: Address) -> Option<Class> {
        Some(self.list.map_or(Class::from_word(0xff), |list| Class::new(list, None)))
    }

    fn take(&self, _: SourceKey) -> bool {
        let left = self.tokens.get();
        self.tokens.set(left.saturating_sub(1));
        left > 0
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

#[test]
fn each_list_decides_alone() {
    let limited = Settings { rate: Rate::new(1, 1), ..Settings::UNSET };
    let free = Settings::UNSET;
    // (list, settings, tokens before, verdict, reason, tokens after)
    for (list, settings, before, verdict, reason, after) in [
        (Some(List::Protected), limited, 0, Verdict::Pass, Reason::Protected, 0),
        (Some(List::Allow), limited, 0, Verdict::Pass, Reason::Allow, 0),
        (Some(List::Deny), limited, 5, Verdict::Drop, Reason::Deny, 5),
        (Some(List::Geo), limited, 5, Verdict::Drop, Reason::Geo, 5),
        (Some(List::Default), limited, 5, Verdict::Pass, Reason::Default, 4),
        (Some(List::Default), limited, 0, Verdict::Drop, Reason::Rate, 0),
        (Some(List::Default), free, 0, Verdict::Pass, Reason::Default, 0),
        (None, limited, 5, Verdict::Pass, Reason::Fault, 5),
    ] {
        let tables = Memory { list, tokens: Cell::new(before) };
        let decision = inspect(&udp().as_slice(), settings, &tables);
        let seen = (decision.verdict, decision.reason, tables.tokens.get());
        assert_eq!(seen, (verdict, reason, after), "{list:?}");
        assert_eq!(decision.protocol, Protocol::Udp);
    }
}

#[test]
fn what_is_not_ip_asks_no_table() {
    let tables = Memory { list: Some(List::Deny), tokens: Cell::new(0) };
    let passing = Settings { non_ip_pass: 1, ..Settings::UNSET };
    for (ethertype, settings, verdict, reason) in [
        (0x0806_u16, Settings::UNSET, Verdict::Pass, Reason::Essential),
        (0x8847, Settings::UNSET, Verdict::Drop, Reason::NonIp),
        (0x8847, passing, Verdict::Pass, Reason::NonIp),
        (0x0800, passing, Verdict::Drop, Reason::Malformed),
    ] {
        let mut frame = vec![0; 12];
        frame.extend(ethertype.to_be_bytes());
        let decision = inspect(&frame.as_slice(), settings, &tables);
        assert_eq!((decision.verdict, decision.reason), (verdict, reason), "{ethertype:04x}");
        assert_eq!((decision.protocol, decision.packet), (Protocol::None, None));
    }
}
