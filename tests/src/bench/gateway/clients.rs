//! Clients that h2load does not have: connections that stay and say nothing, and handshakes with nothing after.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use socket2::{Domain, Socket, Type};

use crate::{namespace::Namespace, pki::Authority};

/// Threads that open connections.
pub const THREADS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the idle connections, how many are asked again at the end.
const ASKED_AGAIN: usize = 100;

/// A connection.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A server to connect to. Every handshake is a whole one, and verified.
#[derive(Clone)]
pub struct Pinned {
    address: SocketAddr,
    source: IpAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Pinned {
    /// Reads the authority.
    pub fn new(authority: &Authority, host: &str, address: SocketAddr) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority.certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned())?;
        let source = Ipv4Addr::UNSPECIFIED.into();
        Ok(Self { address, source, name, config: Arc::new(config) })
    }

    /// The same server, spoken to in HTTP/2.
    pub fn http2(self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { config: Arc::new(config), ..self }
    }

    /// The same server, from this address.
    pub fn from(self, source: Ipv4Addr) -> Self {
        Self { source: source.into(), ..self }
    }

    /// A connection, after its handshake.
    pub fn connect(&self) -> Result<Stream> {
        let tcp = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        tcp.bind(&SocketAddr::new(self.source, 0).into())?;
        tcp.connect(&self.address.into())?;
        let tcp = TcpStream::from(tcp);
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let session = ClientConnection::new(self.config.clone(), self.name.clone())?;
        let mut stream = StreamOwned::new(session, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let kind = stream.conn.handshake_kind();
        // A server that prefers a group the client offered no share for asks again; that is whole too.
        let whole =
            matches!(kind, Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest));
        ensure!(whole, "a handshake was {kind:?}");
        Ok(stream)
    }
}

/// Connections that have asked once.
#[derive(Default)]
pub struct Idle(Vec<Stream>);

impl Idle {
    /// Opens more, until there are so many.
    pub fn grow(
        &mut self,
        namespace: &Namespace,
        pinned: &Pinned,
        count: usize,
        asked: &(&str, String),
    ) -> Result<()> {
        let missing = count.saturating_sub(self.0.len());
        let opened = namespace.run(|| {
            in_threads(|thread| {
                let share = missing / THREADS + usize::from(thread < missing % THREADS);
                let mut opened = Vec::with_capacity(share);
                for _ in 0..share {
                    let mut stream = pinned.connect()?;
                    ask(&mut stream, asked)?;
                    opened.push(stream);
                }
                Ok(opened)
            })
        })??;
        self.0.extend(opened.into_iter().flatten());
        Ok(())
    }

    /// Asks over some of them again; answers how many.
    pub fn ask_some(&mut self, asked: &(&str, String)) -> Result<usize> {
        let step = (self.0.len() / ASKED_AGAIN).max(1);
        let mut answered = 0;
        for stream in self.0.iter_mut().step_by(step) {
            ask(stream, asked)?;
            answered += 1;
        }
        Ok(answered)
    }
}

/// Shakes hands, and nothing more, over and over; answers how often, in which time.
pub fn handshakes(
    namespace: &Namespace,
    pinned: &Pinned,
    length: Duration,
) -> Result<(u64, Duration)> {
    namespace.run(|| {
        let start = Instant::now();
        let counts = in_threads(|_| {
            let mut count = 0_u64;
            while start.elapsed() < length {
                let mut stream = pinned.connect()?;
                // The server's tickets come when it has read the last of the handshake.
                stream.sock.read_exact(&mut [0; 1]).context("no ticket")?;
                count += 1;
            }
            Ok(count)
        })?;
        Ok((counts.iter().sum(), start.elapsed()))
    })?
}

/// Sends each of these requests once, over few connections; every answer must be this one.
pub fn each_once(
    namespace: &Namespace,
    pinned: &Pinned,
    heads: &[String],
    body: &str,
) -> Result<()> {
    namespace.run(|| {
        in_threads(|thread| {
            let mut stream = pinned.connect()?;
            for head in heads.iter().skip(thread).step_by(THREADS) {
                exchange(&mut stream, head, body)?;
            }
            Ok(())
        })
    })??;
    Ok(())
}

/// Does something while `clients` are there, in threads that go on until they are told that it is over.
pub fn beside<T: Send>(
    namespace: &Namespace,
    settle: Duration,
    clients: impl Fn(usize, &AtomicBool) -> Result<()> + Sync,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let over = AtomicBool::new(false);
    namespace.run(|| {
        thread::scope(|scope| {
            let clients = scope.spawn(|| in_threads(|thread| clients(thread, &over)));
            thread::sleep(settle);
            let done = work();
            over.store(true, Relaxed);
            let ended = clients.join().map_err(|_| anyhow!("panic"))?;
            let done = done?;
            ended?;
            Ok(done)
        })
    })?
}

fn in_threads<T: Send>(work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("panic"))?);
        joined.collect()
    })
}

fn ask(stream: &mut Stream, (path, body): &(&str, String)) -> Result<()> {
    exchange(stream, &format!("GET {path} HTTP/1.1\r\nHost: api.example\r\n\r\n"), body)
}

fn exchange(stream: &mut Stream, head: &str, body: &str) -> Result<()> {
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::with_capacity(2 * body.len());
    while !answer.ends_with(body.as_bytes()) {
        let mut part = [0; 4096];
        match stream.read(&mut part)? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{:.100}", String::from_utf8_lossy(&answer));
    Ok(())
}
