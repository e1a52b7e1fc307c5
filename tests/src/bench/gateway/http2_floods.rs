//! `cargo xtask bench http2-floods`: what floods of HTTP/2 frames make of our memory and nginx's, and of others' requests.
//!
//! Ours has the bounds that it has by itself. Of each kind some connections at once send what they can and read nothing. Whoever is cut off, or not read any
//! more, comes again. Meanwhile others send requests at a steady rate, and each has to be answered.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    Ground, SMALL_BYTES,
    clients::{Pinned, Stream, THREADS, beside},
    contender::Contender,
    load::{Load, Protocol},
    servers,
    table::{Comparison, Row},
};
use crate::h2raw::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, RawHttp2, SETTINGS, frame,
    get,
};

/// Ours and nginx. HAProxy 2.6 took 1 GiB and ten seconds an answer under rapid reset, and gave none under SETTINGS.
const HELD_AGAINST: usize = 2;
/// Where the flood comes from; what one address may have is a bound too.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Connections at once.
const FLOODERS: usize = 64;
/// Frames that a connection sends in one piece.
const BATCH: u32 = 64;
/// Streams that wait for answers which their client has no window for.
const HELD_STREAMS: u32 = 100;
/// Between two pieces; the generator, the servers and the others share the machine's cores.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a piece may wait for a server that does not read.
const UNREAD: Duration = Duration::from_millis(50);
/// Requests a second of the others.
const RATE: f64 = 500.0;
const REQUESTS: u64 = 2_000;
/// Before it is measured: the flood is there.
const SETTLE: Duration = Duration::from_secs(1);
/// INITIAL_WINDOW_SIZE (RFC 9113, 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// What one kind of flood is made of: the rows it gives, and the frames of a connection's piece number so and so.
struct Flood {
    memory: &'static str,
    p99: &'static str,
    /// Where a write shows that the server has ended the connection.
    ended: Option<&'static str>,
    settings: &'static [(u16, u32)],
    piece: fn(u32) -> Vec<u8>,
}

const FLOODS: [Flood; 5] = [
    Flood {
        memory: "rapid_reset_memory",
        p99: "rapid_reset_p99_beside",
        ended: Some("rapid_reset_ended"),
        settings: &[],
        piece: |piece| {
            let reset = |stream| {
                let opened = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/large", &[]));
                [opened, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
            };
            streams(piece * BATCH, BATCH).flat_map(reset).collect()
        },
    },
    Flood {
        memory: "continuation_memory",
        p99: "continuation_p99_beside",
        ended: Some("continuation_ended"),
        settings: &[],
        piece: |piece| match piece {
            0 => frame(HEADERS, END_STREAM, 1, &get("/small", &[])),
            _ => {
                frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y'].repeat(100)).repeat(BATCH as usize)
            }
        },
    },
    Flood {
        memory: "settings_memory",
        p99: "settings_p99_beside",
        ended: Some("settings_ended"),
        settings: &[],
        piece: |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(BATCH as usize),
    },
    Flood {
        memory: "ping_memory",
        p99: "ping_p99_beside",
        ended: Some("ping_ended"),
        settings: &[],
        piece: |_| frame(PING, 0, 0, &[7; 8]).repeat(BATCH as usize),
    },
    Flood {
        memory: "zero_window_memory",
        p99: "zero_window_p99_beside",
        ended: None,
        settings: &[(INITIAL_WINDOW_SIZE, 0)],
        piece: |piece| {
            let open =
                |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/large", &[]));
            let asked = if piece == 0 { HELD_STREAMS } else { 0 };
            streams(0, asked).flat_map(open).collect()
        },
    },
];

fn streams(first: u32, count: u32) -> impl Iterator<Item = u32> {
    (first..first + count).map(|number| 2 * number + 1)
}

/// Measures.
pub fn run() -> Result<(Comparison, Vec<String>)> {
    let ground = Ground::lay(servers::bounded)?;
    let mut table = Comparison::default();
    for flood in &FLOODS {
        let [mut grown, mut p99, mut ended] = [[0.0; HELD_AGAINST]; 3];
        let mut checked = true;
        for (contender, place) in ground.servers.contenders[..HELD_AGAINST].iter().zip(0..) {
            let load = Load { rate: Some(RATE), ..Load::of("/small", SMALL_BYTES, REQUESTS) };
            let before = contender.memory_mib()?;
            let (seen, after, tally) = ground.among_floods(flood, contender, || {
                let seen = load.run(&ground.world, contender, Protocol::Http1)?;
                Ok((seen, contender.memory_mib()?))
            })?;
            checked &= table.check(&seen, contender, flood.memory, &load);
            grown[place] = after - before;
            p99[place] = seen.p99_ms.context("a load at a rate has no latencies")?;
            ended[place] = tally.ended.load(Relaxed) as f64;
            if tally.pieces.load(Relaxed) < FLOODERS as u64 {
                table.wrong(format!("{}: {}: there was no flood", contender.name, flood.memory));
            }
        }
        table.push(Row::less(flood.memory, "MiB", grown.into(), checked));
        table.push(Row::less(flood.p99, "ms", p99.into(), checked));
        if let Some(id) = flood.ended {
            table.push(Row::more(id, "1", ended.into(), checked));
        }
    }
    let problems = table.problems();
    Ok((table, problems))
}

impl Ground {
    /// Does something while the flood is on; answers what the flood was too.
    fn among_floods<T: Send>(
        &self,
        flood: &Flood,
        contender: &Contender,
        work: impl FnOnce() -> Result<(T, f64)> + Send,
    ) -> Result<(T, f64, Tally)> {
        let pinned = Pinned::new(&self.authority, super::HOST, contender.address)?;
        let pinned = pinned.http2().from(SOURCE);
        let tally = Tally::default();
        let flooders = |_, over: &AtomicBool| {
            send(flood, &pinned, over, &tally);
            Ok(())
        };
        let (done, memory) = beside(&self.world.server, SETTLE, flooders, work)?;
        Ok((done, memory, tally))
    }
}

#[derive(Default)]
struct Tally {
    /// That a server took.
    pieces: AtomicU64,
    /// Connections, by the server.
    ended: AtomicU64,
}

/// A thread's share of the flood.
fn send(flood: &Flood, pinned: &Pinned, over: &AtomicBool, tally: &Tally) {
    let mut connections: Vec<Option<Flooder>> = (0..FLOODERS / THREADS).map(|_| None).collect();
    while !over.load(Relaxed) {
        for connection in &mut connections {
            let sent = match connection {
                Some(flooder) => flooder.send(flood),
                // A server that takes no connection is asked again with the next round.
                None => {
                    *connection = Flooder::begin(flood, pinned).ok();
                    continue;
                }
            };
            if sent {
                tally.pieces.fetch_add(1, Relaxed);
            } else {
                tally.ended.fetch_add(1, Relaxed);
                *connection = None;
            }
        }
        thread::sleep(PAUSE);
    }
}

struct Flooder {
    connection: RawHttp2<Stream>,
    piece: u32,
}

impl Flooder {
    fn begin(flood: &Flood, pinned: &Pinned) -> Result<Self> {
        let stream = pinned.connect()?;
        stream.sock.set_write_timeout(Some(UNREAD))?;
        Ok(Self { connection: RawHttp2::begin(stream, flood.settings)?, piece: 0 })
    }

    fn send(&mut self, flood: &Flood) -> bool {
        let bytes = (flood.piece)(self.piece);
        self.piece += 1;
        self.connection.send(&bytes)
    }
}
