//! `cargo xtask bench keys`: a million API keys in a worker: how long they take to come in, what memory they take,
//! and what one adds to a request. One thread, no network: what is around it is measured elsewhere.

use std::{fs, net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result, ensure};
use firewall_gateway::{
    identity::{
        api_key::{
            self, Carriers, Found, Presented, handed,
            store::{GrantPolicy, KeyPolicy, KeyStore},
            text::KeyText,
        },
        consumers::Consumers,
    },
    policy::{ApiKeyPolicy, ConsumerPolicy},
};
use http::{HeaderMap, HeaderValue};

use crate::bench::{
    measure,
    report::{Report, Row},
};

const KEYS: usize = 1_000_000;
/// Of them so many are asked for, spread over all.
const ASKED: usize = 10_000;
const TURNS: usize = 11;
const NOW: u64 = 1_700_000_000;
/// What the issue asks for.
const KEY_US_MAX: f64 = 3.0;

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let grants: Vec<GrantPolicy> = (0..1_000)
        .map(|number| GrantPolicy {
            consumer: format!("consumer-{number}"),
            scopes: None,
            routes: Vec::new(),
            networks: Vec::new(),
        })
        .collect();
    let consumers = grants.iter().map(|grant| ConsumerPolicy {
        name: grant.consumer.clone(),
        scopes: vec!["orders.read".to_owned(), "orders.write".to_owned()],
        roles: vec!["partner".to_owned()],
        networks: Vec::new(),
        certificates: Vec::new(),
    });
    let consumers = Consumers::new(&consumers.collect::<Vec<_>>());
    // All policies stay where they are until the end: else the keys would lie in the memory that they left.
    let (policies, asked) = made(&grants)?;
    let mut file = Vec::new();
    handed::write(policies.iter(), &mut file)?;
    let store = KeyStore::new(consumers);
    let (before, begun) = (resident_bytes()?, Instant::now());
    handed::read(&file[..], &store)?;
    let fill_ms = begun.elapsed().as_secs_f64() * 1e3;
    let (keys, table_bytes) = store.size();
    let grown = resident_bytes()?.saturating_sub(before);
    ensure!(keys == KEYS && policies.len() == KEYS, "{keys} of {KEYS} keys");
    let us = time_us(&store, &asked)?;
    eprintln!(
        "{keys} keys: tables of {table_bytes} bytes, the process grew by {grown}; {us:.2?} us"
    );
    let (key_us, mib) = (measure::median(us), |bytes: u64| bytes as f64 / f64::from(1 << 20));
    let mut problems = Vec::new();
    if key_us > KEY_US_MAX {
        problems.push(format!("api_key_us: {key_us:.2} us, of {KEY_US_MAX:.0} at most"));
    }
    let rows = vec![
        Row::single("api_key_us", key_us, "us", key_us <= KEY_US_MAX),
        Row::single("api_keys_tables_mib", mib(table_bytes as u64), "MiB", true),
        Row::single("api_keys_resident_mib", mib(grown), "MiB", true),
        Row::single("api_keys_fill_ms", fill_ms, "ms", true),
    ];
    Ok((Report::from_rows(rows), problems))
}

/// All keys as the daemon has them, and requests with some of them.
fn made(grants: &[GrantPolicy]) -> Result<(Vec<KeyPolicy>, Vec<HeaderMap>)> {
    let (mut policies, mut asked) = (Vec::with_capacity(KEYS), Vec::new());
    for number in 0..KEYS {
        let text = KeyText::generate().context("no randomness")?;
        let grant = grants.get(number % grants.len()).context("a grant")?.clone();
        let (id, hash) = (text.id().to_owned(), text.hash());
        policies.push(KeyPolicy { id, hash, ends_epoch_s: None, grant });
        if number % (KEYS / ASKED) == 0 {
            let value = HeaderValue::from_str(text.reveal())?;
            let name = http::HeaderName::from_static("x-api-key");
            asked.push(HeaderMap::from_iter([(name, value)]));
        }
    }
    Ok((policies, asked))
}

/// Microseconds of a request's key, from its headers to whose it is, a turn each.
fn time_us(store: &KeyStore, asked: &[HeaderMap]) -> Result<Vec<f64>> {
    let header = Some("x-api-key".to_owned());
    let policy = ApiKeyPolicy { header, bearer: true, basic: true, keep: false };
    let carriers = Carriers::new(&policy, false).map_err(anyhow::Error::msg)?;
    let address = Ipv4Addr::LOCALHOST.into();
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let begun = Instant::now();
        for headers in asked {
            let found = carriers.find(headers).map_err(|denied| anyhow::anyhow!(denied.label()))?;
            let Found::Key { text, user } = &found else { anyhow::bail!("no key") };
            let (text, user) = (text.as_ref(), user.as_deref());
            let presented = Presented { text, user, address, route: "all" };
            let known = api_key::verify(store, &presented, NOW);
            known.map_err(|(error, _)| anyhow::anyhow!(error.label()))?;
        }
        turns.push(begun.elapsed().as_secs_f64() * 1e6 / asked.len() as f64);
    }
    Ok(turns)
}

/// What this process takes.
pub(super) fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().split(' ').next()).context("VmRSS")?;
    Ok(number.parse::<u64>()? * 1_024)
}
