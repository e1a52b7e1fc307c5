//! `cargo xtask bench switch`: a thousand changes of policy under a million packets a second of mixed
//! traffic. No packet may be judged by a mixture of two policies, and none by nobody.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use aya::{EbpfLoader, maps::Array};

use crate::{
    bench::{
        link::{Link, SENDER},
        measure,
        paced::Paced,
        report::{Report, Row},
    },
    switching::{
        self, Traffic,
        sides::{FRAME_BYTES, Networks},
    },
};

const SWITCHES: u32 = 1_000;
/// Of either family: 100,000 in all.
const NETWORKS: usize = 50_000;
/// A power of two.
const FRAMES: usize = 1 << 14;
/// What has to arrive while policies change.
const ARRIVED_PPS_MIN: f64 = 1e6;
/// A little more than that: one core sends and judges what it sent, the other compiles, loads and switches.
const SENT_PPS: u32 = 1_100_000;
/// No events: the verifier would walk three times as many instructions, a thousand times. The counters
/// tell of every packet; the test of switching reads events too.
const SAMPLE_ONE_IN: u32 = 0;
/// Far more than the switches take.
const LONGEST: Duration = Duration::from_secs(1_200);

impl Traffic for Paced {
    fn send(&self) -> Result<()> {
        self.run(LONGEST)
    }

    fn stop(&self) -> Result<()> {
        self.stop()
    }
}

/// Switches under traffic.
pub fn run(object: &Path) -> Result<(Report, Vec<String>)> {
    let link = Link::create_spread()?;
    link.run(|| {
        let networks = Networks::draw(NETWORKS);
        let generator = load(object, &networks.frames(FRAMES), FRAME_BYTES)?;
        let outcome = switching::measure(&link, &networks, &generator, SWITCHES, SAMPLE_ONE_IN)?;
        let mut problems = outcome.problems();
        if outcome.arrived_pps < ARRIVED_PPS_MIN {
            let seen = outcome.arrived_pps;
            problems.push(format!("{seen:.0} packets a second arrived, of {ARRIVED_PPS_MIN:.0}"));
        }
        eprintln!(
            "{} of {} packets arrived, {} came to the network stack; switching took {:.1} s",
            outcome.arrived,
            generator.sent()?,
            outcome.in_stack,
            outcome.switches.iter().sum::<Duration>().as_secs_f64(),
        );
        for (label, packets) in &outcome.counts {
            eprintln!("  {label:<28} {packets:>12}");
        }
        let switch_ms = outcome.switches.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        let row = |id, value, unit| Row::single(id, value, unit, problems.is_empty());
        let rows = vec![
            row("switches", outcome.switches.len() as f64, "count"),
            row("switch_ms", measure::median(switch_ms), "ms"),
            row("switch_rate_mpps", outcome.arrived_pps / 1e6, "Mpps"),
            row("unjudged_packets", outcome.unjudged() as f64, "count"),
            row("mixed_packets", outcome.mixed() as f64, "count"),
        ];
        Ok((Report::from_rows(rows), problems))
    })
}

/// The generator of these frames, a power of two of them, each of so many bytes, which are those of the mix.
pub fn load(object: &Path, frames: &[Vec<u8>], frame_bytes: usize) -> Result<Paced> {
    let count = frames.len() as u32;
    let mut ebpf = EbpfLoader::new()
        .override_global("MIX_COUNT", &count, true)
        .override_global("GAP_NS", &(1_000_000_000 / SENT_PPS), true)
        .map_max_entries("MIX", count)
        .load_file(object)?;
    let map = ebpf.map_mut("MIX").context("the object has no MIX")?;
    let mut map = Array::<_, [u8; FRAME_BYTES]>::try_from(map)?;
    for (index, frame) in frames.iter().enumerate() {
        let frame = <[u8; FRAME_BYTES]>::try_from(&frame[..]);
        let frame = frame.map_err(|_| anyhow!("a frame does not have {FRAME_BYTES} bytes"))?;
        map.set(index as u32, frame, 0)?;
    }
    Paced::load(ebpf, "generate_mixed", SENDER, vec![0; frame_bytes])
}
