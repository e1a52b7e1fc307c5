//! Files that grow old or lie open: the country database, the gateway's certificate and key.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use x509_parser::pem::Pem;

use super::{Finding, Level};
use crate::config::GatewayConfig;

const DAY_S: i64 = 86_400;
/// Makers publish once or twice a month; later than this two of them were missed.
const DATABASE_DAYS_MAX: i64 = 45;
/// Certificates are renewed a month before their end; with less than this the renewal failed.
const CERTIFICATE_DAYS_MIN: i64 = 14;

pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn days_between(from_s: u64, to_s: u64) -> i64 {
    let (from_s, to_s) = (from_s.cast_signed(), to_s.cast_signed());
    to_s.saturating_sub(from_s) / DAY_S
}

pub fn judge_database(path: &Path, built_s: u64, now_s: u64) -> Finding {
    let days = days_between(built_s, now_s);
    let expected = format!("at most {DATABASE_DAYS_MAX} days old");
    let (check, found) = ("country database", format!("{} is {days} days old", path.display()));
    if days <= DATABASE_DAYS_MAX {
        return Finding::ok(check, &expected, found);
    }
    Finding::not(
        Level::Warning,
        check,
        &expected,
        found,
        "put a newer one in its place, then: systemctl reload seawall",
    )
}

pub fn examine(gateway: &GatewayConfig) -> Vec<Finding> {
    let more = gateway.certificates.iter().map(|more| (&more.certificate, &more.private_key));
    let mut findings = Vec::new();
    for (certificate, key) in [(&gateway.certificate, &gateway.private_key)].into_iter().chain(more)
    {
        let read = fs::read(certificate).map_err(|error| error.to_string());
        let end = read.and_then(|pem| first_end(&pem));
        findings.push(judge_certificate(certificate, &end, now_s()));
        // That it cannot be read is said by the check of the policy.
        let mode = fs::metadata(key).map(|found| found.permissions().mode());
        findings.extend(mode.ok().map(|mode| judge_key(key, mode)));
    }
    findings
}

/// When the first of the chain's certificates ends, in seconds since 1970.
fn first_end(pem: &[u8]) -> Result<i64, String> {
    let mut first = None;
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| error.to_string())?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        let certificate = block.parse_x509().map_err(|error| error.to_string())?;
        let end = certificate.validity().not_after.timestamp();
        first = Some(first.map_or(end, |first: i64| first.min(end)));
    }
    first.ok_or_else(|| "no certificate in it".to_owned())
}

fn judge_certificate(path: &Path, end: &Result<i64, String>, now_s: u64) -> Finding {
    let expected = format!("one that is good for {CERTIFICATE_DAYS_MIN} days or more");
    let (check, shown) = ("certificate", path.display());
    let remedy = "renew it, then: systemctl reload seawall";
    match end {
        Ok(end) => {
            let left_s = end.saturating_sub(now_s.cast_signed());
            let days = left_s / DAY_S;
            if left_s <= 0 {
                let found = format!("{shown} ended {} days ago", -days);
                return Finding::not(Level::Error, check, &expected, found, remedy);
            }
            let found = format!("{shown} is good for {days} days");
            if days < CERTIFICATE_DAYS_MIN {
                return Finding::not(Level::Warning, check, &expected, found, remedy);
            }
            Finding::ok(check, &expected, found)
        }
        Err(why) => {
            let found = format!("{shown} cannot be read: {why}");
            Finding::not(Level::Error, check, &expected, found, remedy)
        }
    }
}

fn judge_key(path: &Path, mode: u32) -> Finding {
    let (check, expected) = ("private key", "a file that nobody but its owner and group reads");
    let (shown, mode) = (path.display(), mode & 0o7777);
    let found = format!("{shown} has mode {mode:03o}");
    if mode & 0o027 == 0 {
        return Finding::ok(check, expected, found);
    }
    Finding::not(Level::Error, check, expected, found, format!("chmod 600 {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_modes() {
        let path = Path::new("/etc/seawall/file");
        let now_s = 1_800_000_000;
        let day = |days: i64| now_s as i64 + days * DAY_S;
        for (days, level) in
            [(0, Level::Ok), (-45, Level::Ok), (-46, Level::Warning), (3, Level::Ok)]
        {
            let judged = judge_database(path, day(days) as u64, now_s);
            assert_eq!(judged.level, level, "{days}");
        }
        for (end, level) in [
            (Ok(day(14)), Level::Ok),
            (Ok(day(14) - 1), Level::Warning),
            (Ok(day(0) + 1), Level::Warning),
            (Ok(day(0)), Level::Error),
            (Ok(day(-3)), Level::Error),
            (Err("no certificate in it".to_owned()), Level::Error),
        ] {
            assert_eq!(judge_certificate(path, &end, now_s).level, level, "{end:?}");
        }
        for (mode, level) in [
            (0o100_600, Level::Ok),
            (0o100_400, Level::Ok),
            (0o100_640, Level::Ok),
            (0o100_644, Level::Error),
            (0o100_660, Level::Error),
            (0o100_604, Level::Error),
        ] {
            assert_eq!(judge_key(path, mode).level, level, "{mode:o}");
        }
        assert!(first_end(b"").is_err());
    }
}
