//! What verbs changed outlives the daemon and its host; what cannot be kept is not in force.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::Signal,
};
use seawall_tests::{
    requirement,
    seawall::{self, Seawall},
    wait,
};

use crate::{
    control_path::asked::{ask, drops, send},
    site::{Ground, Site},
};

/// What the guard would find differs from host to host; `safe_change` has its tests.
pub const NO_GUARD: &str = "  protect: { ssh_peer: false, gateway: false, resolvers: false }\n";

fn told(site: &Site, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let (code, text) = ask(&site.ground, &words);
    assert_eq!(code, 0, "{command}: {text}");
    text
}

fn kill_and_start(site: &mut Site) {
    site.seawall.process.signal(Signal::SIGKILL).unwrap();
    site.seawall.process.wait_for_exit(Duration::from_secs(5)).unwrap();
    site.seawall = Seawall::start(&site.ground.world, &site.ground.config(NO_GUARD, "")).unwrap();
}

#[test]
fn changes_and_bans_outlive_a_killed_daemon_and_a_lost_pin() {
    if !requirement::root("changes_and_bans_outlive_a_killed_daemon_and_a_lost_pin") {
        return;
    }
    let mut site = Site::start(NO_GUARD, "");
    told(&site, "deny add 10.0.0.0/8 --comment ten");
    told(&site, "deny add 198.51.100.7");
    told(&site, "ban 192.0.2.66 192.0.2.67 --for 2h --reason scan");
    told(&site, "limit set icmp --rate-pps 77 --burst-packets 88");
    told(&site, "unban 192.0.2.67");
    let (list, limits) = (told(&site, "deny list"), told(&site, "limit show"));
    let bans = told(&site, "bans");
    assert!(bans.contains("192.0.2.66") && bans.contains("1 bans"), "{bans}");
    for lost in [false, true] {
        if lost {
            // What a host that starts anew does: nothing of the daemon is in its kernel.
            site.seawall.process.signal(Signal::SIGTERM).unwrap();
            site.seawall.process.wait_for_exit(Duration::from_secs(15)).unwrap();
            let _ = fs::remove_dir_all(site.ground.world.pin_path());
            site.seawall =
                Seawall::start(&site.ground.world, &site.ground.config(NO_GUARD, "")).unwrap();
        } else {
            kill_and_start(&mut site);
        }
        assert_eq!(told(&site, "deny list"), list, "{lost}");
        assert_eq!(told(&site, "limit show"), limits, "{lost}");
        let now = told(&site, "bans");
        // The kernel's clock and the host's round apart.
        assert_eq!(now[..30], bans[..30], "{now} not {bans}");
        assert!(now.contains("root     scan\n1 bans"), "{now}");
        assert!(drops(&site, "deny"), "{lost}");
    }
    site.reload_as_is();
    assert_eq!(told(&site, "deny list"), list);
    assert!(drops(&site, "deny"), "a reload keeps what verbs changed");
}

#[test]
fn an_entry_leaves_when_its_time_is_over() {
    if !requirement::root("an_entry_leaves_when_its_time_is_over") {
        return;
    }
    let site = Site::start(NO_GUARD, "");
    told(&site, "deny add 198.51.100.7 --for 2s");
    told(&site, "deny add 10.0.0.0/8");
    assert!(drops(&site, "deny"));
    wait::until("end", || (!drops(&site, "deny")).then_some(())).unwrap();
    let list = told(&site, "deny list");
    assert!(!list.contains("198.51.100.7") && list.contains("10.0.0.0/8"), "{list}");
    let file = fs::read_to_string(site.ground.world.folder().join("state/changes.json")).unwrap();
    assert!(!file.contains("198.51.100.7"), "{file}");
}

#[test]
fn a_cut_off_file_is_refused_at_the_start_and_left_alone() {
    if !requirement::root("a_cut_off_file_is_refused_at_the_start_and_left_alone") {
        return;
    }
    let ground = Ground::prepare();
    let state = ground.world.folder().join("state");
    fs::create_dir(&state).unwrap();
    let path = seawall::write_config(&ground.world, &ground.config(NO_GUARD, "")).unwrap();
    // (file, content, what is said)
    for (file, content, words) in [
        ("changes.json", "", "an empty file"),
        ("changes.json", "{\"version\":1,\"changes\":{\"deny\":[", "EOF while parsing"),
        ("changes.json", "garbage", "expected value"),
        ("bans", "garbage\n{\"unban\":{\"source\":\"192.0.2.1\"}}\n", "bans:1: expected a ban"),
    ] {
        let of_state = state.join(file);
        fs::write(&of_state, content).unwrap();
        let arguments = ["run", "--config", path.to_str().unwrap()];
        let output = seawall::run(&ground.world, &arguments).unwrap();
        let side = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{file} {content:?}: {side}");
        for word in [words, of_state.to_str().unwrap(), "move it away to start without"] {
            assert!(side.contains(word), "no {word} in {side}");
        }
        assert_eq!(fs::read_to_string(&of_state).unwrap(), content, "it is left alone");
        assert_eq!(ground.traces(), Vec::<String>::new());
        fs::remove_file(&of_state).unwrap();
    }
    // A last line that was cut off by a loss of power was never answered.
    let ban = "{\"ban\":{\"source\":\"192.0.2.9\",\"ban\":{\"ends_epoch_s\":99999999999,\"who\":\"root\"}}}\n";
    fs::write(state.join("bans"), format!("{ban}{{\"ban\":{{\"sou")).unwrap();
    let seawall = Seawall::start(&ground.world, &ground.config(NO_GUARD, "")).unwrap();
    let site = Site { seawall, ground };
    let bans = told(&site, "bans");
    assert!(bans.starts_with("192.0.2.9 ") && bans.contains("1 bans"), "{bans}");
}

/// Fills a small file system, to the last page.
pub fn fill(folder: &Path) -> PathBuf {
    let filler = folder.join("filler");
    let mut size = 64 << 10;
    while size > 0 {
        let mut content = fs::read(&filler).unwrap_or_default();
        content.resize(content.len() + size, 0);
        if fs::write(&filler, &content).is_err() {
            size /= 2;
        }
    }
    filler
}

/// A folder of its own file system, mounted where the daemon sees it.
pub struct Mounted(PathBuf);

impl Mounted {
    /// A small one, in memory.
    pub fn small(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        mount(Some("tmpfs"), &folder, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
        Self(folder)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn what_cannot_be_kept_is_not_in_force() {
    if !requirement::root("what_cannot_be_kept_is_not_in_force") {
        return;
    }
    let ground = Ground::prepare();
    let state = ground.world.folder().join("state");
    let mounted = Mounted::small(state.clone());
    let seawall = Seawall::start(&ground.world, &ground.config(NO_GUARD, "")).unwrap();
    let site = Site { seawall, ground };
    told(&site, "deny add 10.0.0.0/8");
    told(&site, "ban 192.0.2.66");
    let before = read(&state);
    let generation = site.metric("seawall_generation", &[]);
    const LIMIT: &str = "limit set udp --rate-pps 1 --burst-packets 1";
    let refused = |commands: &[&str], words: &str| {
        for command in commands {
            let (code, text) = ask(&site.ground, &command.split(' ').collect::<Vec<_>>());
            assert_eq!(code, 1, "{command}: {text}");
            assert!(text.contains(words) && text.contains("state file"), "{command}: {text}");
        }
        assert!(!drops(&site, "deny") && !drops(&site, "ban"), "{words}");
        assert_eq!(site.metric("seawall_generation", &[]), generation, "{words}");
        assert_eq!(read(&state), before, "{words}");
        assert!(told(&site, "bans").contains("1 bans"), "{words}");
    };
    let filler = fill(&state);
    // More than the last page of the journal has room for.
    let others = (0..100).map(|number| format!(" 100.0.0.{number}")).collect::<String>();
    let bans = format!("ban 198.51.100.7{others}");
    let commands = ["deny add 198.51.100.7", &bans, LIMIT];
    refused(&commands, "make room on its file system");
    fs::remove_file(&filler).unwrap();
    // Read-only: the journal is open already, the other files are not.
    let none = None::<&str>;
    mount(Some(&state), &state, none, MsFlags::MS_BIND, none).unwrap();
    let over = Mounted(state.clone());
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(none, &state, none, read_only, none).unwrap();
    refused(&["deny add 198.51.100.7", LIMIT], "mount its file system writable");
    drop(over);
    told(&site, "deny add 198.51.100.7");
    assert!(drops(&site, "deny"), "with room again it is taken");
    drop(site);
    drop(mounted);
}

fn read(state: &Path) -> Vec<Vec<u8>> {
    ["changes.json", "bans"].iter().map(|file| fs::read(state.join(file)).unwrap()).collect()
}

#[test]
fn a_thousand_bans_of_ten_clients_at_once_are_all_there() {
    if !requirement::root("a_thousand_bans_of_ten_clients_at_once_are_all_there") {
        return;
    }
    let mut site = Site::start(NO_GUARD, "");
    thread::scope(|scope| {
        for client in 0..10 {
            let ground = &site.ground;
            scope.spawn(move || {
                for number in 0..100 {
                    let address = format!("100.{client}.{number}.1");
                    let (code, text) = ask(ground, &["ban", &address, "--for", "1h"]);
                    assert_eq!(code, 0, "{address}: {text}");
                }
            });
        }
    });
    assert!(told(&site, "bans").ends_with("\n1000 bans\n"));
    assert_eq!(site.metric("seawall_bans", &[]), 1_000);
    let log = site.ground.world.folder().join("state/audit.log");
    let records = fs::read_to_string(&log).unwrap();
    assert_eq!(records.matches("\"verb\":\"ban\"").count(), 1_000, "all of them are recorded");
    let verified = seawall::run(&site.ground.world, &["audit", "verify", log.to_str().unwrap()]);
    let verified = verified.unwrap();
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    kill_and_start(&mut site);
    assert!(told(&site, "bans").ends_with("\n1000 bans\n"));
}

#[test]
fn a_ban_is_in_force_when_the_command_returns() {
    if !requirement::root("a_ban_is_in_force_when_the_command_returns") {
        return;
    }
    let site = Site::start(NO_GUARD, "");
    let banned = [("verdict", "drop"), ("reason", "ban"), ("protocol", "udp")];
    let mut longest = Duration::ZERO;
    for round in 1..=20 {
        told(&site, "ban 198.51.100.7");
        let returned = Instant::now();
        send(&site);
        longest = longest.max(returned.elapsed());
        wait::until("drop", || {
            (site.metric("seawall_packets_total", &banned) == round).then_some(())
        })
        .unwrap();
        told(&site, "unban 198.51.100.7");
    }
    println!("the packet left at most {} us after the command returned", longest.as_micros());
}
