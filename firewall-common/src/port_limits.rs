//! Which ports have a limit, and which are answered by SYN cookies.

use crate::{bucket::Limit, limits::PORT_LIMITS_MAX};

/// The tables by port.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PortTable {
    /// By TCP port: one more than the place of its limit, or zero.
    pub tcp: [u8; 1 << 16],
    /// By UDP port: the same.
    pub udp: [u8; 1 << 16],
    /// A bit for each TCP port that is answered by SYN cookies.
    pub syn_cookies: [u64; 1 << 10],
    /// The limits.
    pub limits: [Limit; PORT_LIMITS_MAX],
}

impl PortTable {
    /// A table without a limit, on the heap: it is too large for a stack.
    #[cfg(feature = "user")]
    #[must_use]
    pub fn boxed() -> std::boxed::Box<Self> {
        // SAFETY: integers alone, for all of which zeros are a value.
        unsafe { std::boxed::Box::new_zeroed().assume_init() }
    }
}
