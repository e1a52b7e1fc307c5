//! The generator of a SYN flood: like the other, but at a rate, and with sums that are right, since what
//! passes the firewall must cost the network stack what a client's segment does.

use aya_ebpf::{
    EbpfContext as _, Global,
    bindings::xdp_action,
    helpers::bpf_xdp_store_bytes,
    macros::{map, xdp},
    maps::Array,
    programs::XdpContext,
};

use crate::{generate, pace};

/// Sources are drawn from `SYN_BASE` on, out of `SYN_SPAN`.
#[unsafe(no_mangle)]
static SYN_BASE: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SYN_SPAN: Global<u32> = Global::new(1);
/// Sums over the IP header and over the segment with its pseudo header, for the source 0.0.0.0.
#[unsafe(no_mangle)]
static IP_SUM: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static TCP_SUM: Global<u32> = Global::new(0);

/// Bytes of a frame: a segment whose only option is its size.
const FRAME_BYTES: usize = 58;

/// The frame, for the source 0.0.0.0. It is written whole each time: what answers in the frame that it
/// got leaves its answer there, and the kernel takes the same frame again.
#[map]
static FRAME: Array<[u8; FRAME_BYTES]> = Array::with_max_entries(1, 0);

#[xdp]
fn generate_syn(context: XdpContext) -> u32 {
    if generate::is_stopped() || !pace::wait() {
        return xdp_action::XDP_DROP;
    }
    let Some((random, _)) = generate::draw() else { return xdp_action::XDP_ABORTED };
    if write(&context, random).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    generate::send()
}

#[inline(always)]
fn write(context: &XdpContext, random: u64) -> Option<()> {
    const IP_CHECKSUM: usize = 24;
    const SOURCE: usize = 26;
    const TCP_CHECKSUM: usize = 50;
    let source = SYN_BASE.load() + (((random >> 32) * u64::from(SYN_SPAN.load())) >> 32) as u32;
    let words = (source >> 16) + (source & 0xffff);
    let frame = FRAME.get_ptr_mut(0)?.cast();
    // SAFETY: the map's value has so many bytes; the helper compares with the frame's end.
    if unsafe { bpf_xdp_store_bytes(context.as_ptr().cast(), 0, frame, FRAME_BYTES as u32) } != 0 {
        return None;
    }
    generate::write(context, SOURCE, source.to_be_bytes())?;
    generate::write(context, IP_CHECKSUM, checksum(IP_SUM.load() + words))?;
    generate::write(context, TCP_CHECKSUM, checksum(TCP_SUM.load() + words))
}

/// RFC 1071, of a sum of fewer than 2^16 words.
#[inline(always)]
fn checksum(sum: u32) -> [u8; 2] {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_be_bytes()
}
