//! What a service manager is told: ready, reloading, alive, stopping.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::net::UnixDatagram,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use seawall_tests::{
    process::{self, Process},
    requirement, seawall,
};

use crate::site::Ground;

/// The shortest that the daemon can answer.
const WATCHDOG: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_service_manager_is_told_how_the_daemon_is() {
    if !requirement::root("a_service_manager_is_told_how_the_daemon_is") {
        return;
    }
    let ground = Ground::prepare();
    let path = ground.world.folder().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let config = seawall::write_config(&ground.world, &ground.config("", "")).unwrap();
    let mut command = Command::new(process::program("seawall").unwrap());
    command.args(["run", "--config"]).arg(&config);
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let server = &ground.world.server;
    let mut daemon =
        Process::start(server, &mut command, "seawall", ground.world.folder()).unwrap();

    assert!(heard(&manager, "READY=1").contains("STATUS=serving"), "{}", daemon.log());
    // Silence of its whole time would be the end: so it speaks well within.
    let start = Instant::now();
    for _ in 0..3 {
        heard(&manager, "WATCHDOG=1");
    }
    assert!(start.elapsed() < 3 * WATCHDOG, "{:?}", start.elapsed());

    daemon.signal(Signal::SIGHUP).unwrap();
    let reloading = heard(&manager, "RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(heard(&manager, "READY=1").contains("STATUS=serving"));

    let mut file = OpenOptions::new().append(true).open(&config).unwrap();
    file.write_all(b"nonsense: 1\n").unwrap();
    daemon.signal(Signal::SIGHUP).unwrap();
    heard(&manager, "RELOADING=1");
    let ready = heard(&manager, "READY=1");
    let refused = "STATUS=reload refused, the old policy is in force: ";
    assert!(ready.contains(refused) && ready.contains("nonsense"), "{ready}");

    // Standing still it says nothing, however often the clock would let it.
    daemon.signal(Signal::SIGSTOP).unwrap();
    while manager.recv(&mut [0; 4096]).is_ok() {}
    let end = Instant::now() + 2 * WATCHDOG;
    while Instant::now() < end {
        assert!(manager.recv(&mut [0; 4096]).is_err(), "a stopped daemon says that it lives");
    }
    daemon.signal(Signal::SIGCONT).unwrap();
    heard(&manager, "WATCHDOG=1");

    daemon.signal(Signal::SIGTERM).unwrap();
    heard(&manager, "STOPPING=1");
    let status = daemon.wait_for_exit(PATIENCE).unwrap();
    assert!(status.success(), "{status}: {}", daemon.log());
}

/// The next message that says this; others are passed over.
fn heard(manager: &UnixDatagram, expected: &str) -> String {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let mut message = [0; 4096];
        let Ok(length) = manager.recv(&mut message) else { continue };
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        if message.lines().any(|line| line == expected) {
            return message;
        }
    }
    panic!("{expected} was not heard within {PATIENCE:?}");
}
