//! The provider sends a browser back: everything that it brings is checked against what its own browser holds
//! sealed, before a session is opened.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use super::{
    Login, LoginError, Logins, Visit,
    exchange::{id_token, shown},
    parameters, sent_to,
};
use crate::{
    figures::{Meter, one},
    identity::{
        Identifier,
        jwt::{TokenError, mapping},
        session::{
            SessionText,
            record::{Ending, IdToken, SessionRecord},
        },
    },
    limits::{LOGIN_KEYS_BEAT_MS, LOGIN_KEYS_WAIT_MS, SUBJECT_BYTES_MAX},
    policy::LoginPolicy,
};

impl Logins {
    /// The page `callback`.
    ///
    /// # Errors
    /// Why nobody is logged in.
    pub async fn come_back(
        &self,
        login: &Login,
        visit: Visit<'_>,
        identifier: &Identifier,
        meter: &Meter,
    ) -> Result<Response<Bytes>, LoginError> {
        let provider = login.provider.load_full().ok_or(LoginError::ProviderUnknown)?;
        let given = parameters(visit.query)?;
        let state = given.get("state").ok_or(LoginError::StateMissing)?;
        let progress = login.sealer.open(state, visit.headers, visit.now.as_secs())?;
        // RFC 9207: or an answer of one provider would be taken for one of another.
        match given.get("iss") {
            Some(issuer) if *issuer == login.policy.jwt.issuer => {}
            None if !provider.policy.names_itself => {}
            Some(_) | None => return Err(LoginError::IssuerWrong),
        }
        if let Some(error) = given.get("error") {
            let (login, error) = (login.name(), shown(error));
            tracing::info!(login, error, "the provider logs nobody in");
            let refused = error == "access_denied";
            return Err(if refused { LoginError::Refused } else { LoginError::ProviderError });
        }
        let code = given.get("code").ok_or(LoginError::ParametersWrong)?;
        let token = {
            let _exchange = self.exchange()?;
            let redirect_uri = login.redirect_uri();
            id_token(&login.policy, &provider, code, &progress, &redirect_uri).await?
        };
        let claims = claims(login, &token, identifier, visit.now).await?;
        let said = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
        verify_slices_are_equal(said.as_bytes(), progress.nonce.as_bytes())
            .map_err(|_| LoginError::NonceWrong)?;
        let session = SessionText::generate().ok_or(LoginError::Randomness)?;
        let record = record(&login.policy, claims, token, &session, &visit)?;
        let given = login.cookie.given(&session).ok_or(LoginError::Randomness)?;
        let shared = self.sessions.sharing().map(|sharing| (sharing, record.clone()));
        self.sessions.open(record, visit.now.as_secs()).map_err(|_| LoginError::SessionsFull)?;
        if let Some((sharing, record)) = shared {
            let hash = record.hash;
            if sharing.open(record).await.is_err() {
                self.end(Ending::One(hash));
                return Err(LoginError::StoreAway);
            }
        }
        // Whoever logs in has another session from here on: one that was put into the browser before is worth
        // nothing.
        if let Ok(earlier) = login.cookie.find(visit.headers) {
            self.end(Ending::One(earlier.hash()));
        }
        one(&meter.logins_completed);
        let url = format!("{}{}", login.policy.origin, progress.to);
        sent_to(StatusCode::FOUND, &url, [Some(given), login.sealer.taken(&progress)])
    }

    pub(super) fn end(&self, ending: Ending) -> usize {
        self.sessions.close(ending).unwrap_or_else(|_| {
            // It has ended here; the supervisor and other workers hear nothing of it.
            tracing::error!("an end of sessions could not be told: too much waits to be told");
            0
        })
    }
}

/// What an ID token says (OpenID Connect Core 1.0, 3.1.3.7). The provider may have signed with a key that it has
/// just made: it is waited for a little.
async fn claims(
    login: &Login,
    token: &str,
    identifier: &Identifier,
    now: Duration,
) -> Result<Map<String, Value>, LoginError> {
    let place = login.place(identifier)?;
    let until = Instant::now() + Duration::from_millis(LOGIN_KEYS_WAIT_MS);
    loop {
        let types = &login.policy.jwt.types;
        let error = match identifier.claims(token, place, types, now.as_secs()) {
            Ok(claims) if is_for(&claims, &login.policy.client_id) => return Ok(claims),
            Ok(_) => return Err(LoginError::IdTokenForeign),
            Err(error) => error,
        };
        let may_come = matches!(error, TokenError::KeyUnknown | TokenError::KeysMissing);
        if !may_come || Instant::now() >= until {
            let (login, reason) = (login.name(), error.label());
            tracing::warn!(login, reason, "the provider's ID token is not good");
            return Err(LoginError::IdTokenInvalid);
        }
        sleep(Duration::from_millis(LOGIN_KEYS_BEAT_MS)).await;
    }
}

/// Of several audiences we must be the one that the token was made for. What must be there beside what any token
/// must have: whom it is about, and when it was made.
fn is_for(claims: &Map<String, Value>, client_id: &str) -> bool {
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    let party = match claims.get("azp") {
        None => !several,
        Some(party) => party.as_str() == Some(client_id),
    };
    party && claims.get("sub").is_some_and(Value::is_string) && claims.contains_key("iat")
}

fn record(
    login: &LoginPolicy,
    claims: Map<String, Value>,
    token: String,
    session: &SessionText,
    visit: &Visit<'_>,
) -> Result<SessionRecord, LoginError> {
    let text = |name: &str| {
        let text = claims.get(name).and_then(Value::as_str);
        text.filter(|text| (1..=SUBJECT_BYTES_MAX).contains(&text.len())).map(str::to_owned)
    };
    let subject = text("sub").ok_or(LoginError::SubjectInvalid)?;
    let sid = match claims.contains_key("sid") {
        true => Some(text("sid").ok_or(LoginError::SubjectInvalid)?),
        false => None,
    };
    let identity = mapping::identity(claims, &login.jwt, "".into()).map_err(|error| {
        let (login, reason) = (login.name(), error.label());
        tracing::warn!(login, reason, "an ID token does not say what the configuration asks for");
        LoginError::SubjectInvalid
    })?;
    let now = visit.now.as_secs();
    Ok(SessionRecord {
        hash: session.hash(),
        login: login.name().to_owned(),
        consumer: identity.consumer.to_string(),
        subject,
        sid,
        address: visit.address,
        created_epoch_s: now,
        ends_epoch_s: now.saturating_add(login.absolute_timeout_s.into()),
        idle_timeout_s: login.idle_timeout_s,
        used_epoch_s: now,
        id_token: IdToken(token),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_for;

    #[test]
    fn whose_an_id_token_is() {
        for (claims, expected) in [
            (json!({"aud": "app", "sub": "a", "iat": 1}), true),
            (json!({"aud": ["app"], "sub": "a", "iat": 1}), true),
            (json!({"aud": "app", "azp": "app", "sub": "a", "iat": 1}), true),
            (json!({"aud": ["app", "api"], "azp": "app", "sub": "a", "iat": 1}), true),
            (json!({"aud": ["app", "api"], "sub": "a", "iat": 1}), false),
            (json!({"aud": ["app", "api"], "azp": "api", "sub": "a", "iat": 1}), false),
            (json!({"aud": "app", "azp": "other", "sub": "a", "iat": 1}), false),
            (json!({"aud": "app", "azp": null, "sub": "a", "iat": 1}), false),
            (json!({"aud": "app", "iat": 1}), false),
            (json!({"aud": "app", "sub": 7, "iat": 1}), false),
            (json!({"aud": "app", "sub": "a"}), false),
        ] {
            assert_eq!(is_for(claims.as_object().unwrap(), "app"), expected, "{claims}");
        }
    }
}
