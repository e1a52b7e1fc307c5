//! An endpoint is asked for its keys.

use std::{sync::atomic::AtomicBool, time::Duration};

use firewall_gateway::{
    identity::jwt::keys::{KeySet, Source},
    limits::JWT_KEYS_TEXT_BYTES_MAX,
};

use super::{Refusal, store::Copy};
use crate::{
    config::{JwtConfig, KeysUrlConfig},
    fetch::{self, Fetched, Wanted},
};

/// From the name to the last byte: keys are small, and tokens wait for them.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What an endpoint said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// That its keys are those that are known.
    Same(Copy),
    /// Other keys.
    Other(Copy),
}

/// Asks; `known` is what it said the last time.
///
/// # Errors
///
/// Why its answer is not taken.
pub fn ask(
    jwt: &JwtConfig,
    endpoint: &KeysUrlConfig,
    known: Option<Copy>,
    now_epoch_s: u64,
    stopping: &AtomicBool,
) -> Result<Said, Refusal> {
    let wanted = Wanted {
        url: endpoint.url.clone(),
        ca: endpoint.ca.clone(),
        bytes_max: JWT_KEYS_TEXT_BYTES_MAX as u64,
        authorization: None,
        timeout: TIMEOUT,
        known: known.as_ref().map(|copy| copy.validators.clone()).unwrap_or_default(),
    };
    match (fetch::apart(wanted, stopping)?, known) {
        (Fetched::Unchanged, Some(known)) => {
            Ok(Said::Same(Copy { confirmed_epoch_s: now_epoch_s, ..known }))
        }
        // Nobody asked whether it changed.
        (Fetched::Unchanged, None) => Err(fetch::FetchError::Status { found: 304 }.into()),
        (Fetched::New { bytes, validators }, known) => {
            let text = String::from_utf8(bytes).map_err(|_| Refusal::Text)?;
            KeySet::read(&text, &jwt.policy.algorithms, Source::Fetched)?;
            let same = known.filter(|known| known.text == text);
            let fetched_epoch_s = same.as_ref().map_or(now_epoch_s, |known| known.fetched_epoch_s);
            let copy = Copy {
                url: endpoint.url.clone(),
                validators,
                fetched_epoch_s,
                confirmed_epoch_s: now_epoch_s,
                text,
            };
            Ok(if same.is_some() { Said::Same(copy) } else { Said::Other(copy) })
        }
    }
}
