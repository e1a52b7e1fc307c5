//! Frames.

use std::net::Ipv6Addr;

use super::{PORTS, address_v4, address_v6, chance, one_of};
use crate::{
    frame::{
        ACK, FIN, GRE, GRE_CHECKSUM, GRE_KEY, GRE_ROUTING, GRE_SEQUENCE, ICMP, ICMPV6, IP6IP, IPIP,
        PSH, RST, SYN, TCP, UDP, ethernet, extension, fragment_v6, gre, icmp, ipv4, ipv4_with,
        ipv6, ipv6_with, mapped, tagged, tcp_with, udp,
    },
    random::Random,
};

/// A frame, most often whole.
pub fn frame(random: &mut Random) -> Vec<u8> {
    let (ethertype, packet) = packet(random);
    let mut frame = ethernet(ethertype, &packet);
    if chance(random, 1, 16) {
        let types = [0x0806, 0x88cc, 0x8809, 0x888e, 0x0026, 0x05ff, 0x0600, 0x8847, 0x1234];
        frame = ethernet(one_of(random, &types), &[0; 46]);
    }
    for _ in 0..random.below(24).saturating_sub(19) {
        let identifier = random.below(4096) as u16;
        frame = tagged(one_of(random, &[0x8100, 0x88a8, 0x9100]), identifier, &frame);
    }
    match random.below(20) {
        // The test run takes no frame that is shorter than an Ethernet header.
        0 => frame.truncate(14.max(random.below(frame.len() as u64 + 1) as usize)),
        1 => {
            let at = random.below(frame.len() as u64) as usize;
            frame[at] = random.next_u64() as u8;
        }
        2 => {
            let at = random.below(frame.len() as u64) as usize;
            frame[at] ^= 1 << random.below(8);
        }
        3..6 => frame.resize(frame.len() + random.below(24) as usize, 0),
        _ => {}
    }
    frame
}

/// The ethertype, and a packet of either family.
fn packet(random: &mut Random) -> (u16, Vec<u8>) {
    if chance(random, 1, 2) { (0x0800, v4(random)) } else { (0x86dd, v6(random)) }
}

fn source_v6(random: &mut Random) -> Ipv6Addr {
    if chance(random, 1, 8) { mapped(address_v4(random)) } else { address_v6(random) }
}

/// The packet's own lengths say nothing of it: what is behind the IP header ends too soon.
fn cut(random: &mut Random, mut payload: Vec<u8>) -> Vec<u8> {
    if chance(random, 1, 12) {
        payload.truncate(random.below(payload.len() as u64 + 1) as usize);
    }
    payload
}

fn v4(random: &mut Random) -> Vec<u8> {
    let (number, payload) = payload(random, ICMP);
    let payload = cut(random, payload);
    let words = if chance(random, 1, 5) { random.below(11) as usize } else { 0 };
    let options = vec![1; words * 4];
    let fragment = match random.below(16) {
        0 | 1 => 0x2000,
        2 => one_of(random, &[0x2010, 0x0001, 0x00b9, 0x1fff]),
        _ => one_of(random, &[0x4000, 0]),
    };
    ipv4_with(address_v4(random), number, &options, fragment, &payload)
}

fn v6(random: &mut Random) -> Vec<u8> {
    let (mut next, mut payload) = payload(random, ICMPV6);
    let chain = if chance(random, 1, 4) { 1 + random.below(7) } else { 0 };
    for _ in 0..chain {
        let kind = one_of(random, &[0, 43, 60, 135, 51, 44]);
        payload = if kind == 44 {
            let offset = one_of(random, &[0, 0, 0, 1, 0x17, 0x1fff]);
            fragment_v6(next, offset, chance(random, 1, 2), &payload)
        } else {
            extension(kind, next, one_of(random, &[0, 0, 0, 1, 2, 40]), &payload)
        };
        next = kind;
    }
    payload = cut(random, payload);
    let hop_limit = one_of(random, &[64, 255, 1]);
    ipv6_with(source_v6(random), next, hop_limit, &payload)
}

fn payload(random: &mut Random, icmp_number: u8) -> (u8, Vec<u8>) {
    match random.below(16) {
        0..7 => (TCP, tcp(random)),
        7 | 8 => (UDP, datagram(random)),
        9 | 10 => (icmp_number, control(random, icmp_number)),
        // ICMP of the other family.
        11 if chance(random, 1, 2) => {
            let other = if icmp_number == ICMP { ICMPV6 } else { ICMP };
            (other, control(random, other))
        }
        11 => (random.next_u64() as u8, vec![0; random.below(40) as usize]),
        _ => tunnel(random),
    }
}

fn port(random: &mut Random) -> u16 {
    match random.below(8) {
        0 => random.next_u64() as u16,
        1 => one_of(random, &PORTS) - 1,
        2 => one_of(random, &PORTS) + 1,
        _ => one_of(random, &PORTS),
    }
}

fn tcp(random: &mut Random) -> Vec<u8> {
    let flags = match random.below(8) {
        0 | 1 => random.next_u64() as u8,
        2..5 => SYN,
        5 => one_of(random, &[0, FIN, PSH, SYN | FIN, SYN | RST, FIN | RST]),
        _ => one_of(random, &[ACK, SYN | ACK, PSH | ACK, RST, RST | ACK, FIN | ACK]),
    };
    let options = vec![1; one_of(random, &[0, 0, 4, 20, 40])];
    let (from, to) = (port(random), port(random));
    let mut segment = tcp_with(from, to, flags, &options);
    segment.resize(segment.len() + random.below(8) as usize, 0);
    if chance(random, 1, 12) {
        segment[12] = random.next_u64() as u8;
    }
    segment
}

fn datagram(random: &mut Random) -> Vec<u8> {
    let (from, to) = (port(random), port(random));
    let mut datagram = udp(from, to, random.below(32) as usize);
    if chance(random, 1, 8) {
        let real = datagram.len() as u16;
        let wrong = [0, 7, 8, real - 1, real + 1, real + 100, random.next_u64() as u16];
        datagram[4..6].copy_from_slice(&one_of(random, &wrong).to_be_bytes());
    }
    datagram
}

fn control(random: &mut Random, number: u8) -> Vec<u8> {
    let kind = match number {
        _ if chance(random, 1, 8) => random.next_u64() as u8,
        ICMP => one_of(random, &[0, 3, 5, 8, 8, 11, 12, 13]),
        _ if chance(random, 1, 2) => one_of(random, &[1, 3, 4, 128, 128, 129]),
        _ => one_of(random, &[2, 130, 131, 132, 133, 134, 135, 136, 137, 138, 143]),
    };
    icmp(kind, random.below(6) as u8)
}

fn tunnel(random: &mut Random) -> (u8, Vec<u8>) {
    let number = one_of(random, &[IPIP, IP6IP, GRE]);
    let mut carried = match number {
        IPIP if chance(random, 15, 16) => inner_v4(random),
        IP6IP if chance(random, 15, 16) => inner_v6(random),
        IPIP => inner_v6(random),
        IP6IP => inner_v4(random),
        _ => generic(random),
    };
    if chance(random, 1, 10) {
        carried.truncate(random.below(carried.len() as u64 + 1) as usize);
    }
    (number, carried)
}

fn generic(random: &mut Random) -> Vec<u8> {
    let mut flags = 0;
    for (bit, of) in [(GRE_CHECKSUM, 3), (GRE_KEY, 2), (GRE_SEQUENCE, 2), (GRE_ROUTING, 12)] {
        if chance(random, 1, of) {
            flags |= bit;
        }
    }
    if chance(random, 1, 8) {
        // The version, and bits that say nothing.
        flags |= random.next_u64() as u16 & one_of(random, &[0x0007, 0x0ff8, 0x0fff]);
    }
    let (ethertype, carried) = inner(random);
    match random.below(16) {
        0..7 => gre(flags, ethertype, &carried),
        7..11 => gre(flags, 0x6558, &ethernet(ethertype, &carried)),
        11 => {
            let inside = tagged(0x8100, 7, &ethernet(ethertype, &carried));
            gre(flags, 0x6558, &inside)
        }
        12 => gre(flags, 0x6558, &ethernet(one_of(random, &[0x0806, 0x8847, 0x0026]), &carried)),
        // Another type than what is inside.
        13 => gre(flags, one_of(random, &[0x0800, 0x86dd, 0x6558]), &carried),
        14 => gre(flags, one_of(random, &[0x0806, 0x88be, 0x880b, 0x8847, 0]), &carried),
        _ => gre(flags, random.next_u64() as u16, &carried),
    }
}

fn inner(random: &mut Random) -> (u16, Vec<u8>) {
    if chance(random, 1, 2) { (0x0800, inner_v4(random)) } else { (0x86dd, inner_v6(random)) }
}

fn inner_v4(random: &mut Random) -> Vec<u8> {
    let (number, payload) = inner_payload(random);
    ipv4(address_v4(random), number, &payload)
}

fn inner_v6(random: &mut Random) -> Vec<u8> {
    let (number, payload) = inner_payload(random);
    ipv6(source_v6(random), number, &payload)
}

/// What an inner packet carries: nobody reads it, but a tunnel must not be there.
fn inner_payload(random: &mut Random) -> (u8, Vec<u8>) {
    match random.below(12) {
        0 => (one_of(random, &[IPIP, IP6IP, GRE]), vec![0; 40]),
        // Behind an extension header it is not looked for.
        1 => (60, extension(60, one_of(random, &[IPIP, IP6IP, GRE]), 0, &[0; 40])),
        2 => (random.next_u64() as u8, vec![0; random.below(30) as usize]),
        3..8 => (TCP, tcp(random)),
        _ => (UDP, datagram(random)),
    }
}
