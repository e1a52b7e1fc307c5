//! A connection that stays open from one request to the next.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use seawall_tests::wait;

use crate::site::{API, GATEWAY, Ground, Site};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Over HTTP/1.1.
pub struct KeptClient(Stream);

impl KeptClient {
    pub fn connect(site: &Site) -> Self {
        Self(stream(site, b"http/1.1"))
    }

    /// The status of a request with this token or key.
    pub fn get(&mut self, token: &str) -> u16 {
        let request = format!(
            "GET /guarded HTTP/1.1\r\nHost: {API}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        self.0.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// A connection to the gateway with this protocol.
pub fn stream(site: &Site, alpn: &[u8]) -> Stream {
    stream_to(&site.ground, GATEWAY, alpn)
}

/// The same to a gateway at this address.
pub fn stream_to(ground: &Ground, gateway: SocketAddr, alpn: &[u8]) -> Stream {
    let pem = std::fs::read(&ground.authority.certificate).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let tcp = ground.client().run(|| TcpStream::connect(gateway)).unwrap().unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let session = ClientConnection::new(Arc::new(config), API.try_into().unwrap()).unwrap();
    StreamOwned::new(session, tcp)
}
