//! `cargo xtask bench takeover`: the daemon is reloaded, killed, stopped and upgraded to another build under a
//! million packets a second of mixed traffic.

use std::path::Path;

use anyhow::Result;

use crate::{
    bench::{
        link::Link,
        report::{Report, Row},
        switch,
    },
    takeover::{self, FRAME_BYTES, Plan},
};

const PLAN: Plan = Plan { reloads: 100, reloads_a_life: 5 };
/// A power of two.
const FRAMES: usize = 1 << 14;
/// What has to arrive meanwhile.
const ARRIVED_PPS_MIN: f64 = 1e6;

/// Goes through all of it. `other` is another build of the daemon.
pub fn run(object: &Path, other: &Path) -> Result<(Report, Vec<String>)> {
    let link = Link::create_spread()?;
    link.run(|| {
        let generator = switch::load(object, &takeover::frames(FRAMES), FRAME_BYTES)?;
        let outcome = takeover::measure(&link, &generator, other, PLAN)?;
        let mut problems = outcome.problems();
        if outcome.arrived_pps < ARRIVED_PPS_MIN {
            let seen = outcome.arrived_pps;
            problems.push(format!("{seen:.0} packets a second arrived, of {ARRIVED_PPS_MIN:.0}"));
        }
        if outcome.programs.len() != 2 {
            let found = outcome.programs.len();
            problems.push(format!("expected two XDP programs in turn, found {found}"));
        }
        eprintln!("{} of {} packets arrived", outcome.arrived, generator.sent()?);
        for (label, packets) in &outcome.counts {
            eprintln!("  {label:<28} {packets:>12}");
        }
        let row = |id, value, unit| Row::single(id, value, unit, problems.is_empty());
        let rows = vec![
            row("reloads", f64::from(outcome.reloads), "count"),
            row("kills", f64::from(outcome.kills), "count"),
            row("upgrades", f64::from(outcome.upgrades), "count"),
            row("xdp_programs", outcome.programs.len() as f64, "count"),
            row("takeover_rate_mpps", outcome.arrived_pps / 1e6, "Mpps"),
            row("unjudged_packets", outcome.unjudged() as f64, "count"),
            row("misjudged_packets", outcome.misjudged() as f64, "count"),
            row("lost_entries", outcome.lost_entries as f64, "count"),
            row("counters_backwards", outcome.backwards.len() as f64, "count"),
            row("looks_at_counters", outcome.looks as f64, "count"),
        ];
        Ok((Report::from_rows(rows), problems))
    })
}
