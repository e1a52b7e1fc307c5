//! One answer while it streams.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::{Bytes, BytesMut};

use super::{
    Leaks,
    detect::{self, FIND_BYTES_MAX},
};
use crate::{
    figures::Meter,
    policy::{LeakAction, LeakKind, ScrubPolicy},
};

/// Looks through what comes, and holds back what may be the beginning of a find.
pub struct Scrubber {
    policy: ScrubPolicy,
    leaks: Leaks,
    meter: Arc<Meter>,
    /// What came and has not gone on.
    held: BytesMut,
    /// Bytes that may still be looked through.
    left_bytes: usize,
    /// What went on before what is held: whether a number is a longer one's part is told by it.
    before: Option<u8>,
}

impl Scrubber {
    /// For one answer.
    #[must_use]
    pub fn new(policy: &ScrubPolicy, leaks: Leaks, meter: Arc<Meter>) -> Self {
        let left_bytes = policy.bytes_max as usize;
        let policy = policy.clone();
        Self { policy, leaks, meter, held: BytesMut::new(), left_bytes, before: None }
    }

    /// Takes a part, and gives what can go on.
    pub fn push(&mut self, part: Bytes) -> Bytes {
        if self.left_bytes == 0 {
            return part;
        }
        let (part, beyond) = match part.len().checked_sub(self.left_bytes) {
            None | Some(0) => (part, Bytes::new()),
            Some(_) => {
                let mut part = part;
                let beyond = part.split_off(self.left_bytes);
                self.meter.leaks_unscanned.fetch_add(1, Relaxed);
                (part, beyond)
            }
        };
        self.left_bytes -= part.len();
        self.held.extend_from_slice(&part);
        if self.left_bytes == 0 {
            let mut all = BytesMut::from(&self.end()[..]);
            all.extend_from_slice(&beyond);
            return all.freeze();
        }
        if self.held.len() < 2 * FIND_BYTES_MAX {
            return Bytes::new();
        }
        let settled = match self.held.len() > HELD_BYTES_MAX {
            // Finds that overlap without an end are settled as they stand.
            true => self.held.len(),
            false => self.held.len() - FIND_BYTES_MAX,
        };
        let settled = self.cover(settled);
        self.pass(settled)
    }

    /// Gives what is held back: nothing comes any more.
    pub fn end(&mut self) -> Bytes {
        let settled = self.cover(self.held.len());
        self.pass(settled)
    }

    fn pass(&mut self, length: usize) -> Bytes {
        let gone = self.held.split_to(length.min(self.held.len())).freeze();
        self.before = gone.last().copied().or(self.before);
        gone
    }

    /// Covers what is found before `settled`; answers up to where all is decided.
    fn cover(&mut self, settled: usize) -> usize {
        // One byte of what went on stands before it.
        let mut text = Vec::with_capacity(self.held.len() + 1);
        text.extend(self.before);
        let shift = text.len();
        text.extend_from_slice(&self.held);
        let mut finds: Vec<(LeakKind, Range<usize>)> = Vec::new();
        for kind in &self.policy.kinds {
            detect::find(*kind, &text, |range| {
                if let Some(start) = range.start.checked_sub(shift) {
                    finds.push((*kind, start..range.end - shift));
                }
            });
        }
        finds.sort_by_key(|(_, range)| std::cmp::Reverse(range.start));
        // What begins before and ends behind is decided with what comes; with what overlaps it, from the last on.
        let mut settled = settled;
        if settled < self.held.len() {
            for (_, range) in &finds {
                if range.start < settled && range.end >= settled {
                    settled = range.start;
                }
            }
        }
        for (kind, range) in finds.into_iter().filter(|(_, range)| range.start < settled) {
            self.meter.leak(kind);
            self.leaks.add(kind);
            if self.policy.action != LeakAction::Report
                && let Some(found) = self.held.get_mut(range)
            {
                found.fill(b'*');
            }
        }
        settled
    }
}

/// More is never held back.
const HELD_BYTES_MAX: usize = 8 * FIND_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber(action: LeakAction, bytes_max: u32) -> (Scrubber, Leaks, Arc<Meter>) {
        let policy = ScrubPolicy { action, kinds: LeakKind::ALL.to_vec(), bytes_max };
        let (leaks, meter) = (Leaks::default(), Arc::new(Meter::new([])));
        (Scrubber::new(&policy, leaks.clone(), meter.clone()), leaks, meter)
    }

    fn through(scrubber: &mut Scrubber, text: &[u8], step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for part in text.chunks(step) {
            out.extend_from_slice(&scrubber.push(Bytes::copy_from_slice(part)));
        }
        out.extend_from_slice(&scrubber.end());
        out
    }

    #[test]
    fn what_is_covered_keeps_its_length_however_it_is_cut() {
        let filler = "lorem ipsum dolor sit amet ".repeat(70);
        let text = format!(
            "{filler}card 4111 1111 1111 1111, host 10.0.0.7 {filler}AKIAIOSFODNN7EXAMPLE {filler}192.168.0.1"
        );
        let mut expected = text.clone();
        for found in ["4111 1111 1111 1111", "10.0.0.7", "AKIAIOSFODNN7EXAMPLE", "192.168.0.1"] {
            expected = expected.replace(found, &"*".repeat(found.len()));
        }
        for step in [1, 2, 3, 7, 64, 511, 512, 513, 1_024, 5_000, text.len()] {
            let (mut scrubber, leaks, meter) = scrubber(LeakAction::Mask, 1 << 20);
            let out = through(&mut scrubber, text.as_bytes(), step);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{step}");
            assert_eq!(leaks.text(), "internal_address,secret,card_number");
            let counted = meter.figures().leaks;
            let counted: Vec<(&str, u64)> =
                counted.iter().map(|row| (row.label.as_str(), row.count)).collect();
            let all = [("internal_address", 2), ("secret", 1), ("card_number", 1)];
            assert_eq!(counted, all, "{step}");
        }
    }

    #[test]
    fn a_report_changes_nothing() {
        let (mut scrubber, leaks, _) = scrubber(LeakAction::Report, 1 << 20);
        let text = b"at 10.0.0.7";
        assert_eq!(through(&mut scrubber, text, 4), text);
        assert_eq!(leaks.text(), "internal_address");
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted() {
        for (length, bound, unscanned) in [(100, 100, 0), (101, 100, 1), (5_000, 100, 1)] {
            let (mut scrubber, _, meter) = scrubber(LeakAction::Mask, bound);
            let text = vec![b'a'; length];
            assert_eq!(through(&mut scrubber, &text, 33), text);
            assert_eq!(meter.figures().leaks_unscanned, unscanned, "{length}");
        }
    }

    #[test]
    fn a_part_of_a_longer_number_is_none_across_what_went_on() {
        // 4111111111111111 stands behind a digit that has gone on already.
        let text = format!("{}94111111111111111 ", "a ".repeat(600));
        for step in [1, 5, 512, 700] {
            let (mut scrubber, leaks, _) = scrubber(LeakAction::Mask, 1 << 20);
            assert_eq!(through(&mut scrubber, text.as_bytes(), step), text.as_bytes());
            assert!(leaks.is_empty(), "{step}");
        }
    }
}
