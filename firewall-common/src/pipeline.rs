//! The order of the stages, written once.

use crate::{
    bytes::PacketBytes,
    class::{Class, List},
    essential,
    packet::{Address, Packet, Protocol, SourceKey},
    parse::{self, Frame},
    settings::Settings,
    verdict::{Decision, Reason, Verdict},
};

/// What the stages ask. The kernel answers from its maps, tests from memory.
pub trait Tables {
    /// The class of an address; nothing where the tables contradict themselves.
    fn class(&self, address: Address) -> Option<Class>;

    /// Takes one packet's worth from the source's token bucket; false when it is empty.
    fn take(&self, source: SourceKey) -> bool;
}

/// Judges a frame: parse, what the link needs, lists, limit. Precedence is by list, never by the
/// length of a prefix; the tables were compiled that way.
#[inline(always)]
pub fn inspect(bytes: &impl PacketBytes, settings: Settings, tables: &impl Tables) -> Decision {
    let packet = match parse::parse(bytes) {
        Frame::Ip(packet) => packet,
        Frame::LinkControl => return no_packet(Verdict::Pass, Reason::Essential),
        Frame::Other => return no_packet(settings.non_ip(), Reason::NonIp),
        Frame::Malformed => return no_packet(Verdict::Drop, Reason::Malformed),
    };
    if essential::is_essential(&packet) {
        return decide(Verdict::Pass, Reason::Essential, Class::DEFAULT, packet);
    }
    let Some((class, list)) = tables.class(packet.source).and_then(|class| {
        let list = class.list()?;
        Some((class, list))
    }) else {
        return decide(Verdict::Pass, Reason::Fault, Class::DEFAULT, packet);
    };
    let (verdict, reason) = match list {
        List::Protected => (Verdict::Pass, Reason::Protected),
        List::Allow => (Verdict::Pass, Reason::Allow),
        List::Deny => (Verdict::Drop, Reason::Deny),
        List::Geo => (Verdict::Drop, Reason::Geo),
        List::Default => {
            if settings.rate.is_on() && !tables.take(packet.source.source_key()) {
                (Verdict::Drop, Reason::Rate)
            } else {
                (Verdict::Pass, Reason::Default)
            }
        }
    };
    decide(verdict, reason, class, packet)
}

#[inline(always)]
fn decide(verdict: Verdict, reason: Reason, class: Class, packet: Packet) -> Decision {
    Decision { verdict, reason, protocol: packet.protocol, class, packet: Some(packet) }
}

#[inline(always)]
fn no_packet(verdict: Verdict, reason: Reason) -> Decision {
    Decision { verdict, reason, protocol: Protocol::None, class: Class::DEFAULT, packet: None }
}

#[cfg(test)]
mod tests;
