//! What becomes of an offence, as far as it needs no kernel: its reason, whom a ban would hit, its count.

use firewall_gateway::behaviour::offence::SignalCount;

use super::*;

#[test]
fn the_reason_says_what_was_done_and_nothing_that_a_worker_made_up() {
    let signals = [(Signal::CredentialRefused, 17), (Signal::Challenged, 255)];
    let signals = signals.map(|(signal, count)| SignalCount { signal, count }).to_vec();
    let offence = Offence {
        address: IpAddr::from([203, 0, 113, 7]),
        score: 102,
        signals: signals.clone(),
        request: "0123456789abcdef0123456789abcdef".to_owned(),
    };
    let first = "credential_refused 17, challenged 255, score 102, request 0123456789abcdef0123456789abcdef";
    for (change, number, expected) in [
        (offence.clone(), 1, first.to_owned()),
        (offence.clone(), 3, format!("{first}, ban 3 in a row")),
        (
            Offence {
                request: "ab\u{1b}[31m\n\"zz".repeat(100),
                signals: vec![],
                ..offence.clone()
            },
            1,
            format!("score 102, request {}", "ab31".repeat(8)),
        ),
        (Offence { request: String::new(), signals: vec![], ..offence }, 1, "score 102".to_owned()),
    ] {
        assert_eq!(reason(&change, number), expected);
    }
    let many = Offence {
        address: IpAddr::from([203, 0, 113, 7]),
        score: u32::MAX,
        signals: vec![SignalCount { signal: Signal::HandshakeWithoutRequest, count: 255 }; 1_000],
        request: "f".repeat(1_000),
    };
    assert!(reason(&many, u32::MAX).len() <= crate::audit::REASON_BYTES_MAX);
}

#[test]
fn a_ban_that_would_hit_a_proxy_or_this_host_is_known() {
    let network = |text: &str| text.parse::<IpNetwork>().expect("a network");
    let source = |text: &str| normal(text.parse().expect("an address"));
    for (proxy, address, expected) in [
        ("198.51.100.7", "198.51.100.7", true),
        ("198.51.100.0/24", "198.51.100.9", true),
        ("198.51.100.0/24", "198.51.101.9", false),
        ("2001:db8::7", "2001:db8::1234", true),
        ("2001:db8::/32", "2001:db8:9::1", true),
        ("2001:db8:0:1::7", "2001:db8::7", false),
        ("198.51.100.7", "2001:db8::7", false),
        ("::/0", "198.51.100.7", false),
    ] {
        assert_eq!(meets(network(proxy), source(address)), expected, "{proxy} {address}");
    }
    for (address, expected) in [
        ("127.0.0.1", true),
        ("::1", true),
        ("fe80::1", true),
        ("169.254.3.4", true),
        ("ff02::1", true),
        ("0.0.0.0", true),
        ("10.0.0.1", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(is_local(address.parse().expect("an address")), expected, "{address}");
    }
}

#[test]
fn every_outcome_is_counted_by_its_name() {
    let offences = Offences::default();
    for (times, outcome) in Outcome::ALL.into_iter().enumerate() {
        (0..=times).for_each(|_| offences.count(outcome));
    }
    let figures = offences.figures(77);
    for (times, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, times);
        let row = figures.iter().find(|row| row.label == outcome.label()).expect("a row");
        assert_eq!(row.count, times as u64 + 1, "{}", row.label);
    }
    assert_eq!(figures.last().map(|row| (row.label.as_str(), row.count)), Some(("lost", 77)));
}
