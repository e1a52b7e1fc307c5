//! Sessions of browsers: 256 random bits each in a cookie, known here by their SHA-256 alone. Who somebody is
//! stays on this side, so that a session can be taken back.

pub mod error;

pub mod record;

pub mod store;

pub mod handed;

pub mod shared;

use std::{cell::RefCell, fmt, sync::Arc};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use self::{
    error::SessionError,
    record::{SessionRecord, id},
    store::SessionStore,
};
use super::{
    Denied, Identity, Method, Recognised,
    api_key::text::KeyHash,
    jwt::{
        Issuers,
        cache::{Cache, Verified},
        mapping,
        verify::claims_of,
    },
};
use crate::{
    headers::{cookies, never_indexed},
    policy::LoginPolicy,
};

/// The secret of a session. It is told to its browser once and kept nowhere: [`KeyHash`] is what remains.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionText(String);

impl SessionText {
    /// A new one; nothing where there is no randomness.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut secret).ok()?;
        Some(Self(URL_SAFE_NO_PAD.encode(secret)))
    }

    /// Reads what claims to be one.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        let mut secret = [0; SECRET_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut secret) {
            Ok(SECRET_BYTES) => Ok(Self(text.to_owned())),
            Ok(_) | Err(_) => Err(SessionError::Malformed),
        }
    }

    /// What remains of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.0.as_bytes())
    }

    /// For the one time that it is told.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "session {}", id(&self.hash()))
    }
}

const SECRET_BYTES: usize = 32;

/// The cookie of a login's sessions.
#[derive(Debug)]
pub struct SessionCookie {
    name: String,
    /// For how long a browser keeps it.
    lifetime_s: u32,
}

impl SessionCookie {
    /// That of a login.
    #[must_use]
    pub fn new(login: &LoginPolicy) -> Self {
        Self { name: login.cookie.clone(), lifetime_s: login.absolute_timeout_s }
    }

    /// The session of a request.
    ///
    /// # Errors
    /// It has none, more than one, or one that is none.
    pub fn find(&self, headers: &HeaderMap) -> Result<SessionText, Denied> {
        let mut values = cookies(headers).filter(|(name, _)| *name == self.name);
        let (_, text) = values.next().ok_or(Denied::Missing)?;
        if values.next().is_some() {
            return Err(Denied::Repeated);
        }
        SessionText::parse(text).map_err(Denied::Session)
    }

    /// What gives a session to a browser.
    #[must_use]
    pub fn given(&self, session: &SessionText) -> Option<HeaderValue> {
        let (name, text, age) = (&self.name, session.reveal(), self.lifetime_s);
        let value = format!("{name}={text}; Max-Age={age}; {LIKE}");
        HeaderValue::try_from(value).ok().map(never_indexed)
    }

    /// What takes it away from it.
    #[must_use]
    pub fn taken(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}=; Max-Age=0; {LIKE}", self.name)).ok()
    }
}

/// How our cookies are kept: no script reads them, and a form of another site does not bring them along. `Strict`
/// would keep them from the page that a browser comes to from the provider.
pub const LIKE: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// Cookies that are ours alone: no backend gets them, and none sets them.
#[derive(Debug, Default)]
pub struct OwnCookies {
    /// By their whole name.
    sessions: Vec<String>,
    /// What those of logins in progress begin with.
    progress: Vec<String>,
}

impl OwnCookies {
    /// Those of some logins.
    #[must_use]
    pub fn new(logins: &[LoginPolicy]) -> Self {
        Self {
            sessions: logins.iter().map(|login| login.cookie.clone()).collect(),
            progress: logins.iter().map(|login| progress(login.name())).collect(),
        }
    }

    /// This one too, which is no session's.
    pub fn add(&mut self, name: &str) {
        self.sessions.push(name.to_owned());
    }

    fn has(&self, name: &[u8]) -> bool {
        self.sessions.iter().any(|own| own.as_bytes() == name)
            || self.progress.iter().any(|own| name.starts_with(own.as_bytes()))
    }

    /// Takes them out of what the upstream gets.
    pub fn withhold(&self, headers: &mut HeaderMap) {
        let is_own = |pair: &[u8]| {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            self.has(pair[..end].trim_ascii())
        };
        self.rewrite(headers, &header::COOKIE, |line| {
            let pairs = line.split(|byte| *byte == b';');
            if !pairs.clone().any(is_own) {
                return Some(None);
            }
            let left = pairs.filter(|pair| !is_own(pair)).map(<[u8]>::trim_ascii);
            let left: Vec<&[u8]> = left.collect();
            if left.is_empty() {
                return None;
            }
            HeaderValue::from_bytes(&left.join(&b"; "[..])).ok().map(Some)
        });
    }

    /// Takes them out of what an upstream sets: whoever writes a session's cookie puts somebody into a session.
    pub fn keep_own(&self, headers: &mut HeaderMap) {
        self.rewrite(headers, &header::SET_COOKIE, |line| {
            let end = line.iter().position(|byte| matches!(byte, b'=' | b';'));
            let name = line[..end.unwrap_or(line.len())].trim_ascii();
            if self.has(name) { None } else { Some(None) }
        });
    }

    // What `change` says of a line: it goes, it stays, or another stands in its place.
    fn rewrite(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        change: impl Fn(&[u8]) -> Option<Option<HeaderValue>>,
    ) {
        if self.sessions.is_empty() || !headers.contains_key(name) {
            return;
        }
        let lines: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
        headers.remove(name);
        for line in lines {
            if let Some(changed) = change(line.as_bytes()) {
                headers.append(name.clone(), changed.unwrap_or(line));
            }
        }
    }
}

/// What the cookies of a login in progress begin with.
#[must_use]
pub fn progress(login: &str) -> String {
    format!("__Host-login-{login}-")
}

/// Recognises sessions, in one thread, which remembers what they say.
#[derive(Debug, Default)]
pub struct Reader {
    known: RefCell<Cache<Recognised>>,
}

impl Reader {
    /// Whose a session of the login at this place among the issuers is; where it does not hold but is someone's,
    /// who that is.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn read(
        &self,
        (store, issuers, place): (&SessionStore, &Issuers, usize),
        hash: &KeyHash,
        now_epoch_s: u64,
    ) -> Result<Recognised, (SessionError, Option<Arc<str>>)> {
        let tables = store.tables();
        let found = tables.find(hash).ok_or((SessionError::Unknown, None))?;
        let record = found.record();
        let denied = |error| (error, Some(Arc::from(record.consumer.as_str())));
        if issuers.at(place).is_none_or(|issuer| issuer.policy.name != record.login) {
            return Err(denied(SessionError::LoginOther));
        }
        found.holds(now_epoch_s).map_err(denied)?;
        let key = (hash.0, place);
        let known = self.known.borrow_mut().find(&key, 0, now_epoch_s);
        let recognised = match known {
            Some(known) => known,
            None => {
                let read = recognised(issuers, place, record);
                let identity = read.ok_or_else(|| denied(SessionError::Claims))?;
                let until_epoch_s = record.ends_epoch_s;
                let verified = Verified { identity, generation: 0, from_epoch_s: 0, until_epoch_s };
                self.known.borrow_mut().keep(key, record.id_token.0.len(), verified.clone());
                verified.identity
            }
        };
        found.used(now_epoch_s);
        if let Some(sharing) = store.sharing() {
            sharing.used(found, now_epoch_s);
        }
        Ok(recognised)
    }
}

// What the policy in force makes of the claims of the login; nothing where it asks for what they do not say, or
// sees somebody else in them.
fn recognised(issuers: &Issuers, place: usize, record: &SessionRecord) -> Option<Recognised> {
    let claims = claims_of(&record.id_token.0).ok()?;
    let policy = &issuers.at(place)?.policy;
    let identity = mapping::identity(claims, policy, id(&record.hash).into()).ok()?;
    if *identity.consumer != *record.consumer {
        return None;
    }
    let identity = Identity { method: Method::Session, ..identity };
    let mut headers = mapping::told(&identity).ok()?;
    headers.extend(issuers.headers(place, &identity));
    Some(Recognised { identity, headers })
}

#[cfg(test)]
mod tests;
