//! What a host's own kernel counted: the measure of what was sent, independent of what Seawall saw.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

use crate::namespace::Namespace;

/// ICMPv6 that stays on the link and so never reaches the server.
const LINK_ONLY: [&str; 5] = [
    "Icmp6OutRouterSolicits",
    "Icmp6OutRouterAdvertisements",
    "Icmp6OutNeighborSolicits",
    "Icmp6OutNeighborAdvertisements",
    "Icmp6OutMLDv2Reports",
];

/// The counters of one namespace at one time, named as the kernel does: `Ip.OutRequests`, `Ip6OutRequests`.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Reads them now.
    pub fn read(namespace: &Namespace) -> Result<Self> {
        let (ipv4, ipv6, extended) = namespace.run(|| {
            (
                fs::read_to_string("/proc/thread-self/net/snmp"),
                fs::read_to_string("/proc/thread-self/net/snmp6"),
                fs::read_to_string("/proc/thread-self/net/netstat"),
            )
        })?;
        let mut counts = parse_table(&ipv4.context("could not read net/snmp")?);
        counts.extend(parse_table(&extended.context("could not read net/netstat")?));
        counts.extend(parse_list(&ipv6.context("could not read net/snmp6")?));
        Ok(Self(counts))
    }

    /// What was added since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self(self.0.iter().map(|(name, now)| (name.clone(), now - before.get(name))).collect())
    }

    /// One counter; the kernel leaves some out until they count.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// IPv4 packets that the host sent to somewhere beyond its link.
    pub fn ipv4_sent(&self) -> u64 {
        self.get("Ip.OutRequests")
    }

    /// IPv6 packets that the host sent to somewhere beyond its link.
    pub fn ipv6_sent(&self) -> u64 {
        let link_only: u64 = LINK_ONLY.iter().map(|name| self.get(name)).sum();
        self.get("Ip6OutRequests") - link_only
    }

    /// UDP datagrams that reached the host and found nobody at their port.
    pub fn udp_ipv4_unclaimed(&self) -> u64 {
        self.get("Udp.NoPorts")
    }

    /// The same for IPv6.
    pub fn udp_ipv6_unclaimed(&self) -> u64 {
        self.get("Udp6NoPorts")
    }

    /// SYN cookies that the host's own kernel sent.
    pub fn cookies_sent(&self) -> u64 {
        self.get("TcpExt.SyncookiesSent")
    }

    /// SYN cookies that came back and began a connection, whoever sent them.
    pub fn cookies_accepted(&self) -> u64 {
        self.get("TcpExt.SyncookiesRecv")
    }

    /// SYN cookies that came back and were not known again.
    pub fn cookies_refused(&self) -> u64 {
        self.get("TcpExt.SyncookiesFailed")
    }
}

/// `net/snmp`: a line of names, then a line of values, each led by the protocol.
fn parse_table(text: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut counts = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let names = pair[0].split_whitespace();
        let values = pair[1].split_whitespace();
        let Some(protocol) = pair[0].split(':').next() else { continue };
        for (name, value) in names.zip(values).skip(1) {
            // A few values are -1 and mean "no limit"; they are no counters.
            if let Ok(value) = value.parse() {
                counts.insert(format!("{protocol}.{name}"), value);
            }
        }
    }
    counts
}

/// `net/snmp6`: a name and a value in each line.
fn parse_list(text: &str) -> BTreeMap<String, u64> {
    let pairs = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_traffic_is_not_counted_as_sent() {
        let mut counts =
            parse_table("Ip: Forwarding OutRequests\nIp: 2 7\nTcp: MaxConn InSegs\nTcp: -1 5\n");
        counts.extend(parse_list(
            "Ip6OutRequests   12\nIcmp6OutNeighborSolicits\t2\nIcmp6OutMLDv2Reports 3\n",
        ));
        let counts = Counts(counts);
        assert_eq!(counts.ipv4_sent(), 7);
        assert_eq!(counts.ipv6_sent(), 7);
        assert_eq!(counts.get("Tcp.InSegs"), 5);
        assert_eq!(counts.get("Tcp.MaxConn"), 0);
    }
}
