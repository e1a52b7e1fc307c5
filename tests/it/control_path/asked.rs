//! Asking the daemon of a site by the command, and asking the filter by a packet.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use seawall_tests::{seawall, wait, world::SERVER_IPV4};

use crate::site::{Ground, Site};

/// Runs a verb; its exit code and what it wrote, to whichever stream.
pub fn ask(ground: &Ground, words: &[&str]) -> (i32, String) {
    let socket = ground.socket();
    let socket = ["--socket", socket.to_str().unwrap()];
    let output = seawall::run(&ground.world, &[words, &socket].concat()).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// Whether a text is as expected, where * is anything.
pub fn matches(text: &str, expected: &str) -> bool {
    let mut parts = expected.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.is_empty()
}

/// Sends one datagram of the client's, and says whether it was dropped for this reason.
pub fn drops(site: &Site, reason: &str) -> bool {
    let count = |labels: &[(&str, &str)]| site.metric("seawall_packets_total", labels);
    let dropped = [("verdict", "drop"), ("reason", reason), ("protocol", "udp")];
    let before = (count(&[("protocol", "udp")]), count(&dropped));
    send(site);
    wait::until("datagram", || (count(&[("protocol", "udp")]) > before.0).then_some(())).unwrap();
    count(&dropped) > before.1
}

/// Sends one datagram of the client's.
pub fn send(site: &Site) {
    let target = SocketAddr::new(SERVER_IPV4.into(), 9_999);
    let sent = site.ground.client().run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_write_timeout(Some(Duration::from_secs(1)))?;
        socket.send_to(b"seawall", target)
    });
    sent.unwrap().unwrap();
}
