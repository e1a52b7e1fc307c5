//! Who offends again is banned for longer.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::config::OffenceBans;

/// So many are remembered: some 40 bytes each.
pub const OFFENDERS_MAX: usize = 65_536;

/// Who was banned lately, and how often in a row.
#[derive(Debug, Default)]
pub struct Offenders {
    known: FxHashMap<IpAddr, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    bans: u32,
    /// Until when it is remembered.
    until_epoch_s: u64,
}

impl Offenders {
    /// How long the next ban of a source takes, and which one in a row it is.
    pub fn next(&self, source: IpAddr, now_epoch_s: u64, bans: &OffenceBans) -> (u64, u32) {
        let known = self.known.get(&source).filter(|known| known.until_epoch_s > now_epoch_s);
        let before = known.map_or(0, |known| known.bans);
        let factor = u64::from(bans.factor).saturating_pow(before);
        (bans.first_s.saturating_mul(factor).min(bans.longest_s), before.saturating_add(1))
    }

    /// It is banned.
    pub fn note(&mut self, source: IpAddr, now_epoch_s: u64, for_s: u64, bans: &OffenceBans) {
        let (_, number) = self.next(source, now_epoch_s, bans);
        if self.known.len() >= OFFENDERS_MAX && !self.known.contains_key(&source) {
            self.make_room(now_epoch_s);
        }
        let until_epoch_s = now_epoch_s.saturating_add(for_s).saturating_add(bans.remember_s);
        self.known.insert(source, Known { bans: number, until_epoch_s });
    }

    /// Who is forgotten anyway; where these are none, who was banned once; then everyone.
    fn make_room(&mut self, now_epoch_s: u64) {
        self.known.retain(|_, known| known.until_epoch_s > now_epoch_s);
        if self.known.len() >= OFFENDERS_MAX {
            self.known.retain(|_, known| known.bans > 1);
        }
        if self.known.len() >= OFFENDERS_MAX {
            self.known.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANS: OffenceBans =
        OffenceBans { first_s: 600, factor: 4, longest_s: 10_000, remember_s: 3_600, per_s_max: 1 };

    fn nth(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn each_ban_in_a_row_is_longer_up_to_a_bound() {
        let mut offenders = Offenders::default();
        let mut now = 1_000;
        for (number, expected_s) in [(1, 600), (2, 2_400), (3, 9_600), (4, 10_000), (5, 10_000)] {
            assert_eq!(offenders.next(nth(1), now, &BANS), (expected_s, number));
            offenders.note(nth(1), now, expected_s, &BANS);
            // It comes again right after the ban.
            now += expected_s;
        }
        assert_eq!(offenders.next(nth(2), now, &BANS), (600, 1));
        assert_eq!(offenders.next(nth(1), now + 3_599, &BANS).1, 6);
        assert_eq!(offenders.next(nth(1), now + 3_600, &BANS), (600, 1), "it is forgotten");
        let flat = OffenceBans { factor: 1, ..BANS };
        assert_eq!(offenders.next(nth(1), now, &flat), (600, 6));
    }

    #[test]
    fn those_who_are_remembered_have_a_bound() {
        let mut offenders = Offenders::default();
        offenders.note(nth(1), 0, 600, &BANS);
        offenders.note(nth(1), 0, 600, &BANS);
        for number in 2..=3 * OFFENDERS_MAX as u32 {
            offenders.note(nth(number), 0, 600, &BANS);
            assert!(offenders.known.len() <= OFFENDERS_MAX);
        }
        assert_eq!(offenders.next(nth(1), 0, &BANS).1, 3, "who offends often is kept longest");
    }
}
