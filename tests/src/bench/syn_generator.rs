//! The generator of a SYN flood from spoofed sources.

use std::{net::Ipv4Addr, path::Path};

use anyhow::{Context as _, Result, anyhow};
use aya::{EbpfLoader, maps::Array};

use crate::{
    bench::paced::Paced,
    frame::{SYN, TCP, ethernet, ipv4, tcp_with},
    world::SERVER_IPV4,
};

/// All segments come from this port: what goes back to it is told apart by it.
pub const PORT: u16 = 9;
/// 10.0.0.0/8, where no host of the world is.
const BASE: u32 = 10 << 24;
const SPAN: u32 = 1 << 24;
/// The number stands in bench-ebpf too.
const FRAME_BYTES: usize = 58;
const IP_HEADER: usize = 14;
const TCP_HEADER: usize = 34;

/// Loads it, to send out of an interface; inside the namespace.
pub fn load(object: &Path, interface: &str, port: u16, rate_pps: u32) -> Result<Paced> {
    let segment = tcp_with(PORT, port, SYN, &[2, 4, 0x05, 0xb4]);
    let frame = ethernet(0x0800, &ipv4(Ipv4Addr::UNSPECIFIED, TCP, &segment));
    let pseudo_header = sum(&SERVER_IPV4.octets()) + u32::from(TCP) + segment.len() as u32;
    let mut ebpf = EbpfLoader::new()
        .override_global("SYN_BASE", &BASE, true)
        .override_global("SYN_SPAN", &SPAN, true)
        .override_global("IP_SUM", &sum(&frame[IP_HEADER..TCP_HEADER]), true)
        .override_global("TCP_SUM", &(sum(&segment) + pseudo_header), true)
        .override_global("GAP_NS", &(1_000_000_000 / rate_pps), true)
        .load_file(object)?;
    let template = <[u8; FRAME_BYTES]>::try_from(&frame[..]);
    let template = template.map_err(|_| anyhow!("the frame has {} bytes", frame.len()))?;
    let map = ebpf.map_mut("FRAME").context("the object has no FRAME")?;
    Array::<_, [u8; FRAME_BYTES]>::try_from(map)?.set(0, template, 0)?;
    Paced::load(ebpf, "generate_syn", interface, frame)
}

/// Of 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum()
}
