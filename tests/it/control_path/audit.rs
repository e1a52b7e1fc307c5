//! The audit log of the real daemon: everything that was done is in it, and what is done to it is found.

use std::{fs, path::PathBuf, process::Output, thread, time::Instant};

use nix::sys::signal::Signal;
use seawall_tests::{requirement, seawall};

use crate::site::Site;

const CALLERS: u64 = 10;
const BANS: u64 = 1_000;

#[test]
fn a_thousand_bans_by_ten_callers_are_audited() {
    if !requirement::root("a_thousand_bans_by_ten_callers_are_audited") {
        return;
    }
    let site = Site::start("", "");
    let socket = site.ground.socket().display().to_string();
    let begin = Instant::now();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (site, socket) = (&site, &socket);
            scope.spawn(move || {
                for one in 0..BANS / CALLERS {
                    let address = format!("203.0.{caller}.{one}");
                    let reason = format!("caller {caller}");
                    let ban =
                        ["ban", &address, "--for", "1h", "--reason", &reason, "--socket", socket];
                    let done = seawall::run(&site.ground.world, &ban).unwrap();
                    assert!(done.status.success(), "{address}: {}", text(&done.stderr));
                }
            });
        }
    });
    eprintln!("{BANS} bans by {CALLERS} callers in {:?}", begin.elapsed());
    assert_eq!(site.metric("seawall_bans", &[]), BANS);
    // The start, and each ban.
    assert_eq!(site.metric("seawall_audit_records_total", &[]), BANS + 1);
    assert_eq!(site.metric("seawall_audit_owed_records", &[]), 0);
    let log = log(&site);
    let verified = verify(&site);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    assert!(text(&verified.stdout).contains("1001 records in 1 files, 1 to 1001"));

    let path = log.display().to_string();
    let show = ["audit", "show", &path, "--verb", "ban", "--json"];
    let shown = text(&seawall::run(&site.ground.world, &show).unwrap().stdout);
    assert_eq!(shown.lines().count() as u64, BANS);
    for caller in 0..CALLERS {
        let reason = format!("\"why\":\"caller {caller}\"");
        let found = shown.lines().filter(|line| line.contains(&reason)).count() as u64;
        assert_eq!(found, BANS / CALLERS, "{reason}");
    }
    assert!(
        shown.contains("\"user\":{\"name\":\"root\",\"uid\":0,\"gid\":0,\"pid\":"),
        "{shown:.400}"
    );

    // One bit, while the daemon writes on.
    let mut bytes = fs::read(&log).unwrap();
    let line_500 =
        bytes.split_inclusive(|byte| *byte == b'\n').take(499).map(<[u8]>::len).sum::<usize>();
    bytes[line_500 + 100] ^= 4;
    // In place: the file that the daemon writes stays the one of its name.
    fs::write(&log, &bytes).unwrap();
    let verified = verify(&site);
    assert_eq!(verified.status.code(), Some(1));
    let found = text(&verified.stdout);
    assert!(found.lines().next().unwrap().contains("line 500, record 500: "), "{found}");
    assert_eq!(found.lines().count(), 3, "{found}");
    site.seawall.detach().unwrap();
}

#[test]
fn changes_and_their_ends_are_audited() {
    if !requirement::root("changes_and_their_ends_are_audited") {
        return;
    }
    let site = Site::start("", "");
    let socket = site.ground.socket().display().to_string();
    let path = log(&site).display().to_string();
    for words in [
        &["deny", "add", "203.0.113.0/24", "--comment", "spam"][..],
        &["ban", "203.0.113.9", "--reason", "scan"],
        &["unban", "203.0.113.9"],
        &["deny", "remove", "203.0.113.0/24"],
    ] {
        let words = [words, &["--socket", &socket]].concat();
        let done = seawall::run(&site.ground.world, &words).unwrap();
        assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
    }
    let changed = site.ground.config("  deny: { prefixes: [192.0.2.128/25] }\n", "");
    seawall::write_config(&site.ground.world, &changed).unwrap();
    site.seawall.process.signal(Signal::SIGHUP).unwrap();
    site.wait_for_metric("seawall_reloads_total", &[("result", "ok")], 1);
    let Site { seawall, ground } = site;
    seawall.detach().unwrap();
    // Without a daemon.
    let shown = seawall::run(&ground.world, &["audit", "show", &path]).unwrap();
    let shown = text(&shown.stdout);
    let mut rest = shown.as_str();
    for part in [
        "daemon: start seawall",
        "root: deny add 203.0.113.0/24",
        "why    spam",
        "before generation 1",
        "after  generation 2, deny 203.0.113.0/24",
        "root: ban 203.0.113.9",
        "why    scan",
        "before 203.0.113.9 not banned",
        "root: unban 203.0.113.9",
        "before 203.0.113.9 banned for",
        "root: deny remove 203.0.113.0/24",
        "before generation 2, deny 203.0.113.0/24",
        "daemon: reload SIGHUP",
        "before generation 3, deny: 0 prefixes, files none\n",
        "after  generation 4, deny: 1 prefixes, files none\n",
        "root: detach eth0",
        "daemon: stop",
    ] {
        let at = rest.find(part);
        assert!(at.is_some(), "no {part:?} in its place in\n{shown}");
        rest = &rest[at.unwrap()..];
    }
    let verified = seawall::run(&ground.world, &["audit", "verify", &path]).unwrap();
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

fn log(site: &Site) -> PathBuf {
    seawall::state(site.ground.world.folder()).join("audit.log")
}

fn verify(site: &Site) -> Output {
    let path = log(site).display().to_string();
    seawall::run(&site.ground.world, &["audit", "verify", &path]).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
