//! From what the program says of a frame to an answer for people.

use std::net::IpAddr;

use firewall_common::{
    Address, Packet, Reason, Verdict,
    class::{Class, List},
    parse::{self, Frame},
};

use super::{
    BanStatus, ExplainError, Explanation, Origin, PORT_DEFAULT, Subject, Traffic, next::next, probe,
};
use crate::{
    datapath::{
        bans::Ban,
        explain::{Explained, FRAME_BYTES_MAX, FRAME_BYTES_MIN},
    },
    hex,
};

/// What is asked: a frame, and what is known of it before the program has seen it.
pub struct Question {
    /// The frame.
    pub frame: Vec<u8>,
    assumed: Option<String>,
    packet: Option<Packet>,
}

/// What the kernel says of it, all at one moment.
pub struct Facts {
    /// The number of the generation.
    pub generation: u32,
    /// Of the frame.
    pub explained: Explained,
    /// The class of the source by itself, where somebody is inside a tunnel.
    pub source_class: Option<Class>,
    /// The ban of the source.
    pub source_ban: Option<Ban>,
    /// The ban of who is inside the tunnel.
    pub inner_ban: Option<Ban>,
}

impl Question {
    /// Makes the frame.
    ///
    /// # Errors
    ///
    /// Where the subject is no frame that the kernel runs the program on.
    pub fn new(subject: &Subject) -> Result<Self, ExplainError> {
        let (frame, assumed) = match subject {
            Subject::Address { source, protocol, port } => {
                if let (Traffic::Icmp, Some(found)) = (protocol, *port) {
                    return Err(ExplainError::Port { found });
                }
                let (source, port) = (source.to_canonical(), port.unwrap_or(PORT_DEFAULT));
                let frame = probe::frame(source, *protocol, port);
                let assumed = probe::describe(source, *protocol, port, frame.len());
                (frame, Some(assumed))
            }
            Subject::Packet { hex } => (hex::parse(hex)?, None),
        };
        let found = frame.len();
        if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&found) {
            return Err(ExplainError::Length { found });
        }
        let mut packet = Packet::NONE;
        let parsed = parse::parse(&frame.as_slice(), &mut packet);
        let packet = (parsed == Frame::Ip).then_some(packet);
        Ok(Self { frame, assumed, packet })
    }

    /// Who it says it is from.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.packet.map(|packet| ip_address(packet.source))
    }

    /// Who is inside its tunnel.
    #[must_use]
    pub fn inner(&self) -> Option<IpAddr> {
        self.packet?.inner.map(ip_address)
    }

    /// A frame from the source with nobody inside: what the program says of it is the source's class.
    #[must_use]
    pub fn source_alone(&self) -> Option<Vec<u8>> {
        self.inner()?;
        Some(probe::frame(self.source()?, Traffic::Tcp, 1))
    }

    /// The answer.
    #[must_use]
    pub fn answer(self, facts: Facts, origin: &Origin) -> Explanation {
        let Facts { generation, explained, source_class, source_ban, inner_ban } = facts;
        let Explained { verdict, reason, class, list, country, rule } = explained;
        let (source, inner) = (self.source(), self.inner());
        let is_inner = inner.is_some()
            && match reason {
                Reason::Ban => source_ban.is_none(),
                _ => class != source_class,
            };
        let address = if is_inner { inner } else { source };
        let system = address.or(source).and_then(|address| origin.system(address));
        let address = address.filter(|_| class.is_some());
        let prefix = class.zip(address).and_then(|(class, address)| origin.prefix(class, address));
        let ban = match reason {
            Reason::Ban if is_inner => inner_ban,
            _ => source_ban.or(inner_ban),
        };
        let mut explanation = Explanation {
            assumed: self.assumed,
            generation: u64::from(generation),
            verdict: verdict.label().to_owned(),
            reason: reason.label().to_owned(),
            stage: stage(reason, is_inner).to_owned(),
            protocol: self.packet.unwrap_or(Packet::NONE).protocol.label().to_owned(),
            source,
            inner,
            address,
            list,
            prefix: prefix.map(|prefix| prefix.to_string()),
            country: country.map(|country| country.to_string()),
            asn: system.as_ref().map(|system| system.asn),
            organisation: system.and_then(|system| system.organisation),
            rule,
            shadow: None,
            ban: ban.map(|ban| BanStatus {
                source: ban.source,
                left_s: ban.left.as_secs(),
                // The journal has these.
                who: None,
                reason: None,
            }),
            next: String::new(),
        };
        if verdict == Verdict::Shadow {
            explanation.shadow = Some(shadow(reason, class, &explanation));
        }
        explanation.next = next(verdict, reason, self.packet.as_ref(), &explanation, origin);
        explanation
    }
}

/// The stage that decides with a reason, in the words of docs/packet-path.md.
fn stage(reason: Reason, is_inner: bool) -> &'static str {
    match reason {
        Reason::Malformed | Reason::NonIp => "parse",
        Reason::Essential => "essential",
        Reason::Deny | Reason::Geo | Reason::Ban if is_inner => "tunnel",
        Reason::Protected | Reason::Allow | Reason::Deny | Reason::Geo | Reason::Fault => "lists",
        Reason::Ban => "bans",
        Reason::TcpFlags => "tcp_flags",
        Reason::Fragment => "fragments",
        Reason::Rule | Reason::Port | Reason::RateRule => "rules",
        Reason::RateSource
        | Reason::RatePrefix
        | Reason::RateCountry
        | Reason::RatePort
        | Reason::RateProtocol
        | Reason::SynCookie => "limits",
        Reason::Default => "default",
    }
}

/// What let it pass: the list or the country alone, or the policy whole.
fn shadow(reason: Reason, class: Option<Class>, explanation: &Explanation) -> String {
    let class = class.filter(Class::is_shadow);
    let named = |kind: &str, name: &Option<String>| {
        format!("{kind} {}", name.as_deref().unwrap_or("unknown"))
    };
    match class.and_then(|class| class.list()) {
        Some(List::Deny) if reason == Reason::Deny => named("list", &explanation.list),
        Some(List::Geo) if reason == Reason::Geo => named("country", &explanation.country),
        Some(_) | None => "policy".to_owned(),
    }
}

fn ip_address(address: Address) -> IpAddr {
    match address {
        Address::V4(bits) => IpAddr::V4(bits.into()),
        Address::V6 { high, low } => IpAddr::V6((u128::from(high) << 64 | u128::from(low)).into()),
    }
}
