//! What both sides must agree on, asserted when either is compiled.

use core::mem::{offset_of, size_of};

use crate::{
    bucket::Rate,
    counter::Count,
    event::EventRecord,
    packet::SourceKey,
    ranges::{DeepV6, ROW_V4, ROW_V6, RangeV4, RangeV6},
    settings::Settings,
};

const _: () = {
    assert!(size_of::<Rate>() == 16);
    assert!(size_of::<Settings>() == 24);
    assert!(size_of::<SourceKey>() == 16);
    assert!(size_of::<Count>() == 16);
    assert!(size_of::<RangeV4>() * ROW_V4 == 1024);
    assert!(size_of::<RangeV6>() * ROW_V6 == 1024);
    assert!(size_of::<DeepV6>() * ROW_V6 == 1024);
    assert!(size_of::<EventRecord>() == 64);
    assert!(offset_of!(EventRecord, source) == 8);
    assert!(offset_of!(EventRecord, destination) == 24);
    assert!(offset_of!(EventRecord, interface_index) == 40);
    assert!(offset_of!(EventRecord, length) == 44);
    assert!(offset_of!(EventRecord, class) == 48);
    assert!(offset_of!(EventRecord, source_port) == 52);
    assert!(offset_of!(EventRecord, destination_port) == 54);
    assert!(offset_of!(EventRecord, verdict) == 56);
    assert!(offset_of!(EventRecord, reason) == 57);
    assert!(offset_of!(EventRecord, protocol) == 58);
    assert!(offset_of!(EventRecord, family) == 59);
};

/// Types that may be copied to and from the kernel as bytes.
#[cfg(feature = "user")]
mod pod {
    use super::{Count, DeepV6, RangeV4, RangeV6, Settings, SourceKey};

    // SAFETY: two u64.
    unsafe impl aya::Pod for Count {}
    // SAFETY: two u64.
    unsafe impl aya::Pod for SourceKey {}
    // SAFETY: two u64 and two u32.
    unsafe impl aya::Pod for Settings {}
    // SAFETY: two u32.
    unsafe impl aya::Pod for RangeV4 {}
    // SAFETY: a u64 and two u32.
    unsafe impl aya::Pod for RangeV6 {}
    // SAFETY: a u64 and two u32.
    unsafe impl aya::Pod for DeepV6 {}
}
