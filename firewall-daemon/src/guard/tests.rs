//! Policies, protected addresses, and what cuts them.

use super::*;
use crate::{
    config::Config,
    datapath::PacketOptions,
    policy::{Sources, compile},
};

fn judged(packet: &str, protected: &[Protected]) -> Vec<String> {
    let text = format!("interfaces: [{{ name: eth0 }}]\npacket:\n  tcp_flags: drop\n{packet}");
    let path = std::path::Path::new("/nowhere/seawall.yaml");
    let config = Config::from_bytes(path, text.into_bytes()).expect("a configuration");
    let source = Sources::default().read(&config.packet).expect("no files");
    let compiled = compile::compile(&source).expect("it fits");
    let judge = Judge::new(&compiled, &PacketOptions::from(&config.packet));
    cuts(&judge, protected).iter().map(|cut| cut.by.clone()).collect()
}

fn one(address: &str, why: Why, port: Option<u16>) -> Protected {
    Protected { address: address.parse().expect("an address"), why, port }
}

#[test]
fn what_cuts_whom() {
    let ssh = one("198.51.100.7", Why::Caller, Some(22));
    let ssh_v6 = one("2001:db8:d::7", Why::SshPeer, Some(2_222));
    let gateway = one("192.0.2.1", Why::Gateway, None);
    let resolver = one("192.0.2.53", Why::Resolver, None);
    let all = [ssh, ssh_v6, gateway, resolver];
    let public = "packet.public_ports, which does not name the service,";
    // (lines of the packet section, what cuts, in the order of the addresses)
    let cases: [(&str, &[&str]); 10] = [
        ("", &[]),
        ("  deny: { prefixes: [198.51.100.0/24] }\n", &["deny list deny"]),
        (
            "  deny: { prefixes: [192.0.2.0/24, \"2001:db8::/32\"] }\n",
            &["deny list deny", "deny list deny", "deny list deny"],
        ),
        // Protected and allowed ones are let in.
        (
            "  protected: [198.51.100.7]\n  allow: { prefixes: [192.0.2.0/24, \"2001:db8::/32\"] }\n  \
             deny: { prefixes: [0.0.0.0/0, \"::/0\"] }\n  default: drop\n",
            &[],
        ),
        // In shadow it is counted alone.
        ("  deny: { prefixes: [198.51.100.0/24] }\n  shadow: { policy: true }\n", &[]),
        ("  deny: { prefixes: [198.51.100.0/24] }\n  shadow: { lists: [deny] }\n", &[]),
        // A gateway need not be answered.
        ("  default: drop\n", &["packet.default", "packet.default", "packet.default"]),
        // An open session goes on where only what opens one is dropped, and would not come back.
        ("  public_ports: [443/tcp]\n", &[public, public, public]),
        (
            "  public_ports: [443/tcp, 22/tcp, 2222/tcp]\n  rules:\n    \
             - { name: dns, protocol: udp, ports: [\"32768-60999\"], verdict: pass }\n",
            &[],
        ),
        (
            "  rules:\n    - { name: no-ssh, protocol: tcp, ports: [22], verdict: drop }\n",
            &["rule no-ssh"],
        ),
    ];
    for (packet, expected) in cases {
        assert_eq!(judged(packet, &all), expected, "{packet}");
    }
}

#[test]
fn a_refusal_names_all_of_it() {
    let cut = Cut {
        address: "198.51.100.7".parse().expect("an address"),
        why: Why::Caller,
        traffic: "TCP to port 22".to_owned(),
        by: "deny list spam".to_owned(),
    };
    let text = refusal(&vec![cut; 9]);
    let sentence = "deny list spam would drop TCP to port 22 from 198.51.100.7, \
                    the SSH session that this command was typed in";
    assert_eq!(text.matches(sentence).count(), 8);
    assert!(text.contains("; and 1 more") && text.contains("--no-guard"), "{text}");
}

#[test]
fn sessions() {
    let session = |peer: &str, port| Session { peer: peer.parse().expect("an address"), port };
    for (text, expected) in [
        ("198.51.100.7 40000 192.0.2.10 22", Some(session("198.51.100.7", 22))),
        ("fe80::7%eth0 40000 fe80::1%eth0 2222", Some(session("fe80::7", 2_222))),
        ("198.51.100.7 40000 22", None),
        ("example.com 40000 192.0.2.10 22", None),
        ("198.51.100.7 40000 192.0.2.10 66000", None),
        ("", None),
    ] {
        assert_eq!(Session::parse(text), expected, "{text}");
    }
    assert_eq!(going_on(Vec::new()), Vec::<u8>::new());
}
