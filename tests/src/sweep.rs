//! Removes worlds: everything that carries a prefix, whoever made it and however that ended.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, umount2},
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::namespace;

/// Each world has a folder here, named by its prefix.
pub const FOLDER: &str = "/run/seawall-tests";

/// Stands in the folder of a world that outlives its maker on purpose.
const KEPT: &str = "kept";

/// How long the processes of a world may take to disappear once they are killed.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the world of a prefix keeps its files.
pub fn folder(prefix: &str) -> PathBuf {
    Path::new(FOLDER).join(prefix)
}

/// The prefix of a new world: the maker's process and a number.
pub fn new_prefix() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("sw-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Keeps a world up after its maker has ended.
pub fn keep(prefix: &str) -> std::io::Result<()> {
    fs::write(folder(prefix).join(KEPT), "")
}

/// Takes a world down: its processes, its mount, its files, its namespaces with all their links.
pub fn world(prefix: &str) {
    let namespaces = namespaces_of(prefix);
    let deadline = Instant::now() + KILL_TIMEOUT;
    loop {
        let alive = processes_in(&namespaces);
        for pid in &alive {
            // It may have ended by itself since we looked.
            let _ = kill(*pid, Signal::SIGKILL);
        }
        if alive.is_empty() || Instant::now() > deadline {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let folder = folder(prefix);
    // Whatever fails here is found and named by `leftovers`.
    let _ = umount2(&folder.join("bpf"), MntFlags::MNT_DETACH);
    let _ = fs::remove_dir_all(&folder);
    let _ = fs::remove_dir(FOLDER);
    for name in namespaces {
        let _ = namespace::ip(&["netns", "del", &name]);
    }
}

/// Takes down what runs that are dead have left, but for what was kept on purpose.
pub fn dead() {
    for prefix in prefixes() {
        if !maker_is_alive(&prefix) && !folder(&prefix).join(KEPT).exists() {
            world(&prefix);
        }
    }
}

/// Takes down the worlds that were kept; answers their prefixes.
pub fn kept() -> Vec<String> {
    let kept: Vec<String> =
        prefixes().into_iter().filter(|prefix| folder(prefix).join(KEPT).exists()).collect();
    for prefix in &kept {
        world(prefix);
    }
    kept
}

/// What is still there of a world: namespaces, files, mounts, processes.
pub fn leftovers(prefix: &str) -> Vec<String> {
    let namespaces = namespaces_of(prefix);
    let processes = processes_in(&namespaces);
    let folder = folder(prefix);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let shown = folder.to_string_lossy();
    namespaces
        .iter()
        .map(|name| format!("namespace {name}"))
        .chain(processes.iter().map(|pid| format!("process {pid}")))
        .chain(folder.exists().then(|| format!("folder {shown}")))
        .chain(
            mounts
                .lines()
                .filter(|line| line.contains(&*shown))
                .map(|line| format!("mount {line}")),
        )
        .collect()
}

/// Takes this process's worlds down when it is told to stop, and then stops.
pub fn on_signal() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        thread::spawn(|| {
            let number = wait_for_signal();
            for prefix in prefixes().iter().filter(|prefix| maker(prefix) == Some(process::id())) {
                world(prefix);
            }
            // Whoever adopts our dead children may be slow to notice them.
            while waitpid(None, Some(WaitPidFlag::WNOHANG))
                .is_ok_and(|ended| ended != WaitStatus::StillAlive)
            {}
            process::exit(128 + number);
        });
    });
}

fn wait_for_signal() -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime needs only file descriptors");
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
        let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
        tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    })
}

fn names_in(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn namespaces_of(prefix: &str) -> Vec<String> {
    let start = format!("{prefix}-");
    names_in(namespace::FOLDER).into_iter().filter(|name| name.starts_with(&start)).collect()
}

/// The prefixes of every world that has left anything: `sw-PID-NUMBER`.
fn prefixes() -> BTreeSet<String> {
    names_in(namespace::FOLDER)
        .iter()
        .chain(&names_in(FOLDER))
        .filter(|name| maker(name).is_some())
        .map(|name| name.splitn(4, '-').take(3).collect::<Vec<_>>().join("-"))
        .collect()
}

fn maker(name: &str) -> Option<u32> {
    name.strip_prefix("sw-")?.split('-').next()?.parse().ok()
}

fn maker_is_alive(prefix: &str) -> bool {
    maker(prefix).is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

/// The processes whose network is one of these namespaces, but for ourselves.
fn processes_in(namespaces: &[String]) -> Vec<Pid> {
    let inodes: BTreeSet<u64> = namespaces
        .iter()
        .filter_map(|name| fs::metadata(Path::new(namespace::FOLDER).join(name)).ok())
        .map(|found| found.ino())
        .collect();
    names_in("/proc")
        .iter()
        .filter_map(|name| name.parse::<i32>().ok())
        .filter(|pid| u32::try_from(*pid).ok() != Some(process::id()))
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|found| inodes.contains(&found.ino()))
        })
        .map(Pid::from_raw)
        .collect()
}
