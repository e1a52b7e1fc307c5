//! A server of lists and databases that answers as it is told, well or badly.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustls::{ServerConnection, StreamOwned};

use crate::{echo, namespace::Namespace, pki::Identity};

const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const HEAD_BYTES_MAX: usize = 64 << 10;
/// A drop of a body that drips.
const DRIP: Duration = Duration::from_millis(50);

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A body with status 200; whoever has this tag already is told so.
    Good {
        /// The body.
        body: Vec<u8>,
        /// `ETag`, where there is one.
        etag: Option<String>,
    },
    /// A status with header lines and a body.
    Status(u16, &'static str, Vec<u8>),
    /// So many bytes are promised and fewer come.
    Cut,
    /// A line that never ends, of no length that is said.
    Endless,
    /// A byte now and then.
    Drip,
    /// Bytes that are no HTTP.
    Nonsense,
}

impl Reply {
    /// A body without a tag.
    #[must_use]
    pub fn body(text: impl Into<Vec<u8>>) -> Self {
        Self::Good { body: text.into(), etag: None }
    }
}

type Replies = Arc<Mutex<BTreeMap<String, Reply>>>;

/// A running publisher. What it does not know is 404.
#[derive(Debug)]
pub struct Publisher {
    replies: Replies,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Publisher {
    /// Listens in a namespace with this certificate.
    pub fn start(namespace: &Namespace, address: SocketAddr, identity: &Identity) -> Result<Self> {
        let config = Arc::new(echo::config(identity)?);
        let listener = namespace
            .run(|| TcpListener::bind(address))?
            .with_context(|| format!("the publisher could not listen on {address}"))?;
        let publisher = Self { replies: Replies::default(), asked: Arc::default() };
        let (replies, asked) = (publisher.replies.clone(), publisher.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, replies, asked) = (config.clone(), replies.clone(), asked.clone());
                thread::spawn(move || -> io::Result<()> {
                    stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
                    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                    serve(StreamOwned::new(connection, stream), &replies, &asked)
                });
            }
        });
        Ok(publisher)
    }

    /// What is answered to a path from now on.
    pub fn says(&self, path: &str, reply: Reply) {
        lock(&self.replies).insert(path.to_owned(), reply);
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }
}

fn serve(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    replies: &Replies,
    asked: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let reply = lock(replies).get(path.split('?').next().unwrap_or_default()).cloned();
    lock(asked).push(head.clone());
    match reply {
        None => write(&mut stream, 404, "", b"not here")?,
        Some(Reply::Good { body, etag }) => {
            let tag = etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
            let known = tag.strip_prefix("ETag: ").is_some_and(|tag| head.contains(tag));
            match known {
                true => write(&mut stream, 304, &tag, b"")?,
                false => write(&mut stream, 200, &tag, &body)?,
            }
        }
        Some(Reply::Status(status, headers, body)) => write(&mut stream, status, headers, &body)?,
        Some(Reply::Cut) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n192.0.2.1\n")?;
        }
        Some(Reply::Endless) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 4_096])?;
            }
        }
        Some(Reply::Drip) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")?;
            loop {
                stream.write_all(b"#")?;
                stream.flush()?;
                thread::sleep(DRIP);
            }
        }
        Some(Reply::Nonsense) => stream.write_all(b"220 mail.example ESMTP\r\n\r\n")?,
    }
    stream.conn.send_close_notify();
    stream.flush()
}

fn write(stream: &mut impl io::Write, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
