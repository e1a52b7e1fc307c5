//! A provider of identities: its token endpoint answers as it is told, and keeps what it was sent.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{pki::self_signed, world::header};

/// What the token endpoint does.
#[derive(Clone, Debug)]
pub enum Says {
    /// An answer of this status and body.
    Answer(u16, String),
    /// The same, with these header lines.
    With(&'static str, u16, String),
    /// Nothing, for longer than anybody waits.
    Nothing,
    /// No HTTP.
    Garbage,
    /// A body that never ends.
    Endless,
    /// It breaks off in the middle.
    Cut,
}

pub struct Provider {
    pub address: SocketAddr,
    pub certificate_pem: String,
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    pub fn start(name: &str) -> Provider {
        let (config, certificate_pem) = self_signed(name);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(Says::Nothing));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let served = (says.clone(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, (says, asked)) = (config.clone(), served.clone());
                thread::spawn(move || serve(stream, config, &says, &asked));
            }
        });
        Provider { address, certificate_pem, says, asked }
    }

    pub fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Every request since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    says: &Mutex<Says>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut tls = StreamOwned::new(ServerConnection::new(config).ok()?, tcp);
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).ok()?;
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).ok()?;
    let mut body = vec![0; header(&head, "content-length")?.parse().ok()?];
    tls.read_exact(&mut body).ok()?;
    asked.lock().unwrap().push(head + &String::from_utf8(body).ok()?);
    let says = says.lock().unwrap().clone();
    let answer = |lines: &str, status: u16, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
    };
    match says {
        Says::Answer(status, body) => {
            tls.write_all(answer("", status, &body).as_bytes()).ok()?;
        }
        Says::With(lines, status, body) => {
            tls.write_all(answer(lines, status, &body).as_bytes()).ok()?;
        }
        Says::Nothing => thread::sleep(Duration::from_secs(60)),
        Says::Garbage => tls.write_all(b"220 mail.example ESMTP\r\n\r\n").ok()?,
        Says::Endless => {
            tls.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").ok()?;
            loop {
                tls.write_all(&[b' '; 4_096]).ok()?;
            }
        }
        Says::Cut => tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").ok()?,
    }
    tls.conn.send_close_notify();
    tls.flush().ok()
}
