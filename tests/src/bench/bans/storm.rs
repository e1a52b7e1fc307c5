//! A hundred thousand addresses in two halves, each with one connection that is no TLS, which is a ban by itself here. Beside
//! them one that is allowed does the same all the time, and one client does nothing wrong and wants to be served.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use socket2::{Domain, Socket, Type};

use super::{ALLOWED, API, CLIENT};
use crate::{
    client::Request,
    world::{SERVER_IPV4, World},
};

/// In each half.
const OFFENDERS: u32 = 50_000;
const THREADS: usize = 4;
const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(SERVER_IPV4), 443);
const PATIENCE: Duration = Duration::from_secs(5);
/// The one that is allowed offends after so many others.
const ALLOWED_ONE_IN: u32 = 1_000;

/// What came of it.
pub struct Storm {
    /// Who offended.
    pub offenders: u64,
    /// From the first to the last.
    pub took_s: f64,
    /// Requests of the good client that were answered with 200...
    pub served: u64,
    /// ...and that were not.
    pub refused: u64,
}

impl Storm {
    /// The other half.
    pub fn add(&mut self, other: &Self) {
        self.offenders += other.offenders;
        self.took_s += other.took_s;
        self.served += other.served;
        self.refused += other.refused;
    }
}

/// Lets all of them offend.
pub fn blow(world: &World, authority: &Path, network: [u8; 2]) -> Result<Storm> {
    let over = AtomicBool::new(false);
    let namespace = &world.host(CLIENT.name).namespace;
    let begun = Instant::now();
    thread::scope(|scope| {
        let good = scope.spawn(|| {
            let (mut served, mut refused) = (0, 0);
            while !over.load(Relaxed) {
                let request = Request::get(API, GATEWAY, "/", authority);
                match request.within(PATIENCE).send(namespace) {
                    Ok(answer) if answer.status == 200 => served += 1,
                    Ok(_) | Err(_) => refused += 1,
                }
                thread::sleep(Duration::from_millis(100));
            }
            (served, refused)
        });
        let offenders = namespace.run(|| offend(network));
        let took_s = begun.elapsed().as_secs_f64();
        over.store(true, Relaxed);
        let (served, refused) =
            good.join().map_err(|_| anyhow::anyhow!("the good client panicked"))?;
        Ok(Storm { offenders: offenders?, took_s, served, refused })
    })
}

fn offend([first, second]: [u8; 2]) -> u64 {
    let (next, offended) = (AtomicU32::new(0), AtomicU64::new(0));
    let start = u32::from_be_bytes([first, second, 0, 1]);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= OFFENDERS {
                        return;
                    }
                    if number % ALLOWED_ONE_IN == 0 {
                        // It may not be banned; whether it is answered does not matter.
                        drop(connect(ALLOWED));
                    }
                    if connect(Ipv4Addr::from_bits(start + number)).is_ok() {
                        offended.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    offended.into_inner()
}

/// One connection that is no TLS, to its end.
fn connect(from: Ipv4Addr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&GATEWAY.into(), PATIENCE)?;
    let mut tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let mut answer = [0; 64];
    // An alert, then the end, or a reset: that it has ended is what counts.
    while matches!(tcp.read(&mut answer), Ok(1..)) {}
    Ok(())
}
