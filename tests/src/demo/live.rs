//! The live table: what Seawall counts while the story goes on.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{report::grouped, stage::Stage};
use crate::metrics::Metrics;

/// A terminal's line is drawn anew this often; a log gets a line less often.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(250);
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Does `work`, and shows the counters beside it.
pub fn beside<T>(stage: &Stage, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let terminal = stdout().is_terminal();
    let interval = if terminal { TERMINAL_INTERVAL } else { LOG_INTERVAL };
    let (done, ended) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let start = Instant::now();
            println!(
                "  {:>6}  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}",
                "time", "requests", "passed", "drop deny", "drop geo", "drop rate"
            );
            // The sender is dropped when the work ends, however it ends.
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                if let Ok(metrics) = stage.seawall.metrics(&stage.world) {
                    show(&metrics, start.elapsed(), terminal);
                }
            }
            if terminal {
                println!();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

fn show(metrics: &Metrics, elapsed: Duration, terminal: bool) {
    let line = format!(
        "  {:>4.1} s  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}",
        elapsed.as_secs_f64(),
        grouped(metrics.sum("seawall_gateway_requests_total", &[])),
        grouped(metrics.sum("seawall_packets_total", &[("verdict", "pass")])),
        grouped(metrics.packets("drop", "deny")),
        grouped(metrics.packets("drop", "geo")),
        grouped(metrics.packets("drop", "rate_source")),
    );
    if !terminal {
        println!("{line}");
        return;
    }
    print!("\r\x1b[2K{line}");
    // A terminal that went away is no reason to stop the demo.
    let _ = stdout().flush();
}
