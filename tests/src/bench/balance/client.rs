//! A client with one connection over TLS, fast enough for a hundred thousand requests.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::namespace::Namespace;

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 65_536;

pub struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    host: String,
    received: Vec<u8>,
}

pub struct Answer {
    /// The place of the server that gave it.
    pub server: usize,
    /// `name=value` of a cookie that it sets.
    pub cookie: Option<String>,
}

impl Client {
    /// Connects from a namespace to a gateway that has a name.
    pub fn connect(
        namespace: &Namespace,
        address: SocketAddr,
        host: &str,
        authority: &Path,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = namespace.run(|| TcpStream::connect_timeout(&address, PATIENCE))??;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(host.to_owned())?;
        let stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, tcp);
        Ok(Self { stream, host: host.to_owned(), received: Vec::new() })
    }

    /// A GET; its answer is 200, and its body the place of the server.
    pub fn ask(&mut self, path: &str, headers: &str) -> Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.host);
        self.stream.write_all(request.as_bytes())?;
        self.received.clear();
        let mut part = [0; 4_096];
        loop {
            if let Some((head, body)) = whole(&self.received) {
                if !head.starts_with("HTTP/1.1 200 ") {
                    bail!("expected 200 of {path}, found {head}");
                }
                let server = body.parse().with_context(|| format!("of {path}: {head}{body}"))?;
                let cookie = header(head, "set-cookie").and_then(|line| line.split(';').next());
                return Ok(Answer { server, cookie: cookie.map(str::to_owned) });
            }
            let length = self.stream.read(&mut part)?;
            if length == 0 || self.received.len() > ANSWER_BYTES_MAX {
                bail!("of {path}: no whole answer came");
            }
            self.received.extend_from_slice(&part[..length]);
        }
    }
}

/// Head and body, once all of it is here.
fn whole(received: &[u8]) -> Option<(&str, &str)> {
    let text = str::from_utf8(received).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length: usize = header(head, "content-length")?.parse().ok()?;
    Some((head, body.get(..length)?))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
