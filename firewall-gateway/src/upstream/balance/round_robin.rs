//! Each in turn, as often as its weight says, and spread as evenly as can be.

use super::Candidate;

/// Smooth weighted round robin: with the weights 5, 1 and 1 it is a a b a c a a, not a a a a a b c.
#[derive(Debug, Default)]
pub struct RoundRobin {
    /// By the place among all backends: how much each is owed.
    owed: Vec<i64>,
}

impl RoundRobin {
    /// The one that is owed most.
    pub fn pick(&mut self, candidates: &[Candidate]) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<(usize, usize, i64)> = None;
        for (place, candidate) in candidates.iter().enumerate() {
            if self.owed.len() <= candidate.index {
                self.owed.resize(candidate.index + 1, 0);
            }
            let Some(owed) = self.owed.get_mut(candidate.index) else { continue };
            let weight = i64::try_from(candidate.weight).unwrap_or(i64::MAX / 1_024);
            *owed = owed.saturating_add(weight);
            total += weight;
            if best.is_none_or(|(_, _, most)| *owed > most) {
                best = Some((place, candidate.index, *owed));
            }
        }
        let (place, index, _) = best?;
        if let Some(owed) = self.owed.get_mut(index) {
            *owed -= total;
        }
        Some(place)
    }
}
