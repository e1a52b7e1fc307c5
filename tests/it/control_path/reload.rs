//! SIGHUP: a good configuration takes over whole, a bad one changes nothing and says so.

use std::time::Duration;

use seawall_tests::requirement;

use crate::site::Site;

const DENY_THE_CLIENT: &str = "  deny: { prefixes: [198.51.100.0/24] }\n";

#[test]
fn a_good_reload_takes_over_and_a_bad_one_does_not() {
    if !requirement::root("a_good_reload_takes_over_and_a_bad_one_does_not") {
        return;
    }
    let site = Site::start("", "");
    let served = || {
        let request = site.ground.get("/").within(Duration::from_secs(2));
        request.send(site.ground.client()).unwrap().status == 200
    };
    assert!(served());
    assert_eq!(site.metric("seawall_generation", &[]), 1);

    site.reload(&site.ground.config(DENY_THE_CLIENT, ""));
    assert_eq!(site.metric("seawall_generation", &[]), 2);
    assert!(!served(), "a denied client is served");

    let bad = site.ground.config("  deny: { prefixes: [198.51.100.7/24] }\n", "");
    site.reload(&bad);
    assert_eq!(site.metric("seawall_generation", &[]), 2);
    assert!(!served(), "a bad reload has changed the policy");
    assert!(site.seawall.process.log().contains("198.51.100.0/24"), "the log names no remedy");

    // Keys that only a restart can change.
    let moved = site.ground.config("", "").replace("name: eth0", "name: lo");
    site.reload(&moved);
    assert_eq!(site.metric("seawall_generation", &[]), 2);
    assert!(!served(), "a refused reload has changed the policy");

    site.reload(&site.ground.config("", ""));
    assert_eq!(site.metric("seawall_generation", &[]), 3);
    assert!(served());
    assert_eq!(site.metric("seawall_reloads_total", &[]), 4);
}

#[test]
fn a_reload_loses_no_request() {
    if !requirement::root("a_reload_loses_no_request") {
        return;
    }
    let site = Site::start("", "");
    let limits = ["", "  limits: { idle_timeout_ms: 50000 }\n"];
    for round in 0..4 {
        let config = site.ground.config("", limits[round % 2]);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                let statuses = (0..20)
                    .map(|_| site.ground.get("/").send(site.ground.client()).unwrap().status);
                statuses.collect::<Vec<_>>()
            });
            site.reload(&config);
            assert_eq!(client.join().unwrap(), [200; 20]);
        });
    }
}
