//! A record survives the crossing, and nothing else is taken for one.

use std::vec::Vec;

use super::*;
use crate::{class::List, packet::Packet};

fn bytes(record: EventRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(record.time_ns.to_ne_bytes());
    for half in record.source.iter().chain(&record.destination) {
        bytes.extend(half.to_ne_bytes());
    }
    for word in [record.interface_index, record.length, record.class] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(record.source_port.to_ne_bytes());
    bytes.extend(record.destination_port.to_ne_bytes());
    bytes.extend([record.verdict, record.reason, record.protocol, record.family, 0, 0, 0, 0]);
    bytes
}

fn record(source: Address) -> EventRecord {
    let packet = Packet {
        source,
        destination: source,
        protocol: Protocol::Tcp,
        hop_limit: 64,
        icmp: [0; 2],
        source_port: 1234,
        destination_port: 443,
        later_fragment: false,
    };
    let decision = Decision {
        verdict: Verdict::Drop,
        reason: Reason::Geo,
        protocol: Protocol::Tcp,
        class: Class::new(List::Geo, Country::parse("KP")),
        packet: Some(packet),
    };
    EventRecord::new(&decision, 7, 3, 60)
}

#[test]
fn both_families_survive() {
    let v6 = Address::V6 { high: 0x2001_0db8 << 32, low: 9 };
    for (source, text) in [(Address::V4(0xcb00_7109), "203.0.113.9"), (v6, "2001:db8::9")] {
        let event = Event::parse(&bytes(record(source))).expect("a record");
        let address: IpAddr = text.parse().expect("an address");
        assert_eq!(event.addresses, Some((address, address)));
        assert_eq!((event.verdict, event.reason), (Verdict::Drop, Reason::Geo));
        assert_eq!((event.country, event.protocol), (Country::parse("KP"), Protocol::Tcp));
        assert_eq!((event.source_port, event.destination_port), (1234, 443));
        assert_eq!((event.time_ns, event.interface_index, event.length), (7, 3, 60));
    }
}

#[test]
fn what_is_no_record_is_refused() {
    let good = bytes(record(Address::V4(1)));
    assert!(Event::parse(&good).is_some());
    assert_eq!(Event::parse(&good[..63]), None);
    assert_eq!(Event::parse(&[&good[..], &[0]].concat()), None);
    // Verdict, reason, protocol, family; and an IPv4 address that is too large.
    for at in [56, 57, 58, 59, 20] {
        let mut bad = good.clone();
        bad[at] = 0xee;
        assert_eq!(Event::parse(&bad), None, "byte {at}");
    }
}
