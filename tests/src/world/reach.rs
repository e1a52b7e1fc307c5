//! Waits until a host reaches the server: the kernel takes its time until a new link's IPv6 works,
//! and a test that starts earlier would lose packets that it counts.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{Host, SERVER};
use crate::namespace::Namespace;

const PORT: u16 = 9;
const TIMEOUT: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(20);

/// Sends probes from each of the host's addresses until one of each arrives.
pub fn both_families(server: &Namespace, host: &Host) -> Result<()> {
    for target in SERVER {
        let target = SocketAddr::new(target, PORT);
        let listener =
            server.run(|| UdpSocket::bind(target))?.context("could not listen for probes")?;
        listener.set_read_timeout(Some(RETRY))?;
        for source in host.addresses_towards(target.ip()) {
            one(&listener, host, source, target)?;
        }
    }
    Ok(())
}

fn one(listener: &UdpSocket, host: &Host, source: IpAddr, target: SocketAddr) -> Result<()> {
    let sender = host.namespace.run(|| UdpSocket::bind((source, 0)))?;
    let sender =
        sender.with_context(|| format!("{source} is not an address of {}", host.plan.name))?;
    let deadline = Instant::now() + TIMEOUT;
    loop {
        // Refused for as long as there is no route; the timeout tells when it never comes.
        let _ = sender.send_to(b"probe", target);
        if listener.recv_from(&mut [0; 16]).is_ok_and(|(_, peer)| peer.ip() == source) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{source} does not reach {target} within {TIMEOUT:?}");
    }
}
