//! Starting once, stopping, taking over, and detaching without a trace.

use std::{fs, os::unix::fs::symlink, process::Command, time::Duration};

use nix::sys::signal::Signal;
use seawall_tests::{metrics, requirement, seawall};

use crate::site::{Ground, Site};

const EXIT: Duration = Duration::from_secs(15);

#[test]
fn a_stopped_daemon_leaves_the_filter_and_detach_takes_it_off() {
    if !requirement::root("a_stopped_daemon_leaves_the_filter_and_detach_takes_it_off") {
        return;
    }
    let mut site = Site::start("", "");
    let world = &site.ground.world;
    let socket = seawall::socket(world.folder());
    let config = site.ground.config("", "");
    let is_attached = |site: &Site| site.ground.traces().iter().any(|trace| trace.contains("xdp"));
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let health = metrics::get(&world.server, seawall::METRICS, "/healthz").unwrap();
        assert_eq!(health.0, 200);
        let judged = site.metric("seawall_packets_total", &[]);
        site.seawall.process.signal(signal).unwrap();
        let status = site.seawall.process.wait_for_exit(EXIT).unwrap();
        let log = site.seawall.process.log();
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(log.contains("the filter stays in force; `seawall detach` takes it off"), "{log}");
        assert!(is_attached(&site) && !socket.exists(), "{signal}");

        site.seawall = seawall::Seawall::start(world, &config).unwrap();
        assert!(site.metric("seawall_packets_total", &[]) >= judged, "counters go on");
    }
    let detach = |more: &[&str]| {
        let socket = socket.to_str().unwrap();
        let arguments = [&["detach", "--socket", socket], more].concat();
        let output = seawall::run(world, &arguments).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let path = site.seawall.config.to_str().unwrap().to_owned();
    let path = path.as_str();
    let off = (Some(0), "detached from eth0\n".to_owned(), String::new());

    // By the daemon, which ends; what is asked of it later is done without one.
    assert_eq!(detach(&[]), off);
    assert_eq!(site.seawall.process.wait_for_exit(EXIT).unwrap().code(), Some(0));
    assert_eq!(site.ground.traces(), Vec::<String>::new());
    let nothing = (Some(0), "nothing was attached\n".to_owned(), String::new());
    assert_eq!(detach(&["--config", path]), nothing);

    // Without a daemon, and without a configuration.
    for how in [["--config", path], ["--pin-path", world.pin_path().to_str().unwrap()]] {
        site.seawall = seawall::Seawall::start(world, &config).unwrap();
        site.seawall.process.signal(Signal::SIGKILL).unwrap();
        site.seawall.process.wait_for_exit(EXIT).unwrap();
        assert!(is_attached(&site));
        assert_eq!(detach(&how), off, "{how:?}");
        let traces = site.ground.traces();
        assert!(traces.iter().all(|trace| trace.ends_with("control.sock")), "{traces:?}");
    }
    let (code, _, error) = detach(&["--config", "/nowhere/seawall.yaml"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.starts_with("seawall: /nowhere/seawall.yaml"), "{error}");
}

#[test]
fn pins_of_a_newer_version_are_refused_and_stay() {
    if !requirement::root("pins_of_a_newer_version_are_refused_and_stay") {
        return;
    }
    let mut site = Site::start("", "");
    site.seawall.process.signal(Signal::SIGTERM).unwrap();
    site.seawall.process.wait_for_exit(EXIT).unwrap();
    let pins = site.ground.world.pin_path();
    let path = site.seawall.config.to_str().unwrap();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&pins).unwrap().flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for (found, expected) in [("9", "found layout \"9\""), ("x", "found layout \"x\"")] {
        fs::remove_file(pins.join("abi")).unwrap();
        symlink(found, pins.join("abi")).unwrap();
        let refused = seawall::run(&site.ground.world, &["run", "--config", path]).unwrap();
        let error = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{error}");
        assert!(error.contains(expected) && error.contains("seawall detach"), "{error}");
        assert_eq!(names(), before);
        assert!(
            site.ground.traces().iter().any(|trace| trace.contains("xdp")),
            "it stays in force"
        );
    }
}

#[test]
fn a_start_that_fails_leaves_the_filter_of_before() {
    if !requirement::root("a_start_that_fails_leaves_the_filter_of_before") {
        return;
    }
    let mut site = Site::start("", "");
    site.seawall.process.signal(Signal::SIGTERM).unwrap();
    site.seawall.process.wait_for_exit(EXIT).unwrap();
    let world = &site.ground.world;
    world.server.ip(&["link add other type dummy"]).unwrap();
    let attached = |name: &str| {
        let shown = world.server.output(Command::new("ip").args(["-d", "link", "show", name]));
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        let id = shown.split("prog/xdp id ").nth(1).and_then(|rest| rest.split(' ').next());
        id.map(str::to_owned)
    };
    let before = attached("eth0");
    assert!(before.is_some());
    // A dummy interface has no native mode, so the second one refuses.
    let plain = "- name: eth0";
    let config = site.ground.config("", "").replace(plain, &format!("{plain}\n  - name: other"));
    let path = seawall::write_config(world, &config).unwrap();
    let refused = seawall::run(world, &["run", "--config", path.to_str().unwrap()]).unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("interface other"), "{error}");
    assert_eq!(attached("eth0"), before, "the program of before is still there");
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
    site.seawall.process.wait_for_exit(Duration::from_secs(5)).unwrap();
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
        running.detach().unwrap();
        assert_eq!(ground.traces(), Vec::<String>::new(), "{mode}");
    }
}
