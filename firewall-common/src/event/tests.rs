//! A record survives the crossing, and nothing else is taken for one.

use std::{string::ToString as _, vec, vec::Vec};

use super::*;
use crate::{Country, class::List, rules::NO_RULE};

/// Native byte order, as the ring buffer has it.
fn record(frame: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(7_u64.to_ne_bytes());
    bytes.extend(5_u64.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend(*b"KP");
    bytes.extend([List::Geo as u8, 0, 0, 0]);
    for word in [9, 3, frame.len() as u32] {
        bytes.extend(u32::to_ne_bytes(word));
    }
    let head = (Verdict::Drop as u8, Reason::Geo as u8, Protocol::Tcp as u8);
    bytes.extend([head.0, head.1, head.2, NO_RULE as u8]);
    bytes.extend(frame.iter().copied().chain([0; CAPTURE_BYTES]).take(CAPTURE_BYTES));
    bytes
}

fn frame_v6(payload: usize) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((20 + payload as u16).to_be_bytes());
    frame.extend([6, 64]);
    frame.extend("2001:db8::9".parse::<Ipv6Addr>().expect("an address").octets());
    frame.extend("2001:db8::1".parse::<Ipv6Addr>().expect("an address").octets());
    frame.extend([0x04, 0xd2, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    frame.resize(frame.len() + payload, 0xee);
    frame
}

#[test]
fn a_record_says_all_of_it() {
    for payload in [0, 1_000] {
        let frame = frame_v6(payload);
        let event = Event::parse(&record(&frame)).expect("a record");
        assert_eq!((event.verdict, event.reason), (Verdict::Drop, Reason::Geo));
        assert_eq!((event.protocol, event.rule), (Protocol::Tcp, NO_RULE));
        assert_eq!((event.class.rules, event.class.name), (5, 2));
        assert_eq!(
            (event.class.country(), event.class.list()),
            (Country::parse("KP"), Some(List::Geo))
        );
        assert_eq!((event.time_ns, event.generation, event.interface_index), (7, 9, 3));
        assert_eq!(event.captured(), &frame[..frame.len().min(CAPTURE_BYTES)]);
        let flow = event.flow.expect("it was IP");
        assert_eq!(flow.source.to_string(), "2001:db8::9");
        assert_eq!(flow.destination.to_string(), "2001:db8::1");
        assert_eq!((flow.source_port, flow.destination_port), (1234, 443));
    }
    assert_eq!(Event::parse(&record(&[0; 60])).expect("a record").flow, None);
}

#[test]
fn what_is_no_record_is_refused() {
    let good = record(&frame_v6(0));
    assert!(Event::parse(&good).is_some());
    assert_eq!(Event::parse(&good[..RECORD_BYTES - 1]), None);
    assert_eq!(Event::parse(&[&good[..], &[0]].concat()), None);
    // Verdict, reason, protocol.
    for at in [36, 37, 38] {
        let mut bad = good.clone();
        bad[at] = 0xee;
        assert_eq!(Event::parse(&bad), None, "byte {at}");
    }
}
