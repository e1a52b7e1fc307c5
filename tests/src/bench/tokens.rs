//! `cargo xtask bench tokens`: what a token adds to a request, verified and remembered, by algorithm. One thread,
//! no network: what is around it is measured elsewhere.

use std::{sync::Arc, time::Instant};

use anyhow::{Context as _, Result, ensure};
use firewall_gateway::{
    figures::Meter,
    identity::jwt::{Algorithm, Issuers, Verifier},
    policy::{JwtPolicy, KeyOrigin, KeyText},
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::{
    bench::{
        measure,
        report::{Report, Row},
    },
    forge::{Kind, Signer, jwks},
};

/// Tokens of a turn, each another one: fewer than a thread remembers, so that the second time all are remembered.
const TOKENS: usize = 1_000;
/// Whom a token is about.
pub(super) const SUBJECT: &str = "7b1f3c1e-9a55-4c39-8b61-d1a6d1f0c0ff";
const TURNS: usize = 11;
/// When all of it happens.
pub(super) const NOW: u64 = 1_700_000_000;
/// What the issue asks for.
const CACHED_US_MAX: f64 = 5.0;
const ES256_US_MAX: f64 = 120.0;

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for (kind, algorithm, id) in [
        (Kind::Rsa, Algorithm::RS256, ["token_rs256_us", "token_rs256_cached_us"]),
        (Kind::P256, Algorithm::ES256, ["token_es256_us", "token_es256_cached_us"]),
        (Kind::Ed25519, Algorithm::EdDSA, ["token_eddsa_us", "token_eddsa_cached_us"]),
    ] {
        let (verified, cached) = times_us(kind, algorithm)?;
        let worst = if algorithm == Algorithm::ES256 { ES256_US_MAX } else { f64::INFINITY };
        for (id, found, most) in [(id[0], verified, worst), (id[1], cached, CACHED_US_MAX)] {
            let holds = found <= most;
            if !holds {
                problems.push(format!("{id}: {found:.1} us, of {most:.0} at most"));
            }
            rows.push(Row::single(id, found, "us", holds));
        }
    }
    Ok((Report::from_rows(rows), problems))
}

/// Microseconds of a token that is verified, and of one that is remembered: medians of the turns.
fn times_us(kind: Kind, algorithm: Algorithm) -> Result<(f64, f64)> {
    let signer = Signer::new("bench", kind);
    let requests: Vec<HeaderMap> = (0..TOKENS)
        .map(|number| {
            let token = signer.token(algorithm.name(), &claims(number));
            let value = HeaderValue::from_str(&format!("Bearer {token}"))?;
            Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
        })
        .collect::<Result<_>>()?;
    let policy = policy(&jwks([&signer]), algorithm);
    let issuers = Arc::new(Issuers::new(&[policy])?);
    let (mut verified, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        // A verifier of its own each turn remembers nothing of the one before.
        let meter = Arc::new(Meter::new([]));
        let verifier = Verifier::new(issuers.clone(), meter.clone());
        for times in [&mut verified, &mut cached] {
            let begun = Instant::now();
            for request in &requests {
                let identity = verifier.verify(request, 0, NOW);
                identity.map_err(|denied| anyhow::anyhow!("{}", denied.label()))?;
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6 / TOKENS as f64);
        }
        let figures = meter.figures();
        let counted = (figures.tokens_verified, figures.tokens_cached);
        ensure!(counted == (TOKENS as u64, TOKENS as u64), "{counted:?} of {TOKENS} tokens");
    }
    let first = requests.first().and_then(|headers| headers.get(header::AUTHORIZATION));
    let bytes = first.context("there is a token")?.len() - "Bearer ".len();
    eprintln!(
        "{algorithm}: tokens of {bytes} bytes; verified {verified:.1?} us, remembered {cached:.2?} us"
    );
    Ok((measure::median(verified), measure::median(cached)))
}

/// What Keycloak says of somebody.
pub(super) fn claims(number: usize) -> Value {
    json!({
        "iss": "https://id.example/realms/shop", "aud": ["api", "account"],
        "sub": SUBJECT, "jti": number.to_string(),
        "iat": NOW - 10, "exp": NOW + 300, "azp": "web", "scope": "openid profile email",
        "realm_access": {"roles": ["offline_access", "uma_authorization", "customer"]},
        "resource_access": {"account": {"roles": ["manage-account", "view-profile"]}},
        "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
    })
}

/// What is asked of its tokens.
pub(super) fn policy(keys: &str, algorithm: Algorithm) -> JwtPolicy {
    JwtPolicy {
        name: "bench".to_owned(),
        issuer: "https://id.example/realms/shop".to_owned(),
        audiences: vec!["api".to_owned()],
        algorithms: vec![algorithm],
        keys: Some(KeyText { text: keys.to_owned(), confirmed_epoch_s: 0 }),
        origin: KeyOrigin::Local,
        types: Vec::new(),
        authorized_parties: vec!["web".to_owned()],
        leeway_s: 60,
        age_max_s: Some(3_600),
        claims_required: Vec::new(),
        consumer_claim: "sub".to_owned(),
        scopes_claim: None,
        roles_claim: Some("realm_access.roles".to_owned()),
        headers: Vec::new(),
    }
}
