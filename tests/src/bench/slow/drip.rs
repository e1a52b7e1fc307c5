//! Clients that are slow on purpose: a byte a second of a head, of a body, or of an answer; who is cut
//! comes again.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

use super::{
    API, GATEWAY,
    client::{Stream, Tls},
};
use crate::namespace::Namespace;

const ROUND: Duration = Duration::from_secs(1);
/// A window that is soon full, so that reading slowly is felt on the other side.
const RECEIVE_BUFFER_BYTES: usize = 4_096;

/// All of them, driven by one thread: a thousand threads would take the processor that is measured.
pub struct Drips {
    stopped: Arc<AtomicBool>,
    connected: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Drips {
    /// Returns once all have come.
    pub fn start(namespace: &Namespace, tls: &Tls, count: usize) -> Result<Self> {
        let (stopped, connected) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let file = std::fs::File::open(namespace.path())?;
        let (tls, over, made) = (tls.clone(), stopped.clone(), connected.clone());
        let (ready, all) = mpsc::channel();
        let thread = thread::spawn(move || {
            if setns(&file, CloneFlags::CLONE_NEWNET).is_ok() {
                drive(&tls, count, &over, &made, &ready);
            }
        });
        all.recv().context("the slow clients did not come")?;
        Ok(Self { stopped, connected, thread })
    }

    /// Ends them; how many connections were made in all.
    pub fn stop(self) -> usize {
        self.stopped.store(true, Ordering::Relaxed);
        // It has panicked only with the connections that end here.
        drop(self.thread.join());
        self.connected.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Head,
    Body,
    Read,
}

fn drive(tls: &Tls, count: usize, over: &AtomicBool, made: &AtomicUsize, ready: &mpsc::Sender<()>) {
    let kinds = [Kind::Head, Kind::Body, Kind::Read];
    let connect = |number: usize| {
        made.fetch_add(1, Ordering::Relaxed);
        connect(tls, kinds[number % kinds.len()]).ok()
    };
    let mut clients: Vec<Option<Stream>> = (0..count).map(connect).collect();
    if ready.send(()).is_err() {
        return;
    }
    let start = Instant::now();
    let each = ROUND / u32::try_from(count).unwrap_or(u32::MAX);
    let mut turn = 0u32;
    while !over.load(Ordering::Relaxed) {
        for (number, client) in clients.iter_mut().enumerate() {
            let kind = kinds[number % kinds.len()];
            if !client.as_mut().is_some_and(|stream| drip(stream, kind)) {
                *client = connect(number);
            }
            turn += 1;
            let due = start + each * turn;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn connect(tls: &Tls, kind: Kind) -> Result<Stream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if matches!(kind, Kind::Read) {
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    }
    socket.connect(&GATEWAY.into())?;
    let mut stream = tls.http1(TcpStream::from(socket))?;
    let head = match kind {
        Kind::Head => format!("GET / HTTP/1.1\r\nHost: {API}\r\nX-Slow: "),
        Kind::Body => format!("POST / HTTP/1.1\r\nHost: {API}\r\nContent-Length: 100000\r\n\r\n"),
        Kind::Read => format!("GET /bytes/8388608 HTTP/1.1\r\nHost: {API}\r\n\r\n"),
    };
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    Ok(stream)
}

fn drip(stream: &mut Stream, kind: Kind) -> bool {
    match kind {
        Kind::Head | Kind::Body => stream.write_all(b"x").and_then(|()| stream.flush()).is_ok(),
        Kind::Read => stream.read(&mut [0; 1]).is_ok_and(|read| read > 0),
    }
}
