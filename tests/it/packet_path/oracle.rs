//! What generated frames and policies say, beside a second implementation.

use seawall_tests::{
    requirement,
    trial::{self, Seen},
};

const POLICIES: u64 = 200;
const FRAMES: usize = 1_000;

#[test]
fn generated_frames_under_generated_policies() {
    if !requirement::root("generated_frames_under_generated_policies") {
        return;
    }
    let mut seen = Seen::new();
    for seed in 1..=POLICIES {
        for (decision, count) in trial::run(seed, FRAMES).expect("no mismatch") {
            *seen.entry(decision).or_default() += count;
        }
    }
    println!("{} frames, no mismatch: {seen:?}", POLICIES as usize * FRAMES);
    assert!(seen.len() >= 140, "the generator reaches every branch: {seen:?}");
}
