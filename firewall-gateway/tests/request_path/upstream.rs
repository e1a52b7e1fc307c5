//! An upstream that speaks bytes: it keeps what it was sent and misbehaves on demand.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{pki::self_signed, world::header};

pub struct Upstream {
    pub address: SocketAddr,
    pub certificate_pem: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<String>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Upstream {
    pub fn start(name: &str) -> Upstream {
        let (config, certificate_pem) = self_signed(name);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, shared) = (config.clone(), served.clone());
                thread::spawn(move || connection(stream, config, &shared));
            }
        });
        Upstream { address, certificate_pem, shared }
    }

    /// Every request seen since the last call, byte for byte.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// Lets the answers to `/held` go.
    pub fn release(&self) {
        *self.shared.open.lock().unwrap() = true;
        self.shared.opened.notify_all();
    }

    /// Waits until a request has arrived.
    pub fn wait_for_request(&self) {
        while self.shared.seen.lock().unwrap().is_empty() {
            thread::yield_now();
        }
    }
}

fn connection(tcp: TcpStream, config: Arc<ServerConfig>, shared: &Shared) {
    let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let mut served = 0;
    while let Some(request) = request(&mut tls) {
        served += 1;
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let head = request.starts_with("HEAD ");
        let asked = request.clone();
        shared.seen.lock().unwrap().push(request);
        let answer = match path.as_str() {
            "/held" => {
                let open = shared.open.lock().unwrap();
                drop(shared.opened.wait_while(open, |open| !*open).unwrap());
                OK.to_owned()
            }
            "/silent" => {
                let mut byte = [0u8; 1];
                drop(tls.read(&mut byte));
                return;
            }
            "/closed" => return,
            "/closed_if_reused" if served > 1 => return,
            "/garbage" => "garbage\r\n\r\n".to_owned(),
            "/switching" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
            "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello".to_owned(),
            "/chatty" => concat!(
                "HTTP/1.1 200 OK\r\nServer: secret/1.0\r\nX-Powered-By: secret\r\nVia: 1.1 inside\r\n",
                "X-Request-Id: theirs\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n",
                "X-Kept: yes\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n",
                "5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n"
            )
            .to_owned(),
            "/error" => ERROR.to_owned(),
            path if path.starts_with("/answer/") => {
                let (kind, body) = path["/answer/".len()..].split_once('/').unwrap();
                let (kind, more) = match kind {
                    "gzip" => ("json", "Content-Encoding: gzip\r\n"),
                    "chunked" => ("json", "Transfer-Encoding: chunked\r\n"),
                    kind => (kind, ""),
                };
                let length = body.len();
                let body = match more.starts_with("Transfer") {
                    true => format!("Content-Type: application/{kind}\r\n{more}\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
                    false => format!("Content-Type: application/{kind}\r\n{more}Content-Length: {length}\r\n\r\n{body}"),
                };
                format!("HTTP/1.1 200 OK\r\n{body}")
            }
            path if path.starts_with("/status/") => {
                format!("HTTP/1.1 {} Said\r\nContent-Length: 0\r\n\r\n", &path["/status/".len()..])
            }
            "/failing" => concat!(
                "HTTP/1.1 503 Broken\r\nRetry-After: 7\r\nX-Inside: secret\r\nSet-Cookie: a=b\r\n",
                "Content-Type: text/html\r\nContent-Length: 12\r\n\r\nstack trace!"
            )
            .to_owned(),
            "/json" => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"x\"\r\nContent-Length: 40000\r\n\r\n{}",
                "[1,2,3,4]\n".repeat(4_000)
            ),
            "/introspect" => match introspected(&asked) {
                Some(answer) => answer,
                // It takes its time.
                None => {
                    let mut byte = [0u8; 1];
                    drop(tls.read(&mut byte));
                    return;
                }
            },
            path if path.starts_with("/leaking/") => leaking(&path["/leaking/".len()..]),
            "/parts" => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
                if tls.write_all(head.as_bytes()).and_then(|()| tls.flush()).is_err() {
                    return;
                }
                let open = shared.open.lock().unwrap();
                drop(shared.opened.wait_while(open, |open| !*open).unwrap());
                "6\r\nsecond\r\n0\r\n\r\n".to_owned()
            }
            "/large" => format!("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n{}", "x".repeat(8_388_608)),
            _ if head => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_owned(),
            _ => OK.to_owned(),
        };
        if tls.write_all(answer.as_bytes()).and_then(|()| tls.flush()).is_err() {
            return;
        }
        if matches!(path.as_str(), "/cut" | "/garbage" | "/last") {
            return;
        }
    }
}

/// What is said of a token; nothing of one that is called slow.
fn introspected(request: &str) -> Option<String> {
    let form = request.split("\r\n\r\n").nth(1).unwrap_or_default();
    let token = form.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
    let said = match token {
        "slow" => return None,
        "garbage" => "{\"active\":\"true\"".to_owned(),
        "text" => "{\"active\":\"true\",\"sub\":\"shop\"}".to_owned(),
        "broken" => return Some(ERROR.to_owned()),
        "over" => "{\"active\":true,\"sub\":\"shop\",\"exp\":1}".to_owned(),
        token if token.starts_with("good") => {
            "{\"active\":true,\"sub\":\"shop\",\"scope\":\"read\"}".to_owned()
        }
        _ => "{\"active\":false}".to_owned(),
    };
    Some(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{said}",
        said.len()
    ))
}

/// An answer that says where the database is.
fn leaking(how: &str) -> String {
    let (kind, more) = match how {
        "coded" => ("text/plain", "Content-Encoding: br\r\n"),
        "events" => ("text/event-stream", ""),
        "image" => ("image/png", ""),
        _ => ("application/json; charset=utf-8", ""),
    };
    let begin = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}");
    if how == "chunked" {
        let parts = ["{\"db\":\"10.0", ".0.7\",\"card\":\"4111 1111 ", "1111 1111\"}"];
        let chunks = parts.map(|part| format!("{:x}\r\n{part}\r\n", part.len())).concat();
        return format!(
            "{begin}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nX-Sum: 1\r\n\r\n"
        );
    }
    let (filler, db) = match how {
        "late" => ("a ".repeat(50_000), "10.0.0.7"),
        "clean" => (String::new(), "db.example"),
        _ => (String::new(), "10.0.0.7"),
    };
    let body = format!("{{\"x\":\"{filler}\",\"db\":\"{db}\"}}");
    format!("{begin}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn request(tls: &mut impl Read) -> Option<String> {
    let mut message = Vec::new();
    read_until(tls, &mut message, b"\r\n\r\n")?;
    let head = String::from_utf8(message.clone()).unwrap();
    if header(&head, "trailer").is_some() {
        read_until(tls, &mut message, b"\r\n0\r\n")?;
        read_until(tls, &mut message, b"\r\n\r\n")?;
    } else if header(&head, "transfer-encoding").is_some() {
        read_until(tls, &mut message, b"0\r\n\r\n")?;
    }
    let length: usize = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0u8; length];
    tls.read_exact(&mut body).ok()?;
    message.extend(body);
    String::from_utf8(message).ok()
}

fn read_until(tls: &mut impl Read, message: &mut Vec<u8>, end: &[u8]) -> Option<()> {
    let mut byte = [0u8; 1];
    while !message.ends_with(end) {
        tls.read_exact(&mut byte).ok()?;
        message.push(byte[0]);
    }
    Some(())
}

const ERROR: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
