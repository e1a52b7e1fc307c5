//! Requests as fast as they are answered, or at a rate: h2load, and what it saw.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::contender::Contender;
use crate::world::World;

/// Connections at once.
const CONNECTIONS: u64 = 64;
/// Requests at once on each, over HTTP/2.
const STREAMS: u64 = 4;
/// Of a load at a rate: so long after one another its connections begin, and their clocks with them. Begun together they
/// would tick together where handshakes are answered together, and apart where they are not: another load for each server.
const APART: Duration = Duration::from_millis(11);

/// HTTP/1.1 or HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// One request after the other on each connection.
    Http1,
    /// Some at once.
    Http2,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Load {
    /// The path.
    pub path: String,
    /// Bytes of each answer's body.
    pub bytes: usize,
    /// How many requests.
    pub requests: u64,
    /// A second; as many as can be where there is none.
    pub rate: Option<f64>,
    /// A header more.
    pub header: Option<String>,
    /// A file that is posted.
    pub posted: Option<PathBuf>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Answers with a status from 200 to 299.
    pub ok: u64,
    /// Bytes of bodies.
    pub body_bytes: u64,
    /// Requests a second.
    pub rate: f64,
    /// Where they came at a rate.
    pub p99_ms: Option<f64>,
}

impl Load {
    /// So many requests for a path, answered with so many bytes each.
    pub fn of(path: &str, bytes: usize, requests: u64) -> Self {
        let path = path.to_owned();
        Self { path, bytes, requests, rate: None, header: None, posted: None }
    }

    /// Sends them all.
    pub fn run(&self, world: &World, contender: &Contender, protocol: Protocol) -> Result<Seen> {
        let log = world.folder().join("h2load.log");
        let mut command = Command::new("h2load");
        command.args(["-t", "1", "-c", &CONNECTIONS.to_string(), "-n", &self.requests.to_string()]);
        match protocol {
            Protocol::Http1 => command.arg("--h1"),
            Protocol::Http2 => command.args(["-m", &STREAMS.to_string()]),
        };
        if let Some(header) = &self.header {
            command.args(["-H", header]);
        }
        if let Some(posted) = &self.posted {
            command.arg("-d").arg(posted).args(["-H", "content-type: application/json"]);
        }
        if let Some(rate) = self.rate {
            // Of each connection, in whole numbers.
            let each = (rate / CONNECTIONS as f64).max(1.0) as u64;
            // h2load adds to a log that is there.
            if log.exists() {
                fs::remove_file(&log)?;
            }
            command.args(["-r", "1", &format!("--rate-period={}ms", APART.as_millis())]);
            command.args(["--rps", &each.to_string(), "--log-file"]).arg(&log);
        }
        command.arg(format!("https://{}{}", contender.address, self.path));
        let output = world.server.output(&mut command)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "h2load: {} {wrong}", output.status);
        let p99_ms = self.rate.map(|_| p99_ms(&fs::read_to_string(&log)?)).transpose()?;
        seen(&text, p99_ms).with_context(|| format!("h2load said: {text}"))
    }
}

fn seen(text: &str, p99_ms: Option<f64>) -> Result<Seen> {
    let line = |begin: &str| text.lines().find(|line| line.starts_with(begin));
    let before = |line: &str, word: &str| -> Option<f64> {
        let (before, _) = line.split_once(word)?;
        before.rsplit([' ', '(', ',']).find(|part| !part.is_empty())?.parse().ok()
    };
    let found = || {
        let ok = before(line("status codes:")?, " 2xx")?;
        // `traffic: 63.90MB (67003136) total, 2.06MB (2163200) headers (...), 58.59MB (61440000) data`
        let body_bytes = before(line("traffic:")?, ") data")?;
        let rate = before(line("finished in")?, " req/s")?;
        Some(Seen { ok: ok as u64, body_bytes: body_bytes as u64, rate, p99_ms })
    };
    found().context("it lacks a figure")
}

/// Of lines `start status microseconds`, the start in microseconds too; of those between the last connection's beginning
/// and the first one's end, while all of them send.
fn p99_ms(log: &str) -> Result<f64> {
    let line = |line: &str| -> Option<(u64, u64)> {
        let mut parts = line.split('\t');
        let (start, took) = (parts.next()?, parts.nth(1)?);
        Some((start.parse().ok()?, took.parse().ok()?))
    };
    let lines: Vec<_> = log.lines().filter_map(line).collect();
    let starts = || lines.iter().map(|(start, _)| *start);
    let ramp_us = CONNECTIONS * APART.as_micros() as u64;
    let first = starts().min().context("h2load logged no request")? + ramp_us;
    let last = starts().max().unwrap_or_default().saturating_sub(ramp_us);
    let amid = lines.iter().filter(|(start, _)| (first..=last).contains(start));
    let mut took: Vec<u64> = amid.map(|(_, took)| *took).collect();
    took.sort_unstable();
    let place = took.len() * 99 / 100;
    took.get(place)
        .map(|us| *us as f64 / 1e3)
        .context("h2load's connections never sent all at once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_h2load_says() {
        let text = "\nfinished in 4.56s, 13155.51 req/s, 15.88MB/s\n\
            requests: 60000 total, 60000 started, 60000 done, 59999 succeeded, 1 failed, 1 errored, 0 timeout\n\
            status codes: 59999 2xx, 0 3xx, 0 4xx, 1 5xx\n\
            traffic: 72.42MB (75943424) total, 11.79MB (12363424) headers (space savings 0.00%), 58.59MB (61440000) data\n";
        let seen = seen(text, None).unwrap();
        assert_eq!((seen.ok, seen.body_bytes, seen.rate), (59_999, 61_440_000, 13_155.51));
        let ramp_us = CONNECTIONS * 11_000;
        let line = |start: u64, us: u64| format!("{start}\t200\t{us}\n");
        let slow = [line(0, 900_000), line(10_000 + 2 * ramp_us, 900_000)].concat();
        let log: String = (1..=200).map(|ms| line(ramp_us + ms, ms * 1_000)).collect();
        assert_eq!(p99_ms(&(slow.clone() + &log)).unwrap(), 199.0);
        // All of it is beginning or end.
        assert!(p99_ms(&slow).is_err() && p99_ms("").is_err());
    }
}
