//! What is to be said of the certificates in force: for the status, the metrics and those who look.

use firewall_gateway::tls::CertificateFacts;

use crate::status::{CertificateStatus, day};

const DAY_S: i64 = 86_400;
/// Certificates are renewed a month before their end; with less than this the renewal failed.
pub const DAYS_MIN: i64 = 14;
/// Those that end first are shown: each is a series of metrics.
const SHOWN_MAX: usize = 100;
/// Sentences about certificates; the rest are counted.
const WARNINGS_MAX: usize = 10;

/// The certificates that end first, and how many there are.
pub fn status(certificates: &[CertificateFacts]) -> (Vec<CertificateStatus>, u64) {
    let mut shown: Vec<CertificateStatus> = certificates
        .iter()
        .map(|facts| CertificateStatus {
            name: facts.name().to_owned(),
            key: facts.key.to_owned(),
            not_after_epoch_s: u64::try_from(facts.not_after_epoch_s).unwrap_or(0),
        })
        .collect();
    shown.sort_by_key(|certificate| certificate.not_after_epoch_s);
    shown.truncate(SHOWN_MAX);
    (shown, certificates.len() as u64)
}

/// A sentence for each certificate that clients refuse now or soon, with its remedy.
pub fn warnings(certificates: &[CertificateFacts], now_epoch_s: u64) -> Vec<String> {
    let now = now_epoch_s.cast_signed();
    let mut all: Vec<String> =
        certificates.iter().filter_map(|facts| warning(facts, now)).collect();
    if all.len() > WARNINGS_MAX {
        let rest = all.len() - WARNINGS_MAX;
        all.truncate(WARNINGS_MAX);
        all.push(format!("the same of {rest} more certificates: `seawall doctor` names them"));
    }
    all
}

fn warning(facts: &CertificateFacts, now: i64) -> Option<String> {
    let (place, name) = (&facts.place, facts.name());
    let at = |epoch_s: i64| day(u64::try_from(epoch_s).unwrap_or(0));
    let left_s = facts.not_after_epoch_s.saturating_sub(now);
    let what = if left_s <= 0 {
        format!("is over since {}; renew it and reload", at(facts.not_after_epoch_s))
    } else if left_s < DAYS_MIN * DAY_S {
        let days = left_s / DAY_S;
        format!("ends in {days} days, {}; renew it and reload", at(facts.not_after_epoch_s))
    } else if facts.not_before_epoch_s > now {
        format!("is not good before {}: clients refuse it", at(facts.not_before_epoch_s))
    } else {
        let why = facts.unstapled.as_ref()?;
        return Some(format!("{place}.ocsp is not stapled: {why}; fetch another one and reload"));
    };
    Some(format!("{place}.certificate ({name}) {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(place: usize, not_before_epoch_s: i64, not_after_epoch_s: i64) -> CertificateFacts {
        CertificateFacts {
            place: format!("gateway.certificates[{place}]"),
            names: vec!["api.example".to_owned()],
            key: "ecdsa",
            not_before_epoch_s,
            not_after_epoch_s,
            unstapled: None,
        }
    }

    #[test]
    fn what_clients_refuse_now_or_soon_is_said() {
        let now = 1_800_000_000;
        let day = |days: i64| now as i64 + days * DAY_S;
        let place = "gateway.certificates[0]";
        for (from, to, expected) in [
            (day(-1), day(14), None),
            (day(-1), day(14) - 1, Some("ends in 13 days, 2027-01-29")),
            (day(-1), day(0) + 1, Some("ends in 0 days, ")),
            (day(-9), day(0), Some("is over since 2027-01-15")),
            (day(1), day(90), Some("is not good before 2027-01-16")),
        ] {
            let found = warnings(&[facts(0, from, to)], now);
            match expected {
                None => assert_eq!(found, [""; 0]),
                Some(words) => {
                    let words = format!("{place}.certificate (api.example) {words}");
                    assert!(found.len() == 1 && found[0].starts_with(&words), "{words}: {found:?}");
                }
            }
        }
        let mut unstapled = facts(0, day(-1), day(90));
        unstapled.unstapled = Some("it says that the certificate is revoked".to_owned());
        assert!(
            warnings(&[unstapled], now)[0].starts_with(&format!("{place}.ocsp is not stapled"))
        );
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let all: Vec<_> = (0..1_001).map(|one| facts(one, 0, 10_000 - one as i64)).collect();
        let (shown, count) = status(&all);
        assert_eq!((shown.len(), count), (SHOWN_MAX, 1_001));
        assert_eq!(shown[0].not_after_epoch_s, 9_000, "those that end first");
        let said = warnings(&all, 1_800_000_000);
        assert_eq!(said.len(), WARNINGS_MAX + 1);
        assert!(said[WARNINGS_MAX].starts_with("the same of 991 more"), "{said:?}");
    }
}
