//! Generated policies and frames: plain, tagged, fragmented, nested in extension headers, cut off
//! and corrupted.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    frame::{ICMP, ICMPV6, TCP, UDP, ethernet, icmp, ipv4_with, ipv6_with, tagged, tcp, udp},
    oracle::Networks,
    random::Random,
};

/// A few networks of both families. They lie close together, so that they nest and touch often.
pub fn networks(random: &mut Random, count: u64) -> Networks {
    (0..count)
        .map(|_| {
            if random.below(2) == 0 {
                let length = random.below(33) as u32;
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                (Ipv4Addr::from_bits(address_v4(random).to_bits() & mask).into(), length)
            } else {
                let length = random.below(129) as u32;
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                (Ipv6Addr::from_bits(address_v6(random).to_bits() & mask).into(), length)
            }
        })
        .collect()
}

fn address_v4(random: &mut Random) -> Ipv4Addr {
    let any = random.next_u64() as u32;
    Ipv4Addr::from_bits(match random.below(4) {
        0 => any,
        1 => 0xcb00_7100 | any & 0xff,
        2 => 0xcb00_0000 | any & 0xf_ffff,
        _ => 0xcb00_7100 | any & 0x7,
    })
}

fn address_v6(random: &mut Random) -> Ipv6Addr {
    let any = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let documentation = 0x2001_0db8_u128 << 96;
    Ipv6Addr::from_bits(match random.below(6) {
        0 => any,
        1 => documentation | any & 0xff,
        2 => documentation | (any & 0x3) << 64 | any & 0x7,
        3 => documentation | (any & 0xffff) << 64,
        4 => 0xfe80 << 112 | any & 0xff,
        _ => 0x3fff << 112 | any & 0xffff,
    })
}

/// A frame, most often whole.
pub fn frame(random: &mut Random) -> Vec<u8> {
    let mut frame = if random.below(2) == 0 { v4(random) } else { v6(random) };
    if random.below(16) == 0 {
        let types = [0x0806, 0x88cc, 0x8809, 0x888e, 0x0026, 0x8847, 0x1234];
        frame = ethernet(types[random.below(types.len() as u64) as usize], &[0; 46]);
    }
    for _ in 0..random.below(8).saturating_sub(4) {
        let types = [0x8100, 0x88a8, 0x9100];
        frame = tagged(types[random.below(3) as usize], random.below(4096) as u16, &frame);
    }
    match random.below(8) {
        // The test run takes no frame that is shorter than an Ethernet header.
        0 => frame.truncate(14.max(random.below(frame.len() as u64 + 1) as usize)),
        1 => {
            let at = random.below(frame.len() as u64) as usize;
            frame[at] = random.next_u64() as u8;
        }
        2 => frame.resize(frame.len() + random.below(24) as usize, 0),
        _ => {}
    }
    frame
}

fn transport(random: &mut Random) -> (u8, Vec<u8>) {
    let port = random.next_u64() as u16;
    match random.below(6) {
        0 | 1 => (TCP, tcp(port, 443)),
        2 => (UDP, udp(port, 53, random.below(32) as usize)),
        3 => (ICMP, icmp([0, 3, 8][random.below(3) as usize], random.below(6) as u8)),
        4 => {
            let kinds = [1, 2, 128, 130, 131, 132, 133, 134, 135, 136, 137, 138, 143];
            (ICMPV6, icmp(kinds[random.below(13) as usize], 0))
        }
        _ => (random.next_u64() as u8, vec![0; random.below(40) as usize]),
    }
}

fn v4(random: &mut Random) -> Vec<u8> {
    let (protocol, payload) = transport(random);
    let options = vec![1; random.below(11) as usize * 4 * usize::from(random.below(4) == 0)];
    let fragment = [0x4000, 0, 0x2000, 0x2010, 0x0001, 0x00b9][random.below(6) as usize];
    ethernet(0x0800, &ipv4_with(address_v4(random), protocol, &options, fragment, &payload))
}

fn v6(random: &mut Random) -> Vec<u8> {
    let (mut next, mut payload) = transport(random);
    for _ in 0..random.below(12).saturating_sub(4) {
        let kind = [0, 43, 60, 135, 51, 44][random.below(6) as usize];
        let units = random.below(3) as u8;
        let mut header = vec![next, units];
        match kind {
            44 => header.extend([0, [0, 1, 8, 0xb9][random.below(4) as usize], 0, 0, 0, 1]),
            51 => header.resize(8 + usize::from(units) * 4, 0),
            _ => header.resize(8 + usize::from(units) * 8, 0),
        }
        header.extend(payload);
        (next, payload) = (kind, header);
    }
    let hop_limit = [64, 255, 1][random.below(3) as usize];
    ethernet(0x86dd, &ipv6_with(address_v6(random), next, hop_limit, &payload))
}
