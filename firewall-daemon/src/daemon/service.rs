//! What the service manager is told of the daemon. Without one there is nobody to tell, and nothing is done.

use std::{net::TcpListener, os::fd::BorrowedFd};

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// A line of `systemctl status` has room for so many bytes of a message.
const STATUS_BYTES_MAX: usize = 400;

/// What the service manager calls the gateway's listening sockets.
const SOCKETS: &str = "gateway";
/// The kernel passes at most SCM_MAX_FD descriptors in one message.
const SOCKETS_IN_A_MESSAGE: usize = 253;

/// It has started, or has ended a reload.
pub fn ready(status: &str) {
    let status = one_line(status);
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// It reads its configuration anew. From systemd 253 on the time has to come in the same message.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// It stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// All its loops turn.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Listening sockets outlive the daemon: the manager keeps them, and hands them to the next one. What it
/// kept before is let go.
pub fn keep(sockets: &[BorrowedFd<'_>]) {
    tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(SOCKETS)]);
    for part in sockets.chunks(SOCKETS_IN_A_MESSAGE) {
        let kept =
            sd_notify::notify_with_fds(&[NotifyState::FdStore, NotifyState::FdName(SOCKETS)], part);
        if let Err(error) = kept {
            tracing::warn!(%error, "the service manager does not keep the gateway's sockets: a restart will refuse connections for a moment");
        }
    }
}

/// The sockets that the service manager kept for this daemon, once: who asks again gets none.
pub fn kept() -> Vec<TcpListener> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut sockets = ListenFd::from_env();
    let mut kept = Vec::new();
    for place in 0..sockets.len() {
        // Another name is somebody else's, and without names nobody can tell.
        let ours = names.split(':').nth(place) == Some(SOCKETS);
        match sockets.take_tcp_listener(place) {
            Ok(socket) => kept.extend(socket.filter(|_| ours)),
            Err(error) => {
                tracing::warn!(%error, "a socket that the service manager kept cannot be used")
            }
        }
    }
    kept
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// A line feed would begin another assignment of the protocol, such as MAINPID.
fn one_line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if line.len() > STATUS_BYTES_MAX {
        line.truncate(line.floor_char_boundary(STATUS_BYTES_MAX));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_short_line() {
        for (text, expected) in [
            ("serving", "serving"),
            ("seawall.yaml:3:7: expected\nMAINPID=1", "seawall.yaml:3:7: expected MAINPID=1"),
            ("\u{1b}[31mred\t", " [31mred "),
        ] {
            assert_eq!(one_line(text), expected);
        }
        let long = one_line(&"ä".repeat(STATUS_BYTES_MAX));
        assert_eq!(long.len(), STATUS_BYTES_MAX);
        let odd = one_line(&format!("a{}", "ä".repeat(STATUS_BYTES_MAX)));
        assert_eq!(odd.len(), STATUS_BYTES_MAX - 1);
    }
}
