//! The traffic: which sources, and the generator that sends them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunAttrs, TestRunOptions,
    maps::{Array, DevMap, MapData, PerCpuArray},
    programs::Xdp,
};

use crate::{
    bench::link,
    frame::{UDP, ethernet, ipv4, ipv6},
    random::Random,
};

/// Established clients in a flood; the number stands in bench-ebpf too.
pub const CLIENTS: u64 = 1_000;

/// Bytes of each frame.
pub const FRAME_BYTES: usize = 64;

/// Where sources are drawn from.
#[derive(Clone, Debug)]
pub enum Sources {
    /// IPv4 addresses from `base` on, out of `span`.
    V4 {
        /// The first.
        base: u32,
        /// How many there are.
        span: u32,
    },
    /// The same, and one packet in so many comes from one of the [`CLIENTS`], by TCP.
    V4AndClients {
        /// The first.
        base: u32,
        /// How many there are.
        span: u32,
        /// One packet in so many.
        every: u32,
    },
    /// All of 2000::/3.
    V6,
    /// The upper halves of IPv6 addresses; a power of two of them.
    V6Of(Vec<u64>),
}

impl Sources {
    /// IPv4 addresses that can be a source: 1.0.0.0 to 223.255.255.255.
    pub const ALL_V4: Self = Self::V4 { base: 1 << 24, span: 223 << 24 };

    /// One that the generator might draw; the second number is how the table is walked.
    pub fn draw(&self, random: &mut Random, number: usize) -> IpAddr {
        let low = u128::from(random.next_u64());
        match self {
            Self::V4 { base, span } | Self::V4AndClients { base, span, .. } => {
                Ipv4Addr::from_bits(base + random.below(u64::from(*span)) as u32).into()
            }
            Self::V6 => {
                let upper = u128::from(random.next_u64() >> 3 | 1 << 61);
                Ipv6Addr::from_bits(upper << 64 | low).into()
            }
            Self::V6Of(uppers) => {
                Ipv6Addr::from_bits(u128::from(uppers[number % uppers.len()]) << 64 | low).into()
            }
        }
    }

    /// 64 bytes, with UDP in them. The generator gives each its own source, and mends no checksum:
    /// nobody on the way to a verdict looks at one.
    fn frame(&self) -> Vec<u8> {
        let payload = |headers: usize| {
            let mut payload = vec![0; FRAME_BYTES - headers];
            payload[..4].copy_from_slice(&[0x30, 0x39, 0x01, 0xbb]);
            payload[5] = (FRAME_BYTES - headers) as u8;
            payload
        };
        match self {
            Self::V4 { .. } | Self::V4AndClients { .. } => {
                let mut payload = payload(34);
                // Where a client's packet has its TCP header length and its ACK.
                payload[12..14].copy_from_slice(&[0x50, 0x10]);
                ethernet(0x0800, &ipv4(Ipv4Addr::UNSPECIFIED, UDP, &payload))
            }
            Self::V6 | Self::V6Of(_) => {
                ethernet(0x86dd, &ipv6(Ipv6Addr::UNSPECIFIED, UDP, &payload(54)))
            }
        }
    }
}

/// The loaded generator.
pub struct Generator {
    ebpf: Ebpf,
    frame: Vec<u8>,
    stop: Mutex<Array<MapData, u32>>,
}

impl Generator {
    /// Loads it; inside the namespace.
    pub fn load(object: &Path, sources: &Sources) -> Result<Self> {
        let (base, span, every) = match sources {
            Sources::V4 { base, span } => (*base, *span, 0),
            Sources::V4AndClients { base, span, every } => (*base, *span, *every),
            Sources::V6 | Sources::V6Of(_) => (0, 0, 0),
        };
        let (family, table): (u32, &[u64]) = match sources {
            Sources::V4 { .. } | Sources::V4AndClients { .. } => (4, &[]),
            Sources::V6 => (6, &[]),
            Sources::V6Of(uppers) => (6, uppers),
        };
        let length = table.len() as u32;
        let mut ebpf = EbpfLoader::new()
            .override_global("FAMILY", &family, true)
            .override_global("BASE", &base, true)
            .override_global("SPAN", &span, true)
            .override_global("TABLE", &length, true)
            .override_global("CLIENT_EVERY", &every, true)
            .map_max_entries("NETWORKS", length.max(1))
            .load_file(object)?;
        let target = ebpf.map_mut("TARGET").context("the object has no TARGET")?;
        DevMap::try_from(target)?.set(0, link::sender_index()?, None, 0)?;
        let networks = ebpf.map_mut("NETWORKS").context("the object has no NETWORKS")?;
        let mut networks = Array::<_, u64>::try_from(networks)?;
        for (index, upper) in table.iter().enumerate() {
            networks.set(index as u32, upper, 0)?;
        }
        let program: &mut Xdp =
            ebpf.program_mut("generate").context("the object has no generator")?.try_into()?;
        program.load()?;
        let stop = ebpf.take_map("STOP").context("the object has no STOP")?;
        let stop = Mutex::new(Array::try_from(stop)?);
        Ok(Self { ebpf, frame: sources.frame(), stop })
    }

    /// Sends for so long at least, or until it is told to stop.
    pub fn run(&self, length: Duration) -> Result<()> {
        // The largest batch; its pages are what is under way at most.
        const BATCH: u32 = 256;
        // More than any core generates. It must be one run: between two the kernel changes the code
        // of its XDP dispatcher, and sends nothing for milliseconds.
        const PPS_MAX: f64 = 16e6;
        let program: &Xdp =
            self.ebpf.program("generate").context("the object has no generator")?.try_into()?;
        program.test_run(TestRunOptions {
            data_in: Some(&self.frame),
            repeat: (length.as_secs_f64() * PPS_MAX) as u32,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        })?;
        Ok(())
    }

    /// Allows [`Self::run`] to send, or ends it.
    pub fn stop(&self, stopped: bool) -> Result<()> {
        let mut stop = self.stop.lock().map_err(|_| anyhow!("whoever stopped it panicked"))?;
        Ok(stop.set(0, u32::from(stopped), 0)?)
    }

    /// Packets sent since it was loaded.
    pub fn sent(&self) -> Result<u64> {
        let state = self.ebpf.map("STATE").context("the object has no STATE")?;
        let state = PerCpuArray::<_, [u64; 2]>::try_from(state)?;
        Ok(state.get(&0, 0)?.iter().map(|[_, sent]| sent).sum())
    }
}
