//! How long a client may keep us waiting, where what it moves buys it more time.

use std::time::Duration;

/// Time that waiting uses up and bytes give back: a client that stalls, or drips, runs out of it;
/// one that moves bytes at least at the rate never does.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    left: Duration,
    most: Duration,
    bytes_per_s_min: u32,
}

impl Pace {
    /// Lets a client stall for `most`, and no longer however much it moved before.
    #[must_use]
    pub fn new(most: Duration, bytes_per_s_min: u32) -> Self {
        Self { left: most, most, bytes_per_s_min: bytes_per_s_min.max(1) }
    }

    /// How long the present wait may last.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.left
    }

    /// We waited for the client.
    pub fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// The client moved bytes.
    pub fn moved(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let bought_us = bytes.saturating_mul(US_PER_S) / u64::from(self.bytes_per_s_min);
        self.left = self.left.saturating_add(Duration::from_micros(bought_us)).min(self.most);
    }
}

const US_PER_S: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pace;

    /// Waits of so many milliseconds, each followed by so many bytes; how many fit before time is up.
    fn check(wait_ms: u64, bytes: usize, expected: Option<u32>) {
        let mut pace = Pace::new(Duration::from_secs(10), 100);
        let wait = Duration::from_millis(wait_ms);
        let cut = (0..10_000).find(|_| {
            let late = wait > pace.left();
            pace.waited(wait);
            pace.moved(bytes);
            late
        });
        assert_eq!(cut, expected, "{bytes} bytes after {wait_ms} ms each");
    }

    #[test]
    fn a_drip_runs_out_of_time_and_a_flow_does_not() {
        check(1_000, 100, None);
        check(1_000, 1_000_000, None);
        check(10_000, 1_000, None);
        check(1_000, 50, Some(19));
        check(1_000, 1, Some(10));
        check(1_000, 0, Some(10));
        check(10_001, 1_000_000, Some(0));
    }

    #[test]
    fn a_fast_start_buys_no_long_stall() {
        let mut pace = Pace::new(Duration::from_secs(10), 100);
        pace.moved(usize::MAX);
        assert_eq!(pace.left(), Duration::from_secs(10));
    }
}
