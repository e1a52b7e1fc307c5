//! Issuers: what is asked of their tokens, and the keys of each, which are changed as a whole while requests
//! are served.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use http::{HeaderName, HeaderValue};

use super::{
    keys::{KeyError, KeySet, Source},
    mapping,
    unknown::UnknownKids,
    verify::sha256,
};
use crate::{
    headers,
    identity::Identity,
    policy::{JwtPolicy, KeyOrigin, KeyText},
};

/// All issuers of a policy; threads share them.
#[derive(Debug)]
pub struct Issuers {
    all: Vec<Issuer>,
    /// Names of headers that backends are told claims in, with one kind of separator.
    headers: Vec<String>,
}

/// An issuer.
#[derive(Debug)]
pub struct Issuer {
    /// What is asked of its tokens.
    pub policy: JwtPolicy,
    headers: Vec<(HeaderName, String)>,
    keys: ArcSwapOption<Keys>,
    /// That of the keys, also where nobody looks at them.
    generation: AtomicU64,
    /// The first second in which they are not believed any more.
    stale_epoch_s: AtomicU64,
    unknown: UnknownKids,
    /// A token named a key that is not there.
    newer_wanted: AtomicBool,
}

/// Keys with the number that tells them from those before and after.
#[derive(Debug)]
pub struct Keys {
    /// The number.
    pub generation: u64,
    /// The keys.
    pub set: KeySet,
    /// Of the text that they were read from, which may hold a secret.
    digest: [u8; 32],
}

impl Issuers {
    /// Prepares them.
    ///
    /// # Errors
    /// The one that cannot be used, and why.
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a JwtPolicy>) -> Result<Self, JwtError> {
        let all = policies.into_iter().map(Issuer::new).collect::<Result<Vec<_>, _>>()?;
        let names = all.iter().flat_map(|issuer| &issuer.headers);
        let headers = names.map(|(name, _)| headers::plain(name.as_str())).collect();
        Ok(Self { all, headers })
    }

    /// The place of the one that routes call by this name.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|issuer| issuer.policy.name == name)
    }

    /// The one at a place.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Issuer> {
        self.all.get(place)
    }

    /// Whether a header, in lower case, tells backends a claim. Frameworks read `_` and `.` as `-`.
    #[must_use]
    pub fn is_header(&self, name: &str) -> bool {
        !self.headers.is_empty() && self.headers.contains(&headers::plain(name))
    }

    /// What backends are told of somebody with a token of the issuer at this place.
    #[must_use]
    pub fn headers(&self, place: usize, identity: &Identity) -> Vec<(HeaderName, HeaderValue)> {
        let (Some(issuer), Some(claims)) = (self.at(place), &identity.claims) else {
            return Vec::new();
        };
        let header = |(name, claim): &(HeaderName, String)| {
            Some((name.clone(), mapping::header(claims, claim).ok()??))
        };
        issuer.headers.iter().filter_map(header).collect()
    }

    /// Gives an issuer other keys.
    ///
    /// # Errors
    /// They cannot be used: those of before stay.
    pub fn renew(&self, name: &str, keys: &KeyText) -> Result<(), JwtError> {
        let issuer = self.place(name).and_then(|place| self.at(place));
        let issuer = issuer.ok_or_else(|| JwtError::Unknown { name: name.to_owned() })?;
        issuer.renew(keys).map_err(|error| issuer.error(error))
    }

    /// The names of those whose tokens named keys that are not there, since this was last asked.
    pub fn newer_wanted(&self) -> Vec<String> {
        let wanted = self.all.iter().filter(|issuer| issuer.newer_wanted.swap(false, Relaxed));
        wanted.map(|issuer| issuer.policy.name.clone()).collect()
    }
}

impl Issuer {
    fn new(policy: &JwtPolicy) -> Result<Self, JwtError> {
        let header = |name: &str| {
            let usable = HeaderName::from_bytes(name.as_bytes()).ok();
            usable.filter(|_| is_header_for_claims(name)).ok_or_else(|| JwtError::Header {
                name: policy.name.clone(),
                header: name.to_owned(),
            })
        };
        let headers = policy.headers.iter();
        let headers = headers.map(|one| Ok((header(&one.name)?, one.claim.clone())));
        let issuer = Self {
            policy: JwtPolicy { keys: None, ..policy.clone() },
            headers: headers.collect::<Result<_, _>>()?,
            keys: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            stale_epoch_s: AtomicU64::new(0),
            unknown: UnknownKids::default(),
            newer_wanted: AtomicBool::new(false),
        };
        match (&policy.keys, &policy.origin) {
            (Some(keys), KeyOrigin::Local) => {
                issuer.renew(keys).map_err(|error| issuer.error(error))?;
            }
            (None, KeyOrigin::Local) => return Err(issuer.error(KeyError::None)),
            (Some(keys), KeyOrigin::Fetched { .. }) => {
                // A copy that is no good any more is no reason not to serve: newer ones are fetched.
                if let Err(error) = issuer.renew(keys) {
                    let jwt = policy.name.as_str();
                    tracing::warn!(jwt, %error, "the kept copy of an issuer's keys cannot be used");
                }
            }
            (None, KeyOrigin::Fetched { .. }) => {}
        }
        Ok(issuer)
    }

    fn error(&self, error: KeyError) -> JwtError {
        JwtError::Keys { name: self.policy.name.clone(), error }
    }

    fn renew(&self, keys: &KeyText) -> Result<(), KeyError> {
        let (source, stale_epoch_s) = match &self.policy.origin {
            KeyOrigin::Local => (Source::Local, u64::MAX),
            KeyOrigin::Fetched { stale_max_s, .. } => {
                (Source::Fetched, keys.confirmed_epoch_s.saturating_add(u64::from(*stale_max_s)))
            }
        };
        // The same keys again, confirmed: tokens that were verified with them stay so.
        let digest = sha256(keys.text.as_bytes());
        let same = self.keys.load().as_ref().is_some_and(|now| now.digest == digest);
        if !same {
            let set = KeySet::read(&keys.text, &self.policy.algorithms, source)?;
            for error in set.left_out() {
                let jwt = self.policy.name.as_str();
                tracing::warn!(jwt, %error, "one of an issuer's keys is left out");
            }
            // Only the thread that attends to the daemon renews keys: nobody else adds here.
            let generation = self.generation.load(Relaxed) + 1;
            self.keys.store(Some(Arc::new(Keys { generation, set, digest })));
            self.generation.store(generation, Relaxed);
        }
        self.stale_epoch_s.store(stale_epoch_s, Relaxed);
        Ok(())
    }

    /// Which keys it has; 0 where there are none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Whether its keys are too old to be believed.
    #[must_use]
    pub fn is_stale(&self, now_epoch_s: u64) -> bool {
        now_epoch_s >= self.stale_epoch_s.load(Relaxed)
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.load_full()
    }

    /// A token of this issuer names a key that is not there; whether newer ones are asked for.
    pub fn missed(&self, kid: &str, now_epoch_s: u64) -> bool {
        self.unknown.asks(kid, now_epoch_s) && self.want_newer()
    }

    /// Asks for newer keys, where they are fetched. Where it has none that are believed, every token asks: how
    /// often the issuer is asked then is the daemon's bound alone.
    pub fn want_newer(&self) -> bool {
        let fetched = matches!(self.policy.origin, KeyOrigin::Fetched { .. });
        if fetched && !self.newer_wanted.load(Relaxed) {
            self.newer_wanted.store(true, Relaxed);
        }
        fetched
    }
}

/// Whether a header may say what a claim says: not one that frames a message, that we set ourselves, or that
/// holds what a client brings.
#[must_use]
pub fn is_header_for_claims(name: &str) -> bool {
    let parsed = HeaderName::from_bytes(name.as_bytes());
    parsed.is_ok_and(|name| !headers::is_ours(name.as_str()) && !headers::is_framing(&name))
}

/// Issuers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum JwtError {
    #[error("gateway.jwt.{name}: keys: {error}")]
    Keys { name: String, error: KeyError },
    #[error(
        "gateway.jwt.{name}: headers: expected the name of a header that the gateway may set, found {header:?}"
    )]
    Header { name: String, header: String },
    #[error("gateway.jwt: expected an issuer that is configured, found {name:?}")]
    Unknown { name: String },
    #[error(
        "gateway.routes: route {route:?}: authentication: expected a name of gateway.jwt, found {name:?}"
    )]
    Route { route: String, name: String },
}
