//! SYN cookies with real clients: the program answers, the kernel knows its cookie again, TLS follows.

use std::{net::SocketAddr, time::Duration};

use seawall_tests::{peer::Peer, policies, requirement, snmp::Counts};

use crate::site::{GATEWAY, GATEWAY_IPV6, Site};

/// The lowest there is: at most one segment a second goes by unanswered.
const ALWAYS: &str = "  syn_cookies: { ports: [443], threshold_pps: 1 }\n";
/// Well over the second retry of a client's first segment, after 3 s.
const TIMEOUT: Duration = Duration::from_secs(8);
const REQUESTS: u64 = 5;

#[test]
fn a_client_that_a_cookie_answered_is_served() {
    if !requirement::root("a_client_that_a_cookie_answered_is_served") {
        return;
    }
    let site = Site::start("", "");
    let (world, client) = (&site.ground.world, site.ground.client());
    world.server.sysctl("net/ipv4/tcp_syncookies", "2").unwrap();
    let _peer = Peer::attach(&world.internet, "uplink", &policies::denying(Vec::new())).unwrap();
    // A listener takes a cookie only where it sent one itself within two minutes.
    for gateway in [GATEWAY, GATEWAY_IPV6] {
        assert_eq!(status(&site, gateway), 200, "{gateway} without cookies of ours");
    }
    site.reload(&site.ground.config(ALWAYS, ""));
    assert_eq!(site.metric("seawall_generation", &[]), 2);
    for (syncookies, warnings) in [("1", 1), ("0", 1), ("2", 0)] {
        world.server.sysctl("net/ipv4/tcp_syncookies", syncookies).unwrap();
        assert_eq!(site.metric("seawall_warnings", &[]), warnings, "tcp_syncookies={syncookies}");
    }
    // The options of a client's first segment beside the size: all, then none.
    for options in ["1", "0"] {
        for name in ["tcp_timestamps", "tcp_window_scaling", "tcp_sack"] {
            client.sysctl(&format!("net/ipv4/{name}"), options).unwrap();
        }
        for gateway in [GATEWAY, GATEWAY_IPV6] {
            let (replied, kernel) = (replies(&site), Counts::read(&world.server).unwrap());
            for _ in 0..REQUESTS {
                assert_eq!(status(&site, gateway), 200, "{gateway}, options {options}");
            }
            let replied = replies(&site) - replied;
            let kernel = Counts::read(&world.server).unwrap().since(&kernel);
            let of_ours = kernel.cookies_accepted() - kernel.cookies_sent();
            assert_eq!(of_ours, replied, "{gateway}: cookies not the kernel's own, all answered");
            assert!(replied > 0, "{gateway}, options {options}: none of {REQUESTS} was answered");
            assert_eq!(kernel.cookies_refused(), 0, "{gateway}, options {options}");
        }
    }
    assert_eq!(site.metric("seawall_syn_cookies_failed_total", &[]), 0);
}

fn replies(site: &Site) -> u64 {
    let labels = [("verdict", "reply"), ("reason", "syn_cookie")];
    site.metric("seawall_packets_total", &labels)
}

fn status(site: &Site, gateway: SocketAddr) -> u16 {
    let mut request = site.ground.get("/").within(TIMEOUT);
    request.address = gateway;
    request.send(site.ground.client()).unwrap().status
}
