//! A backend that speaks HTTP/2: it keeps what it was sent and misbehaves on demand.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

pub struct Http2Backend {
    pub address: SocketAddr,
    pub certificate_pem: String,
    shared: Arc<Shared>,
}

/// How the backend behaves.
#[derive(Clone, Copy)]
pub struct Manner {
    /// What it agrees to; nothing is plain TCP.
    pub alpn: Option<&'static [u8]>,
    /// Requests at once on one connection.
    pub streams_max: u32,
    /// It says goodbye after so many requests on a connection; 0 is never.
    pub goodbye_after: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Self { alpn: Some(b"h2"), streams_max: 250, goodbye_after: 0 }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection it came over.
    pub connection: u64,
    /// Method and target, then each header as `name: value`, in order of names.
    pub head: Vec<String>,
    pub body: String,
    pub trailers: Vec<String>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicU64,
    refused: AtomicBool,
    open: AtomicBool,
    opened: Notify,
}

impl Http2Backend {
    pub fn start(manner: Manner) -> Self {
        let pair = rcgen::generate_simple_self_signed(vec!["api.internal".to_owned()]).unwrap();
        let certificate_pem = pair.cert.pem();
        let key_pem = pair.signing_key.serialize_pem();
        let acceptor = manner.alpn.map(|alpn| acceptor(&certificate_pem, &key_pem, alpn));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(accepted(tcp, acceptor.clone(), manner, served.clone()));
                }
            });
        });
        Self { address, certificate_pem, shared }
    }

    /// Every request seen since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// How many requests were seen and not taken yet.
    pub fn count(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// Lets the answers to `/held` go, from now on.
    pub fn release(&self) {
        self.shared.open.store(true, Relaxed);
        self.shared.opened.notify_waiters();
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .head
            .iter()
            .skip(1)
            .find_map(|line| line.split_once(": ").filter(|it| it.0 == name));
        line.map(|(_, value)| value)
    }
}

fn acceptor(certificate_pem: &str, key_pem: &str, alpn: &[u8]) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    if !alpn.is_empty() {
        config.alpn_protocols = vec![alpn.to_vec()];
    }
    TlsAcceptor::from(Arc::new(config))
}

async fn accepted(tcp: TcpStream, tls: Option<TlsAcceptor>, manner: Manner, shared: Arc<Shared>) {
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(tcp).await {
                connection(stream, manner, shared).await;
            }
        }
        None => connection(tcp, manner, shared).await,
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: Manner,
    shared: Arc<Shared>,
) {
    let number = shared.connections.fetch_add(1, Relaxed);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(manner.streams_max).initial_connection_window_size(1 << 20);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let mut served = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        served += 1;
        tokio::spawn(answer(request, respond, number, shared.clone()));
        if served == manner.goodbye_after {
            connection.graceful_shutdown();
        }
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: u64,
    shared: Arc<Shared>,
) -> Option<()> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut lines: Vec<String> = head.headers.iter().map(line).collect();
    lines.sort();
    lines.insert(0, format!("{} {}", head.method, head.uri));
    if path == "/refused_once" && !shared.refused.swap(true, Relaxed) || path == "/refused" {
        respond.send_reset(Reason::REFUSED_STREAM);
        return None;
    }
    if path == "/echo" {
        // What comes is sent back while more may come.
        let mut send = respond.send_response(Response::new(()), false).ok()?;
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).ok()?;
            send.send_data(data, false).ok()?;
        }
        return send.send_trailers(fields(&[("grpc-status", "0")])).ok();
    }
    let mut text = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).ok()?;
        text.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.ok().flatten().unwrap_or_default();
    let seen = Seen {
        connection,
        head: lines,
        body: String::from_utf8(text).unwrap(),
        trailers: trailers.iter().map(line).collect(),
    };
    shared.seen.lock().unwrap().push(seen);
    let mut response = Response::new(());
    match path.as_str() {
        "/reset" => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return None;
        }
        "/silent" => std::future::pending().await,
        "/held" => loop {
            let opened = shared.opened.notified();
            if shared.open.load(Relaxed) {
                break;
            }
            opened.await;
        },
        "/announced" => {
            let names = HeaderValue::from_static("X-Late, X-Secret-Not, Server, Content-Length");
            response.headers_mut().insert("trailer", names);
        }
        "/trailers_only" => {
            *response.headers_mut() = fields(&[("grpc-status", "5"), ("server", "inside")]);
            respond.send_response(response, true).ok()?;
            return Some(());
        }
        "/failing" => *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE,
        _ => {}
    }
    response.headers_mut().insert("server", HeaderValue::from_static("inside"));
    let data = match path.as_str() {
        "/large" => Bytes::from(vec![b'x'; 8 << 20]),
        _ => Bytes::from_static(b"hello"),
    };
    let ends = !["/announced", "/grpc", "/many_trailers"].contains(&path.as_str());
    if ends {
        response.headers_mut().insert("content-length", HeaderValue::from(data.len()));
    }
    let mut send = respond.send_response(response, false).ok()?;
    send.send_data(data, ends).ok()?;
    if path == "/many_trailers" {
        let mut many = HeaderMap::new();
        for number in 0..65 {
            let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
            many.insert(name, HeaderValue::from_static("1"));
        }
        send.send_trailers(many).ok()?;
    } else if !ends {
        send.send_trailers(fields(&[
            ("grpc-status", "0"),
            ("grpc-message", "fine"),
            ("x-late", "1"),
            ("server", "inside"),
            ("x-request-id", "theirs"),
            ("set-cookie", "a=b"),
        ]))
        .ok()?;
    }
    Some(())
}

fn line((name, value): (&HeaderName, &HeaderValue)) -> String {
    format!("{name}: {}", value.to_str().unwrap())
}

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}
