//! Sends UDP datagrams from a host at a steady rate, and counts those that its kernel took.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::namespace::Namespace;

const PAYLOAD: [u8; 32] = *b"seawall flood: drop me, I insist";
/// Datagrams go out in small groups this far apart: a pause for each would cost more than the datagram.
const TICK: Duration = Duration::from_millis(2);

/// What to send.
#[derive(Clone, Debug)]
pub struct Flood {
    /// From these addresses in turn.
    pub sources: Vec<IpAddr>,
    /// To this address and port.
    pub target: SocketAddr,
    /// At this rate in all.
    pub rate_pps: u32,
    /// For this long.
    pub duration: Duration,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// From the first to the last.
    pub elapsed: Duration,
}

impl Flood {
    /// Sends it from within a namespace.
    pub fn send(&self, namespace: &Namespace) -> Result<Sent> {
        namespace.run(|| self.send_here())?.with_context(|| format!("flood to {}", self.target))
    }

    fn send_here(&self) -> std::io::Result<Sent> {
        // Not connected: a connected socket would be told of refusals instead of sending.
        let sockets: Vec<UdpSocket> = self
            .sources
            .iter()
            .map(|source| UdpSocket::bind((*source, 0)))
            .collect::<Result<_, _>>()?;
        let start = Instant::now();
        let mut sent = Sent { datagrams: 0, elapsed: Duration::ZERO };
        let mut turn = sockets.iter().cycle();
        while start.elapsed() < self.duration {
            let due = (start.elapsed() + TICK).as_secs_f64() * f64::from(self.rate_pps);
            while (sent.datagrams as f64) < due {
                let Some(socket) = turn.next() else { return Ok(sent) };
                socket.send_to(&PAYLOAD, self.target)?;
                sent.datagrams += 1;
            }
            sent.elapsed = start.elapsed();
            thread::sleep(TICK);
        }
        Ok(sent)
    }
}
