//! A server in plain text that says which it is, and counts.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::namespace::Namespace;

/// What these take, others nothing: long enough for clients to meet; and to go by, which is otherwise what else the
/// machine's cores do.
const BUSY: [(&[u8], Duration); 2] =
    [(b"GET /quota ", Duration::from_micros(200)), (b"GET /least_busy ", Duration::from_millis(1))];
const HEAD_BYTES_MAX: usize = 65_536;

pub struct Server {
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    at_once: AtomicU64,
    busiest: AtomicU64,
}

impl Server {
    /// Listens in a namespace until the process ends.
    pub fn start(namespace: &Namespace, address: SocketAddr, place: usize) -> Result<Self> {
        let listener = namespace
            .run(|| TcpListener::bind(address))?
            .with_context(|| format!("no server could listen on {address}"))?;
        let counts = Arc::new(Counts::default());
        let own = counts.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = own.clone();
                thread::spawn(move || serve(stream, place, &counts));
            }
        });
        Ok(Self { counts })
    }

    /// Requests at once at most, since it was last asked.
    pub fn busiest(&self) -> u64 {
        self.counts.busiest.swap(0, SeqCst)
    }

    /// Requests since it was last asked.
    pub fn take(&self) -> u64 {
        self.counts.requests.swap(0, SeqCst)
    }
}

// A connection that breaks off is the gateway's, and what is missing is counted at the end.
fn serve(mut stream: TcpStream, place: usize, counts: &Counts) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{place}");
    let mut head = Vec::new();
    let mut part = [0; 4_096];
    loop {
        head.clear();
        // One at a time: what comes behind a head would be the next request, and none is sent so early.
        while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
            let length = stream.read(&mut part)?;
            if length == 0 {
                return Ok(());
            }
            head.extend_from_slice(&part[..length]);
        }
        counts.requests.fetch_add(1, SeqCst);
        let at_once = counts.at_once.fetch_add(1, SeqCst) + 1;
        counts.busiest.fetch_max(at_once, SeqCst);
        if let Some((_, busy)) = BUSY.iter().find(|(start, _)| head.starts_with(start)) {
            thread::sleep(*busy);
        }
        counts.at_once.fetch_sub(1, SeqCst);
        stream.write_all(answer.as_bytes())?;
    }
}
