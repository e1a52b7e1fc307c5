//! What both sides must agree on, asserted when either is compiled.

use core::mem::{offset_of, size_of};

use crate::{
    bucket::{Limit, Rate},
    class::Class,
    counter::Count,
    event::EventRecord,
    maps,
    packet::SourceKey,
    port_limits::PortTable,
    ranges::{DeepGroup, DeepRange},
    rules::{RULE_SLOTS, RuleLimit, RuleMasks, RuleSlot, RuleTable},
    settings::Settings,
};

const _: () = {
    // One digit, for as long as it is one.
    let name = maps::SETTINGS.as_bytes();
    assert!(maps::ABI < 10 && name[name.len() - 1] == b'0' + maps::ABI as u8);
    assert!(size_of::<Rate>() == 16);
    assert!(size_of::<Limit>() == 32);
    assert!(size_of::<RuleMasks>() == 32);
    assert!(size_of::<RuleLimit>() == 48);
    assert!(size_of::<RuleTable>() == 2 * 8 * 65_536 + 4 * 8 * 256 + 64 * 48);
    assert!(size_of::<PortTable>() == 2 * 65_536 + 8_192 + 64 * 32);
    assert!(size_of::<Settings>() == 32 + 9 * 32 + 8 + 14 * 4 + 64);
    assert!(size_of::<RuleSlot>() == 48 && RULE_SLOTS == 1 << u8::BITS);
    assert!(size_of::<Class>() == 16);
    assert!(size_of::<DeepGroup>() == 8);
    assert!(size_of::<DeepRange>() == 16);
    assert!(size_of::<SourceKey>() == 16);
    assert!(size_of::<Count>() == 16);
    assert!(size_of::<EventRecord>() == 168);
    assert!(offset_of!(Class, name) == 8);
    assert!(offset_of!(EventRecord, class) == 8);
    assert!(offset_of!(EventRecord, generation) == 24);
    assert!(offset_of!(EventRecord, interface_index) == 28);
    assert!(offset_of!(EventRecord, length) == 32);
    assert!(offset_of!(EventRecord, head) == 36);
    assert!(offset_of!(EventRecord, bytes) == 40);
};

/// Types that may be copied to and from the kernel as bytes.
#[cfg(feature = "user")]
mod pod {
    use super::{
        Class, Count, DeepGroup, DeepRange, PortTable, RuleSlot, RuleTable, Settings, SourceKey,
    };

    // SAFETY: two u64.
    unsafe impl aya::Pod for Count {}
    // SAFETY: two u64.
    unsafe impl aya::Pod for SourceKey {}
    // SAFETY: two u64 and 32 u8.
    unsafe impl aya::Pod for RuleSlot {}
    // SAFETY: u64s, fourteen u32 and 64 u8: the bytes are a multiple of eight.
    unsafe impl aya::Pod for Settings {}
    // SAFETY: a u64, a u16, four u8 and a u16: 16 bytes without a gap.
    unsafe impl aya::Pod for Class {}
    // SAFETY: two u32.
    unsafe impl aya::Pod for DeepGroup {}
    // SAFETY: a u64 and two u32.
    unsafe impl aya::Pod for DeepRange {}
    // SAFETY: u64s, and structs of u64s.
    unsafe impl aya::Pod for RuleTable {}
    // SAFETY: u8s and u64s; the bytes are a multiple of eight.
    unsafe impl aya::Pod for PortTable {}
}
