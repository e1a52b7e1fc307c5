//! Bytes for tests of parsers: seeds with faults in them, the same in every run; and for as long as
//! `cargo xtask fuzz` says.

use std::{
    env, thread,
    time::{Duration, Instant},
};

/// So many cases in a test. With `SEAWALL_FUZZ_SECONDS` as many as that time has, and others from each
/// `SEAWALL_FUZZ_SEED`.
pub fn cases(seed: u64, rounds: u64, seeds: &[Vec<u8>]) -> Cases<'_> {
    let number = |name| env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let until =
        number("SEAWALL_FUZZ_SECONDS").map(|spent| Instant::now() + Duration::from_secs(spent));
    let seed = seed.wrapping_add(number("SEAWALL_FUZZ_SEED").unwrap_or(0) << 8);
    Cases { generator: Generator::new(seed), seeds, rounds, until, done: 0, last: Vec::new() }
}

/// Seeds with faults, one after the other; it says which one a test failed at.
pub struct Cases<'a> {
    generator: Generator,
    seeds: &'a [Vec<u8>],
    rounds: u64,
    until: Option<Instant>,
    done: u64,
    last: Vec<u8>,
}

impl Iterator for Cases<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let goes_on = match self.until {
            None => self.done < self.rounds,
            // The clock is dear beside a case.
            Some(until) => !self.done.is_multiple_of(256) || Instant::now() < until,
        };
        if !goes_on {
            return None;
        }
        self.done += 1;
        self.last = self.generator.mutated(self.seeds);
        Some(self.last.clone())
    }
}

impl Drop for Cases<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("it failed at case {}: {:?}", self.done, self.last);
        } else if self.until.is_some() {
            let test = thread::current().name().unwrap_or_default().to_owned();
            eprintln!("{test}: {} cases", self.done);
        }
    }
}

/// xorshift64*: enough to wander with, and a failing case comes back.
pub struct Generator(u64);

impl Generator {
    /// The same bytes for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// One of the seeds with up to eight faults: a byte changed, removed, added, cut off, or a part
    /// of another seed behind it.
    pub fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..self.below(9) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at, [0, 1, 0xff, b'\r', b'\n', b' '][self.below(6)]),
                3 => bytes.truncate(at),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    bytes.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
            }
        }
        bytes
    }
}
