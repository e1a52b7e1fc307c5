//! A login in progress: all that is known of it lies with its browser, sealed, so that nobody can begin more of
//! them than we have memory for.
//!
//! Signed alone it would do for `state` and `nonce`. The verifier (RFC 7636) is what keeps a code from whoever
//! sees it, and is not to stand beside it in the clear: so it is sealed, with AES-256-GCM-SIV, as any host of
//! ours may begin logins with one key, and numbers at random may then come twice.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
    hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{LoginError, return_path};
use crate::{
    headers::{cookies, never_indexed},
    identity::{
        jwt::verify::sha256,
        session::{LIKE, progress},
    },
    limits::{LOGIN_PROGRESS_MAX_S, LOGIN_TABS_MAX},
    signing,
};

/// What is remembered of a login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Which of the browser's logins it is, and a number that only the browser and the provider know.
    pub state: String,
    /// What the ID token must say.
    pub nonce: String,
    /// What the code is good for with.
    pub verifier: String,
    /// Where the browser wanted to go.
    pub to: String,
    /// When it began, in seconds since 1970.
    pub began_epoch_s: u64,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Progress").field("to", &self.to).finish_non_exhaustive()
    }
}

impl Progress {
    /// A login that begins now, beside those that the browser is about already.
    #[must_use]
    pub fn begin(login: &str, to: &str, headers: &HeaderMap, now_epoch_s: u64) -> Option<Self> {
        let [state, nonce, verifier] = [(); 3].map(|()| random());
        let (state, prefix) = (state?, progress(login));
        let is_free = |tab: &u8| {
            let name = format!("{prefix}{tab}");
            !cookies(headers).any(|(found, _)| found == name)
        };
        // Where all are taken, any of them gives way.
        let any = state.bytes().next().unwrap_or_default() % LOGIN_TABS_MAX;
        let tab = (0..LOGIN_TABS_MAX).find(is_free).unwrap_or(any);
        Some(Self {
            state: format!("{tab}{state}"),
            nonce: nonce?,
            verifier: verifier?,
            to: return_path::checked(to).to_owned(),
            began_epoch_s: now_epoch_s,
        })
    }

    /// What the provider is shown of the verifier (RFC 7636, 4.2).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }
}

/// Seals logins of one name.
pub struct Sealer {
    login: String,
    key: LessSafeKey,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sealer").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Sealer {
    /// For a login, with a key of the policy; nothing where it is none.
    #[must_use]
    pub fn new(login: &str, key_hex: &str) -> Option<Self> {
        let root = signing::key(key_hex)?;
        // The same key signs cookies of other kinds: what is sealed here must be of no use there.
        let own = hmac::sign(&root, b"seawall login in progress");
        let key = UnboundKey::new(&AES_256_GCM_SIV, own.as_ref()).ok()?;
        Some(Self { login: login.to_owned(), key: LessSafeKey::new(key) })
    }

    /// The cookie that holds a login.
    #[must_use]
    pub fn cookie(&self, progress: &Progress) -> Option<HeaderValue> {
        let (name, mut bytes) = (self.name(&progress.state)?, serde_json::to_vec(progress).ok()?);
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let (sealed, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()));
        self.key.seal_in_place_append_tag(sealed, aad, &mut bytes).ok()?;
        let text = URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat());
        let value = format!("{name}={text}; Max-Age={LOGIN_PROGRESS_MAX_S}; {LIKE}");
        HeaderValue::try_from(value).ok().map(never_indexed)
    }

    /// What takes it away again.
    #[must_use]
    pub fn taken(&self, progress: &Progress) -> Option<HeaderValue> {
        let name = self.name(&progress.state)?;
        HeaderValue::try_from(format!("{name}=; Max-Age=0; {LIKE}")).ok()
    }

    /// The login that a provider's answer with this `state` belongs to.
    ///
    /// # Errors
    /// The browser began none, another one, or too long ago.
    pub fn open(
        &self,
        state: &str,
        headers: &HeaderMap,
        now_epoch_s: u64,
    ) -> Result<Progress, LoginError> {
        let name = self.name(state).ok_or(LoginError::StateWrong)?;
        let found = cookies(headers).find(|(found, _)| *found == name);
        let (_, text) = found.ok_or(LoginError::StateMissing)?;
        let progress = self.opened(&name, text).ok_or(LoginError::StateInvalid)?;
        let same = verify_slices_are_equal(progress.state.as_bytes(), state.as_bytes());
        same.map_err(|_| LoginError::StateWrong)?;
        // Behind a clock that was set back it may have begun in the future.
        let age = now_epoch_s.abs_diff(progress.began_epoch_s);
        if age > LOGIN_PROGRESS_MAX_S { Err(LoginError::StateExpired) } else { Ok(progress) }
    }

    fn opened(&self, name: &str, text: &str) -> Option<Progress> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let (nonce, mut sealed) = (Nonce::try_assume_unique_for_key(nonce).ok()?, sealed.to_vec());
        let open = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut sealed).ok()?;
        serde_json::from_slice(open).ok()
    }

    // Which of a browser's logins it is stands in front of its state.
    fn name(&self, state: &str) -> Option<String> {
        let tab = state.bytes().next()?.checked_sub(b'0').filter(|tab| *tab < LOGIN_TABS_MAX)?;
        Some(format!("{}{tab}", progress(&self.login)))
    }
}

// 256 bits, as RFC 7636 (7.1) asks of a verifier.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{LOGIN_PROGRESS_MAX_S, LoginError, Progress, Sealer};
    use crate::generated::cases;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn with(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        headers
    }

    /// The pair of a `Set-Cookie`.
    fn pair(set: &HeaderValue) -> String {
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_login_is_found_by_its_state_in_its_browser_alone() {
        let sealer = Sealer::new("main", KEY).unwrap();
        let other = Sealer::new("other", KEY).unwrap();
        let stranger = Sealer::new("main", &KEY.replace('0', "1")).unwrap();
        let none = HeaderMap::new();
        let begun = Progress::begin("main", "/a?b=c", &none, 1_000).unwrap();
        let second = Progress::begin("main", "/", &none, 1_000).unwrap();
        assert_eq!(begun.to, "/a?b=c");
        assert!(begun.state != second.state && begun.nonce != begun.verifier);
        let set = sealer.cookie(&begun).unwrap();
        let shown = set.to_str().unwrap();
        assert!(shown.starts_with("__Host-login-main-0=") && set.is_sensitive(), "{shown}");
        assert!(
            shown.ends_with("; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax"),
            "{shown}"
        );
        for secret in [&begun.state, &begun.nonce, &begun.verifier] {
            assert!(!shown.contains(secret.as_str()), "sealed");
        }
        let mine = pair(&set);
        let moved = mine.replace("-main-0=", "-main-1=");
        let renamed = mine.replace("-main-", "-other-");
        let moved_state = format!("1{}", &begun.state[1..]);
        let (state, expired) = (begun.state.as_str(), 1_001 + LOGIN_PROGRESS_MAX_S);
        for (name, sealer, cookies, state, now, expected) in [
            ("it is", &sealer, vec![mine.as_str()], state, 1_000, None),
            ("later", &sealer, vec!["x=y", &mine], state, expired - 1, None),
            ("too late", &sealer, vec![&mine], state, expired, Some(LoginError::StateExpired)),
            ("no cookie", &sealer, vec![], state, 1_000, Some(LoginError::StateMissing)),
            (
                "another login of the browser",
                &sealer,
                vec![&mine],
                &second.state,
                1_000,
                Some(LoginError::StateWrong),
            ),
            ("no state", &sealer, vec![&mine], "", 1_000, Some(LoginError::StateWrong)),
            ("no such tab", &sealer, vec![&mine], "9x", 1_000, Some(LoginError::StateWrong)),
            (
                "moved to another tab",
                &sealer,
                vec![&moved],
                &moved_state,
                1_000,
                Some(LoginError::StateInvalid),
            ),
            (
                "of another name",
                &other,
                vec![&renamed],
                state,
                1_000,
                Some(LoginError::StateInvalid),
            ),
            (
                "of another key",
                &stranger,
                vec![&mine],
                state,
                1_000,
                Some(LoginError::StateInvalid),
            ),
            (
                "no cookie of ours",
                &sealer,
                vec!["__Host-login-main-0=abc"],
                state,
                1_000,
                Some(LoginError::StateInvalid),
            ),
        ] {
            let found = sealer.open(state, &with(&cookies), now);
            assert_eq!(found.as_ref().err().copied(), expected, "{name}");
            if let Ok(found) = found {
                assert_eq!(found, begun, "{name}");
            }
        }
    }

    #[test]
    fn tabs_have_places_until_there_are_too_many() {
        let mut cookies = Vec::new();
        for expected in ['0', '1', '2', '3'] {
            let names: Vec<&str> = cookies.iter().map(String::as_str).collect();
            let next = Progress::begin("main", "/", &with(&names), 1).unwrap();
            assert_eq!(next.state.chars().next(), Some(expected));
            cookies.push(format!("__Host-login-main-{expected}=x"));
        }
        let names: Vec<&str> = cookies.iter().map(String::as_str).collect();
        let next = Progress::begin("main", "/", &with(&names), 1).unwrap();
        assert!(('0'..='3').contains(&next.state.chars().next().unwrap()), "{}", next.state);
    }

    #[test]
    fn what_was_changed_is_no_login() {
        let sealer = Sealer::new("main", KEY).unwrap();
        let begun = Progress::begin("main", "/", &HeaderMap::new(), 1_000).unwrap();
        let good = pair(&sealer.cookie(&begun).unwrap());
        let (_, text) = good.split_once('=').unwrap();
        let mut opened = 0;
        for bytes in cases(11, 20_000, &[text.as_bytes().to_vec()]) {
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let Some(found) = sealer.opened("__Host-login-main-0", text) else { continue };
            opened += 1;
            assert_eq!(found, begun);
        }
        assert!(opened > 100, "{opened}");
    }
}
