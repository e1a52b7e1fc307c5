//! The world: a server behind one uplink, a router that is the internet, and client hosts around it.
//!
//! ```text
//! client --eth0--+
//! client --eth0--+-- internet (routes) --uplink------eth0-- server (seawall, api-server)
//! client --eth0--+
//! ```
//! The internet routes and does not translate, so the server sees the clients' own addresses.

mod reach;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};

use crate::{namespace::Namespace, sweep};

/// The server's address on its uplink.
pub const SERVER_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The same for IPv6.
pub const SERVER_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10);
/// Both of them.
pub const SERVER: [IpAddr; 2] = [IpAddr::V4(SERVER_IPV4), IpAddr::V6(SERVER_IPV6)];
/// The server's interface towards the internet.
pub const SERVER_INTERFACE: &str = "eth0";
/// Packets that wait when the server's queue is full. A veth pair drops them otherwise, and counts
/// of what was sent and what arrived could not be equal.
const UPLINK_QUEUE_PACKETS: &str = "20000";

/// What a client host is to be.
#[derive(Clone, Copy, Debug)]
pub struct HostPlan {
    /// Short name, part of the namespace's.
    pub name: &'static str,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 addresses, all within one /64.
    pub ipv6: &'static [Ipv6Addr],
}

/// A client host.
#[derive(Debug)]
pub struct Host {
    /// What it was to be.
    pub plan: HostPlan,
    /// Where it lives.
    pub namespace: Namespace,
}

impl Host {
    /// Its addresses of the family of `peer`.
    pub fn addresses_towards(&self, peer: IpAddr) -> Vec<IpAddr> {
        match peer {
            IpAddr::V4(_) => vec![self.plan.ipv4.into()],
            IpAddr::V6(_) => self.plan.ipv6.iter().copied().map(IpAddr::V6).collect(),
        }
    }
}

/// Everything of one run; dropping it takes it down.
#[derive(Debug)]
pub struct World {
    prefix: String,
    folder: PathBuf,
    kept: bool,
    /// The host that is protected.
    pub server: Namespace,
    /// The router between.
    pub internet: Namespace,
    /// The hosts around.
    pub hosts: Vec<Host>,
}

/// Takes down a half-built world when building fails.
struct Unfinished<'a>(&'a str);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        sweep::world(self.0);
    }
}

impl World {
    /// Builds a world with these client hosts.
    pub fn build(plans: &[HostPlan]) -> Result<Self> {
        sweep::on_signal();
        sweep::dead();
        let prefix = sweep::new_prefix();
        let guard = Unfinished(&prefix);
        let folder = make_folder(&prefix)?;
        let internet = Namespace::create(&format!("{prefix}-internet"))?;
        internet.sysctl("net/ipv4/ip_forward", "1")?;
        internet.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let server = make_server(&prefix, &internet)?;
        let hosts = plans
            .iter()
            .enumerate()
            .map(|(number, plan)| make_host(&prefix, &internet, number, *plan))
            .collect::<Result<Vec<_>>>()?;
        for host in &hosts {
            reach::both_families(&server, host)?;
        }
        std::mem::forget(guard);
        Ok(Self { prefix, folder, kept: false, server, internet, hosts })
    }

    /// Names everything that belongs to this world.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A folder for the world's files; readable by every user, because the worker is none in particular.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder on a bpffs that is this world's alone.
    pub fn pin_path(&self) -> PathBuf {
        self.folder.join("bpf/seawall")
    }

    /// A client host by its short name.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts
            .iter()
            .find(|host| host.plan.name == name)
            .unwrap_or_else(|| panic!("the world was built without a host called {name}"))
    }

    /// Leaves the world up when this value is dropped.
    pub fn keep(&mut self) -> Result<()> {
        sweep::keep(&self.prefix).context("could not mark the world as kept")?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.kept {
            sweep::world(&self.prefix);
        }
    }
}

fn make_folder(prefix: &str) -> Result<PathBuf> {
    let folder = sweep::folder(prefix);
    let bpf = folder.join("bpf");
    fs::create_dir_all(&bpf).with_context(|| format!("could not make {}", bpf.display()))?;
    mount(Some("bpf"), &bpf, Some("bpf"), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("could not mount a bpffs on {}", bpf.display()))?;
    Ok(folder)
}

fn make_server(prefix: &str, internet: &Namespace) -> Result<Namespace> {
    let server = Namespace::create(&format!("{prefix}-server"))?;
    internet.ip(&[
        format!("link add uplink type veth peer name {SERVER_INTERFACE} netns {}", server.name()),
        "addr add 192.0.2.1/24 dev uplink".to_owned(),
        "addr add 2001:db8:1::1/64 dev uplink nodad".to_owned(),
        "link set uplink up".to_owned(),
    ])?;
    server.ip(&[
        format!("addr add {SERVER_IPV4}/24 dev {SERVER_INTERFACE}"),
        format!("addr add {SERVER_IPV6}/64 dev {SERVER_INTERFACE} nodad"),
        format!("link set {SERVER_INTERFACE} up"),
        "route add default via 192.0.2.1".to_owned(),
        "route add default via 2001:db8:1::1".to_owned(),
    ])?;
    internet.tool(
        "tc",
        &["qdisc", "add", "dev", "uplink", "root", "pfifo", "limit", UPLINK_QUEUE_PACKETS],
    )?;
    Ok(server)
}

fn make_host(prefix: &str, internet: &Namespace, number: usize, plan: HostPlan) -> Result<Host> {
    let namespace = Namespace::create(&format!("{prefix}-{}", plan.name))?;
    let link = format!("host{number}");
    let HostPlan { ipv4, ipv6, .. } = plan;
    internet.ip(&[
        format!("link add {link} type veth peer name eth0 netns {}", namespace.name()),
        format!("addr add 100.64.0.1/32 dev {link}"),
        format!("addr add fe80::1/64 dev {link} nodad"),
        format!("link set {link} up"),
        format!("route add {ipv4}/32 dev {link}"),
    ])?;
    let routes: Vec<String> =
        ipv6.iter().map(|ip| format!("route add {ip}/128 dev {link}")).collect();
    internet.ip(&routes)?;
    let addresses: Vec<String> =
        ipv6.iter().map(|ip| format!("addr add {ip}/128 dev eth0 nodad")).collect();
    namespace.ip(&[format!("addr add {ipv4}/32 dev eth0"), "link set eth0 up".to_owned()])?;
    namespace.ip(&addresses)?;
    namespace.ip(&[
        "route add default via 100.64.0.1 dev eth0 onlink",
        "route add default via fe80::1 dev eth0",
    ])?;
    // Without it a large write leaves as one packet and is cut up on the way: sent would not be seen.
    namespace.tool("ethtool", &["-K", "eth0", "tso", "off", "gso", "off"])?;
    Ok(Host { plan, namespace })
}
