//! When the next certificate is asked for.

use super::Identity;

/// After a failure it is tried again after this long, doubled each time...
const RETRY_FIRST_S: u64 = 60;
/// ...up to this one: authorities refuse who asks in vain too often.
const RETRY_MAX_S: u64 = 6 * 3_600;

/// Of why a try failed.
const ERROR_CHARS_MAX: usize = 500;

/// What is planned, and how it went so far.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Certificates that were issued.
    pub issued: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Why the last one failed, where it did.
    pub error: Option<String>,
    in_a_row: u32,
    retry_epoch_s: u64,
}

impl Schedule {
    /// When the next one is asked for: at once where there is none for these names, else when two thirds
    /// of its life are over; and never before the wait after a failure is.
    #[must_use]
    pub fn due_epoch_s(&self, names: &[String], kept: Option<&Identity>) -> u64 {
        let renewal = match kept {
            Some(kept) if kept.names == names => {
                let life_s = kept.not_after_epoch_s.saturating_sub(kept.not_before_epoch_s);
                kept.not_after_epoch_s.saturating_sub(life_s / 3)
            }
            Some(_) | None => 0,
        };
        renewal.max(self.retry_epoch_s)
    }

    /// One was issued.
    pub fn succeeded(&mut self) {
        self.issued += 1;
        self.error = None;
        self.in_a_row = 0;
        self.retry_epoch_s = 0;
    }

    /// A try failed. The authority has a say in why: its words are bounded and escaped.
    pub fn failed(&mut self, error: &str, now_epoch_s: u64) {
        self.failed += 1;
        let bounded: String = error.chars().take(ERROR_CHARS_MAX).collect();
        self.error = Some(bounded.escape_debug().to_string());
        let doubled = RETRY_FIRST_S.saturating_mul(2_u64.saturating_pow(self.in_a_row.min(32)));
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.retry_epoch_s = now_epoch_s.saturating_add(doubled.min(RETRY_MAX_S));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(names: &[&str]) -> Identity {
        Identity {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_before_epoch_s: 1_000,
            not_after_epoch_s: 1_000 + 90 * 86_400,
            public_key: Vec::new(),
            pem: String::new(),
        }
    }

    #[test]
    fn the_next_one_is_due_when_a_third_of_its_life_is_left() {
        let schedule = Schedule::default();
        let names = ["a.example".to_owned(), "b.example".to_owned()];
        let both = kept(&["a.example", "b.example"]);
        assert_eq!(schedule.due_epoch_s(&names, None), 0);
        assert_eq!(schedule.due_epoch_s(&names, Some(&both)), 1_000 + 60 * 86_400);
        assert_eq!(schedule.due_epoch_s(&names, Some(&kept(&["a.example"]))), 0);
    }

    #[test]
    fn waits_after_failures_double_up_to_a_bound() {
        let mut schedule = Schedule::default();
        for (failures, wait_s) in
            [(1, 60), (2, 120), (3, 240), (9, 15_360), (10, 21_600), (99, 21_600)]
        {
            while schedule.failed < failures {
                schedule.failed("no\nroute", 5_000);
            }
            assert_eq!(schedule.due_epoch_s(&[], None), 5_000 + wait_s, "{failures} failures");
        }
        assert_eq!(schedule.error.as_deref(), Some("no\\nroute"));
        schedule.succeeded();
        assert_eq!(
            (schedule.due_epoch_s(&[], None), schedule.issued, schedule.error),
            (0, 1, None)
        );
    }
}
