//! Starting once, and stopping without a trace.

use nix::sys::signal::Signal;
use seawall_tests::{metrics, requirement, seawall};

use crate::site::Site;

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
