//! API keys: 256 random bits each, known here by their SHA-256 alone.
//!
//! A slow hash as for passwords would buy nothing: what is guessed is not a word of some language but one of
//! 2^256 numbers, and a million guesses a second would cost us more than the attacker.

pub mod error;

mod carrier;

pub mod text;

pub mod table;

pub mod store;

pub mod handed;

use std::{net::IpAddr, sync::Arc};

use http::HeaderValue;

pub use carrier::{Carriers, Found};
use error::KeyError;

use super::{Identity, Method, Recognised};
use crate::headers::X_CONSUMER_CREDENTIAL;
use store::KeyStore;
use text::{KeyHash, KeyText};

/// What a request shows beside the key itself.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The key.
    pub text: &'a [u8],
    /// The user name that came with it in `Basic`.
    pub user: Option<&'a [u8]>,
    /// From where.
    pub address: IpAddr,
    /// For which route.
    pub route: &'a str,
}

/// Whose a key is, if it holds; where it does not but is someone's, who that is.
///
/// # Errors
/// Why it does not hold.
pub fn verify(
    store: &KeyStore,
    presented: &Presented<'_>,
    now_epoch_s: u64,
) -> Result<Recognised, (KeyError, Option<Arc<str>>)> {
    let key = KeyText::parse(presented.text).map_err(|denied| (denied, None))?;
    let tables = store.tables();
    let found = tables.find(&KeyHash::of(presented.text)).ok_or((KeyError::Unknown, None))?;
    let grant = found.grant();
    let denied = |denied| Err((denied, Some(grant.consumer.name.clone())));
    if let Err(ended) = found.holds(now_epoch_s) {
        return denied(ended);
    }
    if !grant.consumer.known {
        return denied(KeyError::ConsumerUnknown);
    }
    if presented.user.is_some_and(|user| user != grant.consumer.name.as_bytes()) {
        return denied(KeyError::UserOther);
    }
    let within = |networks: &[ipnetwork::IpNetwork]| {
        networks.is_empty() || networks.iter().any(|network| network.contains(presented.address))
    };
    if !within(&grant.consumer.networks) || !within(&grant.networks) {
        return denied(KeyError::Network);
    }
    if !grant.routes.is_empty() && !grant.routes.iter().any(|route| route == presented.route) {
        return denied(KeyError::Route);
    }
    found.used(now_epoch_s);
    let identity = Identity {
        consumer: grant.consumer.name.clone(),
        scopes: grant.scopes.clone(),
        roles: grant.consumer.roles.clone(),
        claims: None,
        method: Method::ApiKey,
        credential: key.id().into(),
    };
    let mut headers = grant.headers.clone();
    // Letters and digits always are a header's value.
    headers.extend(HeaderValue::from_str(key.id()).map(|id| (X_CONSUMER_CREDENTIAL, id)));
    Ok(Recognised { identity, headers })
}
