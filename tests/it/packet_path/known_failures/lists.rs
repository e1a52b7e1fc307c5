//! Precedence is by list, never by the length of a prefix.

use std::{net::IpAddr, time::Duration};

use firewall_daemon::policy::{GeoMode, PolicySource};
use seawall_tests::{
    engine::{Engine, plain_options},
    frame::udp_from,
    policies::{geo, list},
    requirement,
};

use crate::packet_path::case::{judge, prefixes};

/// Number 7 (xFW kept all lists in one trie).
#[test]
fn a_longer_prefix_of_a_weaker_list_shadows_no_stronger_one() {
    if !requirement::root("a_longer_prefix_of_a_weaker_list_shadows_no_stronger_one") {
        return;
    }
    let networks = [
        ("10.0.0.0/8", "DE"),
        ("10.1.2.0/24", "KP"),
        ("10.9.0.9/32", "KP"),
        ("10.4.4.4/32", "KP"),
        ("2001:db8::/32", "DE"),
        ("2001:db8:1:2::/64", "KP"),
        ("2001:db8:9::9/128", "KP"),
        ("2001:db8:4:4::4/128", "KP"),
    ];
    let policy = PolicySource {
        protected: prefixes(&["10.1.0.0/16", "2001:db8:1::/48"]),
        allow: list(
            "allow",
            prefixes(&[
                "10.1.1.1/32",
                "10.2.0.0/16",
                "10.3.3.3/32",
                "2001:db8:1::1/128",
                "2001:db8:2::/48",
                "2001:db8:3:3::3/128",
            ]),
        ),
        deny: list(
            "deny",
            prefixes(&[
                "10.1.1.0/24",
                "10.2.2.0/24",
                "10.2.2.2/32",
                "10.3.0.0/16",
                "10.4.0.0/16",
                "2001:db8:1:1::/64",
                "2001:db8:2:2::/64",
                "2001:db8:2:2::2/127",
                "2001:db8:3::/48",
                "2001:db8:4::/48",
            ]),
        ),
        geo: Some(geo(GeoMode::Block, "KP", &networks)),
        ..PolicySource::default()
    };
    let mut engine = Engine::load(&policy, &plain_options());
    let banned: [IpAddr; 3] =
        ["10.2.0.7", "10.5.0.7", "2001:db8:5::7"].map(|text| text.parse().unwrap());
    for source in banned {
        engine.bans().add(source, Duration::from_secs(3_600)).unwrap();
    }
    for (source, counter) in [
        // Protected: the shortest prefix of all.
        ("10.1.1.1", "pass protected udp"),
        ("10.1.1.2", "pass protected udp"),
        ("10.1.2.3", "pass protected udp"),
        ("2001:db8:1::1", "pass protected udp"),
        ("2001:db8:1:1::1", "pass protected udp"),
        ("2001:db8:1:2::1", "pass protected udp"),
        // Allowed around what is denied, to the last address on either side.
        ("10.2.2.2", "pass allow udp"),
        ("10.2.2.255", "pass allow udp"),
        ("10.2.255.255", "pass allow udp"),
        ("2001:db8:2:2::2", "pass allow udp"),
        ("2001:db8:2:2::3", "pass allow udp"),
        ("2001:db8:2:2:ffff:ffff:ffff:ffff", "pass allow udp"),
        // Allowed inside what is denied, and its neighbours.
        ("10.3.3.3", "pass allow udp"),
        ("10.3.3.2", "drop deny udp"),
        ("10.3.3.4", "drop deny udp"),
        ("2001:db8:3:3::3", "pass allow udp"),
        ("2001:db8:3:3::2", "drop deny udp"),
        ("2001:db8:3:3::4", "drop deny udp"),
        ("2001:db8:3:4::3", "drop deny udp"),
        // A country is the weakest list, and decides only where no other does.
        ("10.4.4.4", "drop deny udp"),
        ("10.9.0.9", "drop geo udp"),
        ("10.9.0.8", "pass default udp"),
        ("2001:db8:4:4::4", "drop deny udp"),
        ("2001:db8:9::9", "drop geo udp"),
        ("2001:db8:9::8", "pass default udp"),
        // A ban is weaker than a list that lets in.
        ("10.2.0.7", "pass allow udp"),
        ("10.5.0.7", "drop ban udp"),
        ("10.5.0.8", "pass default udp"),
        ("2001:db8:5::8", "drop ban udp"),
        ("2001:db8:5:1::7", "pass default udp"),
    ] {
        judge(&mut engine, source, &udp_from(source.parse().unwrap()), counter);
    }
}
