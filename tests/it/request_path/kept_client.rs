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
use seawall_tests::{
    h2raw::{END_HEADERS, END_STREAM, HEADERS, RawHttp2, frame, get},
    wait,
};

use crate::site::{API, GATEWAY, Ground, Site};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Over HTTP/1.1.
pub struct KeptClient(Stream);

impl KeptClient {
    pub fn connect(site: &Site) -> Self {
        Self(stream(&site.ground, GATEWAY, b"http/1.1"))
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

/// Over HTTP/2.
pub struct KeptHttp2 {
    http2: RawHttp2<Stream>,
    /// Of the next stream.
    number: u32,
}

impl KeptHttp2 {
    pub fn connect(ground: &Ground, gateway: SocketAddr) -> Self {
        let http2 = RawHttp2::begin(stream(ground, gateway, b"h2"), &[]).unwrap();
        Self { http2, number: 1 }
    }

    /// Whether a request with this header is answered with 200.
    pub fn passes(&mut self, path: &str, header: (&str, &str)) -> bool {
        let block = get(path, &[header]);
        assert!(self.http2.send(&frame(HEADERS, END_HEADERS | END_STREAM, self.number, &block)));
        self.number += 2;
        let head = self.http2.until(&[HEADERS]).unwrap();
        // Of the static table: 8 is `:status: 200`; 401 is none of it.
        head.payload.first() == Some(&0x88)
    }
}

/// A connection to the gateway at this address, with this protocol.
fn stream(ground: &Ground, gateway: SocketAddr, alpn: &[u8]) -> Stream {
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
