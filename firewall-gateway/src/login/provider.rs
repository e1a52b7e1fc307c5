//! What a provider says of itself (OpenID Connect Discovery 1.0). The daemon reads it, as it reads keys.

use http::Uri;
use serde::Deserialize;

use crate::{
    limits::{DISCOVERY_BYTES_MAX, LOGIN_TEXT_BYTES_MAX},
    policy::{ClientAuthentication, ProviderPolicy},
};

/// Where a provider says it, behind its issuer's name.
pub const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    response_types_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Why a provider cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ProviderError {
    #[error("expected a discovery document of at most {DISCOVERY_BYTES_MAX} bytes, found {0}")]
    TooLarge(usize),
    #[error("expected a discovery document (OpenID Connect Discovery 1.0, 3), found: {0}")]
    Document(String),
    #[error(
        "expected the issuer {expected:?} to the letter in its discovery document, found {found:?}"
    )]
    Issuer { expected: String, found: String },
    #[error("{key}: expected a URL that begins with https://, without a user, found {found:?}")]
    Endpoint { key: &'static str, found: String },
    #[error(
        "token_endpoint: expected the issuer's port {expected}, which is all that the gateway may reach, found {found}"
    )]
    Port { expected: u16, found: u16 },
    #[error("{key}: expected {expected} among them, found none")]
    Unsupported { key: &'static str, expected: &'static str },
    #[error(
        "token_endpoint_auth_methods_supported: expected {} of the login's client_authentication among them, found {found}; choose one of those",
        expected.label()
    )]
    Authentication { expected: ClientAuthentication, found: String },
}

/// Reads a discovery document; the addresses of the token endpoint are not there yet. `client` is how we prove who we
/// are there, where we have a secret.
///
/// # Errors
/// It is none of this issuer, or the provider lacks what we need.
pub fn read(
    bytes: &[u8],
    issuer: &str,
    port: u16,
    client: Option<ClientAuthentication>,
) -> Result<ProviderPolicy, ProviderError> {
    if bytes.len() > DISCOVERY_BYTES_MAX {
        return Err(ProviderError::TooLarge(bytes.len()));
    }
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| ProviderError::Document(error.to_string()))?;
    // Or one provider could speak for another (Discovery 1.0, 4.3).
    if document.issuer != issuer {
        return Err(ProviderError::Issuer { expected: issuer.to_owned(), found: document.issuer });
    }
    for (key, list, expected) in [
        ("response_types_supported", &document.response_types_supported, "code"),
        ("code_challenge_methods_supported", &document.code_challenge_methods_supported, "S256"),
    ] {
        if list.as_ref().is_some_and(|list| !list.iter().any(|one| one == expected)) {
            return Err(ProviderError::Unsupported { key, expected });
        }
    }
    if let Some(expected) = client {
        // What holds where it says nothing (Discovery 1.0, 3).
        let basic = || vec![ClientAuthentication::default().label().to_owned()];
        let found = document.token_endpoint_auth_methods_supported.unwrap_or_else(basic);
        if !found.iter().any(|one| one == expected.label()) {
            let found = found.join(", ").chars().take(200).collect();
            return Err(ProviderError::Authentication { expected, found });
        }
    }
    endpoint("authorization_endpoint", &document.authorization_endpoint)?;
    endpoint("jwks_uri", &document.jwks_uri)?;
    if let Some(url) = &document.end_session_endpoint {
        endpoint("end_session_endpoint", url)?;
    }
    let found = endpoint("token_endpoint", &document.token_endpoint)?.1;
    if found != port {
        return Err(ProviderError::Port { expected: port, found });
    }
    Ok(ProviderPolicy {
        authorization_endpoint: document.authorization_endpoint,
        token_endpoint: document.token_endpoint,
        jwks_uri: document.jwks_uri,
        end_session_endpoint: document.end_session_endpoint,
        names_itself: document.authorization_response_iss_parameter_supported,
        addresses: Vec::new(),
    })
}

/// The host of a URL, and its port.
///
/// # Errors
/// It is none of https.
pub fn endpoint(key: &'static str, url: &str) -> Result<(String, u16), ProviderError> {
    let shown = || url.chars().take(200).collect();
    let wrong = || ProviderError::Endpoint { key, found: shown() };
    let uri = url.parse::<Uri>().ok().filter(|_| url.len() <= LOGIN_TEXT_BYTES_MAX);
    let uri = uri.filter(|uri| uri.scheme_str() == Some("https")).ok_or_else(wrong)?;
    let authority = uri.authority().filter(|one| !one.as_str().contains('@')).ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || url.contains('#') {
        return Err(wrong());
    }
    Ok((host.to_owned(), authority.port_u16().unwrap_or(HTTPS_PORT)))
}

const HTTPS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ClientAuthentication, DISCOVERY_BYTES_MAX, ProviderError, endpoint, read};

    const ISSUER: &str = "https://id.example/realms/shop";

    fn document(changes: Value) -> Vec<u8> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example/auth",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/certs",
            "end_session_endpoint": "https://id.example/logout",
            "response_types_supported": ["code", "id_token"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "something_else": {"a": 1},
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
                value => document[name] = value.clone(),
            }
        }
        document.to_string().into_bytes()
    }

    #[test]
    fn documents_that_are_taken() {
        let read = |changes| read(&document(changes), ISSUER, 443, None).unwrap();
        let provider = read(json!({}));
        assert_eq!(provider.token_endpoint, "https://id.example/token");
        assert_eq!(provider.end_session_endpoint.as_deref(), Some("https://id.example/logout"));
        assert!(!provider.names_itself && provider.addresses.is_empty());
        let names = json!({"authorization_response_iss_parameter_supported": true});
        assert!(read(names).names_itself);
        let bare = read(json!({
            "end_session_endpoint": null, "code_challenge_methods_supported": null,
            "response_types_supported": null, "token_endpoint": "https://id.example:443/token",
        }));
        assert_eq!(bare.end_session_endpoint, None);
    }

    #[test]
    fn documents_that_are_refused() {
        let large = json!({"x": "y".repeat(DISCOVERY_BYTES_MAX)});
        for (changes, expected) in [
            (json!({"issuer": "https://id.example/realms/shop/"}), "to the letter"),
            (json!({"issuer": "https://other.example"}), "to the letter"),
            (json!({"issuer": null}), "missing field `issuer`"),
            (json!({"token_endpoint": null}), "missing field `token_endpoint`"),
            (json!({"token_endpoint": 1}), "invalid type"),
            (
                json!({"token_endpoint": "http://id.example/token"}),
                "token_endpoint: expected a URL",
            ),
            (json!({"token_endpoint": "https://id.example:8443/token"}), "port 443"),
            (json!({"jwks_uri": "file:///etc/passwd"}), "jwks_uri: expected a URL"),
            (json!({"authorization_endpoint": "https://a@id.example/"}), "without a user"),
            (json!({"end_session_endpoint": "//id.example/"}), "end_session_endpoint: expected"),
            (json!({"response_types_supported": ["id_token"]}), "expected code among them"),
            (json!({"code_challenge_methods_supported": ["plain"]}), "expected S256 among them"),
            (large, "at most"),
        ] {
            let refused =
                read(&document(changes.clone()), ISSUER, 443, None).unwrap_err().to_string();
            assert!(refused.contains(expected), "{changes}: {refused}");
        }
        for text in ["", "null", "[]", "<html>", "{"] {
            let refused = read(text.as_bytes(), ISSUER, 443, None);
            assert!(matches!(refused, Err(ProviderError::Document(_))), "{text}");
        }
    }

    #[test]
    fn a_client_proves_itself_as_the_provider_takes_it() {
        use ClientAuthentication::{ClientSecretBasic as Basic, ClientSecretPost as Post};
        let key = "token_endpoint_auth_methods_supported";
        for (list, client, expected) in [
            (json!(null), Some(Basic), None),
            (json!(null), Some(Post), Some("found client_secret_basic; choose")),
            (json!(["client_secret_post", "private_key_jwt"]), Some(Post), None),
            (json!(["private_key_jwt", "none"]), Some(Post), Some("found private_key_jwt, none;")),
            (json!(["client_secret_post"]), Some(Basic), Some("expected client_secret_basic of")),
            // Nothing is proved without a secret.
            (json!(["client_secret_post"]), None, None),
            (json!([]), Some(Basic), Some("found ;")),
        ] {
            let said = read(&document(json!({key: list.clone()})), ISSUER, 443, client);
            let said = said.err().map(|error| error.to_string());
            let as_expected = match (&said, expected) {
                (Some(said), Some(expected)) => said.starts_with(key) && said.contains(expected),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(as_expected, "{list} {client:?}: {said:?}");
        }
    }

    #[test]
    fn endpoints() {
        for (url, expected) in [
            ("https://id.example", Some(("id.example", 443))),
            ("https://id.example:8443/a?b=c", Some(("id.example", 8443))),
            ("https://127.0.0.1:8443/", Some(("127.0.0.1", 8443))),
            ("https://[2001:db8::1]/", Some(("2001:db8::1", 443))),
            ("https://", None),
            ("id.example", None),
            ("https://id.example/#a", None),
            ("https://id.example/ a", None),
        ] {
            let found = endpoint("x", url).ok();
            let found = found.as_ref().map(|(host, port)| (host.as_str(), *port));
            assert_eq!(found, expected, "{url}");
        }
    }
}
