//! What of the host keeps a part of the policy from working.

use std::{fs, path::Path};

use crate::config::PacketConfig;

const TCP_SYNCOOKIES: &str = "net.ipv4.tcp_syncookies";

/// A sentence for each thing, with its remedy.
pub fn warnings(config: &PacketConfig) -> Vec<String> {
    let syn_cookies = config.syn_cookies.as_ref().and_then(|_| syn_cookies());
    syn_cookies.into_iter().collect()
}

/// The same, to the log.
pub fn log(config: &PacketConfig) {
    for warning in warnings(config) {
        tracing::warn!(warning, "a part of the policy does not work on this host");
    }
}

/// With 0 the kernel knows no cookie, and with 1 only while a listener's queue overflows, which the
/// program's answers prevent: in both cases it resets the clients that were answered.
fn syn_cookies() -> Option<String> {
    let path = Path::new("/proc/sys").join(TCP_SYNCOOKIES.replace('.', "/"));
    let found = match fs::read_to_string(&path) {
        Ok(text) if text.trim() == "2" => return None,
        Ok(text) => text.trim().to_owned(),
        Err(error) => format!("what cannot be read ({error})"),
    };
    Some(format!(
        "packet.syn_cookies: expected {TCP_SYNCOOKIES} to be 2, found {found}: the kernel resets clients that a cookie answered; sysctl -w {TCP_SYNCOOKIES}=2"
    ))
}
