//! The ways out: a browser's own, on which it takes the provider along (RP-Initiated Logout 1.0), and the
//! provider's word that somebody has logged out elsewhere (Back-Channel and Front-Channel Logout 1.0).

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::Value;

use super::{Login, LoginError, Logins, Visit, parameters, sent_to, with_query};
use crate::{
    browser::CrossSite,
    figures::{Meter, one},
    identity::{Identifier, session::record::Ending},
    limits::LOGOUT_TOKEN_AGE_MAX_S,
};

impl Logins {
    /// Whether a page that is ours asks for the page `logout`.
    ///
    /// # Errors
    /// Another site's page does.
    pub fn may_leave(&self, visit: Visit<'_>, host: &str) -> Result<(), CrossSite> {
        self.csrf.check(&Method::POST, false, visit.headers, host)
    }

    /// The page `logout`: the session ends here, and the browser is sent to where it ends at the provider.
    ///
    /// # Errors
    /// It cannot be sent there.
    pub fn leave(
        &self,
        login: &Login,
        visit: Visit<'_>,
        meter: &Meter,
    ) -> Result<Response<Bytes>, LoginError> {
        let home = format!("{}{}", login.policy.origin, login.policy.after_logout);
        let mut hint = None;
        if let Ok(session) = login.cookie.find(visit.headers) {
            let hash = session.hash();
            let found = self.sessions.tables().find(&hash).cloned();
            let found = found.filter(|found| found.record().login == login.name());
            hint = found.map(|found| found.record().id_token.0.clone());
            self.end(Ending::One(hash));
        }
        one(&meter.logouts_front);
        let provider = login.provider.load_full();
        let end = provider.as_ref().and_then(|one| one.policy.end_session_endpoint.as_deref());
        let url = match end {
            None => home,
            Some(end) => {
                let id = ("client_id", login.policy.client_id.as_str());
                let mut pairs = vec![id, ("post_logout_redirect_uri", home.as_str())];
                pairs.extend(hint.as_deref().map(|hint| ("id_token_hint", hint)));
                with_query(end, &pairs)
            }
        };
        // 303: what was posted is not posted there again.
        sent_to(StatusCode::SEE_OTHER, &url, [login.cookie.taken()])
    }

    /// The page `backchannel`, with the form that the provider posts.
    ///
    /// # Errors
    /// Why its token is not taken.
    pub fn hear(
        &self,
        login: &Login,
        form: &[u8],
        visit: Visit<'_>,
        identifier: &Identifier,
        meter: &Meter,
    ) -> Result<Response<Bytes>, LoginError> {
        let form = std::str::from_utf8(form).map_err(|_| LoginError::ParametersWrong)?;
        // A token is longer than anything that a browser brings.
        let pairs = form_urlencoded::parse(form.as_bytes());
        let mut tokens = pairs.filter(|(name, _)| name == "logout_token");
        let (_, token) = tokens.next().ok_or(LoginError::ParametersWrong)?;
        if tokens.next().is_some() {
            return Err(LoginError::ParametersWrong);
        }
        let (now, place) = (visit.now.as_secs(), login.place(identifier)?);
        let types = TYPES.map(str::to_owned);
        let claims = identifier.claims(&token, place, &types, now).map_err(|error| {
            let (login, reason) = (login.name(), error.label());
            tracing::warn!(login, reason, "a logout token is not good");
            LoginError::LogoutTokenInvalid
        })?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let event = claims.get("events").and_then(|events| events.get(EVENT));
        let issued = claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
        let fresh = issued.saturating_add(LOGOUT_TOKEN_AGE_MAX_S) >= now;
        // 2.6: with a nonce it would be an ID token.
        if !event.is_some_and(Value::is_object) || claims.contains_key("nonce") || !fresh {
            return Err(LoginError::LogoutTokenForeign);
        }
        let of = login.name().to_owned();
        let ending = match (text("sid"), text("sub")) {
            (Some(sid), _) => Ending::ProviderSession { login: of, sid: sid.to_owned() },
            (None, Some(subject)) => Ending::Subject { login: of, subject: subject.to_owned() },
            (None, None) => return Err(LoginError::LogoutTokenForeign),
        };
        let ended = self.end(ending);
        one(&meter.logouts_back);
        tracing::info!(login = login.name(), ended, "the provider has logged somebody out");
        let mut answer = Response::new(Bytes::new());
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }
}

impl Logins {
    /// The page `frontchannel`, in a frame of the provider's page. The frame's request has no cookie of ours, as it comes from
    /// another site: the session is found by the provider's name for it, which nobody else knows.
    ///
    /// # Errors
    /// It names another provider, or no session of the provider's.
    pub fn see(
        &self,
        login: &Login,
        visit: Visit<'_>,
        meter: &Meter,
    ) -> Result<(Response<Bytes>, usize), LoginError> {
        let given = parameters(visit.query)?;
        let (issuer, sid) = (given.get("iss"), given.get("sid").filter(|sid| !sid.is_empty()));
        // Front-Channel Logout 1.0, 2: with one comes the other.
        let (Some(issuer), Some(sid)) = (issuer, sid) else {
            return Err(LoginError::ParametersWrong);
        };
        if *issuer != login.policy.jwt.issuer {
            return Err(LoginError::IssuerWrong);
        }
        let login_name = login.name().to_owned();
        let ended = self.end(Ending::ProviderSession { login: login_name, sid: sid.clone() });
        one(&meter.logouts_frame);
        tracing::info!(login = login.name(), ended, "a page of the provider's logs somebody out");
        // The answer says nothing of whether there was one.
        let mut answer = Response::new(Bytes::new());
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok((answer, ended))
    }
}

/// 2.4: explicitly, or as older providers say it. One without `typ` would be anything.
const TYPES: [&str; 2] = ["logout+jwt", "jwt"];
/// 2.4.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
