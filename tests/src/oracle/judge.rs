//! The stages, in the order of the specification.

use std::net::IpAddr;

use super::{
    Judgement, Letters, Oracle, OracleCountries, holds,
    limits::{What, Whose},
    parse::{Packet, Parsed, Transport, read, unmapped},
    within,
};

pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

/// What the stages agree on while a packet goes through them.
pub(super) struct Way<'a> {
    pub packet: &'a Packet,
    pub bytes: u64,
    pub now_ns: u64,
    pub country: Option<Letters>,
    /// The first drop that a shadow held back.
    shadow: Option<Judgement>,
}

impl Way<'_> {
    pub fn end(&self, verdict: &'static str, reason: &'static str) -> Judgement {
        Judgement {
            verdict,
            reason,
            protocol: self.packet.protocol,
            list: None,
            country: self.country,
            rule: None,
        }
    }

    pub fn port(&self) -> Option<(bool, u16)> {
        match self.packet.transport {
            Transport::Tcp { port, .. } => Some((true, port)),
            Transport::Udp { port } => Some((false, port)),
            Transport::Icmp { .. } | Transport::Unread => None,
        }
    }

    /// The port of a TCP SYN that acknowledges nothing.
    fn opens(&self) -> Option<u16> {
        match self.packet.transport {
            Transport::Tcp { port, flags } if flags & (SYN | ACK) == SYN => Some(port),
            _ => None,
        }
    }
}

impl Oracle {
    /// The judgement of a policy that is not in shadow as a whole.
    pub(super) fn enforced(&mut self, frame: &[u8], now_ns: u64) -> Judgement {
        let pass = &self.policy.pass;
        let (verdict, reason) = match read(frame) {
            Parsed::Malformed => (if pass.malformed { "pass" } else { "drop" }, "malformed"),
            Parsed::NonIp => (if pass.non_ip { "pass" } else { "drop" }, "non_ip"),
            Parsed::LinkControl => ("pass", "essential"),
            Parsed::Ip(packet) => {
                let country = self.country(packet.source);
                let bytes = frame.len() as u64;
                let mut way = Way { packet: &packet, bytes, now_ns, country, shadow: None };
                let end = self.stages(&mut way);
                return match way.shadow {
                    Some(shadow) if end.verdict == "pass" => shadow,
                    _ => end,
                };
            }
        };
        Judgement { verdict, reason, protocol: "none", list: None, country: None, rule: None }
    }

    fn stages(&mut self, way: &mut Way) -> Judgement {
        let packet = way.packet;
        if packet.essential {
            return way.end("pass", "essential");
        }
        let trusted = self.trusted(packet.source);
        if trusted.is_none() {
            if let Some(end) = self.refused(way, packet.source) {
                return end;
            }
            if self.banned(packet.source) {
                return way.end("drop", "ban");
            }
        }
        if packet.broken {
            let verdict = if self.policy.pass.malformed { "pass" } else { "drop" };
            return Judgement { protocol: "none", ..way.end(verdict, "malformed") };
        }
        if let Some((reason, list)) = trusted {
            return Judgement { list: Some(list), ..way.end("pass", reason) };
        }
        if let Some(inner) = packet.inner {
            if self.trusted(inner).is_none()
                && let Some(end) = self.refused(way, inner)
            {
                return end;
            }
            if self.banned(inner) {
                return Judgement { country: self.country(inner), ..way.end("drop", "ban") };
            }
        }
        if let Transport::Tcp { flags, .. } = packet.transport
            && !self.policy.pass.tcp_flags
        {
            let pair = [SYN | FIN, SYN | RST, FIN | RST].iter().any(|two| flags & two == *two);
            if pair || flags & (SYN | ACK | RST) == 0 {
                return way.end("drop", "tcp_flags");
            }
        }
        let passed = if packet.later {
            if !self.policy.pass.fragments {
                return way.end("drop", "fragment");
            }
            way.end("pass", "fragment")
        } else {
            self.filtered(way)
        };
        if passed.verdict != "pass" {
            return passed;
        }
        self.limited(way).unwrap_or(passed)
    }

    /// The reason and the list of a source that outranks the deny lists.
    fn trusted(&self, source: IpAddr) -> Option<(&'static str, String)> {
        [("protected", &self.policy.protected), ("allow", &self.policy.allow)].into_iter().find_map(
            |(reason, lists)| {
                let list = lists.iter().find(|list| holds(&list.networks, source))?;
                Some((reason, list.name.clone()))
            },
        )
    }

    /// The drop of a denied source, or of one of a country that is not let in. What is in shadow is
    /// noted on the way.
    fn refused(&self, way: &mut Way, source: IpAddr) -> Option<Judgement> {
        let country = self.country(source);
        let holding = || self.policy.deny.iter().filter(|list| holds(&list.networks, source));
        let enforced = holding().find(|list| !list.shadow);
        if let Some(list) = enforced.or_else(|| holding().next()) {
            let list_name = Some(list.name.clone());
            if !list.shadow {
                return Some(Judgement { list: list_name, country, ..way.end("drop", "deny") });
            }
            let noted = Judgement { list: list_name, country, ..way.end("shadow", "deny") };
            way.shadow.get_or_insert(noted);
        }
        let dropped = match &self.policy.countries {
            OracleCountries::None => false,
            OracleCountries::Only(let_in) => !country.is_some_and(|own| let_in.contains(&own)),
            OracleCountries::Block(blocked) => country.is_some_and(|own| blocked.contains(&own)),
        };
        if !dropped {
            return None;
        }
        if country.is_some_and(|own| self.policy.shadow_countries.contains(&own)) {
            let noted = Judgement { country, ..way.end("shadow", "geo") };
            way.shadow.get_or_insert(noted);
            return None;
        }
        Some(Judgement { country, ..way.end("drop", "geo") })
    }

    fn banned(&self, source: IpAddr) -> bool {
        self.policy.bans.iter().any(|ban| match unmapped(*ban) {
            IpAddr::V4(_) => within(source, unmapped(*ban), 32),
            IpAddr::V6(_) => within(source, *ban, 64),
        })
    }

    fn country(&self, source: IpAddr) -> Option<Letters> {
        let holding = self
            .policy
            .geo
            .iter()
            .filter(|((network, length), _)| within(source, *network, *length));
        holding.max_by_key(|((_, length), _)| *length).map(|(_, country)| *country)
    }

    /// The limits, with SYN cookies between them.
    fn limited(&mut self, way: &Way) -> Option<Judgement> {
        let source = way.packet.source;
        let limits = &self.policy.limits;
        let mut asked = vec![
            ("rate_source", What::Source, Whose::source(source), limits.source),
            ("rate_prefix", What::Prefix, Whose::prefix(source), limits.prefix),
            ("rate_country", What::Country, Whose::Country(way.country), limits.country),
        ];
        if let Some((tcp, port)) = way.port() {
            let limit = limits.ports.iter().find(|limit| limit.tcp == tcp && limit.port == port);
            let what = What::Port { tcp, port };
            asked.push(("rate_port", what, Whose::Everyones, limit.map(|limit| limit.rate)));
        }
        let (class, class_limit) = match way.packet.protocol {
            "tcp" if way.opens().is_some() => ("syn", limits.syn),
            "udp" => ("udp", limits.udp),
            "icmp" | "icmpv6" => ("icmp", limits.icmp),
            _ => ("other", limits.other),
        };
        let mut over =
            |what, whose, rate| !self.buckets.conforms(what, whose, &rate, way.bytes, way.now_ns);
        for (reason, what, whose, limit) in asked {
            if limit.is_some_and(|rate| over(what, whose, rate)) {
                return Some(way.end("drop", reason));
            }
        }
        if let Some(cookies) = &self.policy.syn_cookies
            && let Some(port) = way.opens()
            && cookies.ports.contains(&port)
            && over(
                What::SynCookies { v6: source.is_ipv6(), port },
                Whose::Everyones,
                cookies.meter(),
            )
        {
            let verdict = if way.packet.extended { "drop" } else { "reply" };
            return Some(way.end(verdict, "syn_cookie"));
        }
        let over_class =
            class_limit.is_some_and(|rate| over(What::Class(class), Whose::Everyones, rate));
        over_class.then(|| way.end("drop", "rate_protocol"))
    }
}
