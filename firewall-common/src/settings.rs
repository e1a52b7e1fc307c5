//! The options of a generation: read-only globals of the loaded program, so that the verifier
//! removes what is switched off.

use crate::{bucket::Rate, verdict::Verdict};

/// All options. Explicit widths and no hidden padding: it crosses the kernel boundary.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Token bucket per source.
    pub rate: Rate,
    /// One in so many drops becomes an event; 0 is none.
    pub sample_one_in: u32,
    /// 1: frames that are neither IP, ARP nor link control pass. 0: they are dropped.
    pub non_ip_pass: u32,
}

impl Settings {
    /// What the object holds until the loader sets it.
    pub const UNSET: Self = Self { rate: Rate::OFF, sample_one_in: 0, non_ip_pass: 0 };

    /// What becomes of frames that are neither IP, ARP nor link control.
    #[must_use]
    #[inline(always)]
    pub fn non_ip(self) -> Verdict {
        if self.non_ip_pass != 0 { Verdict::Pass } else { Verdict::Drop }
    }
}
