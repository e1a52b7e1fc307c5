//! What becomes of a packet, and why.

use crate::{
    class::{CLASSES_MAX, ClassId},
    rules::NO_RULE,
};

/// What becomes of a packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It goes on to the network stack.
    Pass = 0,
    /// It ends here.
    Drop = 1,
    /// It is answered from here and goes no further.
    Reply = 2,
    /// It goes on, though a part of the policy that is in shadow would end it here.
    Shadow = 3,
}

impl Verdict {
    /// Every verdict, in the order of the numbers.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Drop, Self::Reply, Self::Shadow];

    /// The word used in metrics, logs and the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Reply => "reply",
            Self::Shadow => "shadow",
        }
    }
}

/// The one reason for a verdict. Numbers are append-only: a retired one is never used again.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The frame ends before its headers do, or they contradict themselves.
    Malformed = 0,
    /// Neither IP, ARP nor link control.
    NonIp = 1,
    /// ARP, link control, neighbour discovery, multicast listener or path-MTU message.
    Essential = 2,
    /// The source is a protected address: it outranks every rule.
    Protected = 3,
    /// The source is on the allow list.
    Allow = 4,
    /// The source is on the deny list.
    Deny = 5,
    /// The source's country is not let in.
    Geo = 6,
    /// The source has used up its token bucket.
    RateSource = 7,
    /// No rule decided: the default verdict.
    Default = 8,
    /// The tables contradicted themselves. Never anything but zero; it passes, since a defect of
    /// ours must not lock an administrator out.
    Fault = 9,
    /// The source is banned.
    Ban = 10,
    /// TCP flags that no client sends together.
    TcpFlags = 11,
    /// A fragment that is not the first.
    Fragment = 12,
    /// A rule of the configuration.
    Rule = 13,
    /// The service is not among the public ones.
    Port = 14,
    /// More connections are being opened than the threshold allows: a SYN cookie answers.
    SynCookie = 15,
    /// The source's prefix has used up its token bucket.
    RatePrefix = 16,
    /// The source's country has used up its token bucket.
    RateCountry = 17,
    /// The port has used up its token bucket.
    RatePort = 18,
    /// The class of protocol has used up its token bucket.
    RateProtocol = 19,
    /// The bucket of a rule of the configuration is used up.
    RateRule = 20,
}

impl Reason {
    /// Every reason, in the order of the numbers.
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::NonIp,
        Self::Essential,
        Self::Protected,
        Self::Allow,
        Self::Deny,
        Self::Geo,
        Self::RateSource,
        Self::Default,
        Self::Fault,
        Self::Ban,
        Self::TcpFlags,
        Self::Fragment,
        Self::Rule,
        Self::Port,
        Self::SynCookie,
        Self::RatePrefix,
        Self::RateCountry,
        Self::RatePort,
        Self::RateProtocol,
        Self::RateRule,
    ];

    /// The word used in metrics, logs and the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NonIp => "non_ip",
            Self::Essential => "essential",
            Self::Protected => "protected",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Geo => "geo",
            Self::RateSource => "rate_source",
            Self::Default => "default",
            Self::Fault => "fault",
            Self::Ban => "ban",
            Self::TcpFlags => "tcp_flags",
            Self::Fragment => "fragment",
            Self::Rule => "rule",
            Self::Port => "port",
            Self::SynCookie => "syn_cookie",
            Self::RatePrefix => "rate_prefix",
            Self::RateCountry => "rate_country",
            Self::RatePort => "rate_port",
            Self::RateProtocol => "rate_protocol",
            Self::RateRule => "rate_rule",
        }
    }
}

/// All that counting and sampling need to know of a packet that was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The number of the class of the address that decided, its source or the one inside a tunnel, or
    /// [`NO_CLASS`].
    pub class_id: ClassId,
    /// The rule that decided, or [`NO_RULE`].
    pub rule: u32,
}

/// [`Decision::class_id`] where no table was asked: a number that is of no [`crate::class::Kind`].
pub const NO_CLASS: ClassId = CLASSES_MAX - 1;

/// A decision as the number that a program run for a test returns: 2 bits of verdict, 5 of reason, 6
/// of rule, 18 of class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The number of the class, where a table was asked.
    pub class_id: Option<ClassId>,
    /// The rule that decided.
    pub rule: Option<u32>,
}

impl Decision {
    /// The decision as a number.
    #[must_use]
    #[inline(always)]
    pub fn pack(&self) -> u32 {
        self.verdict as u32 | (self.reason as u32) << 2 | self.rule << 7 | self.class_id << 13
    }
}

impl Answer {
    /// Reads what [`Decision::pack`] made; nothing where it made no such number.
    #[must_use]
    pub fn unpack(number: u32) -> Option<Self> {
        let (class_id, rule) = (number >> 13, number >> 7 & 0x3f);
        Some(Self {
            verdict: *Verdict::ALL.get(number as usize & 3)?,
            reason: *Reason::ALL.get(number as usize >> 2 & 0x1f)?,
            class_id: (class_id != NO_CLASS).then_some(class_id),
            rule: (rule != NO_RULE).then_some(rule),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    #[test]
    fn numbers_are_places_in_the_lists() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
        for (index, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(*verdict as usize, index);
        }
        for (index, protocol) in Protocol::ALL.iter().enumerate() {
            assert_eq!(*protocol as usize, index);
        }
    }
    #[test]
    fn an_answer_is_what_was_decided() {
        let decision = Decision {
            verdict: Verdict::Reply,
            reason: Reason::SynCookie,
            class_id: 200_001,
            rule: 55,
        };
        let answer = |class_id, rule| Answer {
            verdict: Verdict::Reply,
            reason: Reason::SynCookie,
            class_id,
            rule,
        };
        assert_eq!(Answer::unpack(decision.pack()), Some(answer(Some(200_001), Some(55))));
        let unknown = Decision { class_id: NO_CLASS, rule: NO_RULE, ..decision };
        assert_eq!(Answer::unpack(unknown.pack()), Some(answer(None, None)));
        assert_eq!(Answer::unpack(31 << 2), None, "no such reason");
    }
}
