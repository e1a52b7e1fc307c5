//! The options of a generation: read-only globals of the loaded program, so that the verifier
//! removes what is switched off.

use crate::{bucket::Limit, rules::RuleMasks, verdict::Verdict};

/// All options. Explicit widths and no hidden padding: it crosses the kernel boundary. A switch is on
/// where it is not zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The rules.
    pub rules: RuleMasks,
    /// Limit of each source.
    pub source: Limit,
    /// Limit of each prefix.
    pub prefix: Limit,
    /// Limit of each country.
    pub country: Limit,
    /// Limits of each class of protocol, in the order of [`crate::limits::ProtocolClass`].
    pub protocols: [Limit; 4],
    /// Segments that open a connection above this are answered by the program.
    pub syn_meter: Limit,
    /// Events at most.
    pub events: Limit,
    /// The longest window of all limits that are kept in the table of buckets.
    pub window_max: u64,
    /// The number of the generation.
    pub generation: u32,
    /// One in so many drops becomes an event; 0 is none.
    pub sample_one_in: u32,
    /// The first drop of each source becomes an event.
    pub first_of_source: u32,
    /// Ports have limits of their own.
    pub ports: u32,
    /// Something above asks for the time.
    pub timed: u32,
    /// What cannot be parsed passes.
    pub malformed_pass: u32,
    /// Frames that are neither IP, ARP nor link control pass.
    pub non_ip_pass: u32,
    /// TCP flags that no client sends pass.
    pub tcp_flags_pass: u32,
    /// Later fragments pass.
    pub fragments_pass: u32,
    /// The whole policy is in shadow.
    pub shadow: u32,
    /// Each decision is logged.
    pub logs: u32,
    /// The clock is asked for each packet, not once a tick: a limit has a short window.
    pub exact_time: u32,
    /// A list or a country drops something: there is something to find at the first look.
    pub first_look: u32,
    /// No hidden bytes.
    pub _pad: u32,
    /// By the number of a rule: the slot that it is counted in.
    pub rule_slots: [u8; 64],
}

impl Settings {
    /// What the object holds until the loader sets it.
    pub const UNSET: Self = Self {
        rules: RuleMasks::OFF,
        source: Limit::OFF,
        prefix: Limit::OFF,
        country: Limit::OFF,
        protocols: [Limit::OFF; 4],
        syn_meter: Limit::OFF,
        events: Limit::OFF,
        window_max: 0,
        generation: 0,
        sample_one_in: 0,
        first_of_source: 0,
        ports: 0,
        timed: 0,
        malformed_pass: 0,
        non_ip_pass: 0,
        tcp_flags_pass: 0,
        fragments_pass: 0,
        shadow: 0,
        logs: 0,
        exact_time: 0,
        first_look: 0,
        _pad: 0,
        rule_slots: [0; 64],
    };
}

/// The verdict of a switch that says whether something passes.
#[must_use]
#[inline(always)]
pub fn verdict(passes: u32) -> Verdict {
    if passes != 0 { Verdict::Pass } else { Verdict::Drop }
}
