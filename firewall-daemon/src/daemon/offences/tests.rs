//! What becomes of an offence, as far as it needs no kernel: its reason, whom a ban would hit, its count.

use firewall_gateway::{
    behaviour::offence::{Budget, SignalCount},
    policy::{BudgetLimitPolicy, BudgetPolicy},
};

use super::*;

fn budget(limit: &str, for_s: u64) -> Option<Budget> {
    Some(Budget { limit: limit.to_owned(), refusals: 20, for_s })
}

#[test]
fn a_ban_for_a_budget_takes_as_long_as_that_does_and_counts_for_no_other() {
    let bans =
        OffenceBans { first_s: 600, factor: 4, longest_s: 3_600, remember_s: 9, per_s_max: 9 };
    let (records, _kept) = sync_channel(1);
    let (look, _asked) = sync_channel(1);
    let (offenders, pace) = (Offenders::default(), Pace::new(Instant::now()));
    let mut bouncer = Bouncer { records, offenders, pace, look };
    let address = IpAddr::from([203, 0, 113, 7]);
    let signals = Vec::new();
    let score = Offence { address, score: 102, signals, request: String::new(), budget: None };
    for (budget, expected) in [
        (budget("hourly", 90), (90, 1)),
        (budget("hourly", 0), (1, 1)),
        (budget("hourly", u64::MAX), (3_600, 1)),
        (None, (600, 1)),
        (budget("hourly", 90), (90, 1)),
        (None, (2_400, 2)),
    ] {
        let offence = Offence { budget, ..score.clone() };
        let found = sentence(&offence, &bouncer.offenders, 1_000, &bans);
        assert_eq!(found, expected, "{offence:?}");
        bouncer.note(&offence, address, 1_000, found.0, &bans);
    }
    let limits = vec![BudgetLimitPolicy { name: "hourly".to_owned(), known: false }];
    let with = Some(BudgetPolicy { limits, refusals: 20 });
    for (budgets, asked, expected) in [
        (with.clone(), budget("hourly", 9), true),
        (with.clone(), budget("hourly\n", 9), false),
        (None, budget("hourly", 9), false),
        (None, None, true),
    ] {
        let policy = BehaviourPolicy { budgets, ..BehaviourPolicy::default() };
        let offence = Offence { budget: asked, ..score.clone() };
        assert_eq!(is_asked_for(&offence, &policy), expected, "{offence:?}");
    }
}

#[test]
fn the_reason_says_what_was_done_and_nothing_that_a_worker_made_up() {
    let signals = [(Signal::CredentialRefused, 17), (Signal::Challenged, 255)];
    let signals = signals.map(|(signal, count)| SignalCount { signal, count }).to_vec();
    let offence = Offence {
        address: IpAddr::from([203, 0, 113, 7]),
        score: 102,
        signals: signals.clone(),
        request: "0123456789abcdef0123456789abcdef".to_owned(),
        budget: None,
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
        (
            Offence { signals: vec![], budget: budget("hourly", 9), ..offence.clone() },
            1,
            "budget hourly, refused 20, request 0123456789abcdef0123456789abcdef".to_owned(),
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
        budget: None,
    };
    assert!(reason(&many, u32::MAX).len() <= crate::audit::REASON_BYTES_MAX);
    let most = Budget { limit: "l".repeat(32), refusals: u32::MAX, for_s: u64::MAX };
    let signals = Signal::ALL.map(|signal| SignalCount { signal, count: 255 }).to_vec();
    let many = Offence { budget: Some(most), signals, ..many };
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
