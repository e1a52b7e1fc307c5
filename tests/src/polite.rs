//! A client that keeps to what it is told: it asks no more once nothing is left, and comes again when it may.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    client::{Answer, Request},
    namespace::Namespace,
};

/// Waits that are longer than this are not kept to: whoever is told so gives up.
const WAIT_S_MAX: u64 = 10;

/// What it was told last.
#[derive(Debug, Default)]
pub struct Polite {
    not_before: Option<Instant>,
}

impl Polite {
    /// Asks once it may.
    pub fn ask(&mut self, request: &Request, namespace: &Namespace) -> Result<Answer> {
        if let Some(not_before) = self.not_before {
            thread::sleep(not_before.saturating_duration_since(Instant::now()));
        }
        let answer = request.send(namespace)?;
        let wait = wait_s(answer.header("retry-after"), answer.header("ratelimit"));
        self.not_before = wait.map(|wait_s| Instant::now() + Duration::from_secs(wait_s));
        Ok(answer)
    }
}

/// `Retry-After` says when to come again; where there is none, nothing comes before `RateLimit` has something left
/// (draft-ietf-httpapi-ratelimit-headers).
fn wait_s(retry_after: Option<&str>, ratelimit: Option<&str>) -> Option<u64> {
    let told = retry_after.and_then(|text| text.parse().ok()).or_else(|| {
        let part = |name: &str| {
            let parts = ratelimit?.split(';').map(str::trim);
            parts.filter_map(|part| part.strip_prefix(name)?.parse::<u64>().ok()).next()
        };
        (part("r=")? == 0).then(|| part("t="))?
    });
    told.map(|wait_s| wait_s.min(WAIT_S_MAX))
}

#[cfg(test)]
mod tests {
    use super::wait_s;

    #[test]
    fn what_it_is_told_is_what_it_waits() {
        for (retry_after, ratelimit, expected) in [
            (None, None, None),
            (Some("3"), None, Some(3)),
            (Some("3"), Some("\"a\";r=0;t=7"), Some(3)),
            (None, Some("\"a\";r=0;t=7"), Some(7)),
            (None, Some("\"a\";r=1;t=7"), None),
            (None, Some("\"a\";r=0"), None),
            (None, Some("\"a\"; r=0; t=2"), Some(2)),
            (Some("3600"), None, Some(10)),
            (Some("Mon, 30 Nov 2026 06:00:00 GMT"), None, None),
        ] {
            assert_eq!(wait_s(retry_after, ratelimit), expected, "{retry_after:?} {ratelimit:?}");
        }
    }
}
