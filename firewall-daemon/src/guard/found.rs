//! Who is on this host and what it leans on, as the kernel tells it. Where it does not tell, nobody is
//! found: a guard that cannot look does not stop the host from being protected.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use super::{Protected, Session, Why};
use crate::config::ProtectConfig;

/// Where sshd listens, where a session does not say.
pub const SSH_PORT: u16 = 22;
/// So many peers are looked at: one request for each goes to the program.
pub const PEERS_MAX: usize = 4_096;
/// So many resolvers: libc asks three.
const RESOLVERS_MAX: usize = 16;
/// So many gateways and logged-in sessions of each kind.
const FOUND_MAX: usize = 256;

/// Of this thread's network namespace.
const NET: &str = "/proc/thread-self/net";
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// `TCP_ESTABLISHED` as /proc writes it.
const ESTABLISHED: &str = "01";
/// `RTF_GATEWAY`.
const VIA_GATEWAY: u32 = 2;

/// The other end of an open TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// Who.
    pub address: IpAddr,
    /// The port on this host.
    pub port: u16,
}

/// The addresses that no policy may cut, as they are at this moment.
#[must_use]
pub fn addresses(config: &ProtectConfig, session: Option<Session>) -> Vec<Protected> {
    let mut found = BTreeSet::new();
    if config.ssh_peer {
        let ports = [Some(SSH_PORT), session.map(|session| session.port)];
        if let Some(Session { peer, port }) = session {
            let address = peer.to_canonical();
            found.insert(Protected { address, why: Why::Caller, port: Some(port) });
        }
        let logged_in = peers().into_iter().filter(|peer| ports.contains(&Some(peer.port)));
        for Peer { address, port } in logged_in.take(FOUND_MAX) {
            let caller = Protected { address, why: Why::Caller, port: Some(port) };
            if !found.contains(&caller) {
                found.insert(Protected { why: Why::SshPeer, ..caller });
            }
        }
    }
    if config.gateway {
        let v4 = read(&Path::new(NET).join("route"));
        let v6 = read(&Path::new(NET).join("ipv6_route"));
        let all = gateways_v4(&v4).into_iter().chain(gateways_v6(&v6)).take(FOUND_MAX);
        found.extend(all.map(|address| Protected { address, why: Why::Gateway, port: None }));
    }
    if config.resolvers {
        let all = resolvers(&read(Path::new(RESOLV_CONF)));
        found.extend(all.into_iter().map(|address| Protected {
            address,
            why: Why::Resolver,
            port: None,
        }));
    }
    found.retain(|one| !one.address.is_loopback());
    found.into_iter().collect()
}

/// The other ends of open TCP connections, each once, without those on this host itself.
#[must_use]
pub fn peers() -> Vec<Peer> {
    let tables = ["tcp", "tcp6"].map(|name| read(&Path::new(NET).join(name)));
    let all: BTreeSet<Peer> =
        tables.iter().flat_map(|table| table.lines().filter_map(peer)).collect();
    all.into_iter().filter(|peer| !peer.address.is_loopback()).take(PEERS_MAX).collect()
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A line of /proc/net/tcp: `0: LOCAL:PORT REMOTE:PORT STATE ...`.
fn peer(line: &str) -> Option<Peer> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
    if state != ESTABLISHED {
        return None;
    }
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    let address = address(remote.rsplit_once(':')?.0)?.to_canonical();
    Some(Peer { address, port })
}

/// Words of 32 bits in hexadecimal, each in the byte order of this host.
fn address(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        u32::from_str_radix(digits.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes)
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            octets.iter_mut().zip(words.concat()).for_each(|(octet, byte)| *octet = byte);
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// Lines of /proc/net/route: `Iface Destination Gateway Flags RefCnt Use Metric Mask ...`.
fn gateways_v4(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (destination, gateway, flags, mask) =
            (words.get(1)?, words.get(2)?, words.get(3)?, words.get(7)?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let is_default = *destination == "00000000" && *mask == "00000000";
        (is_default && flags & VIA_GATEWAY != 0).then(|| address(gateway))?
    };
    table.lines().filter_map(gateway).collect()
}

/// Lines of /proc/net/ipv6_route: `DESTINATION LENGTH SOURCE LENGTH NEXT_HOP METRIC REF USE FLAGS DEVICE`.
fn gateways_v6(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (length, next_hop, flags) = (words.get(1)?, words.get(4)?, words.get(8)?);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        if *length != "00" || flags & VIA_GATEWAY == 0 {
            return None;
        }
        // In network byte order, unlike in the table of sockets.
        u128::from_str_radix(next_hop, 16).ok().map(|bits| IpAddr::V6(bits.into()))
    };
    table.lines().filter_map(gateway).filter(|address| !address.is_unspecified()).collect()
}

fn resolvers(text: &str) -> Vec<IpAddr> {
    let resolver = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "nameserver").then_some(())?;
        let address: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
        Some(address.to_canonical())
    };
    text.lines().filter_map(resolver).take(RESOLVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_kernel_writes() {
        // Written on a host whose lowest byte comes first, as every one that Seawall is built for.
        let tcp = "  sl  local_address rem_address   st\n   \
                   0: 00000000:0016 00000000:0000 0A 0\n   \
                   1: 0A0200C0:0016 076433C6:D431 01 0\n   \
                   2: 0A0200C0:01BB 087100CB:9C40 06 0\nnonsense\n";
        let found: Vec<Peer> = tcp.lines().filter_map(peer).collect();
        let peer_22 = Peer { address: "198.51.100.7".parse().expect("an address"), port: 22 };
        assert_eq!(found, [peer_22]);
        let v6 = format!(
            " 0: {}:0016 B80D012000000D00{}07000000:9C40 01 0",
            "0".repeat(32),
            "0".repeat(8)
        );
        let found: Vec<Peer> = v6.lines().filter_map(peer).collect();
        let address = "2001:db8:d::7".parse().expect("an address");
        assert_eq!(found, [Peer { address, port: 22 }]);
        let mapped =
            " 0: 0000000000000000FFFF00000A0200C0:08AE 0000000000000000FFFF0000076433C6:9C40 01 0";
        let found: Vec<Peer> = mapped.lines().filter_map(peer).collect();
        assert_eq!(found, [Peer { port: 2_222, ..peer_22 }]);
    }

    #[test]
    fn gateways_and_resolvers() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                  eth0\t0000000A\t020200C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n\
                  tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(texts(&gateways_v4(v4)), ["192.0.2.1"]);
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 20010db8000100000000000000000001 00000400 1 0 00000003 eth0\n\
             20010db8000100000000000000000000 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
        );
        assert_eq!(texts(&gateways_v6(&v6)), ["2001:db8:1::1"]);
        let conf = "# nameserver 192.0.2.1\nsearch example\nnameserver 192.0.2.53\n\
                    nameserver fe80::1%eth0\nnameserver nonsense\noptions edns0\n";
        assert_eq!(texts(&resolvers(conf)), ["192.0.2.53", "fe80::1"]);
        assert!(gateways_v4("\u{0}\n").is_empty() && gateways_v6("x y z").is_empty());
    }
}
