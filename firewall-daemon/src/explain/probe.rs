//! A frame that stands for typical traffic from an address.

use std::net::IpAddr;

use super::Traffic;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// A port that clients send from; no stage asks for it.
const SOURCE_PORT: u16 = 40_000;
/// What a DNS query or a first QUIC packet has at least.
const DATAGRAM_BYTES: usize = 24;

/// The frame. Where it goes to is left open: no stage asks for it.
pub(super) fn frame(source: IpAddr, traffic: Traffic, port: u16) -> Vec<u8> {
    let is_v4 = source.is_ipv4();
    let payload = payload(traffic, port, is_v4);
    let number = match traffic {
        Traffic::Tcp => 6,
        Traffic::Udp => 17,
        Traffic::Icmp if is_v4 => 1,
        Traffic::Icmp => 58,
    };
    // Locally administered addresses.
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    match source {
        IpAddr::V4(source) => {
            frame.extend(ETHERTYPE_IPV4);
            frame.extend([0x45, 0]);
            frame.extend((20 + payload.len() as u16).to_be_bytes());
            // Not to be fragmented, 64 hops; the program leaves checksums to the host.
            frame.extend([0, 0, 0x40, 0, 64, number, 0, 0]);
            frame.extend(source.octets());
            frame.extend([0; 4]);
        }
        IpAddr::V6(source) => {
            frame.extend(ETHERTYPE_IPV6);
            frame.extend([0x60, 0, 0, 0]);
            frame.extend((payload.len() as u16).to_be_bytes());
            frame.extend([number, 64]);
            frame.extend(source.octets());
            frame.extend([0; 16]);
        }
    }
    frame.extend(payload);
    frame
}

/// The frame in words.
pub(super) fn describe(source: IpAddr, traffic: Traffic, port: u16, bytes: usize) -> String {
    match traffic {
        Traffic::Tcp => format!("a TCP SYN from {source} to port {port}, {bytes} bytes"),
        Traffic::Udp => format!("a UDP datagram from {source} to port {port}, {bytes} bytes"),
        Traffic::Icmp => format!("an echo request from {source}, {bytes} bytes"),
    }
}

fn payload(traffic: Traffic, port: u16, is_v4: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    match traffic {
        Traffic::Tcp => {
            payload.extend(SOURCE_PORT.to_be_bytes());
            payload.extend(port.to_be_bytes());
            // Sequence and acknowledgement, a header of five words, SYN, a window.
            payload.extend([0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, 2, 0xff, 0xff, 0, 0, 0, 0]);
        }
        Traffic::Udp => {
            payload.extend(SOURCE_PORT.to_be_bytes());
            payload.extend(port.to_be_bytes());
            payload.extend((8 + DATAGRAM_BYTES as u16).to_be_bytes());
            payload.resize(8 + DATAGRAM_BYTES, 0);
        }
        Traffic::Icmp => payload.extend([if is_v4 { 8 } else { 128 }, 0, 0, 0, 0, 1, 0, 1]),
    }
    payload
}

#[cfg(test)]
mod tests {
    use firewall_common::{
        Packet, Protocol,
        parse::{Frame, parse},
    };

    use super::*;

    #[test]
    fn the_parser_reads_what_was_meant() {
        let (v4, v6) = ("203.0.113.7", "2001:db8::7");
        // (source, traffic, protocol, port, ICMP type, opens a connection)
        for (source, traffic, protocol, port, kind, opens) in [
            (v4, Traffic::Tcp, Protocol::Tcp, 443, 0, true),
            (v6, Traffic::Tcp, Protocol::Tcp, 443, 0, true),
            (v4, Traffic::Udp, Protocol::Udp, 443, 0, false),
            (v6, Traffic::Udp, Protocol::Udp, 443, 0, false),
            (v4, Traffic::Icmp, Protocol::Icmp, 0, 8, false),
            (v6, Traffic::Icmp, Protocol::Icmpv6, 0, 128, false),
        ] {
            let source: IpAddr = source.parse().expect("an address");
            let frame = frame(source, traffic, 443);
            let mut packet = Packet::NONE;
            assert_eq!(parse(&frame.as_slice(), &mut packet), Frame::Ip);
            assert_eq!(packet.source, crate::datapath::bans::address(source));
            assert_eq!((packet.protocol, packet.destination_port), (protocol, port));
            assert_eq!((packet.icmp[0], packet.opens_connection()), (kind, opens));
            assert_eq!((packet.end as usize, packet.broken), (frame.len(), false));
            assert!(packet.plain && packet.whole);
        }
    }
}
