//! Where a decision is counted.

use crate::{
    packet::Protocol,
    verdict::{Decision, Reason, Verdict},
};

/// Packets and bytes of one slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes, link header included.
    pub bytes: u64,
}

const PROTOCOLS: u32 = 8;
const REASONS: u32 = 32;

/// Number of slots: four verdicts, with room for reasons and protocols to be added.
pub const SLOTS: u32 = 4 * REASONS * PROTOCOLS;

/// The slot of one verdict, reason and protocol; below [`SLOTS`].
#[must_use]
#[inline(always)]
pub fn slot(verdict: Verdict, reason: Reason, protocol: Protocol) -> u32 {
    (verdict as u32 * REASONS + reason as u32) * PROTOCOLS + protocol as u32
}

/// The slot of a decision about a packet of a protocol.
#[must_use]
#[inline(always)]
pub fn slot_of(decision: &Decision, protocol: Protocol) -> u32 {
    slot(decision.verdict, decision.reason, protocol)
}

/// What the program could not do, each a slot of its own.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// An event found no room in the ring buffer.
    Event = 0,
    /// A bucket found no room, since all of its row were in use: the packet passed unlimited.
    Bucket = 1,
    /// A bucket changed under every try to take from it: the packet passed unlimited.
    Contention = 2,
    /// A drop was not considered for an event, as the bound of events a second was met.
    EventBound = 3,
    /// A segment could not be answered with a SYN cookie: it was dropped.
    Reply = 4,
}

impl Loss {
    /// Every loss, in the order of the numbers.
    pub const ALL: [Self; 5] =
        [Self::Event, Self::Bucket, Self::Contention, Self::EventBound, Self::Reply];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_slot_is_its_own() {
        let mut seen = BTreeSet::new();
        for verdict in Verdict::ALL {
            for reason in Reason::ALL {
                for protocol in Protocol::ALL {
                    assert!(slot(verdict, reason, protocol) < SLOTS);
                    assert!(seen.insert(slot(verdict, reason, protocol)));
                }
            }
        }
        assert!(Reason::ALL.len() <= REASONS as usize);
        assert!(Protocol::ALL.len() <= PROTOCOLS as usize);
    }
}
