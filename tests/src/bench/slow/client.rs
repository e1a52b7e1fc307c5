//! A client that is served: requests at an even pace over one connection, each timed.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{API, GATEWAY};

/// From one request to the next.
const PACE: Duration = Duration::from_millis(2);
/// Longer than any answer may take; a server that does not answer is a failure.
const PATIENCE: Duration = Duration::from_secs(5);

/// TLS over TCP.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// How to speak TLS to the gateway.
#[derive(Clone)]
pub struct Tls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts what this authority has signed.
    pub fn trusting(authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let config = |protocol: &[u8]| -> Result<Arc<ClientConfig>> {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok(Arc::new(config))
        };
        Ok(Self { http1: config(b"http/1.1")?, http2: config(b"h2")? })
    }

    /// HTTP/1.1 over a connection that was made.
    pub fn http1(&self, tcp: TcpStream) -> Result<Stream> {
        Self::over(&self.http1, tcp)
    }

    /// HTTP/2 likewise.
    pub fn http2(&self, tcp: TcpStream) -> Result<Stream> {
        Self::over(&self.http2, tcp)
    }

    fn over(config: &Arc<ClientConfig>, tcp: TcpStream) -> Result<Stream> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let session = ClientConnection::new(config.clone(), API.try_into()?)?;
        Ok(StreamOwned::new(session, tcp))
    }
}

/// A connection to the gateway.
pub struct Client {
    stream: BufReader<Stream>,
}

impl Client {
    /// From the namespace of the caller.
    pub fn connect(tls: &Tls) -> Result<Self> {
        let stream = tls.http1(TcpStream::connect_timeout(&GATEWAY, PATIENCE)?)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// How long each request took, until then.
    pub fn paced(&mut self, end: Instant) -> Result<Vec<Duration>> {
        // The first opens the connection to the upstream.
        self.request()?;
        let mut took = Vec::new();
        let mut next = Instant::now();
        while Instant::now() < end {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let start = Instant::now();
            self.request()?;
            took.push(start.elapsed());
            // Where an answer took longer than the pace, the next request is not in a hurry.
            next = Instant::now().max(next + PACE);
        }
        Ok(took)
    }

    fn request(&mut self) -> Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: {API}\r\n\r\n").as_bytes())?;
        stream.flush()?;
        let mut length = 0;
        let mut line = String::new();
        let mut first = true;
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection ended");
            if std::mem::take(&mut first) {
                ensure!(line.starts_with("HTTP/1.1 200 "), "the answer was {}", line.trim());
            }
            let (name, value) = match line.trim_end() {
                "" => break,
                line => line.split_once(": ").unwrap_or((line, "")),
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().context("a length that is no number")?;
            }
        }
        self.stream.read_exact(&mut vec![0; length])?;
        Ok(())
    }
}
