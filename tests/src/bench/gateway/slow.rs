//! `cargo xtask bench slow`: what a thousand clients that dawdle cost another one.
//!
//! A third of them send a head byte by byte, a third a body, and a third ask for a large answer and read it so.
//! Who is cut off comes again. Meanwhile requests come at a steady rate from others, and their p99 is held
//! against that without the slow ones, each server after the other in every round.

use std::{
    io::{ErrorKind, Read, Write},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use socket2::SockRef;

use super::{
    Ground, ROUNDS, SMALL_BYTES, Samples,
    clients::{Pinned, Stream, THREADS, beside},
    contender::Contender,
    load::{Load, Protocol},
    servers,
    table::{Comparison, Row},
};

const SLOW_CLIENTS: usize = 1_000;
/// Requests a second of the others.
const RATE: f64 = 2_000.0;
const REQUESTS: u64 = 10_000;
/// Between two bytes.
const PAUSE: Duration = Duration::from_millis(500);
/// What a slow client's kernel takes for it.
const RECEIVE_BYTES: usize = 4_096;
/// Before it is measured: each slow client is there, and has been slow.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures.
pub fn run() -> Result<(Comparison, Vec<String>)> {
    let ground = Ground::lay(servers::seawall)?;
    let mut table = Comparison::default();
    let [mut alone, mut beside, mut rise, mut memory, mut cut] =
        [(); 5].map(|()| Samples::default());
    let mut checked = true;
    for _ in 0..ROUNDS {
        for (contender, place) in ground.servers.contenders.iter().zip(0..) {
            let load = Load { rate: Some(RATE), ..Load::of("/small", SMALL_BYTES, REQUESTS) };
            let mut p99 = |table: &mut Comparison| -> Result<f64> {
                let seen = load.run(&ground.world, contender, Protocol::Http1)?;
                checked &= table.check(&seen, contender, "slow", &load);
                seen.p99_ms.context("a load at a rate has no latencies")
            };
            let (without, before) = (p99(&mut table)?, contender.memory_mib()?);
            let (with, grown, again) = ground.among_slow(contender, || {
                Ok((p99(&mut table)?, contender.memory_mib()? - before))
            })?;
            alone.add(place, without);
            beside.add(place, with);
            rise.add(place, with / without);
            memory.add(place, grown);
            cut.add(place, again as f64);
        }
    }
    table.push(Row::less("slow_p99_alone", "ms", alone.medians(), checked));
    table.push(Row::less("slow_p99_beside", "ms", beside.medians(), checked));
    table.push(Row::less("slow_p99_rise", "x", rise.medians(), checked));
    table.push(Row::less("slow_memory", "MiB", memory.medians(), checked));
    table.push(Row::more("slow_cut", "1", cut.medians(), checked));
    let problems = table.problems();
    Ok((table, problems))
}

impl Ground {
    /// Does something while the slow are there; answers how often one was cut off too.
    fn among_slow(
        &self,
        contender: &Contender,
        work: impl FnOnce() -> Result<(f64, f64)> + Send,
    ) -> Result<(f64, f64, u64)> {
        let pinned = Pinned::new(&self.authority, super::HOST, contender.address)?;
        let cut = AtomicU64::new(0);
        let slow = |thread: usize, over: &AtomicBool| {
            dawdle(&pinned, (thread..SLOW_CLIENTS).step_by(THREADS), over, &cut)
                .with_context(|| format!("{}: a slow client", contender.name))
        };
        let (p99, grown) = beside(&self.world.server, SETTLE, slow, work)?;
        Ok((p99, grown, cut.load(Relaxed)))
    }
}

fn dawdle(
    pinned: &Pinned,
    numbers: impl Iterator<Item = usize>,
    over: &AtomicBool,
    cut: &AtomicU64,
) -> Result<()> {
    let mut slow: Vec<Slow> =
        numbers.map(|number| Slow::begin(pinned, number)).collect::<Result<_>>()?;
    // One after the other: a thousand bytes at one moment would be a burst, which p99 sees and no slow client makes.
    let between = PAUSE / slow.len().max(1) as u32;
    while !over.load(Relaxed) {
        for one in &mut slow {
            thread::sleep(between);
            if !one.go_on() {
                cut.fetch_add(1, Relaxed);
                *one = Slow::begin(pinned, one.number)?;
            }
        }
    }
    Ok(())
}

struct Slow {
    stream: Stream,
    number: usize,
}

impl Slow {
    fn begin(pinned: &Pinned, number: usize) -> Result<Self> {
        let mut stream = pinned.connect()?;
        // Else the kernel takes all of an answer that nobody reads.
        SockRef::from(&stream.sock).set_recv_buffer_size(RECEIVE_BYTES)?;
        match number % 3 {
            0 => write!(stream, "GET /small HTTP/1.1\r\nX-Slow: ")?,
            1 => write!(
                stream,
                "POST /small HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000\r\n\r\n",
                super::HOST
            )?,
            _ => write!(stream, "GET /large HTTP/1.1\r\nHost: {}\r\n\r\n", super::HOST)?,
        }
        stream.flush()?;
        stream.sock.set_nonblocking(true)?;
        Ok(Self { stream, number })
    }

    /// A byte further; false where the server has ended it.
    fn go_on(&mut self) -> bool {
        let mut byte = [0; 1];
        if self.number % 3 == 2 {
            return match self.stream.sock.read(&mut byte) {
                Ok(length) => length > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
        }
        let written = self.stream.write_all(b"a").and_then(|()| self.stream.flush());
        written.is_ok() && !self.is_answered()
    }

    /// An answer in the middle of a request is a refusal, and its end follows. The tickets of the handshake
    /// are none.
    fn is_answered(&mut self) -> bool {
        match self.stream.conn.read_tls(&mut self.stream.sock) {
            Ok(0) => true,
            Ok(_) => match self.stream.conn.process_new_packets() {
                Ok(state) => state.plaintext_bytes_to_read() > 0 || state.peer_has_closed(),
                Err(_) => true,
            },
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}
