//! A receiver of batches: verifies the signature and the order of each, knows a batch that comes twice, and is down when told.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

const BODY_BYTES_MAX: usize = 16 << 20;
/// How often it looks whether it is to be down, and tries to listen again.
const BEAT: Duration = Duration::from_millis(1);

pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    key: hmac::Key,
    down: AtomicBool,
    received: Mutex<Received>,
}

/// What came.
#[derive(Clone, Default)]
pub struct Received {
    /// Events, each counted once.
    pub events: u64,
    /// Batches.
    pub batches: u64,
    /// Batches that came again, as the answer to the first attempt was lost.
    pub repeated: u64,
    /// What was not as it should be; the first few.
    pub problems: Vec<String>,
    last_id: String,
    last_sequence: u64,
}

impl Receiver {
    /// Listens on loopback until the process ends.
    pub fn start(secret: &[u8]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let (down, received) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { key, down, received });
        let own = shared.clone();
        thread::spawn(move || own.listen(Some(listener), address));
        Ok(Self { address, shared })
    }

    /// Refuses connections and breaks off the one there is, or takes them again.
    pub fn be_down(&self, down: bool) {
        self.shared.down.store(down, SeqCst);
    }

    /// All that came.
    pub fn end(&self) -> Result<Received> {
        let received = self.shared.received().clone();
        ensure!(received.batches > 0, "nothing was received: {:?}", received.problems);
        Ok(received)
    }
}

impl Shared {
    fn listen(&self, mut listener: Option<TcpListener>, address: SocketAddr) {
        loop {
            if self.down.load(SeqCst) {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(address).ok();
            }
            // One client with one connection at a time.
            let taken = listener.as_ref().and_then(|listener| {
                listener.set_nonblocking(true).ok()?;
                listener.accept().ok()
            });
            match taken {
                Some((stream, _)) => {
                    if let Err(error) = self.serve(stream) {
                        self.received().problem(format!("{error:#}"));
                    }
                }
                None => thread::sleep(BEAT),
            }
        }
    }

    fn serve(&self, stream: TcpStream) -> Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut stream = BufReader::new(stream);
        while !self.down.load(SeqCst) {
            // Nothing for a moment: it looks whether it is to be down.
            match stream.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(_) => {}
                Err(_) => continue,
            }
            stream.get_ref().set_read_timeout(Some(Duration::from_secs(5)))?;
            let (head, body) = message(&mut stream)?;
            self.received().take(&self.key, &head, &body)?;
            // Down in the middle: what it has taken, it does not say.
            if self.down.load(SeqCst) {
                return Ok(());
            }
            stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
            stream.get_ref().set_read_timeout(Some(Duration::from_millis(50)))?;
        }
        Ok(())
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Numbered<'a> {
    specversion: &'a str,
    sequence: &'a str,
}

impl Received {
    fn take(&mut self, key: &hmac::Key, head: &str, body: &[u8]) -> Result<()> {
        let id = header(head, "webhook-id").context("no webhook-id")?;
        let timestamp = header(head, "webhook-timestamp").context("no webhook-timestamp")?;
        let signature = header(head, "webhook-signature").context("no webhook-signature")?;
        let signature = signature.strip_prefix("v1,").context("a signature of another version")?;
        let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let signed = hmac::verify(key, &message, &STANDARD.decode(signature)?);
        ensure!(signed.is_ok(), "batch {id} is not signed");
        self.batches += 1;
        if self.last_id == id {
            self.repeated += 1;
            return Ok(());
        }
        id.clone_into(&mut self.last_id);
        let events: Vec<Numbered<'_>> = serde_json::from_slice(body)?;
        for event in events {
            ensure!(event.specversion == "1.0", "an event of version {}", event.specversion);
            let sequence: u64 = event.sequence.parse()?;
            if sequence <= self.last_sequence {
                self.problem(format!("{sequence} came after {}", self.last_sequence));
            }
            self.last_sequence = sequence;
            self.events += 1;
        }
        Ok(())
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < 5 {
            self.problems.push(what);
        }
    }
}

fn message(stream: &mut BufReader<TcpStream>) -> Result<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(stream.read_line(&mut head)? > 0, "a head that is not whole");
    }
    let length = header(&head, "content-length").context("no Content-Length")?.parse()?;
    ensure!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
