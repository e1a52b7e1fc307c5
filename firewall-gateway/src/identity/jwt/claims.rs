//! What a token must say: by whom, for whom, and when. What must be there is there, and is of its kind.

use serde_json::{Map, Value};

use super::{TokenError, mapping::claim};
use crate::policy::JwtPolicy;

/// When a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From this second on...
    pub from_epoch_s: u64,
    /// ...and before this one.
    pub until_epoch_s: u64,
}

/// Checks the claims of a token whose signature holds.
///
/// # Errors
/// The first that does not hold.
pub fn check(
    claims: &Map<String, Value>,
    policy: &JwtPolicy,
    now_epoch_s: u64,
) -> Result<Times, TokenError> {
    issuer(claims, policy)?;
    audience(claims, policy)?;
    party(claims, policy)?;
    let times = times(claims, policy, now_epoch_s)?;
    for name in &policy.claims_required {
        match claim(claims, name) {
            Some(Value::Null) | None => return Err(TokenError::ClaimMissing),
            Some(_) => {}
        }
    }
    Ok(times)
}

/// Whether a token says that it is of this issuer.
///
/// # Errors
/// It does not.
pub fn issuer(claims: &Map<String, Value>, policy: &JwtPolicy) -> Result<(), TokenError> {
    match claims.get("iss") {
        None => Err(TokenError::ClaimMissing),
        // To the letter (RFC 7519, 2): a slash more is another issuer.
        Some(Value::String(issuer)) if *issuer == policy.issuer => Ok(()),
        Some(Value::String(_)) => Err(TokenError::IssuerWrong),
        Some(_) => Err(TokenError::ClaimType),
    }
}

fn audience(claims: &Map<String, Value>, policy: &JwtPolicy) -> Result<(), TokenError> {
    let ours = |found: &str| policy.audiences.iter().any(|audience| audience == found);
    match claims.get("aud") {
        None => Err(TokenError::ClaimMissing),
        Some(Value::String(audience)) if ours(audience) => Ok(()),
        Some(Value::String(_)) => Err(TokenError::AudienceWrong),
        Some(Value::Array(audiences)) => {
            let texts: Option<Vec<&str>> = audiences.iter().map(Value::as_str).collect();
            let texts = texts.ok_or(TokenError::ClaimType)?;
            if texts.into_iter().any(ours) { Ok(()) } else { Err(TokenError::AudienceWrong) }
        }
        Some(_) => Err(TokenError::ClaimType),
    }
}

fn party(claims: &Map<String, Value>, policy: &JwtPolicy) -> Result<(), TokenError> {
    if policy.authorized_parties.is_empty() {
        return Ok(());
    }
    match claims.get("azp") {
        None => Err(TokenError::ClaimMissing),
        Some(Value::String(party)) if policy.authorized_parties.contains(party) => Ok(()),
        Some(Value::String(_)) => Err(TokenError::PartyWrong),
        Some(_) => Err(TokenError::ClaimType),
    }
}

fn times(
    claims: &Map<String, Value>,
    policy: &JwtPolicy,
    now_epoch_s: u64,
) -> Result<Times, TokenError> {
    let leeway_s = u64::from(policy.leeway_s);
    let expires = date(claims, "exp")?.ok_or(TokenError::ClaimMissing)?;
    let begins = date(claims, "nbf")?;
    let issued = date(claims, "iat")?;
    let mut until_epoch_s = expires.saturating_add(leeway_s);
    if now_epoch_s >= until_epoch_s {
        return Err(TokenError::Expired);
    }
    let from = |date: Option<u64>| date.unwrap_or(0).saturating_sub(leeway_s);
    if now_epoch_s < from(begins) {
        return Err(TokenError::NotYetValid);
    }
    if now_epoch_s < from(issued) {
        return Err(TokenError::IssuedInFuture);
    }
    if let Some(age_max_s) = policy.age_max_s {
        let issued = issued.ok_or(TokenError::ClaimMissing)?;
        let oldest = issued.saturating_add(age_max_s.into()).saturating_add(leeway_s);
        if now_epoch_s >= oldest {
            return Err(TokenError::TooOld);
        }
        until_epoch_s = until_epoch_s.min(oldest);
    }
    Ok(Times { from_epoch_s: from(begins).max(from(issued)), until_epoch_s })
}

/// A date: a number, in seconds since 1970, which may have a fraction (RFC 7519, 2).
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, TokenError> {
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(TokenError::ClaimType),
    };
    let seconds = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => seconds,
        (None, Some(seconds)) if seconds >= 0.0 => seconds as u64,
        (None, _) => return Err(TokenError::ClaimType),
    };
    // Milliseconds by mistake, or "never", would be a token without an end.
    if seconds > YEAR_9999_EPOCH_S {
        return Err(TokenError::ClaimType);
    }
    Ok(Some(seconds))
}

const YEAR_9999_EPOCH_S: u64 = 253_402_300_799;
