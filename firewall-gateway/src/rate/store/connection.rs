//! One connection to the store, and the script that runs there.

use std::{
    fmt::Write as _,
    io,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::oneshot,
};

use super::{About, Answer, refused::Refused};
use crate::{
    policy::{RateAlgorithm, RateStorePolicy},
    redis::{self, resp},
};

/// See above.
pub struct Connection {
    stream: BufReader<TcpStream>,
    script: String,
    prefix: String,
}

impl Connection {
    /// Connects, says who we are, and leaves the script there.
    ///
    /// # Errors
    /// It is not there, or refuses.
    pub async fn open(policy: &RateStorePolicy) -> io::Result<Self> {
        let mut stream = redis::connect(policy.address, policy.password.as_deref()).await?;
        let mut bytes = BytesMut::new();
        resp::command(&mut bytes, &[b"SCRIPT", b"LOAD", SCRIPT.as_bytes()]);
        stream.write_all(&bytes).await?;
        let script = resp::text(&mut stream).await?;
        Ok(Self { stream, script, prefix: policy.prefix.clone() })
    }

    /// Waits until the store ends the connection, or says what nobody asked.
    pub async fn end(&mut self) -> io::Error {
        match self.stream.fill_buf().await {
            Ok([]) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => io::Error::other("the store said what nobody asked"),
            Err(error) => error,
        }
    }

    /// Asks for all, in one go, and answers them.
    ///
    /// # Errors
    /// It is gone, or answers what it should not: those that are left have no answer.
    pub async fn take(
        &mut self,
        calls: &mut Vec<(About, Vec<oneshot::Sender<Answer>>)>,
        refused: &mut Refused,
    ) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for (about, replies) in calls.iter() {
            let (kind, units, window_us, extra) = facts(about.algorithm);
            // What one kind keeps another could not read.
            let mut key = format!("{}:{kind}:{}:", self.prefix, about.limit);
            for byte in about.key {
                // Writing to a text does not fail.
                let _ = write!(key, "{byte:02x}");
            }
            let [units, window_us, extra, cost, wanted] =
                [units, window_us, extra, about.cost, replies.len() as u64]
                    .map(|it| it.to_string());
            let words = [
                "EVALSHA",
                &self.script,
                "1",
                &key,
                kind,
                &units,
                &window_us,
                &extra,
                &cost,
                &wanted,
            ];
            resp::command(&mut bytes, &words.map(str::as_bytes));
        }
        let asked = Instant::now();
        self.stream.write_all(&bytes).await?;
        for (about, replies) in calls.drain(..) {
            let [granted, wait_us, step_us, again_us, left, reset_us] =
                resp::numbers(&mut self.stream).await?;
            let reset = Duration::from_micros(reset_us);
            let again = Err(Duration::from_micros(again_us));
            if granted < replies.len() as u64 {
                refused.remember(&about, asked, Answer { verdict: again, left, reset });
            }
            for (number, reply) in (0..).zip(replies) {
                let verdict = if number < granted {
                    Ok(Duration::from_micros(
                        wait_us.saturating_add(step_us.saturating_mul(number)),
                    ))
                } else {
                    again
                };
                // Who has stopped waiting has decided by itself.
                let _unheard = reply.send(Answer { verdict, left, reset });
            }
        }
        Ok(())
    }
}

/// As the script has them: the kind, units, a window, and what the kind has beside.
fn facts(algorithm: RateAlgorithm) -> (&'static str, u64, u64, u64) {
    let us = |window_s: u32| u64::from(window_s) * 1_000_000;
    match algorithm {
        RateAlgorithm::TokenBucket { limit, window_s, burst } => {
            ("token_bucket", limit, us(window_s), burst)
        }
        RateAlgorithm::LeakyBucket { limit, window_s, wait_max_ms } => {
            ("leaky_bucket", limit, us(window_s), u64::from(wait_max_ms) * 1_000)
        }
        RateAlgorithm::FixedWindow { limit, window_s } => ("fixed_window", limit, us(window_s), 0),
        RateAlgorithm::SlidingLog { limit, window_s } => ("sliding_log", limit, us(window_s), 0),
        RateAlgorithm::SlidingCounter { limit, window_s } => {
            ("sliding_counter", limit, us(window_s), 0)
        }
        // What is in flight is each host's own; the configuration shares none of it.
        RateAlgorithm::Concurrency { limit } => ("fixed_window", limit, 1_000_000, 0),
    }
}

const SCRIPT: &str = include_str!("take.lua");
