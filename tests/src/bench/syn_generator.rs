//! A SYN flood at a steady rate, out of the kernel's own test run.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunAttrs, TestRunOptions,
    maps::{Array, DevMap, MapData, PerCpuArray},
    programs::Xdp,
};
use nix::net::if_::if_nametoindex;

use crate::{
    frame::{SYN, TCP, ethernet, ipv4, tcp_with},
    world::SERVER_IPV4,
};

/// All segments come from this port: what goes back to it is told apart by it.
pub const PORT: u16 = 9;
/// 10.0.0.0/8, where no host of the world is.
const BASE: u32 = 10 << 24;
const SPAN: u32 = 1 << 24;
/// The number stands in bench-ebpf too.
const FRAME_BYTES: usize = 58;
const IP_HEADER: usize = 14;
const TCP_HEADER: usize = 34;

/// The loaded generator.
pub struct SynGenerator {
    ebpf: Ebpf,
    frame: Vec<u8>,
    stop: Mutex<Array<MapData, u32>>,
}

impl SynGenerator {
    /// Loads it, to send out of an interface; inside the namespace.
    pub fn load(object: &Path, interface: &str, port: u16, rate_pps: u32) -> Result<Self> {
        let segment = tcp_with(PORT, port, SYN, &[2, 4, 0x05, 0xb4]);
        let frame = ethernet(0x0800, &ipv4(Ipv4Addr::UNSPECIFIED, TCP, &segment));
        let pseudo_header = sum(&SERVER_IPV4.octets()) + u32::from(TCP) + segment.len() as u32;
        let mut ebpf = EbpfLoader::new()
            .override_global("SYN_BASE", &BASE, true)
            .override_global("SYN_SPAN", &SPAN, true)
            .override_global("IP_SUM", &sum(&frame[IP_HEADER..TCP_HEADER]), true)
            .override_global("TCP_SUM", &(sum(&segment) + pseudo_header), true)
            .override_global("GAP_NS", &(1_000_000_000 / rate_pps), true)
            .load_file(object)?;
        let target = ebpf.map_mut("TARGET").context("the object has no TARGET")?;
        DevMap::try_from(target)?.set(0, if_nametoindex(interface)?, None, 0)?;
        let template = <[u8; FRAME_BYTES]>::try_from(&frame[..]);
        let template = template.map_err(|_| anyhow!("the frame has {} bytes", frame.len()))?;
        let map = ebpf.map_mut("FRAME").context("the object has no FRAME")?;
        Array::<_, [u8; FRAME_BYTES]>::try_from(map)?.set(0, template, 0)?;
        let program = ebpf.program_mut("generate_syn").context("the object has no SYN flood")?;
        let program: &mut Xdp = program.try_into()?;
        program.load()?;
        let stop = ebpf.take_map("STOP").context("the object has no STOP")?;
        Ok(Self { ebpf, frame, stop: Mutex::new(Array::try_from(stop)?) })
    }

    /// Sends until it is told to stop, or for so long.
    pub fn run(&self, longest: Duration) -> Result<()> {
        const BATCH: u32 = 64;
        // A second or two: short enough to end soon, long enough for the pause between two not to count.
        const REPEAT: u32 = 20_000_000;
        let program: &Xdp =
            self.ebpf.program("generate_syn").context("the object has no SYN flood")?.try_into()?;
        let start = Instant::now();
        while start.elapsed() < longest && !self.is_stopped()? {
            program.test_run(TestRunOptions {
                data_in: Some(&self.frame),
                repeat: REPEAT,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
                ..TestRunOptions::default()
            })?;
        }
        Ok(())
    }

    /// Ends [`Self::run`].
    pub fn stop(&self) -> Result<()> {
        let mut stop = self.stop.lock().map_err(|_| anyhow!("whoever stopped it panicked"))?;
        Ok(stop.set(0, 1, 0)?)
    }

    /// Segments sent since it was loaded.
    pub fn sent(&self) -> Result<u64> {
        let state = self.ebpf.map("STATE").context("the object has no STATE")?;
        let state = PerCpuArray::<_, [u64; 2]>::try_from(state)?;
        Ok(state.get(&0, 0)?.iter().map(|[_, sent]| sent).sum())
    }

    fn is_stopped(&self) -> Result<bool> {
        let stop = self.stop.lock().map_err(|_| anyhow!("whoever stopped it panicked"))?;
        Ok(stop.get(&0, 0)? != 0)
    }
}

/// Of 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum()
}
