//! The challenge for browsers: a page whose script looks for a number, and a cookie for who found one.
//!
//! Nothing is remembered of it. What a client brings back is signed, for its address, its user agent and a time, with
//! a key that is this process' alone: scores are that too. A solution that is shown again gives the same pass with the
//! same end, so a replay gains nothing; and a pass that is handed on is of no use from another address.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
    error::Unspecified,
    hmac,
    rand::SystemRandom,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{
    figures::{LabelCount, one},
    headers::cookie,
    identity::session::LIKE,
    limits::{CHALLENGE_NUMBER_DIGITS_MAX, CHALLENGE_S},
    policy::ChallengePagePolicy,
};

/// Where a solution is shown.
pub const PASS_PATH: &str = "/.seawall/pass";

/// The cookie of a pass: ours alone.
pub const PASS_COOKIE: &str = "__Host-seawall-pass";

/// Makes challenges, and knows passes.
#[derive(Debug)]
pub struct Challenges {
    policy: ChallengePagePolicy,
    key: hmac::Key,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// Whom a challenge or a pass is for.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// An IPv4 address, or any of an IPv6 /64.
    pub address: IpAddr,
    /// What its browser says it is.
    pub user_agent: &'a [u8],
}

/// What became of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A page was shown.
    Shown,
    /// A solution held.
    Solved,
    /// One came too late.
    Expired,
    /// It is of no challenge that was made here for who shows it.
    Foreign,
    /// The number is none.
    Wrong,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Shown, Self::Solved, Self::Expired, Self::Foreign, Self::Wrong];

    /// The value of the metric label.
    fn label(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Solved => "solved",
            Self::Expired => "expired",
            Self::Foreign => "foreign",
            Self::Wrong => "wrong",
        }
    }
}

/// What a signature is for, so that none is of use as another.
#[derive(Clone, Copy)]
enum Use {
    Challenge = 1,
    Pass = 2,
}

impl Challenges {
    /// With a key of its own.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new(policy: ChallengePagePolicy) -> Result<Self, Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { policy, key, outcomes: Default::default() })
    }

    /// A challenge that may be solved from now on.
    pub fn challenge(&self, holder: &Holder<'_>, now_epoch_s: u64, nonce: String) -> Box<Page> {
        self.count(Outcome::Shown);
        let task = self.signed(Use::Challenge, holder, now_epoch_s + CHALLENGE_S);
        Box::new(Page { task, bits: self.policy.difficulty_bits, nonce })
    }

    /// The pass for a solution: the challenge and a number behind it.
    ///
    /// # Errors
    /// Why it gets none.
    pub fn solved(
        &self,
        solution: &str,
        holder: &Holder<'_>,
        now_epoch_s: u64,
    ) -> Result<HeaderValue, Outcome> {
        let pass = self.pass(solution, holder, now_epoch_s);
        self.count(pass.as_ref().map_or_else(|outcome| *outcome, |_| Outcome::Solved));
        pass
    }

    fn pass(
        &self,
        solution: &str,
        holder: &Holder<'_>,
        now_epoch_s: u64,
    ) -> Result<HeaderValue, Outcome> {
        let (task, number) = solution.rsplit_once('.').ok_or(Outcome::Foreign)?;
        let ends_epoch_s = self.ends(Use::Challenge, holder, task).ok_or(Outcome::Foreign)?;
        if ends_epoch_s <= now_epoch_s {
            return Err(Outcome::Expired);
        }
        let digits = (1..=CHALLENGE_NUMBER_DIGITS_MAX).contains(&number.len());
        let is_number = digits && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || zero_bits(solution) < self.policy.difficulty_bits {
            return Err(Outcome::Wrong);
        }
        // Counted from the end of the challenge: to show it once more makes no pass longer.
        let ends_epoch_s = ends_epoch_s.saturating_add(self.policy.pass_s.into());
        let pass = self.signed(Use::Pass, holder, ends_epoch_s);
        let age_s = ends_epoch_s.saturating_sub(now_epoch_s);
        let cookie = format!("{PASS_COOKIE}={pass}; Max-Age={age_s}; {LIKE}");
        HeaderValue::try_from(cookie).map_err(|_| Outcome::Foreign)
    }

    /// Whether a request has a pass that is good.
    #[must_use]
    pub fn passes(&self, headers: &HeaderMap, holder: &Holder<'_>, now_epoch_s: u64) -> bool {
        let ends = cookie(headers, PASS_COOKIE).and_then(|pass| self.ends(Use::Pass, holder, pass));
        ends.is_some_and(|ends_epoch_s| ends_epoch_s > now_epoch_s)
    }

    /// What became of challenges.
    #[must_use]
    pub fn figures(&self) -> Vec<LabelCount> {
        let counted = Outcome::ALL.into_iter().zip(&self.outcomes);
        let counted = counted.map(|(outcome, counter)| (outcome, counter.load(Relaxed)));
        let moved = counted.filter(|(_, count)| *count > 0);
        moved.map(|(it, count)| LabelCount { label: it.label().to_owned(), count }).collect()
    }

    fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.outcomes.get(outcome as usize) {
            one(counter);
        }
    }

    fn signed(&self, of: Use, holder: &Holder<'_>, ends_epoch_s: u64) -> String {
        let tag = self.tag(of, holder, ends_epoch_s);
        format!("{ends_epoch_s}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// When it ends, where it was signed here for this use and holder.
    fn ends(&self, of: Use, holder: &Holder<'_>, signed: &str) -> Option<u64> {
        let (ends, tag) = signed.split_once('.')?;
        let ends_epoch_s = ends.parse().ok()?;
        let mut given = [0; SHA256_OUTPUT_LEN];
        let length = URL_SAFE_NO_PAD.decode_slice(tag, &mut given).ok()?;
        let tag = self.tag(of, holder, ends_epoch_s);
        verify_slices_are_equal(tag.as_ref(), given.get(..length)?).ok()?;
        // There is one way to write a time: `+7` and `07` are other texts, and so other tasks.
        (ends_epoch_s.to_string() == ends).then_some(ends_epoch_s)
    }

    // All but the last part have one length, so no two of them read alike.
    fn tag(&self, of: Use, holder: &Holder<'_>, ends_epoch_s: u64) -> hmac::Tag {
        let address = match holder.address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() & IPV6_NETWORK,
        };
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[of as u8]);
        context.update(&address.to_be_bytes());
        context.update(&ends_epoch_s.to_be_bytes());
        context.update(holder.user_agent);
        context.sign()
    }
}

/// The bits in front of the first that is one, of the SHA-256 of a text.
fn zero_bits(text: &str) -> u32 {
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref();
    let whole = bytes.iter().take_while(|byte| **byte == 0).count();
    whole as u32 * u8::BITS + bytes.get(whole).map_or(0, |byte| byte.leading_zeros())
}

/// A page that shows a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    task: String,
    bits: u32,
    /// What its own script and style are known by.
    nonce: String,
}

impl Page {
    /// The answer; without help it can be tried again after `wait_s`. Nothing in it is the request's.
    #[must_use]
    pub fn response(&self, status: StatusCode, request_id: &str, wait_s: u64) -> Response<Bytes> {
        let html = PAGE
            .replace("@nonce@", &self.nonce)
            .replace("@task@", &self.task)
            .replace("@bits@", &self.bits.to_string())
            .replace("@wait@", &wait_s.to_string())
            .replace("@path@", PASS_PATH)
            .replace("@request@", request_id);
        let mut response = Response::new(Bytes::from(html));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Lets its own script run and nothing else, whatever is said of other answers.
    pub fn protect(&self, headers: &mut HeaderMap) {
        let nonce = &self.nonce;
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
}

const PAGE: &str = include_str!("challenge.html");
/// An IPv6 host has a /64 to itself.
const IPV6_NETWORK: u128 = !0 << 64;

#[cfg(test)]
mod tests;
