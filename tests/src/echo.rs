//! An upstream that says what it was asked: the body of its answer is the request as it arrived.
//!
//! Paths make it misbehave: `/silent` never answers, `/cut` breaks off in the middle of a body,
//! `/status/503` answers 503.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{namespace::Namespace, pki::Identity};

/// A connection that is idle this long is over; tests are shorter.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// A running echo; it stops accepting when dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
}

impl Echo {
    /// Listens in a namespace with this certificate.
    pub fn start(namespace: &Namespace, address: SocketAddr, identity: &Identity) -> Result<Self> {
        Self::listen(namespace, address, Some(Arc::new(config(identity)?)))
    }

    /// Listens in a namespace, without TLS.
    pub fn plain(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        Self::listen(namespace, address, None)
    }

    fn listen(
        namespace: &Namespace,
        address: SocketAddr,
        config: Option<Arc<ServerConfig>>,
    ) -> Result<Self> {
        let listener = namespace
            .run(|| TcpListener::bind(address))?
            .with_context(|| format!("the echo could not listen on {address}"))?;
        let echo = Self { address, stopped: Arc::default(), connections: Arc::default() };
        let (stopped, connections) = (echo.stopped.clone(), echo.connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                connections.fetch_add(1, Ordering::Relaxed);
                let config = config.clone();
                // A client that breaks off is the gateway's business, and what tests look at.
                thread::spawn(move || serve(stream, config));
            }
        });
        Ok(echo)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Stops listening: the next connection is refused.
    pub fn stop(&self, namespace: &Namespace) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection, so that it closes its socket.
        namespace
            .run(|| TcpStream::connect(self.address).map(drop))?
            .context("could not wake the echo")
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// What serves with this certificate.
pub(crate) fn config(identity: &Identity) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&identity.certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}

fn serve(mut stream: TcpStream, config: Option<Arc<ServerConfig>>) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
    let Some(config) = config else { return converse(&mut stream) };
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    converse(&mut stream)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn converse(stream: &mut (impl Read + Write)) -> io::Result<()> {
    while let Some(request) = read_request(stream)? {
        if !answer(stream, &request)? {
            break;
        }
    }
    Ok(())
}

/// The next request as it arrived, head and decoded body; nothing when the client is done.
fn read_request(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let mut request = String::from_utf8_lossy(&head).into_owned();
    let lower = request.to_ascii_lowercase();
    let length =
        lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    if let Some(length) = length {
        read_exactly(stream, length, &mut request)?;
    } else if lower.contains("\r\ntransfer-encoding: chunked") {
        loop {
            let size =
                usize::from_str_radix(read_line(stream)?.trim(), 16).map_err(io::Error::other)?;
            read_exactly(stream, size, &mut request)?;
            read_line(stream)?;
            if size == 0 {
                break;
            }
        }
    }
    Ok(Some(request))
}

/// Answers; `false` ends the connection.
fn answer(stream: &mut impl Write, request: &str) -> io::Result<bool> {
    let path = request.split(' ').nth(1).unwrap_or_default();
    if path.starts_with("/silent") {
        thread::sleep(IDLE_TIMEOUT);
        return Ok(false);
    }
    let status = path.strip_prefix("/status/").unwrap_or("200");
    let length = request.len() + if path.starts_with("/cut") { 1000 } else { 0 };
    // Names of software and of hops, which must not reach the client.
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nServer: echo/1.0\r\nX-Powered-By: tests\r\nVia: 1.1 inside\r\n\
         Connection: X-Hop\r\nX-Hop: inside\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\n\r\n{request}"
    )?;
    stream.flush()?;
    Ok(!path.starts_with("/cut"))
}

fn read_exactly(stream: &mut impl Read, length: usize, into: &mut String) -> io::Result<()> {
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body)?;
    into.push_str(&String::from_utf8_lossy(&body));
    Ok(())
}

fn read_line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = String::new();
    let mut byte = [0];
    while !line.ends_with('\n') && stream.read(&mut byte)? == 1 {
        line.push(char::from(byte[0]));
    }
    Ok(line)
}
