//! A generator at a steady rate, out of the kernel's own test run.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, TestRun as _, TestRunAttrs, TestRunOptions,
    maps::{Array, DevMap, MapData, PerCpuArray},
    programs::Xdp,
};
use nix::net::if_::if_nametoindex;

/// A loaded generator.
pub struct Paced {
    ebpf: Ebpf,
    program: &'static str,
    frame: Vec<u8>,
    stop: Mutex<Array<MapData, u32>>,
}

impl Paced {
    /// Loads a program of the object, to send out of an interface; inside the namespace. Each frame is as
    /// long as this one.
    pub fn load(
        mut ebpf: Ebpf,
        program: &'static str,
        interface: &str,
        frame: Vec<u8>,
    ) -> Result<Self> {
        let target = ebpf.map_mut("TARGET").context("the object has no TARGET")?;
        DevMap::try_from(target)?.set(0, if_nametoindex(interface)?, None, 0)?;
        let found = ebpf.program_mut(program);
        let loading: &mut Xdp =
            found.with_context(|| format!("the object has no {program}"))?.try_into()?;
        loading.load()?;
        let stop = ebpf.take_map("STOP").context("the object has no STOP")?;
        Ok(Self { ebpf, program, frame, stop: Mutex::new(Array::try_from(stop)?) })
    }

    /// Sends until it is told to stop, or for so long.
    pub fn run(&self, longest: Duration) -> Result<()> {
        const BATCH: u32 = 64;
        // A second or two: short enough to end soon, long enough for the pause between two not to count.
        const REPEAT: u32 = 20_000_000;
        let program: &Xdp =
            self.ebpf.program(self.program).context("the program is gone")?.try_into()?;
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

    /// Packets sent since it was loaded.
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
