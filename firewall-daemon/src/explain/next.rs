//! What becomes of a packet after its verdict, in words.

use firewall_common::{Packet, Protocol, Reason, Verdict, limits::ProtocolClass};

use super::{Explanation, Origin};
use crate::config::RateConfig;

const STACK: &str = "the host's network stack";

/// One sentence.
pub(super) fn next(
    verdict: Verdict,
    reason: Reason,
    packet: Option<&Packet>,
    explanation: &Explanation,
    origin: &Origin,
) -> String {
    match (verdict, &explanation.shadow) {
        (Verdict::Drop, _) => format!("dropped: {}", why(reason, packet, explanation, origin)),
        (Verdict::Reply, _) => "answered with a SYN cookie".to_owned(),
        (Verdict::Pass, _) => format!("passes to {}", onward(reason, packet, origin)),
        (Verdict::Shadow, Some(shadow)) => {
            let why = why(reason, packet, explanation, origin);
            // A policy in shadow ends the way here, a list in shadow lets it go on.
            let onward = match shadow.as_str() {
                "policy" => STACK.to_owned(),
                _ => onward(Reason::Default, packet, origin),
            };
            format!("would be dropped ({why}), were {shadow} not in shadow; passes to {onward}")
        }
        (Verdict::Shadow, None) => format!("passes to {STACK}"),
    }
}

fn onward(reason: Reason, packet: Option<&Packet>, origin: &Origin) -> String {
    let exempt = matches!(
        reason,
        Reason::Essential
            | Reason::Protected
            | Reason::Allow
            | Reason::Fault
            | Reason::Malformed
            | Reason::NonIp
    );
    let limits = match packet {
        Some(packet) if !exempt => limits(packet, origin),
        Some(_) | None => Vec::new(),
    };
    if limits.is_empty() {
        return STACK.to_owned();
    }
    format!("limits: {}, then to {STACK}", limits.join("; "))
}

/// The limits that are asked of a packet, from the narrowest to the widest.
fn limits(packet: &Packet, origin: &Origin) -> Vec<String> {
    let limits = &origin.limits;
    let of = |what: &str, limit: &Option<RateConfig>| Some(format!("{what} {}", rate(&(*limit)?)));
    let (port, syn_cookies) = (port(packet), syn_cookies(packet, origin));
    let (class, limit) = match ProtocolClass::of(packet) {
        ProtocolClass::Syn => ("all SYN", &limits.syn),
        ProtocolClass::Udp => ("all UDP", &limits.udp),
        ProtocolClass::Icmp => ("all ICMP", &limits.icmp),
        ProtocolClass::Other => ("all other packets", &limits.other),
    };
    let port_limit = port.as_ref().and_then(|port| {
        let named = |protocol, number| format!("{number}/{protocol}") == *port;
        let found = limits.ports.iter().find(|limit| named(limit.protocol, limit.port))?;
        Some(format!("port {port} {}", rate(&found.rate)))
    });
    [
        of("each source", &limits.source),
        of(if packet.version == 4 { "each /24" } else { "each /48" }, &limits.prefix),
        of("each country", &limits.country),
        port_limit,
        syn_cookies.map(|threshold| format!("SYN cookies above {threshold} SYN/s")),
        of(class, limit),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The port as the configuration writes it.
fn port(packet: &Packet) -> Option<String> {
    match packet.protocol {
        Protocol::Tcp => Some(format!("{}/tcp", packet.destination_port)),
        Protocol::Udp => Some(format!("{}/udp", packet.destination_port)),
        Protocol::None | Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other => None,
    }
}

fn syn_cookies(packet: &Packet, origin: &Origin) -> Option<u32> {
    let config = origin.syn_cookies.as_ref().filter(|_| packet.opens_connection())?;
    config.ports.contains(&packet.destination_port).then_some(config.threshold_pps)
}

fn rate(rate: &RateConfig) -> String {
    let packets = rate
        .packets
        .map(|packets| format!("{} pps burst {}", packets.rate_pps, packets.burst_packets));
    let bytes = rate
        .bytes
        .map(|bytes| format!("{} bytes/s burst {}", bytes.rate_bytes_per_s, bytes.burst_bytes));
    packets.into_iter().chain(bytes).collect::<Vec<_>>().join(", ")
}

fn why(
    reason: Reason,
    packet: Option<&Packet>,
    explanation: &Explanation,
    origin: &Origin,
) -> String {
    let address = explanation.address.map_or_else(|| "it".to_owned(), |found| found.to_string());
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let empty = |whose: &str, limit: Option<RateConfig>| match limit {
        Some(limit) => format!("the bucket of {whose} is empty ({})", rate(&limit)),
        None => format!("the bucket of {whose} is empty"),
    };
    let limits = &origin.limits;
    match reason {
        Reason::Malformed => "its headers end too soon, or contradict themselves".to_owned(),
        Reason::NonIp => "it is neither IP, ARP nor link control".to_owned(),
        Reason::Deny => {
            format!(
                "{} of list {} holds {address}",
                text(&explanation.prefix),
                text(&explanation.list)
            )
        }
        Reason::Geo => match &explanation.country {
            Some(country) => format!("{address} is of {country}, which is not let in"),
            None => format!("{address} is of no known country, and only some are let in"),
        },
        Reason::Ban => format!("{address} is banned"),
        Reason::TcpFlags => "no client sends these TCP flags together".to_owned(),
        Reason::Fragment => "it is a fragment that is not the first".to_owned(),
        Reason::Rule => format!("rule {}", text(&explanation.rule)),
        Reason::Port => "packet.public_ports does not name the service".to_owned(),
        Reason::Default => "packet.default".to_owned(),
        Reason::SynCookie => {
            "too many connections are opened, and it has IP options or extension headers".to_owned()
        }
        Reason::RateSource => empty("the source", limits.source),
        Reason::RatePrefix => empty("the prefix", limits.prefix),
        Reason::RateCountry => empty("the country", limits.country),
        Reason::RatePort => empty(&format!("port {}", text(&packet.and_then(port))), None),
        Reason::RateProtocol => empty("the class of protocol", None),
        Reason::RateRule => empty(&format!("rule {}", text(&explanation.rule)), None),
        Reason::Essential | Reason::Protected | Reason::Allow | Reason::Fault => {
            reason.label().to_owned()
        }
    }
}
