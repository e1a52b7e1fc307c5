//! Tokens that are good, and when; what is remembered of them; keys that change. Every way in which a token
//! is not good is in the tests of whole requests (`tests/request_path/tokens.rs`).

mod accepted;

#[path = "../../../../tests/src/forge.rs"]
#[allow(dead_code, reason = "others use the rest")]
pub mod forge;

mod generated;

mod keys_change;

mod times;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use self::forge::{Kind, Signer, jwks};
use super::{Algorithm, Issuers, TokenError, Verifier};
use crate::{
    figures::{Figures, Meter},
    identity::{Denied, Identity},
    policy::{JwtPolicy, KeyOrigin, KeyText},
};

pub const NOW: u64 = 1_700_000_000;
pub const ISSUER: &str = "https://issuer.example/";

/// Settings that take tokens of these keys.
pub fn policy(keys: &str) -> JwtPolicy {
    JwtPolicy {
        name: "main".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec!["api".to_owned(), "other".to_owned()],
        algorithms: Algorithm::ALL.into_iter().filter(|one| !one.is_symmetric()).collect(),
        keys: Some(KeyText { text: keys.to_owned(), confirmed_epoch_s: 0 }),
        origin: KeyOrigin::Local,
        types: Vec::new(),
        authorized_parties: Vec::new(),
        leeway_s: 60,
        age_max_s: None,
        claims_required: Vec::new(),
        consumer_claim: "sub".to_owned(),
        scopes_claim: None,
        roles_claim: None,
        headers: Vec::new(),
    }
}

/// Claims that are good at [`NOW`], with some changed; `null` takes one away.
pub fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "api", "sub": "alice", "iat": NOW - 10, "exp": NOW + 300,
    });
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub struct World {
    pub issuers: Arc<Issuers>,
    pub verifier: Verifier,
    meter: Arc<Meter>,
}

impl World {
    pub fn new(policy: &JwtPolicy) -> World {
        let issuers = Arc::new(Issuers::new([policy]).unwrap());
        let meter = Arc::new(Meter::new([]));
        World { verifier: Verifier::new(issuers.clone(), meter.clone()), issuers, meter }
    }

    pub fn verify(&self, token: &str, now_epoch_s: u64) -> Result<Identity, Denied> {
        self.verifier.verify(&bearer(token), 0, now_epoch_s)
    }

    /// Why a token is refused.
    pub fn refused(&self, token: &str, now_epoch_s: u64) -> Option<TokenError> {
        match self.verify(token, now_epoch_s) {
            Ok(_) => None,
            Err(Denied::Jwt(error)) => Some(error),
            Err(other) => panic!("{other:?}"),
        }
    }

    pub fn figures(&self) -> Figures {
        self.meter.figures()
    }
}

pub fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(header::AUTHORIZATION, value);
    headers
}

/// A signer, and a world that knows its key.
pub fn one_signer() -> (Signer, World) {
    let signer = Signer::new("e", Kind::P256);
    let world = World::new(&policy(&jwks([&signer])));
    (signer, world)
}
