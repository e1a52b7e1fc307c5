//! What generated frames and policies say, beside a second implementation.

use seawall_tests::{
    requirement,
    trial::{self, Trial},
};

const POLICIES: u64 = 200;
const FRAMES: usize = 1_000;

#[test]
fn generated_frames_under_generated_policies() {
    if !requirement::root("generated_frames_under_generated_policies") {
        return;
    }
    let mut total = Trial::default();
    for seed in 1..=POLICIES {
        total.add(&trial::run(seed, FRAMES).expect("no mismatch"));
    }
    println!("{} frames, no mismatch: {:?}", total.frames(), total.seen);
    assert_eq!(total.frames(), POLICIES * FRAMES as u64);
    assert!(total.seen.len() >= 140, "the generator reaches every branch: {:?}", total.seen);
}
