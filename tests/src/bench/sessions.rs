//! `cargo xtask bench sessions`: 100,000 sessions in a worker and on the daemon's disk: how long they take to come
//! in, what memory they take, and what one adds to a request. One thread, no network: what is around it is measured
//! elsewhere.

use std::{net::Ipv4Addr, time::Instant};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use firewall_daemon::state::sessions::SessionFile;
use firewall_gateway::{
    identity::{
        jwt::{Algorithm, Issuers},
        session::{
            Reader, SessionCookie, SessionText, handed,
            record::{IdToken, SessionChange, SessionRecord},
            store::SessionStore,
        },
    },
    policy::{ClientAuthentication, LoginPolicy, SecretText},
};
use http::{HeaderMap, HeaderValue, header};

use super::{keys, tokens};
use crate::{
    bench::{
        measure,
        report::{Report, Row},
    },
    forge::{Kind, Signer, jwks},
};

const SESSIONS: usize = 100_000;
/// Of them so many are asked for, spread over all: no more than a thread remembers.
const ASKED: usize = 2_000;
/// So many are written to the disk together while many log in.
const TOGETHER: usize = 512;
const TURNS: usize = 11;
/// What the issue asks for of a credential that is remembered.
const SESSION_US_MAX: f64 = 5.0;

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let signer = Signer::new("bench", Kind::Rsa);
    let login = login(&jwks([&signer]));
    let issuers = Issuers::new([&login.jwt])?;
    let (records, asked) = made(&signer, &login)?;
    let (kept_s, handed_ms, file) = kept(&records)?;
    let store = SessionStore::new(SESSIONS as u32);
    let (before, begun) = (keys::resident_bytes()?, Instant::now());
    handed::read(&file[..], &store)?;
    let fill_ms = begun.elapsed().as_secs_f64() * 1e3;
    let (sessions, table_bytes) = store.size();
    let grown = keys::resident_bytes()?.saturating_sub(before);
    ensure!(sessions == SESSIONS, "{sessions} of {SESSIONS} sessions");
    let (mut first, mut again) = (Vec::new(), Vec::new());
    let cookie = SessionCookie::new(&login);
    for _ in 0..TURNS {
        // A reader of its own each turn remembers nothing of the one before.
        let reader = Reader::default();
        for times in [&mut first, &mut again] {
            let begun = Instant::now();
            for headers in &asked {
                let text =
                    cookie.find(headers).map_err(|denied| anyhow::anyhow!(denied.label()))?;
                let read = reader.read((&store, &issuers, 0), &text.hash(), tokens::NOW);
                read.map_err(|(error, _)| anyhow::anyhow!(error.label()))?;
            }
            times.push(begun.elapsed().as_secs_f64() * 1e6 / asked.len() as f64);
        }
    }
    let token_bytes = records.first().context("a session")?.id_token.0.len();
    eprintln!(
        "{sessions} sessions with ID tokens of {token_bytes} bytes: tables and texts of {table_bytes} bytes, the \
         process grew by {grown}; first {first:.1?} us, remembered {again:.2?} us"
    );
    let (first_us, session_us) = (measure::median(first), measure::median(again));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut problems = Vec::new();
    if session_us > SESSION_US_MAX {
        problems.push(format!("session_us: {session_us:.2} us, of {SESSION_US_MAX:.0} at most"));
    }
    let rows = vec![
        Row::single("session_us", session_us, "us", session_us <= SESSION_US_MAX),
        Row::single("session_first_us", first_us, "us", true),
        Row::single("sessions_tables_mib", mib(table_bytes as u64), "MiB", true),
        Row::single("sessions_resident_mib", mib(grown), "MiB", true),
        Row::single("sessions_fill_ms", fill_ms, "ms", true),
        Row::single("sessions_kept_s", kept_s, "s", true),
        Row::single("sessions_handed_ms", handed_ms, "ms", true),
    ];
    Ok((Report::from_rows(rows), problems))
}

/// All sessions, and requests with some of them.
fn made(signer: &Signer, login: &LoginPolicy) -> Result<(Vec<SessionRecord>, Vec<HeaderMap>)> {
    let (mut records, mut asked) = (Vec::with_capacity(SESSIONS), Vec::new());
    let signed = signer.token(Algorithm::RS256.name(), &tokens::claims(0));
    let (head, rest) = signed.split_once('.').context("a token")?;
    let (_, signature) = rest.split_once('.').context("a token")?;
    for number in 0..SESSIONS {
        let text = SessionText::generate().context("no randomness")?;
        // It was verified at the login: nobody looks at its signature again.
        let claims = URL_SAFE_NO_PAD.encode(tokens::claims(number).to_string());
        records.push(SessionRecord {
            hash: text.hash(),
            login: login.name().to_owned(),
            consumer: tokens::SUBJECT.to_owned(),
            subject: tokens::SUBJECT.to_owned(),
            sid: Some(tokens::SUBJECT.to_owned()),
            address: Ipv4Addr::LOCALHOST.into(),
            created_epoch_s: tokens::NOW,
            ends_epoch_s: tokens::NOW + 43_200,
            idle_timeout_s: 1_800,
            used_epoch_s: tokens::NOW,
            id_token: IdToken(format!("{head}.{claims}.{signature}")),
        });
        if number % (SESSIONS / ASKED) == 0 {
            let value = HeaderValue::from_str(&format!("{}={}", login.cookie, text.reveal()))?;
            asked.push(HeaderMap::from_iter([(header::COOKIE, value)]));
        }
    }
    Ok((records, asked))
}

/// Seconds until all are on the disk, milliseconds until a worker is handed them, and what it is handed.
fn kept(records: &[SessionRecord]) -> Result<(f64, f64, Vec<u8>)> {
    let folder = std::env::temp_dir().join(format!("seawall-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = || {
        let file = SessionFile::open(&folder);
        let opened = |record: &SessionRecord| SessionChange::Open(Box::new(record.clone()));
        let begun = Instant::now();
        for part in records.chunks(TOGETHER) {
            file.take(&part.iter().map(opened).collect::<Vec<_>>())?;
        }
        let (kept_s, begun) = (begun.elapsed().as_secs_f64(), Instant::now());
        let mut handed = Vec::new();
        file.each(|record| handed::write(record, &mut handed))?;
        Ok((kept_s, begun.elapsed().as_secs_f64() * 1e3, handed))
    };
    let measured = measured();
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn login(keys: &str) -> LoginPolicy {
    LoginPolicy {
        jwt: tokens::policy(keys, Algorithm::RS256),
        client_id: "api".to_owned(),
        client_secret: None,
        client_authentication: ClientAuthentication::default(),
        scopes: vec!["openid".to_owned()],
        origin: "https://app.example".to_owned(),
        cookie: "__Host-session".to_owned(),
        after_logout: "/".to_owned(),
        front_channel_logout: false,
        idle_timeout_s: 1_800,
        absolute_timeout_s: 43_200,
        ca_pem: String::new(),
        key_hex: SecretText(String::new()),
        port: 443,
        provider: None,
    }
}
