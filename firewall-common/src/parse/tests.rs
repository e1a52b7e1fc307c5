//! Frames by hand; the loaded program is held against a second parser in tests/it/packet_path.

use std::{vec, vec::Vec};

use super::*;

fn ipv4(first: u8, total_length: u16, fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00, first, 0]);
    frame.extend(total_length.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0, 198, 51, 100, 1, 192, 0, 2, 10]);
    frame.extend(payload);
    frame
}

/// What a frame holds; a packet that is broken behind its IP header is malformed too.
fn parsed(frame: &[u8]) -> Frame {
    let mut packet = Packet::NONE;
    match parse(&frame, &mut packet) {
        Frame::Ip if packet.broken => Frame::Malformed,
        frame => frame,
    }
}

/// What a frame that holds an IP packet says.
fn packet(frame: &[u8]) -> Packet {
    let mut packet = Packet::NONE;
    assert_eq!(parse(&frame, &mut packet), Frame::Ip);
    packet
}

/// A header of five words.
const TCP: [u8; 20] = [0, 1, 1, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0];
/// A header and nothing behind it.
const UDP: [u8; 8] = [0x9c, 0x40, 0, 53, 0, 8, 0, 0];
/// A key, and an IPv4 packet from 203.0.113.8.
const GRE: [u8; 28] = [
    0x20, 0, 8, 0, 0, 0, 0, 1, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113, 8, 192, 0, 2,
    1,
];

#[test]
fn who_is_inside_a_tunnel() {
    let denied = Some(Address::V4(0xcb00_7108));
    let inner = &GRE[8..];
    assert_eq!(packet(&ipv4(0x45, 48, 0, 47, &GRE)).inner, denied);
    assert_eq!(packet(&ipv4(0x45, 40, 0, 4, inner)).inner, denied);
    assert_eq!(packet(&ipv4(0x45, 40, 1, 4, inner)).inner, None, "a later fragment");
    assert_eq!(parsed(&ipv4(0x45, 39, 0, 4, &inner[..19])), Frame::Malformed);
    assert_eq!(parsed(&ipv4(0x45, 40, 0, 41, inner)), Frame::Malformed, "no IPv6");
    let mut nested = inner.to_vec();
    nested[9] = 47;
    assert_eq!(parsed(&ipv4(0x45, 40, 0, 4, &nested)), Frame::Malformed);
}

#[test]
fn a_udp_packet_is_read_whole() {
    let frame = ipv4(0x45, 28, 0, 17, &[0x9c, 0x40, 0, 53, 0, 8, 0, 0]);
    assert_eq!(
        packet(&frame),
        Packet {
            source: Address::V4(0xc633_6401),
            inner: None,
            protocol: Protocol::Udp,
            number: 17,
            hop_limit: 64,
            icmp: [0; 2],
            tcp_flags: 0,
            destination_port: 53,
            broken: false,
            later_fragment: false,
            whole: true,
            plain: true,
            version: 4,
            network_offset: 14,
            transport_offset: 34,
            end: 42,
        }
    );
}

#[test]
fn no_prefix_of_a_frame_reads_as_the_frame() {
    let frame = ipv4(0x45, 40, 0, 6, &TCP);
    assert_eq!(parsed(&frame), Frame::Ip);
    for length in 0..frame.len() {
        assert_eq!(parsed(&frame[..length]), Frame::Malformed, "cut at {length}");
    }
}

#[test]
fn ports_are_those_of_a_first_fragment_alone() {
    // (fragment field, payload, frame)
    for (fragment, payload, later) in [
        (0x2000, &[0, 1, 0, 2, 0, 8, 0, 0][..], Some(false)),
        (0x0001, &[][..], Some(true)),
        (0x2001, &[0, 1][..], Some(true)),
        (0x2000, &[0, 1][..], None),
    ] {
        let frame = ipv4(0x45, 20 + payload.len() as u16, fragment, 17, payload);
        let found = match parsed(&frame) {
            Frame::Ip => {
                let packet = packet(&frame);
                assert_eq!(packet.destination_port != 0, !packet.later_fragment);
                Some(packet.later_fragment)
            }
            Frame::Malformed => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, later, "fragment field {fragment:04x}");
    }
}

#[test]
fn ethertypes() {
    // (ethertype, what it is)
    for (ethertype, expected) in [
        (0x0806_u16, Frame::LinkControl),
        (0x8809, Frame::LinkControl),
        (0x888e, Frame::LinkControl),
        (0x88cc, Frame::LinkControl),
        (0x0026, Frame::LinkControl),
        (0x05ff, Frame::LinkControl),
        (0x0600, Frame::Other),
        (0x8847, Frame::Other),
        (0x8864, Frame::Other),
        (0x0800, Frame::Malformed),
        (0x86dd, Frame::Malformed),
        (0x8100, Frame::Malformed),
    ] {
        let mut frame = vec![0; 12];
        frame.extend(ethertype.to_be_bytes());
        assert_eq!(parsed(&frame), expected, "{ethertype:04x}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    // Every value of every byte of the headers, one at a time.
    for frame in [
        ipv4(0x45, 40, 0, 6, &TCP),
        ipv4(0x45, 28, 0, 17, &UDP),
        ipv4(0x45, 48, 0, 47, &GRE),
        ipv6(6, &TCP),
        ipv6(17, &UDP),
        ipv6_with_extensions(),
    ] {
        for at in 0..frame.len() {
            for value in 0..=255 {
                let mut changed = frame.clone();
                changed[at] = value;
                let _ = parsed(&changed);
                agrees_with_plain(&changed);
                agrees_with_reading_on(&changed);
            }
        }
    }
}

/// What the first look says is what the whole parser says.
fn agrees_with_plain(frame: &[u8]) {
    if let Some(plain) = plain(&frame) {
        let packet = packet(frame);
        assert_eq!((plain.source, plain.protocol), (packet.source.source_key(), packet.protocol));
        assert!(!matches!(packet.protocol, Protocol::Icmp | Protocol::Icmpv6));
    }
}

/// What is read of a plain packet straight on is what the whole parser reads; answers whether it was.
fn agrees_with_reading_on(bytes: &[u8]) -> bool {
    let (mut straight, mut whole) = (Packet::NONE, Packet::NONE);
    if plain::read(&bytes, &mut straight).is_none() {
        return false;
    }
    assert_eq!(frame(&bytes, &mut whole), Some(Frame::Ip));
    assert_eq!(straight, whole);
    true
}

#[test]
fn plain_packets_are_read_straight_on() {
    let shorter = [&TCP[..12], &[0x40], &TCP[13..]].concat();
    // (frame, read)
    for (frame, expected) in [
        (ipv4(0x45, 40, 0, 6, &TCP), true),
        (ipv4(0x45, 40, 0x4000, 6, &TCP), true),
        (ipv4(0x45, 28, 0, 17, &UDP), true),
        (ipv6(6, &TCP), true),
        (ipv6(17, &UDP), true),
        (ipv4(0x45, 40, 0x2000, 6, &TCP), false),
        (ipv4(0x45, 40, 1, 6, &TCP), false),
        (ipv4(0x46, 44, 0, 6, &[TCP.as_slice(), &[0; 4]].concat()), false),
        (ipv4(0x45, 39, 0, 6, &TCP), false),
        (ipv4(0x45, 40, 0, 6, &shorter), false),
        (ipv4(0x45, 28, 0, 1, &UDP), false),
        (ipv4(0x45, 27, 0, 17, &UDP), false),
        (ipv6(58, &UDP), false),
        (ipv6_with_extensions(), false),
    ] {
        assert_eq!(agrees_with_reading_on(&frame), expected, "{frame:02x?}");
    }
}

#[test]
fn plain_frames_are_known_at_the_first_look() {
    let denied = |frame: &[u8]| plain(&frame).map(|plain| plain.protocol);
    assert_eq!(denied(&ipv4(0x45, 40, 0, 6, &TCP)), Some(Protocol::Tcp));
    assert_eq!(denied(&ipv4(0x45, 40, 0, 17, &TCP)), Some(Protocol::Udp));
    assert_eq!(denied(&ipv4(0x45, 48, 0, 47, &GRE)), Some(Protocol::Other));
    assert_eq!(denied(&ipv4(0x45, 28, 0, 1, &[3, 4, 0, 0, 0, 0, 0, 0])), None, "ICMP");
    assert_eq!(denied(&ipv4(0x46, 44, 0, 6, &[TCP.as_slice(), &[0; 4]].concat())), None, "options");
    assert_eq!(denied(&ipv4(0x45, 41, 0, 6, &TCP)), None, "cut");
    assert_eq!(denied(&ipv6_with_extensions()), None, "extension headers");
}

fn ipv6(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, payload.len() as u8, number, 64]);
    frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend([0; 16]);
    frame.extend(payload);
    frame
}

fn ipv6_with_extensions() -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 44, 0, 64]);
    frame.extend([0; 32]);
    frame.extend([44, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend(TCP);
    frame
}
