//! Shares by weight.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::policy::SharePolicy;

/// Deals places in a circle of as many as the weights are in sum. A step that has no factor in common
/// with that sum meets each place once in a round, and spreads the places of one upstream over it: of
/// so many requests in a row each upstream gets exactly its weight.
#[derive(Debug)]
pub struct Split {
    // The upstream, and the first place that is not its own any more.
    ends: Vec<(usize, u64)>,
    circle: Circle,
}

/// See [`Split`].
#[derive(Debug)]
pub struct Circle {
    places: u64,
    step: u64,
    next: AtomicU64,
}

impl Split {
    /// The split of a policy.
    #[must_use]
    pub fn new(shares: &[SharePolicy]) -> Self {
        let mut places = 0;
        let ends = shares.iter().map(|share| {
            places += u64::from(share.weight);
            (share.upstream, places)
        });
        Self { ends: ends.collect(), circle: Circle::new(places) }
    }

    /// The first of the upstreams.
    #[must_use]
    pub fn first(&self) -> usize {
        self.ends.first().map_or(0, |(upstream, _)| *upstream)
    }

    /// The upstream of the next request, or of a client that has a place of its own.
    #[must_use]
    pub fn take(&self, place: Option<u64>) -> usize {
        let place = match place {
            // The lower half; the upper one is the canary's.
            Some(place) => self.circle.part(place & u64::from(u32::MAX)),
            None => self.circle.next(),
        };
        self.ends
            .iter()
            .find(|(_, end)| place < *end)
            .map_or(self.first(), |(upstream, _)| *upstream)
    }
}

impl Circle {
    /// A circle of so many places.
    #[must_use]
    pub fn new(places: u64) -> Self {
        let places = places.max(1);
        // The golden section of the circle lies furthest from all small fractions of it.
        let golden = places * 618 / 1_000;
        let step = (1..=golden).rev().find(|step| common(*step, places) == 1).unwrap_or(1);
        Self { places, step, next: AtomicU64::new(0) }
    }

    /// The next place.
    pub fn next(&self) -> u64 {
        let turn = self.next.fetch_add(1, Relaxed) % self.places;
        turn * self.step % self.places
    }

    /// The place at this 2^32th part of the circle.
    #[must_use]
    pub fn part(&self, part: u64) -> u64 {
        (part * self.places) >> 32
    }
}

fn common(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::{Circle, Split};
    use crate::{generated::Generator, policy::SharePolicy};

    fn split(weights: &[u32]) -> Split {
        let share = |(upstream, weight): (usize, &u32)| SharePolicy { upstream, weight: *weight };
        Split::new(&weights.iter().enumerate().map(share).collect::<Vec<_>>())
    }

    #[test]
    fn each_gets_exactly_its_weight() {
        for weights in [&[1][..], &[1, 1], &[95, 5], &[1, 2, 5], &[100, 0], &[999, 1], &[7, 11, 2]]
        {
            let split = split(weights);
            let sum: u32 = weights.iter().sum();
            let rounds = 100_000 / sum;
            let mut counts = vec![0; weights.len()];
            for _ in 0..rounds * sum {
                counts[split.take(None)] += 1;
            }
            let expected: Vec<u32> = weights.iter().map(|weight| weight * rounds).collect();
            println!("weights {weights:?}: expected {expected:?}, found {counts:?}");
            assert_eq!(counts, expected);
        }
    }

    #[test]
    fn a_share_is_spread() {
        let split = split(&[90, 10]);
        let turns: Vec<usize> = (0..200).filter(|_| split.take(None) == 1).collect();
        let widest = turns.windows(2).map(|two| two[1] - two[0]).max();
        assert!(turns.len() == 20 && widest <= Some(20), "{turns:?}");
    }

    #[test]
    fn clients_are_spread_by_weight_and_stay() {
        let split = split(&[70, 20, 10]);
        let mut counts = [0u32; 3];
        let mut generator = Generator::new(1);
        for _ in 0..100_000 {
            let place = generator.below(1 << 30) as u64 * 4;
            let upstream = split.take(Some(place));
            assert_eq!(split.take(Some(place)), upstream);
            counts[upstream] += 1;
        }
        println!("expected about [70000, 20000, 10000], found {counts:?}");
        for (found, expected) in counts.iter().zip([70_000u32, 20_000, 10_000]) {
            assert!(found.abs_diff(expected) < expected / 20, "{counts:?}");
        }
    }

    #[test]
    fn every_circle_is_walked_whole() {
        for places in 1..=300 {
            let circle = Circle::new(places);
            let mut seen: Vec<u64> = (0..places).map(|_| circle.next()).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..places).collect::<Vec<_>>());
        }
    }
}
