//! Which credentials a route takes.

use firewall_gateway::{limits::AUTHENTICATIONS_MAX, policy::AuthenticationPolicy};
use serde_saphyr::Spanned;

use super::ways::Known;
use crate::config::{
    ConfigError,
    document::{Entries, jwt::AuthenticationDocument},
    scalar::{Given, Name},
    valid::Check,
};

impl Check<'_> {
    pub(super) fn authentication(
        &self,
        authentication: Given<Entries<AuthenticationDocument>>,
        known: Known<'_>,
    ) -> Result<Vec<AuthenticationPolicy>, ConfigError> {
        let Some(list) = authentication.0 else { return Ok(Vec::new()) };
        let (mut names, mut others) = (Vec::new(), Vec::new());
        for entry in self.counted("authentication", 1..=AUTHENTICATIONS_MAX, list)? {
            let place = entry.referenced;
            let AuthenticationDocument { jwt, api_key, session, certificate, introspection } =
                entry.value;
            match (jwt, api_key, session, certificate, introspection) {
                (Some(jwt), None, None, None, None) => {
                    let (Name(name), place) = (jwt.value, jwt.referenced);
                    if !known.jwts.iter().any(|jwt| jwt.policy.name == name) {
                        let message =
                            format!("jwt: expected a name of gateway.jwt, found {name:?}");
                        return self.error(place, message);
                    }
                    names.push(Spanned { value: name, referenced: place, defined: place });
                }
                (None, Some(key), None, None, None) => {
                    others.push(AuthenticationPolicy::ApiKey(self.api_key(key)?));
                }
                (None, None, Some(session), None, None) => {
                    let (Name(name), place) = (session.value, session.referenced);
                    if !known.logins.iter().any(|login| login.policy.name() == name) {
                        let message =
                            format!("session: expected a name of gateway.logins, found {name:?}");
                        return self.error(place, message);
                    }
                    others.push(AuthenticationPolicy::Session(name));
                }
                (None, None, None, None, Some(service)) => {
                    let (Name(name), place) = (service.value, service.referenced);
                    let mut services = known.introspections.iter();
                    let Some(number) = services.position(|one| one.policy.name == name) else {
                        let message = format!(
                            "introspection: expected a name of gateway.introspections, found {name:?}"
                        );
                        return self.error(place, message);
                    };
                    others.push(AuthenticationPolicy::Introspection(number));
                }
                (None, None, None, Some(certificate), None) => {
                    if !certificate.value.0 {
                        let message = "certificate: expected true, found false; leave it out";
                        return self.error(certificate.referenced, message.to_owned());
                    }
                    if !known.client_ca {
                        let message = "certificate: expected gateway.tls.client_ca, found none; \
                                       without it no client shows a certificate";
                        return self.error(certificate.referenced, message.to_owned());
                    }
                    others.push(AuthenticationPolicy::Certificate);
                }
                (jwt, api_key, session, certificate, introspection) => {
                    let there = [
                        jwt.is_some(),
                        api_key.is_some(),
                        session.is_some(),
                        certificate.is_some(),
                        introspection.is_some(),
                    ];
                    let found =
                        if there.contains(&true) { "more than one" } else { "none of them" };
                    let message = format!(
                        "authentication: expected one of jwt, api_key, session, certificate and introspection, found {found}"
                    );
                    return self.error(place, message);
                }
            }
            let same_kind = |one: &AuthenticationPolicy, other: &AuthenticationPolicy| {
                std::mem::discriminant(one) == std::mem::discriminant(other)
            };
            if let Some((last, before)) = others.split_last()
                && before.iter().any(|other| same_kind(last, other))
            {
                let message = match last {
                    AuthenticationPolicy::Session(_) => {
                        "authentication: expected session once, found it again; a browser can be sent \
                         to one provider"
                    }
                    _ => {
                        "authentication: expected api_key, certificate and introspection once each, found \
                         one of them again; name all places of a key in one from"
                    }
                };
                return self.error(place, message.to_owned());
            }
        }
        let opaque =
            |one: &AuthenticationPolicy| matches!(one, AuthenticationPolicy::Introspection(_));
        if let (Some(name), true) = (names.first(), others.iter().any(opaque)) {
            let message = "authentication: expected jwt or introspection, found both: a token is read \
                           here, or asked about";
            return self.error(name.referenced, message.to_owned());
        }
        let names = self.each_once("authentication", names, |name| name)?;
        Ok(names.into_iter().map(AuthenticationPolicy::Jwt).chain(others).collect())
    }
}
