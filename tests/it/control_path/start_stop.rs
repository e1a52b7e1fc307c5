//! Starting once, and stopping without a trace.

use nix::sys::signal::Signal;
use seawall_tests::{metrics, requirement, seawall};

use crate::site::{Ground, Site};

#[test]
fn a_stopped_daemon_leaves_nothing() {
    if !requirement::root("a_stopped_daemon_leaves_nothing") {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut site = Site::start("", "");
        assert!(
            site.ground.traces().iter().any(|trace| trace.contains("xdp")),
            "nothing is attached"
        );
        let health = metrics::get(&site.ground.world.server, seawall::METRICS, "/healthz").unwrap();
        assert_eq!(health.0, 200);
        site.seawall.process.signal(signal).unwrap();
        let status =
            site.seawall.process.wait_for_exit(std::time::Duration::from_secs(15)).unwrap();
        assert_eq!(status.code(), Some(0), "{signal}: {}", site.seawall.process.log());
        assert_eq!(site.ground.traces(), Vec::<String>::new());
    }
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    if !requirement::root("a_second_daemon_is_refused_and_the_first_goes_on") {
        return;
    }
    let site = Site::start("", "");
    let path = site.seawall.config.to_str().unwrap();
    let second = seawall::run(&site.ground.world, &["run", "--config", path]).unwrap();
    let side = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{side}");
    assert!(side.starts_with("seawall: ") && side.contains("control.sock"), "{side}");
    assert_eq!(site.ground.get("/").send(site.ground.client()).unwrap().status, 200);
    assert!(site.ground.traces().iter().any(|trace| trace.contains("xdp")));
}

#[test]
fn a_killed_daemon_leaves_the_filter_and_the_next_takes_it_over() {
    if !requirement::root("a_killed_daemon_leaves_the_filter_and_the_next_takes_it_over") {
        return;
    }
    let mut site = Site::start("", "");
    assert_eq!(site.ground.get("/").send(site.ground.client()).unwrap().status, 200);
    let judged = site.metric("seawall_packets_total", &[]);
    assert!(judged > 0);

    site.seawall.process.signal(Signal::SIGKILL).unwrap();
    site.seawall.process.wait_for_exit(std::time::Duration::from_secs(5)).unwrap();
    assert!(site.ground.traces().iter().any(|trace| trace.contains("xdp")), "it stays attached");
    let refused = site.ground.get("/").send(site.ground.client()).unwrap();
    assert_eq!(refused.status, 0, "the worker ends with its daemon: {refused:?}");

    let config = site.ground.config("", "");
    site.seawall = seawall::Seawall::start(&site.ground.world, &config).unwrap();
    let log = site.seawall.process.log();
    assert!(log.contains("took over the link of an earlier daemon"), "{log}");
    assert_eq!(site.ground.get("/").send(site.ground.client()).unwrap().status, 200);
    let since = site.metric("seawall_packets_total", &[]);
    assert!(since > judged, "the counters go on: {judged}, then {since}");
}

#[test]
fn a_driver_that_refuses_is_an_error_or_a_visible_fallback() {
    if !requirement::root("a_driver_that_refuses_is_an_error_or_a_visible_fallback") {
        return;
    }
    let ground = Ground::prepare();
    // veth attaches in native mode only while a frame of its peer fits one page.
    ground.world.internet.ip(&["link set uplink mtu 9000"]).unwrap();
    let config = ground.config("", "");
    let path = seawall::write_config(&ground.world, &config).unwrap();
    let refused =
        seawall::run(&ground.world, &["run", "--config", path.to_str().unwrap()]).unwrap();
    let side = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{side}");
    for word in ["eth0", "native mode", "native_or_generic"] {
        assert!(side.contains(word), "no {word} in {side}");
    }
    assert_eq!(ground.traces(), Vec::<String>::new());

    let plain = "- name: eth0";
    assert!(config.contains(plain), "{config}");
    // In this order: the log is that of the world, and goes on.
    for mode in ["generic", "native_or_generic"] {
        let config = config.replace(plain, &format!("{plain}\n    mode: {mode}"));
        let running = seawall::Seawall::start(&ground.world, &config).unwrap();
        let metrics = running.metrics(&ground.world).unwrap();
        assert_eq!(metrics.sum("seawall_interface_info", &[("mode", "generic")]), 1, "{mode}");
        let said = running.process.log().contains("falling back to generic mode");
        assert_eq!(said, mode == "native_or_generic", "{mode}");
        assert_eq!(ground.get("/").send(ground.client()).unwrap().status, 200, "{mode}");
        running.stop().unwrap();
        assert_eq!(ground.traces(), Vec::<String>::new(), "{mode}");
    }
}
