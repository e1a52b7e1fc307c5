//! What becomes of a packet, and why.

use crate::{
    class::Class,
    packet::{Packet, Protocol},
};

/// What becomes of a packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It goes on to the network stack.
    Pass = 0,
    /// It ends here.
    Drop = 1,
}

impl Verdict {
    /// Every verdict, in the order of the numbers.
    pub const ALL: [Self; 2] = [Self::Pass, Self::Drop];

    /// The word used in metrics, logs and the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
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
    Rate = 7,
    /// No rule objected.
    Default = 8,
    /// The tables contradicted themselves. Never anything but zero; it passes, since a defect of
    /// ours must not lock an administrator out.
    Fault = 9,
}

impl Reason {
    /// Every reason, in the order of the numbers.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::NonIp,
        Self::Essential,
        Self::Protected,
        Self::Allow,
        Self::Deny,
        Self::Geo,
        Self::Rate,
        Self::Default,
        Self::Fault,
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
            Self::Rate => "rate",
            Self::Default => "default",
            Self::Fault => "fault",
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
    /// What it carries.
    pub protocol: Protocol,
    /// What is known of its source; [`Class::DEFAULT`] where no table was asked.
    pub class: Class,
    /// The packet, where it could be parsed as IP.
    pub packet: Option<Packet>,
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
