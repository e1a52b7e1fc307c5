//! The rival that most XDP firewalls are: one kernel LPM trie, asked for the IPv4 source.

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{LpmTrie, PerCpuArray, lpm_trie::Key},
    programs::XdpContext,
};

#[map]
static DENIED: LpmTrie<[u8; 4], u32> = LpmTrie::with_max_entries(1 << 20, 0);

/// Packets of no IPv4, not listed, listed.
#[map]
static LPM_COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(3, 0);

/// Counts listed and unlisted sources apart, and drops both: what passes would cost the network
/// stack, which is not compared here.
#[xdp]
fn lpm(context: XdpContext) -> u32 {
    let slot = match source(&context) {
        None => 0,
        Some(source) if DENIED.get(Key::new(32, source)).is_none() => 1,
        Some(_) => 2,
    };
    if let Some(count) = LPM_COUNTS.get_ptr_mut(slot) {
        // SAFETY: the pointer came from the map, is not null, and is this CPU's own.
        unsafe { *count += 1 };
    }
    xdp_action::XDP_DROP
}

#[inline(always)]
fn source(context: &XdpContext) -> Option<[u8; 4]> {
    const ETHERTYPE: usize = 12;
    const SOURCE: usize = 26;
    const HEADERS: usize = 34;
    let start = context.data();
    if start + HEADERS > context.data_end() {
        return None;
    }
    // SAFETY: both lie inside the headers, which are inside the frame, as was just compared.
    let (ethertype, source) = unsafe {
        (*((start + ETHERTYPE) as *const [u8; 2]), *((start + SOURCE) as *const [u8; 4]))
    };
    (ethertype == [0x08, 0x00]).then_some(source)
}
