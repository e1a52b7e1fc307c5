//! `apply` on a full disk: it is refused, and policy, file, state and history are as they were.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use seawall_tests::{
    metrics, process, requirement,
    seawall::{METRICS, Seawall},
};

use crate::{
    control_path::{
        asked::{ask, drops},
        kept::{Mounted, NO_GUARD, fill},
    },
    site::{Ground, Site},
};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const DENY: &str = "  deny: { prefixes: [198.51.100.7] }\n";
const FULL: &str = "make room";
/// The last page of the audit log takes fewer records of this length than that.
const RECORDS_MAX: usize = 40;

/// Starts the daemon on a configuration in a folder of its own file system, and with its state in another.
fn start(ground: Ground, config: &Path) -> Site {
    let mut command = Command::new(process::program("seawall").unwrap());
    command.args(["run", "--config"]).arg(config);
    let (server, folder) = (&ground.world.server, ground.world.folder());
    let mut process = process::Process::start(server, &mut command, "seawall", folder).unwrap();
    let healthy = || {
        let (status, _) = metrics::get(server, METRICS, "/healthz").ok()?;
        (status == 200).then_some(())
    };
    process.wait_until("/healthz", START_TIMEOUT, healthy).unwrap();
    Site { seawall: Seawall { process, config: config.to_path_buf() }, ground }
}

/// The files of a folder and what is in them; of the folders in it their names alone.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_name() != "filler")
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap_or_default())
        })
        .collect()
}

#[test]
fn an_apply_on_a_full_disk_changes_nothing() {
    if !requirement::root("an_apply_on_a_full_disk_changes_nothing") {
        return;
    }
    let ground = Ground::prepare();
    let folder = ground.world.folder().to_path_buf();
    let (etc, state) = (folder.join("etc"), folder.join("state"));
    let mounted = [etc.clone(), state.clone()].map(Mounted::small);
    let path = etc.join("seawall.yaml");
    let authority = format!("ca: {}", ground.authority.certificate.display());
    let text = |packet: &str| {
        let text = ground.config(&format!("{NO_GUARD}{packet}"), "");
        text.replace("ca: authority.pem", &authority)
    };
    let (open, closed) = (text(""), text(DENY));
    for (name, text) in [("open.yaml", &open), ("closed.yaml", &closed)] {
        fs::write(folder.join(name), text).unwrap();
    }
    fs::write(&path, &open).unwrap();
    let site = start(ground, &path);
    let file = |name: &str| folder.join(name).display().to_string();
    let (open_file, closed_file) = (file("open.yaml"), file("closed.yaml"));
    let done = |words: &[&str]| {
        let (code, text) = ask(&site.ground, words);
        assert_eq!(code, 0, "{words:?}: {text}");
    };
    let refused = |words: &[&str]| {
        let before = (content(&etc), content(&state), site.metric("seawall_generation", &[]));
        let dropped = drops(&site, "deny");
        let (code, text) = ask(&site.ground, words);
        assert_eq!(code, 1, "{words:?}: {text}");
        assert!(text.contains(FULL), "{words:?}: {text}");
        let after = (content(&etc), content(&state), site.metric("seawall_generation", &[]));
        assert!(before == after, "{words:?}: {before:?} and {after:?}");
        assert_eq!(drops(&site, "deny"), dropped, "{words:?}: the old policy is in force");
    };

    // No room for the configuration: nothing is put in force that its file would not have.
    let filler = fill(&etc);
    refused(&["apply", &closed_file]);
    done(&["apply", &closed_file, "--confirm", "1h"]);
    assert!(drops(&site, "deny"));
    refused(&["confirm"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), open);
    fs::remove_file(filler).unwrap();
    done(&["confirm"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), closed);
    done(&["apply", &open_file]);
    assert!(!drops(&site, "deny"));

    // No room for the note of what waits, nor for the record in the audit log.
    let filler = fill(&state);
    refused(&["apply", &closed_file, "--confirm", "5s"]);
    let why = "w".repeat(400);
    let mut next = [(&closed_file, &closed), (&open_file, &open)].into_iter().cycle();
    let mut last = &open;
    let full = (0..RECORDS_MAX).find_map(|_| {
        let (file, text) = next.next()?;
        let words = ["apply", file, "--why", &why];
        let (code, said) = ask(&site.ground, &words);
        if code == 0 {
            // Its record went into the last page that the log has.
            assert!(said.contains("is in force"), "{said}");
            last = text;
            return None;
        }
        refused(&words);
        Some(())
    });
    assert!(full.is_some(), "the audit log never filled its page");
    assert_eq!(&fs::read_to_string(&path).unwrap(), last);
    assert_eq!(drops(&site, "deny"), last == &closed);
    let log = state.join("audit.log").display().to_string();
    let verified = seawall_tests::seawall::run(&site.ground.world, &["audit", "verify", &log]);
    let verified = verified.unwrap();
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    fs::remove_file(filler).unwrap();
    done(&["apply", if last == &closed { &open_file } else { &closed_file }]);
    assert_eq!(drops(&site, "deny"), last == &open);
    drop(site);
    drop(mounted);
}
