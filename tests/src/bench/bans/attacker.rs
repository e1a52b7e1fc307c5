//! An attacker fails twenty logins on one connection. From the moment its last answer is there, datagrams with
//! numbers go out from its address; the first that does not arrive is the first that was dropped.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use socket2::{Domain, Socket, Type};

use super::{API, CLIENT};
use crate::world::{SERVER_IPV4, World};

/// So many, each with an address of its own.
pub const ATTACKERS: usize = 1_000;
const LOGINS: usize = 20;
/// Attackers at once.
const THREADS: usize = 2;
const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(SERVER_IPV4), 443);
const PROBED: SocketAddr = SocketAddr::new(IpAddr::V4(SERVER_IPV4), 9_999);
/// Between two datagrams of an attacker.
const STEP: Duration = Duration::from_micros(50);
/// So long they go out; who is not dropped by then was missed.
const WATCHED: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for what comes while the receiver has no core.
const RECEIVED_BYTES: usize = 16 << 20;

/// What came of it.
pub struct Took {
    /// From the last answer to the first datagram that was dropped, in order.
    pub drops_ms: Vec<f64>,
    /// Who was not.
    pub missed: usize,
}

/// When each datagram of an attacker went out, after its last answer.
type Sent = BTreeMap<u16, Vec<f64>>;

/// Lets all of them attack.
pub fn attack(world: &World, authority: &Path, network: [u8; 2]) -> Result<Took> {
    let config = config(authority)?;
    let stop = AtomicBool::new(false);
    let (sent, arrived) = thread::scope(|scope| -> Result<_> {
        let receiver = scope.spawn(|| world.server.run(|| receive(&stop)));
        let sent = world.host(CLIENT.name).namespace.run(|| all(&config, network));
        // What is on its way arrives.
        thread::sleep(Duration::from_millis(200));
        stop.store(true, Relaxed);
        let arrived =
            receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))???;
        Ok((sent??, arrived))
    })?;
    let (mut drops_ms, mut missed) = (Vec::new(), 0);
    for (attacker, times) in &sent {
        let last = arrived.get(attacker).copied();
        let first_dropped = last.map_or(0, |last| usize::from(last) + 1);
        match times.get(first_dropped) {
            Some(ms) => drops_ms.push(*ms),
            None => missed += 1,
        }
    }
    ensure!(sent.len() == ATTACKERS, "{} of {ATTACKERS} attacked", sent.len());
    drops_ms.sort_by(f64::total_cmp);
    Ok(Took { drops_ms, missed })
}

/// The last datagram of each attacker that came.
fn receive(stop: &AtomicBool) -> Result<BTreeMap<u16, u16>> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // Beyond what the host lets others have: one that is lost here would look like one that was dropped.
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVED_BYTES)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PROBED.port())).into())?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut arrived = BTreeMap::new();
    let mut bytes = [0; 4];
    while !stop.load(Relaxed) {
        if let Ok(4) = socket.recv(&mut bytes) {
            let [a, b, c, d] = bytes;
            let last = arrived.entry(u16::from_be_bytes([a, b])).or_insert(0);
            *last = u16::from_be_bytes([c, d]).max(*last);
        }
    }
    Ok(arrived)
}

fn all(config: &Arc<ClientConfig>, network: [u8; 2]) -> Result<Sent> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || -> Result<Sent> {
            let mut sent = Sent::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= ATTACKERS {
                    return Ok(sent);
                }
                let times = one(config, network, number as u16)
                    .with_context(|| format!("attacker {number}"))?;
                sent.insert(number as u16, times);
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let mut sent = Sent::new();
        for thread in threads {
            sent.extend(thread.join().map_err(|_| anyhow::anyhow!("an attacker panicked"))??);
        }
        Ok(sent)
    })
}

fn one(config: &Arc<ClientConfig>, [first, second]: [u8; 2], number: u16) -> Result<Vec<f64>> {
    let [third, fourth] = (number + 1).to_be_bytes();
    let address = SocketAddr::from((Ipv4Addr::new(first, second, third, fourth), 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&address.into())?;
    socket.connect_timeout(&GATEWAY.into(), PATIENCE)?;
    let tcp = TcpStream::from(socket);
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let session = ClientConnection::new(config.clone(), API.try_into()?)?;
    let mut client = StreamOwned::new(session, tcp);
    let probe = UdpSocket::bind(address)?;
    probe.connect(PROBED)?;
    let login = format!(
        "GET /guarded HTTP/1.1\r\nHost: {API}\r\nAuthorization: Bearer sw_0123456789ab_wrong\r\n\r\n"
    );
    for turn in 1..=LOGINS {
        client.write_all(login.as_bytes())?;
        let status = answer(&mut client)?;
        ensure!(status == 401, "login {turn} was answered {status}");
    }
    let decided = Instant::now();
    let mut sent = Vec::new();
    let [a, b] = number.to_be_bytes();
    while decided.elapsed() < WATCHED {
        let [c, d] = (sent.len() as u16).to_be_bytes();
        sent.push(decided.elapsed().as_secs_f64() * 1e3);
        probe.send(&[a, b, c, d])?;
        thread::sleep(STEP);
    }
    Ok(sent)
}

/// The status of an answer, which is read whole.
fn answer(client: &mut StreamOwned<ClientConnection, TcpStream>) -> Result<u16> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(Ok(0), str::parse)?];
    client.read_exact(&mut body)?;
    Ok(head.split(' ').nth(1).context("a status")?.parse()?)
}

/// What a client of the gateway needs.
pub fn config(authority: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(authority)?)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
