//! The order of the stages, written once.

use crate::{
    bucket::Limit,
    bytes::PacketBytes,
    class::{Class, ClassId, Kind, List},
    essential,
    limits::{self, ProtocolClass},
    packet::{Address, Packet, Protocol, SourceKey},
    parse::{self, Frame, Plain},
    rules::{self, NO_RULE, RuleLimit},
    settings::{Settings, verdict},
    tcp_flags,
    verdict::{Decision, NO_CLASS, Reason, Verdict},
};

/// What the stages ask. The kernel answers from its maps, tests from memory.
pub trait Tables {
    /// What kind of list drops the source of a plain packet, if any does; nothing where its class has to
    /// say.
    fn kind(&self, source: SourceKey) -> Option<Kind>;

    /// The number of the class of an address; nothing where the tables contradict themselves.
    fn class_id(&self, address: Address) -> Option<ClassId>;

    /// The class of a number; nothing where the tables contradict themselves.
    fn class(&self, id: ClassId) -> Option<Class>;

    /// Whether a source is banned.
    fn is_banned(&self, source: SourceKey) -> bool;

    /// A bit for each rule whose conditions on the packet itself hold.
    fn matching_rules(&self, packet: &Packet) -> u64;

    /// What a rule with verdict `limit` takes from.
    fn rule_limit(&self, rule: u32) -> Option<&RuleLimit>;

    /// Takes a packet from the bucket of a rule: [`take_rule`], called in whatever way suits.
    fn take_rule(&self, rule: u32, packet: &Packet, draw: Draw) -> bool;

    /// The limit of a TCP or UDP port, where it has one.
    fn port_limit(&self, is_udp: bool, port: u16) -> Option<&Limit>;

    /// Whether connections to a TCP port are answered by SYN cookies when there are too many.
    fn has_syn_cookies(&self, port: u16) -> bool;

    /// Now, in the units of [`crate::bucket`]; asked once a packet, and only where a limit is on.
    fn now_units(&self) -> u64;

    /// The stage of the limits: [`limits()`], called in whatever way suits.
    fn limits(&self, packet: &Packet, country: u32, draw: Draw, settings: &Settings)
    -> Option<End>;

    /// Takes a packet from the buckets of a scope's key; false when one is empty.
    fn take(&self, limit: &Limit, scope: u64, key: SourceKey, draw: Draw) -> bool;

    /// The same from the buckets of all sources together.
    fn take_aggregate(&self, limit: &Limit, aggregate: u32, draw: Draw) -> bool;
}

/// What a packet takes from its buckets.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Its length in bytes, link header included.
    pub length: u64,
    /// When, in the units of [`crate::bucket`].
    pub now_units: u64,
}

/// A plain packet that a list drops.
pub struct TurnedAway {
    /// Which list does.
    pub reason: Reason,
    /// What is known of the packet.
    pub plain: Plain,
}

impl TurnedAway {
    /// The decision; `class_id` is that of the source.
    #[must_use]
    #[inline(always)]
    pub fn decision(&self, class_id: ClassId) -> Decision {
        Decision { verdict: Verdict::Drop, reason: self.reason, class_id, rule: NO_RULE }
    }
}

/// The drop of a plain packet whose source a list drops: what [`inspect`] would say of it, sooner. This
/// is the way of a flood. Nothing where the packet has to be judged in full.
#[inline(always)]
pub fn turn_away(
    bytes: &impl PacketBytes,
    settings: &Settings,
    tables: &impl Tables,
) -> Option<TurnedAway> {
    if settings.first_look == 0 || settings.shadow != 0 {
        return None;
    }
    let plain = parse::plain(bytes)?;
    let reason = match tables.kind(plain.source)? {
        Kind::Deny => Reason::Deny,
        Kind::Geo => Reason::Geo,
        Kind::Other => return None,
    };
    Some(TurnedAway { reason, plain })
}

/// Judges a frame, and leaves in `packet` what is known of it. Each stage ends the way of a packet or
/// sends it on to the next.
#[inline(always)]
pub fn inspect(
    bytes: &impl PacketBytes,
    packet: &mut Packet,
    settings: &Settings,
    tables: &impl Tables,
) -> Decision {
    let end = match parse::parse(bytes, packet) {
        Frame::Ip => None,
        Frame::LinkControl => Some((Verdict::Pass, Reason::Essential)),
        Frame::Other => Some((verdict(settings.non_ip_pass), Reason::NonIp)),
        Frame::Malformed => Some((verdict(settings.malformed_pass), Reason::Malformed)),
    };
    let mut judged = Judged {
        class: Class::DEFAULT,
        class_id: NO_CLASS,
        rule: NO_RULE,
        shadow: Reason::Default,
    };
    let packet = bytes.settle(packet);
    let (verdict, reason) = match end {
        Some(end) => end,
        None => judged.stages(packet, bytes.length() as u64, settings, tables),
    };
    let is_shadowed = matches!(verdict, Verdict::Pass) && !matches!(judged.shadow, Reason::Default);
    if end.is_some() || (matches!(reason, Reason::Malformed) && !is_shadowed) {
        (packet.version, packet.protocol) = (0, Protocol::None);
    }
    let (verdict, reason) = match (verdict, judged.shadow) {
        (Verdict::Drop | Verdict::Reply, _) if settings.shadow != 0 => (Verdict::Shadow, reason),
        (Verdict::Pass, shadow) if is_shadowed => (Verdict::Shadow, shadow),
        _ => (verdict, reason),
    };
    let Judged { class_id, rule, .. } = judged;
    Decision { verdict, reason, class_id, rule }
}

/// What the stages found out about a packet so far.
struct Judged {
    class: Class,
    class_id: ClassId,
    rule: u32,
    /// The first reason for which a part of the policy that is in shadow would have dropped it;
    /// [`Reason::Default`] where none would. No `Option`: the verifier would see its reason read where
    /// there is none.
    shadow: Reason,
}

/// What ends the way of a packet.
pub type End = (Verdict, Reason);

impl Judged {
    #[inline(always)]
    fn stages(
        &mut self,
        packet: &Packet,
        length: u64,
        settings: &Settings,
        tables: &impl Tables,
    ) -> End {
        if essential::is_essential(packet) {
            return (Verdict::Pass, Reason::Essential);
        }
        // Nothing that cannot be parsed is let in by a list.
        match self.source(packet.source, tables) {
            Some((Verdict::Pass, _)) | None if packet.broken => {
                return (verdict(settings.malformed_pass), Reason::Malformed);
            }
            Some(end) => return end,
            None => {}
        }
        let source_class = self.class;
        if let Some(inner) = packet.inner
            && let Some(end) = self.inner(inner, tables)
        {
            return end;
        }
        if settings.tcp_flags_pass == 0 && tcp_flags::are_bad(packet) {
            return (Verdict::Drop, Reason::TcpFlags);
        }
        let now_units = if settings.timed != 0 { tables.now_units() } else { 0 };
        let draw = Draw { length, now_units };
        let mut reason = Reason::Default;
        if packet.later_fragment {
            if settings.fragments_pass == 0 {
                return (Verdict::Drop, Reason::Fragment);
            }
            reason = Reason::Fragment;
        } else if settings.rules.is_on() {
            let bits = tables.matching_rules(packet) & source_class.rules;
            match self.rules(bits, packet, draw, settings, tables) {
                (Verdict::Pass, passed) => reason = passed,
                end => return end,
            }
        }
        match tables.limits(packet, source_class.country_index(), draw, settings) {
            Some(end) => end,
            None => (Verdict::Pass, reason),
        }
    }

    /// The lists and the ban of the source.
    #[inline(always)]
    fn source(&mut self, source: Address, tables: &impl Tables) -> Option<End> {
        let Some((class_id, class)) = classified(source, tables) else {
            return Some((Verdict::Pass, Reason::Fault));
        };
        (self.class_id, self.class) = (class_id, class);
        let reason = match class.list() {
            Some(List::Protected) => return Some((Verdict::Pass, Reason::Protected)),
            Some(List::Allow) => return Some((Verdict::Pass, Reason::Allow)),
            Some(List::Deny) => Reason::Deny,
            Some(List::Geo) => Reason::Geo,
            Some(List::Default) => return self.ban(source, tables),
            None => return Some((Verdict::Pass, Reason::Fault)),
        };
        if !class.is_shadow() {
            return Some((Verdict::Drop, reason));
        }
        self.shadow = reason;
        self.ban(source, tables)
    }

    /// Who is inside a tunnel can be dropped for it, and never let in: the address is anyone's to write.
    #[inline(always)]
    fn inner(&mut self, inner: Address, tables: &impl Tables) -> Option<End> {
        let Some((class_id, class)) = classified(inner, tables) else {
            return Some((Verdict::Pass, Reason::Fault));
        };
        let reason = match class.list() {
            Some(List::Deny) => Reason::Deny,
            Some(List::Geo) => Reason::Geo,
            Some(List::Protected | List::Allow | List::Default) => return self.ban(inner, tables),
            None => return Some((Verdict::Pass, Reason::Fault)),
        };
        if !class.is_shadow() {
            (self.class_id, self.class) = (class_id, class);
            return Some((Verdict::Drop, reason));
        }
        if matches!(self.shadow, Reason::Default) {
            (self.class_id, self.class) = (class_id, class);
            self.shadow = reason;
        }
        self.ban(inner, tables)
    }

    #[inline(always)]
    fn ban(&self, source: Address, tables: &impl Tables) -> Option<End> {
        tables.is_banned(source.source_key()).then_some((Verdict::Drop, Reason::Ban))
    }

    /// The rules, and the limits among them.
    #[inline(always)]
    fn rules(
        &mut self,
        bits: u64,
        packet: &Packet,
        draw: Draw,
        settings: &Settings,
        tables: &impl Tables,
    ) -> End {
        let ruling = rules::decide(bits, &settings.rules);
        if settings.rules.limit != 0 {
            let mut left = ruling.limits;
            for _ in 0..rules::LIMIT_RULES_MAX {
                if left == 0 {
                    break;
                }
                let rule = (left & left.wrapping_neg()).wrapping_sub(1).count_ones();
                left &= left.wrapping_sub(1);
                if !tables.take_rule(rule, packet, draw) {
                    self.rule = rule;
                    return (Verdict::Drop, Reason::RateRule);
                }
            }
        }
        self.rule = ruling.rule;
        (ruling.verdict, ruling.reason)
    }
}

#[inline(always)]
fn classified(address: Address, tables: &impl Tables) -> Option<(ClassId, Class)> {
    let id = tables.class_id(address)?;
    Some((id, tables.class(id)?))
}

/// Takes a packet from the bucket of a rule; false when it is empty.
#[inline(always)]
pub fn take_rule(rule: u32, packet: &Packet, draw: Draw, tables: &impl Tables) -> bool {
    let Some(limit) = tables.rule_limit(rule) else { return true };
    let key = match limit.per {
        rules::PER_SOURCE => packet.source.source_key(),
        rules::PER_PREFIX => packet.source.prefix_key(),
        _ => SourceKey { network: 0, family: 0 },
    };
    tables.take(&limit.limit, limit.scope, key, draw)
}

/// The limits, from the narrowest to the widest: what one source loses does not count for the others.
#[inline(always)]
pub fn limits(
    packet: &Packet,
    country: u32,
    draw: Draw,
    settings: &Settings,
    tables: &impl Tables,
) -> Option<End> {
    let source = packet.source;
    if settings.source.is_on()
        && !tables.take(&settings.source, limits::SCOPE_SOURCE, source.source_key(), draw)
    {
        return Some((Verdict::Drop, Reason::RateSource));
    }
    if settings.prefix.is_on()
        && !tables.take(&settings.prefix, limits::SCOPE_PREFIX, source.prefix_key(), draw)
    {
        return Some((Verdict::Drop, Reason::RatePrefix));
    }
    if settings.country.is_on() {
        let aggregate = limits::aggregate_country(country);
        if !tables.take_aggregate(&settings.country, aggregate, draw) {
            return Some((Verdict::Drop, Reason::RateCountry));
        }
    }
    if settings.ports != 0 && matches!(packet.protocol, Protocol::Tcp | Protocol::Udp) {
        let (is_udp, port) = (matches!(packet.protocol, Protocol::Udp), packet.destination_port);
        if let Some(limit) = tables.port_limit(is_udp, port)
            && !tables.take_aggregate(limit, limits::aggregate_port(is_udp, port), draw)
        {
            return Some((Verdict::Drop, Reason::RatePort));
        }
    }
    if settings.syn_meter.is_on()
        && packet.opens_connection()
        && tables.has_syn_cookies(packet.destination_port)
        && !tables.take_aggregate(
            &settings.syn_meter,
            limits::aggregate_syn_meter(source, packet.destination_port),
            draw,
        )
    {
        // A client's first segment has no IP options; one that has some is not worth an answer.
        let verdict = if packet.plain { Verdict::Reply } else { Verdict::Drop };
        return Some((verdict, Reason::SynCookie));
    }
    protocol_limit(packet, draw, settings, tables)
}

#[inline(always)]
fn protocol_limit(
    packet: &Packet,
    draw: Draw,
    settings: &Settings,
    tables: &impl Tables,
) -> Option<End> {
    let class = ProtocolClass::of(packet);
    let [syn, udp, icmp, other] = &settings.protocols;
    let limit = match class {
        ProtocolClass::Syn => syn,
        ProtocolClass::Udp => udp,
        ProtocolClass::Icmp => icmp,
        ProtocolClass::Other => other,
    };
    if limit.is_on() && !tables.take_aggregate(limit, limits::aggregate_protocol(class), draw) {
        return Some((Verdict::Drop, Reason::RateProtocol));
    }
    None
}

#[cfg(test)]
mod tests;
