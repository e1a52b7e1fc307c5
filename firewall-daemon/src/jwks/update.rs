//! An endpoint is asked for its keys.

use std::{net::ToSocketAddrs as _, sync::atomic::AtomicBool, time::Duration};

use firewall_gateway::{
    identity::jwt::keys::{KeySet, Source},
    limits::{DISCOVERY_BYTES_MAX, JWT_KEYS_TEXT_BYTES_MAX, LOGIN_ADDRESSES_MAX},
    login::provider,
    policy::{ClientAuthentication, ProviderPolicy},
};

use super::{Refusal, store::Copy};
use crate::{
    config::{JwtConfig, KeysConfig, KeysUrlConfig},
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
    let provider = match &jwt.keys {
        KeysConfig::Discovered { client, .. } => {
            Some(discovered(&jwt.policy.issuer, endpoint, *client, stopping)?)
        }
        KeysConfig::Url(_) | KeysConfig::File(_) | KeysConfig::Inline(_) => None,
    };
    let place = |provider: &Option<ProviderPolicy>| match provider {
        Some(provider) => provider.jwks_uri.clone(),
        None => endpoint.url.clone(),
    };
    let url = place(&provider);
    // What is known of another address says nothing of this one.
    let known = known.filter(|known| place(&known.provider) == url);
    let validators = known.as_ref().map(|copy| copy.validators.clone()).unwrap_or_default();
    let wanted = wanted(&url, endpoint, JWT_KEYS_TEXT_BYTES_MAX, validators);
    match (fetch::apart(wanted, stopping)?, known) {
        (Fetched::Unchanged, Some(known)) => {
            Ok(Said::Same(Copy { confirmed_epoch_s: now_epoch_s, provider, ..known }))
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
                provider,
            };
            Ok(if same.is_some() { Said::Same(copy) } else { Said::Other(copy) })
        }
    }
}

fn wanted(
    url: &str,
    endpoint: &KeysUrlConfig,
    bytes_max: usize,
    known: fetch::Validators,
) -> Wanted {
    Wanted {
        url: url.to_owned(),
        ca: endpoint.ca.clone(),
        bytes_max: bytes_max as u64,
        authorization: None,
        timeout: TIMEOUT,
        known,
    }
}

/// What a provider says of itself, with the addresses of its token endpoint: a worker can look up no name.
fn discovered(
    issuer: &str,
    endpoint: &KeysUrlConfig,
    client: Option<ClientAuthentication>,
    stopping: &AtomicBool,
) -> Result<ProviderPolicy, Refusal> {
    let wanted = wanted(&endpoint.url, endpoint, DISCOVERY_BYTES_MAX, fetch::Validators::default());
    let Fetched::New { bytes, .. } = fetch::apart(wanted, stopping)? else {
        return Err(fetch::FetchError::Status { found: 304 }.into());
    };
    let (_, port) = provider::endpoint("issuer", issuer)?;
    let mut found = provider::read(&bytes, issuer, port, client)?;
    let (host, port) = provider::endpoint("token_endpoint", &found.token_endpoint)?;
    let addresses = (host.as_str(), port).to_socket_addrs();
    let unknown = |found: String| Refusal::Address { host: host.clone(), found };
    let addresses = addresses.map_err(|error| unknown(error.to_string()))?;
    found.addresses = addresses.take(LOGIN_ADDRESSES_MAX).collect();
    if found.addresses.is_empty() { Err(unknown("no address".to_owned())) } else { Ok(found) }
}
