//! What a service says of a token (RFC 7662, 2.2), and who that is.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{GENERATION, IntrospectionError, Known};
use crate::{
    identity::{
        Method, Recognised,
        jwt::{
            cache::Verified,
            json::{Bounds, object},
            mapping::{Claims, identity_of, told},
        },
    },
    policy::IntrospectionPolicy,
};

/// Reads an answer; nothing where it is none. What is not good is known for a time too.
pub fn read(
    policy: &IntrospectionPolicy,
    body: &[u8],
    credential: Arc<str>,
    now_epoch_s: u64,
) -> Option<Verified<Known>> {
    let claims = object(body, BOUNDS).ok()?;
    let Some(Value::Bool(active)) = claims.get("active") else { return None };
    let ends = claims.get("exp").and_then(Value::as_u64);
    let identity = match active {
        false => Err(IntrospectionError::Inactive),
        true => checked(policy, &claims, ends, now_epoch_s).and_then(|()| {
            let mapping = Claims {
                consumer: &policy.consumer_claim,
                scopes: policy.scopes_claim.as_deref(),
                roles: policy.roles_claim.as_deref(),
            };
            let identity = identity_of(claims, mapping, Method::Introspection, credential);
            let recognised = identity.and_then(|identity| {
                let headers = told(&identity)?;
                Ok(Recognised { identity, headers })
            });
            recognised.map_err(|_| IntrospectionError::Claims)
        }),
    };
    let until = now_epoch_s.saturating_add(policy.cache_s.into());
    let until_epoch_s = match &identity {
        Ok(_) => ends.map_or(until, |end| end.min(until)),
        Err(_) => until,
    };
    Some(Verified { identity, generation: GENERATION, from_epoch_s: 0, until_epoch_s })
}

fn checked(
    policy: &IntrospectionPolicy,
    claims: &Map<String, Value>,
    ends: Option<u64>,
    now_epoch_s: u64,
) -> Result<(), IntrospectionError> {
    let issuer = |expected: &String| claims.get("iss").and_then(Value::as_str) == Some(expected);
    if !policy.issuer.as_ref().is_none_or(issuer) {
        return Err(IntrospectionError::Issuer);
    }
    if !policy.audiences.is_empty() {
        let named = |value: &Value| {
            value.as_str().is_some_and(|text| policy.audiences.iter().any(|one| one == text))
        };
        let fits = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(named),
            Some(one) => named(one),
            None => false,
        };
        if !fits {
            return Err(IntrospectionError::Audience);
        }
    }
    // A time that is none is no time that could hold.
    let is_time = |name: &str| claims.get(name).is_none_or(Value::is_u64);
    if !is_time("exp") || !is_time("nbf") {
        return Err(IntrospectionError::Claims);
    }
    if ends.is_some_and(|end| end <= now_epoch_s) {
        return Err(IntrospectionError::Expired);
    }
    if claims.get("nbf").and_then(Value::as_u64).is_some_and(|from| from > now_epoch_s) {
        return Err(IntrospectionError::NotYet);
    }
    Ok(())
}

/// Which token it was: enough of its SHA-256 to tell it from others, and not the token.
pub fn credential(digest: &[u8; 32]) -> Arc<str> {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

const BOUNDS: Bounds = Bounds { depth: 8, values: 512 };

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> IntrospectionPolicy {
        IntrospectionPolicy {
            name: "main".to_owned(),
            upstream: 0,
            path: "/introspect".to_owned(),
            client_id: "gateway".to_owned(),
            client_secret: None,
            timeout_ms: 1_000,
            cache_s: 30,
            issuer: Some("https://id.example".to_owned()),
            audiences: vec!["api".to_owned()],
            consumer_claim: "sub".to_owned(),
            scopes_claim: None,
            roles_claim: Some("roles".to_owned()),
        }
    }

    #[test]
    fn an_answer_says_who_it_is_or_that_it_is_nobody() {
        use IntrospectionError::{Audience, Claims, Expired, Inactive, Issuer, NotYet};
        let said = |more: &str| {
            format!("{{\"active\":true,\"iss\":\"https://id.example\",\"aud\":\"api\"{more}}}")
        };
        for (body, expected) in [
            (said(",\"sub\":\"shop\""), Some(Ok(("shop", 1_030)))),
            (said(",\"sub\":\"shop\",\"exp\":1010"), Some(Ok(("shop", 1_010)))),
            (said(",\"sub\":\"shop\",\"exp\":5000"), Some(Ok(("shop", 1_030)))),
            (said(",\"sub\":\"shop\",\"exp\":1000"), Some(Err(Expired))),
            (said(",\"sub\":\"shop\",\"exp\":\"5000\""), Some(Err(Claims))),
            (said(",\"sub\":\"shop\",\"exp\":5000.5"), Some(Err(Claims))),
            (said(",\"sub\":\"shop\",\"exp\":-1"), Some(Err(Claims))),
            (said(",\"sub\":\"shop\",\"nbf\":1001"), Some(Err(NotYet))),
            (said(""), Some(Err(Claims))),
            (said(",\"sub\":7"), Some(Err(Claims))),
            (said(",\"sub\":\"shop\",\"active\":false"), None),
            ("{\"active\":false}".to_owned(), Some(Err(Inactive))),
            ("{\"active\":false,\"sub\":\"shop\"}".to_owned(), Some(Err(Inactive))),
            ("{\"active\":\"true\",\"sub\":\"shop\"}".to_owned(), None),
            ("{\"active\":1}".to_owned(), None),
            ("{}".to_owned(), None),
            ("[true]".to_owned(), None),
            ("true".to_owned(), None),
            (String::new(), None),
            ("{\"active\":true,\"aud\":\"api\",\"sub\":\"a\"}".to_owned(), Some(Err(Issuer))),
            (said("").replace("\"api\"", "[\"x\",\"y\"]"), Some(Err(Audience))),
            (said("").replace(",\"aud\":\"api\"", ""), Some(Err(Audience))),
            (
                said(",\"sub\":\"shop\"").replace("\"api\"", "[\"x\",\"api\"]"),
                Some(Ok(("shop", 1_030))),
            ),
        ] {
            let found = read(&policy(), body.as_bytes(), "c".into(), 1_000).map(|known| {
                let until = known.until_epoch_s;
                known.identity.map(|known| (known.identity.consumer.to_string(), until))
            });
            let expected =
                expected.map(|known| known.map(|(name, until)| (name.to_owned(), until)));
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn backends_are_told_in_headers_that_hold_one_line() {
        let body = "{\"active\":true,\"iss\":\"https://id.example\",\"aud\":\"api\",\"sub\":\"J\u{f6}rg\",\
                    \"scope\":\"read write\",\"roles\":[\"a\"]}";
        let known = read(&policy(), body.as_bytes(), "c1".into(), 1_000).unwrap();
        let told: Vec<(String, String)> = known
            .identity
            .unwrap()
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            told,
            [
                pair("x-consumer", "J%C3%B6rg"),
                pair("x-consumer-scopes", "read write"),
                pair("x-consumer-roles", "a"),
                pair("x-consumer-credential", "c1"),
            ]
        );
    }
}
