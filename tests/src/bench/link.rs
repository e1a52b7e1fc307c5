//! Where packets are measured: a namespace with a veth pair, one core that sends and one that receives.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    mount::{MsFlags, mount},
    net::if_::if_nametoindex,
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, gettid},
};
use rustix::process::setpriority_process;

use crate::{namespace::Namespace, sweep};

/// The interface that the generator sends to.
pub const SENDER: &str = "swsend";
/// Its peer, which the receivers are attached to.
pub const RECEIVER: &str = "swrecv";

/// The core that sends.
pub const SENDING_CPU: usize = 0;
const RECEIVING_CPU: usize = 1;
/// How long the receiving side may take to work off its queue of 256 packets, or to start its thread.
const QUIET_TIMEOUT: Duration = Duration::from_secs(2);

/// Both ends have so many queues where both cores send and receive: a veth chooses by the core that sends.
const QUEUES_SPREAD: usize = 2;

/// The namespace and the pair. Dropping it takes everything down.
pub struct Link {
    prefix: String,
    namespace: Namespace,
    receiving: Vec<Pid>,
}

/// What the receiving interface counts by itself.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    /// Packets that came out of its queue.
    pub packets: u64,
    /// Packets that an XDP program dropped.
    pub drops: u64,
}

impl Link {
    /// Makes the pair, with one core to send and one to receive.
    pub fn create() -> Result<Self> {
        let mut link = Self::of_queues(1)?;
        link.receive_on_one_core()?;
        Ok(link)
    }

    /// Makes the pair; each core receives what it sends, in a queue of its own.
    pub fn create_spread() -> Result<Self> {
        Self::of_queues(QUEUES_SPREAD)
    }

    fn of_queues(queues: usize) -> Result<Self> {
        let cores = thread::available_parallelism()?.get();
        ensure!(cores >= 2, "one core sends and another receives: this machine has one");
        sweep::on_signal();
        sweep::dead();
        let prefix = sweep::new_prefix();
        let namespace = Namespace::create(&format!("{prefix}-bench"))?;
        let link = Self { prefix, namespace, receiving: Vec::new() };
        let pins = link.pins();
        fs::create_dir_all(&pins).with_context(|| format!("could not make {}", pins.display()))?;
        mount(Some("bpf"), &pins, Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("could not mount a BPF file system")?;
        // Without IPv6 the kernel sends nothing of its own: what arrives is what was generated.
        for scope in ["all", "default"] {
            link.namespace.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "1")?;
        }
        link.namespace.ip(&[
            format!(
                "link add {SENDER} numrxqueues {queues} numtxqueues {queues} type veth \
                 peer name {RECEIVER} numrxqueues {queues} numtxqueues {queues}"
            ),
            format!("link set {SENDER} up"),
            format!("link set {RECEIVER} up"),
        ])?;
        Ok(link)
    }

    /// Where both ends are.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A veth works off its queue in NAPI, and NAPI runs where it was scheduled: on the core that sends,
    /// which would then have to do both. A threaded NAPI is a kernel thread, and that can be pinned.
    /// GRO keeps the NAPI, and so the thread, alive while no XDP program is attached; without either
    /// the peer refuses frames.
    fn receive_on_one_core(&mut self) -> Result<()> {
        self.namespace.tool("ethtool", &["-K", RECEIVER, "gro", "on"])?;
        // `ip netns exec` mounts the sysfs of the namespace.
        let write = format!("echo 1 > /sys/class/net/{RECEIVER}/threaded");
        self.namespace.tool("ip", &["netns", "exec", self.namespace.name(), "sh", "-c", &write])?;
        let deadline = Instant::now() + QUIET_TIMEOUT;
        while self.receiving.is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
            self.receiving = napi_threads();
        }
        ensure!(!self.receiving.is_empty(), "no NAPI thread: kernel 5.12 or later has them");
        // More than one where another run of this goes on; then neither measures anything anyway.
        self.receiving.iter().try_for_each(|thread| own(*thread, RECEIVING_CPU))
    }

    /// How long the receiving side was kept waiting for its core by somebody else, so far.
    pub fn receiver_waited(&self) -> Duration {
        self.receiving.iter().map(|thread| waited(&thread.to_string())).sum()
    }

    /// Runs `work` inside, on the sending core; threads and children that it starts stay there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.namespace.run(|| {
            own(gettid(), SENDING_CPU)?;
            work()
        })?
    }

    /// A folder on a BPF file system.
    pub fn pins(&self) -> PathBuf {
        sweep::folder(&self.prefix).join("bpf")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        sweep::world(&self.prefix);
    }
}

/// The index of the sending interface; inside the namespace.
pub fn sender_index() -> Result<u32> {
    if_nametoindex(SENDER).with_context(|| format!("no interface {SENDER}"))
}

/// How long this thread was kept waiting for its core, so far.
pub fn sender_waited() -> Duration {
    waited("thread-self")
}

/// The second number of `schedstat`: time on a run queue. A kernel that does not keep it says 0.
fn waited(process: &str) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// The same, once nothing more arrives.
pub fn arrivals() -> Result<Arrivals> {
    let deadline = Instant::now() + QUIET_TIMEOUT;
    let mut last = statistics()?;
    loop {
        thread::sleep(Duration::from_millis(5));
        let next = statistics()?;
        if next.packets == last.packets {
            return Ok(next);
        }
        ensure!(Instant::now() < deadline, "packets still arrive, and nobody sends any");
        last = next;
    }
}

/// What has arrived so far; inside the namespace.
pub fn statistics() -> Result<Arrivals> {
    let output = Command::new("ethtool").args(["-S", RECEIVER]).output().context("no ethtool")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Of all queues: rx_queue_0_xdp_packets, rx_queue_1_xdp_packets.
    let value = |name: &str| -> Result<u64> {
        let of_queue = |line: &str| -> Option<u64> {
            let (queue, rest) = line.trim().strip_prefix("rx_queue_")?.split_once('_')?;
            queue.parse::<u32>().ok()?;
            rest.strip_prefix(name)?.strip_prefix(": ")?.parse().ok()
        };
        let found: Vec<u64> = text.lines().filter_map(of_queue).collect();
        ensure!(!found.is_empty(), "ethtool -S {RECEIVER} names no rx_queue_0_{name}:\n{text}");
        Ok(found.iter().sum())
    };
    Ok(Arrivals { packets: value("xdp_packets")?, drops: value("xdp_drops")? })
}

fn napi_threads() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| is_napi_thread(&entry.path()))
        .filter_map(|entry| Some(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)))
        .collect()
}

fn is_napi_thread(process: &Path) -> bool {
    let wanted = format!("napi/{RECEIVER}-");
    fs::read_to_string(process.join("comm")).is_ok_and(|name| name.starts_with(&wanted))
}

/// Pins a thread, and puts it before whatever else this machine does: either side that has to wait
/// for its core falsifies the rate.
pub fn own(thread: Pid, cpu: usize) -> Result<()> {
    pin(thread, cpu, -20)
}

/// Pins this thread to the other core, behind the receiver where that is there.
pub fn leave_sending_cpu() -> Result<()> {
    pin(gettid(), RECEIVING_CPU, 0)
}

fn pin(thread: Pid, cpu: usize, nice: i32) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(thread, &set)
        .with_context(|| format!("could not pin {thread} to core {cpu}"))?;
    setpriority_process(rustix::process::Pid::from_raw(thread.as_raw()), nice)
        .with_context(|| format!("could not set the priority of {thread}"))
}
