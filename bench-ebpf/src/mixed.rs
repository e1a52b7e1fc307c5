//! The generator of mixed traffic: frames as userspace made them, one after the other, at a rate.

use aya_ebpf::{
    EbpfContext as _, Global,
    bindings::xdp_action,
    helpers::bpf_xdp_store_bytes,
    macros::{map, xdp},
    maps::Array,
    programs::XdpContext,
};

use crate::{generate, pace};

/// Bytes of each frame.
const FRAME_BYTES: usize = 96;

/// How many frames there are: a power of two.
#[unsafe(no_mangle)]
static MIX_COUNT: Global<u32> = Global::new(1);

/// The frames. In turn: read in any other order they would cost a memory miss each.
#[map]
static MIX: Array<[u8; FRAME_BYTES]> = Array::with_max_entries(1, 0);

#[xdp]
fn generate_mixed(context: XdpContext) -> u32 {
    if generate::is_stopped() || !pace::wait() {
        return xdp_action::XDP_DROP;
    }
    let Some((_, number)) = generate::draw() else { return xdp_action::XDP_ABORTED };
    let index = number as u32 & (MIX_COUNT.load() - 1);
    let Some(frame) = MIX.get_ptr_mut(index) else { return xdp_action::XDP_ABORTED };
    let (at, length) = (frame.cast(), FRAME_BYTES as u32);
    // SAFETY: the map's value has so many bytes; the helper compares with the frame's end.
    if unsafe { bpf_xdp_store_bytes(context.as_ptr().cast(), 0, at, length) } != 0 {
        return xdp_action::XDP_ABORTED;
    }
    generate::send()
}
