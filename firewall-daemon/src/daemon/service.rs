//! What the service manager is told of the daemon. Without one there is nobody to tell, and nothing is done.

use sd_notify::NotifyState;

/// A line of `systemctl status` has room for so many bytes of a message.
const STATUS_BYTES_MAX: usize = 400;

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
