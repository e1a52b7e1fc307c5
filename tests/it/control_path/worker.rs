//! The gateway worker: without privileges, and replaced when it dies.

use std::{collections::BTreeMap, fs};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use seawall_tests::{requirement, wait};

use crate::site::Site;

#[test]
fn the_worker_has_no_privileges_and_is_replaced_when_it_dies() {
    if !requirement::root("the_worker_has_no_privileges_and_is_replaced_when_it_dies") {
        return;
    }
    let mut site = Site::start("", "");
    let worker = worker_of(site.seawall.process.pid()).unwrap();
    let status = status(worker);
    for (key, expected) in [
        ("Uid", "65534\t65534\t65534\t65534"),
        ("Groups", ""),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        assert_eq!(status.get(key).map(|value| value.trim()), Some(expected), "{key}");
    }
    small_pages(worker);
    let daemon = site.seawall.process.pid();
    small_pages(daemon);
    // Although it has started itself once more.
    assert_eq!(self::status(daemon).get("Name").map(|name| name.trim()), Some("seawall"));

    kill(worker, Signal::SIGKILL).unwrap();
    wait::until("answer of a new worker", || {
        let answer = site.ground.get("/").send(site.ground.client()).ok()?;
        (answer.status == 200).then_some(())
    })
    .unwrap();
    assert_ne!(worker_of(site.seawall.process.pid()), Some(worker));
    assert_eq!(site.metric("seawall_gateway_worker_restarts_total", &[]), 1);

    // The supervisor cannot clean up after SIGKILL, but its worker must not go on alone.
    let worker = worker_of(site.seawall.process.pid()).unwrap();
    site.seawall.process.signal(Signal::SIGKILL).unwrap();
    site.seawall.process.wait_for_exit(wait::PATIENCE).unwrap();
    wait::until("end of the worker", || (!alive(worker)).then_some(())).unwrap();
}

/// The daemon, and so the worker, has refused pages of 2 MiB.
fn small_pages(pid: Pid) {
    let status = status(pid);
    let value = |key: &str| status.get(key).map(|value| value.trim());
    // Kernels without large pages have no such line.
    assert_ne!(value("THP_enabled"), Some("1"), "{pid}");
    let large = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let large = large.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).unwrap();
    assert_eq!(large.trim(), "0 kB", "{pid}");
}

/// The process whose parent is the daemon.
fn worker_of(daemon: Pid) -> Option<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let mut pids =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.find(|pid| {
        status(*pid).get("PPid").is_some_and(|parent| parent.trim() == daemon.to_string())
    })
}

fn alive(pid: Pid) -> bool {
    status(pid).get("State").is_some_and(|state| !state.trim().starts_with('Z'))
}

fn status(pid: Pid) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
