//! `cargo xtask bench rates`: what a limit adds to a request, by algorithm: asked, taken from, and told to the client. One
//! thread, no network: what is around it is measured elsewhere.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use anyhow::Result;
use firewall_gateway::{
    policy::{Counted, KeyPart, RateAlgorithm, RatePolicy, RouteRates},
    rate::{Asked, Due, Rates, When},
};
use http::HeaderMap;

use crate::bench::{
    measure,
    report::{Report, Row},
};

const REQUESTS: u32 = 200_000;
const TURNS: usize = 11;
/// Of the 60 us that everything together may add.
const US_MAX: f64 = 5.0;

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let (limit, window_s) = (1_000, 1);
    let algorithms = [
        ("token_bucket", RateAlgorithm::TokenBucket { limit, window_s, burst: limit }),
        ("leaky_bucket", RateAlgorithm::LeakyBucket { limit, window_s, wait_max_ms: 1_000 }),
        ("fixed_window", RateAlgorithm::FixedWindow { limit, window_s }),
        ("sliding_log", RateAlgorithm::SlidingLog { limit, window_s }),
        ("sliding_counter", RateAlgorithm::SlidingCounter { limit, window_s }),
        ("concurrency", RateAlgorithm::Concurrency { limit }),
    ];
    for (name, algorithm) in algorithms {
        for (clients, of) in [(1, "one_client"), (10_000, "10k_clients")] {
            let us = measure::median(time_us(&[algorithm], clients)?);
            let id = format!("rate_{name}_{of}_us");
            if us > US_MAX {
                problems.push(format!("{id}: {us:.2} us, of {US_MAX:.0} at most"));
            }
            rows.push(Row::single(id, us, "us", us <= US_MAX));
        }
    }
    let two = measure::median(time_us(&[algorithms[0].1, algorithms[2].1], 10_000)?);
    rows.push(Row::single("rate_two_limits_10k_clients_us", two, "us", true));
    Ok((Report::from_rows(rows), problems))
}

/// Microseconds of a request, a turn each.
fn time_us(algorithms: &[RateAlgorithm], clients: u32) -> Result<Vec<f64>> {
    let limits: Vec<RatePolicy> = (0..)
        .zip(algorithms)
        .map(|(number, algorithm)| RatePolicy {
            name: format!("limit-{number}"),
            algorithm: *algorithm,
            count: Counted::Requests,
            key: vec![KeyPart::Address],
            shadow: false,
            everywhere: true,
            shared: false,
            keys_max: 16_384,
        })
        .collect();
    let route = RouteRates::default();
    let rates = Arc::new(Rates::of(&limits, [&route].into_iter(), 1)?);
    let headers = HeaderMap::new();
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let begun = Instant::now();
        for number in 0..REQUESTS {
            // A step that meets all clients, in no order that a cache could follow.
            let client = number.wrapping_mul(7_919) % clients;
            let address = Ipv4Addr::from_bits(0x0a00_0000 + client).into();
            let asked = Asked {
                address,
                country: None,
                route: Some("all"),
                headers: &headers,
                identity: None,
            };
            let (mut due, mut answer) = (Due::default(), HeaderMap::new());
            // Whether it passes is not what is measured.
            let _passed = rates.admit(When::Early, Some(0), &asked, &mut due);
            rates.describe(Some(0), &due, &mut answer);
        }
        turns.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS));
    }
    Ok(turns)
}
