//! The order in which a token is verified: its signature before anything that it says is believed.

use std::{cell::RefCell, sync::Arc};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    Issuers, TokenError, bearer,
    cache::{Cache, CacheKey, Verified},
    claims,
    header::Header,
    issuer::Issuer,
    json, mapping,
};
use crate::{
    figures::{Meter, one},
    identity::{Denied, Identity},
    limits::{JWT_CLAIMS_DEPTH_MAX, JWT_CLAIMS_VALUES_MAX, JWT_TOKEN_BYTES_MAX},
};

/// Verifies tokens, in one thread.
#[derive(Debug)]
pub struct Verifier {
    issuers: Arc<Issuers>,
    cache: RefCell<Cache>,
    meter: Arc<Meter>,
}

impl Verifier {
    /// For a thread.
    #[must_use]
    pub fn new(issuers: Arc<Issuers>, meter: Arc<Meter>) -> Self {
        Self { issuers, cache: RefCell::default(), meter }
    }

    /// Who sent a request, by its token, as the settings at this place ask for it.
    ///
    /// # Errors
    /// Why nobody did.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        place: usize,
        now_epoch_s: u64,
    ) -> Result<Identity, Denied> {
        let token = bearer::token(headers)?;
        let issuer = self.issuers.at(place).ok_or(Denied::Missing)?;
        self.token(token, issuer, place, now_epoch_s).map_err(Denied::Jwt)
    }

    fn token(
        &self,
        token: &str,
        issuer: &Issuer,
        place: usize,
        now_epoch_s: u64,
    ) -> Result<Identity, TokenError> {
        let generation = issuer.generation();
        if generation > 0 && issuer.is_stale(now_epoch_s) {
            issuer.want_newer();
            return Err(TokenError::KeysStale);
        }
        let key = (sha256(token.as_bytes()), place);
        if let Some(identity) = self.cache.borrow_mut().find(&key, generation, now_epoch_s) {
            one(&self.meter.tokens_cached);
            return Ok(identity);
        }
        one(&self.meter.tokens_verified);
        let verified = self.verified(token, &key, issuer, now_epoch_s)?;
        let identity = verified.identity.clone();
        self.cache.borrow_mut().keep(key, token.len(), verified);
        Ok(identity)
    }

    fn verified(
        &self,
        token: &str,
        key: &CacheKey,
        issuer: &Issuer,
        now_epoch_s: u64,
    ) -> Result<Verified, TokenError> {
        let policy = &issuer.policy;
        let (claims, generation) = self.signed(token, issuer, &policy.types, now_epoch_s)?;
        let times = claims::check(&claims, policy, now_epoch_s)?;
        let identity = mapping::identity(claims, policy, credential(key))?;
        Ok(Verified {
            identity,
            generation,
            from_epoch_s: times.from_epoch_s,
            until_epoch_s: times.until_epoch_s,
        })
    }

    /// What a token says that is not a request's: it is looked at whole each time, and its claims are those that
    /// the settings at this place ask for. One with `typ` is of one of these types.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn claims(
        &self,
        token: &str,
        place: usize,
        types: &[String],
        now_epoch_s: u64,
    ) -> Result<Map<String, Value>, TokenError> {
        let issuer = self.issuers.at(place).ok_or(TokenError::KeysMissing)?;
        if token.len() > JWT_TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        if issuer.generation() > 0 && issuer.is_stale(now_epoch_s) {
            issuer.want_newer();
            return Err(TokenError::KeysStale);
        }
        one(&self.meter.tokens_verified);
        let (claims, _) = self.signed(token, issuer, types, now_epoch_s)?;
        claims::check(&claims, &issuer.policy, now_epoch_s)?;
        Ok(claims)
    }

    /// What a token says whose signature holds, and the number of the keys that it was verified with.
    fn signed(
        &self,
        token: &str,
        issuer: &Issuer,
        types: &[String],
        now_epoch_s: u64,
    ) -> Result<(Map<String, Value>, u64), TokenError> {
        let policy = &issuer.policy;
        let parts = Parts::of(token)?;
        let header = Header::read(&decoded(parts.header).ok_or(TokenError::Encoding)?)?;
        if !policy.algorithms.contains(&header.algorithm) {
            return Err(TokenError::AlgorithmRefused);
        }
        let payload = decoded(parts.payload).ok_or(TokenError::Encoding)?;
        let signature = decoded(parts.signature).ok_or(TokenError::Encoding)?;
        header.check_type(types)?;
        let keys = issuer.keys();
        let found = match &keys {
            Some(keys) => keys.set.find(header.kid.as_deref(), header.algorithm),
            None => Err(TokenError::KeysMissing),
        };
        let found =
            found.map_err(|error| self.missed(error, &header, &payload, issuer, now_epoch_s))?;
        if !found.holds(parts.signed, &signature) {
            return Err(TokenError::SignatureWrong);
        }
        Ok((read_claims(&payload)?, keys.as_ref().map_or(0, |keys| keys.generation)))
    }

    /// There is no key for a token. Where it says that it is of this issuer, newer keys are asked for: one of
    /// another issuer, of which a route may take both, would ask in vain.
    fn missed(
        &self,
        error: TokenError,
        header: &Header,
        payload: &[u8],
        issuer: &Issuer,
        now_epoch_s: u64,
    ) -> TokenError {
        if !matches!(error, TokenError::KeyUnknown | TokenError::KeysMissing) {
            return error;
        }
        match read_claims(payload).and_then(|claims| claims::issuer(&claims, &issuer.policy)) {
            Ok(()) => {}
            Err(wrong) => return wrong,
        }
        let asks = match error {
            TokenError::KeysMissing => issuer.want_newer(),
            _ => issuer.missed(header.kid.as_deref().unwrap_or_default(), now_epoch_s),
        };
        if asks {
            one(&self.meter.token_keys_wanted);
        }
        error
    }
}

/// The parts of a token, as they stand in it.
struct Parts<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    signed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, TokenError> {
        match token.bytes().filter(|byte| *byte == b'.').count() {
            2 => {}
            // RFC 7516, 3.1.
            4 => return Err(TokenError::Encrypted),
            _ => return Err(TokenError::Malformed),
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        Ok(Self {
            header: header.as_bytes(),
            payload: payload.as_bytes(),
            signature: signature.as_bytes(),
            signed: signed.as_bytes(),
        })
    }
}

/// The claims of a token that was verified before and kept since.
pub fn claims_of(token: &str) -> Result<Map<String, Value>, TokenError> {
    read_claims(&decoded(Parts::of(token)?.payload).ok_or(TokenError::Encoding)?)
}

fn read_claims(payload: &[u8]) -> Result<Map<String, Value>, TokenError> {
    json::object(payload, BOUNDS).map_err(|error| match error {
        json::JsonError::Malformed => TokenError::ClaimsMalformed,
        json::JsonError::Repeated => TokenError::ClaimsRepeated,
        json::JsonError::TooLarge => TokenError::ClaimsTooLarge,
    })
}

const BOUNDS: json::Bounds =
    json::Bounds { depth: JWT_CLAIMS_DEPTH_MAX, values: JWT_CLAIMS_VALUES_MAX };

/// base64url to the letter: no padding, no other alphabet, no bits behind the last byte. One token has one
/// text, or what was revoked by its text would come back as another.
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    digest
}

/// The first half of the hash: enough to tell tokens apart, and no token.
fn credential((digest, _): &CacheKey) -> Arc<str> {
    let shown = digest.iter().take(16);
    shown.map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
