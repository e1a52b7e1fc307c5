//! The time that limits are counted at: that of the wall when the worker began, and never back from there. Windows of
//! hosts whose clocks agree begin together, and a clock that is set moves none.

use std::time::{Instant, SystemTime};

use super::limit::nanoseconds;

/// See above.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    began_ns: u64,
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn new() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self { began: Instant::now(), began_ns: nanoseconds(since) }
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.began_ns.saturating_add(nanoseconds(self.began.elapsed()))
    }
}
