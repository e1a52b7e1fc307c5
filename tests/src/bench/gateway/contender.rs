//! One of the servers beside each other: where it listens, and what its processes use.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};

use crate::process::Process;

/// Ours, nginx, HAProxy.
pub const CONTENDERS: usize = 3;
/// Of /proc/PID/stat; the kernel shows all programs the same.
const TICKS_PER_S: u64 = 100;

/// A server, with all its processes.
#[derive(Debug)]
pub struct Contender {
    /// Its name in the table.
    pub name: &'static str,
    /// Where it takes connections.
    pub address: SocketAddr,
    /// The first of its processes.
    pub process: Process,
}

impl Contender {
    /// User and system time of all its processes since they began.
    pub fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for pid in self.processes() {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
            // The name before may have spaces and brackets.
            let (_, rest) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            for place in [11, 12] {
                ticks += fields.get(place).context("a short /proc/PID/stat")?.parse::<u64>()?;
            }
        }
        Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_S))
    }

    /// What its processes hold of memory; what they share is counted once.
    pub fn memory_mib(&self) -> Result<f64> {
        let mut kib = 0;
        for pid in self.processes() {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let value = line.and_then(|line| line.split_whitespace().next());
            kib += value.context("no Pss in smaps_rollup")?.parse::<u64>()?;
        }
        Ok(kib as f64 / 1024.0)
    }

    fn processes(&self) -> Vec<i32> {
        let mut found = vec![self.process.pid().as_raw()];
        let mut next = 0;
        while let Some(pid) = found.get(next).copied() {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
            }
            next += 1;
        }
        found
    }
}
