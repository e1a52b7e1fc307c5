//! Good tokens: of every algorithm, with keys in every form, and what becomes of their claims.

use std::sync::Arc;

use serde_json::json;

use super::{
    ISSUER, JwtPolicy, KeyText, NOW, World, claims,
    forge::{Kind, Signer, jwks},
    one_signer, policy,
};
use crate::{
    identity::{Method, jwt::Algorithm},
    policy::ClaimHeader,
};

const KINDS: [(Kind, &[&str]); 6] = [
    (Kind::Rsa, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    (Kind::P256, &["ES256"]),
    (Kind::P384, &["ES384"]),
    (Kind::P521, &["ES512"]),
    (Kind::Ed25519, &["EdDSA", "Ed25519"]),
    (Kind::Secret, &["HS256", "HS384", "HS512"]),
];

fn texts(list: &[Arc<str>]) -> Vec<&str> {
    list.iter().map(|text| &**text).collect()
}

#[test]
fn tokens_of_every_algorithm_are_taken() {
    let mut algorithms = 0;
    for (kind, names) in KINDS {
        let signer = Signer::new("one", kind);
        for name in names {
            algorithms += 1;
            let of_kind = |keys: &str| JwtPolicy {
                algorithms: vec![Algorithm::parse(name).unwrap()],
                ..policy(keys)
            };
            let mut texts = vec![jwks([&signer]), signer.jwk().to_string()];
            let mut named = signer.jwk();
            named["alg"] = json!(name);
            named["key_ops"] = json!(["verify"]);
            texts.push(format!("  {named}\n"));
            for text in texts {
                let world = World::new(&of_kind(&text));
                let identity = world.verify(&signer.token(name, &claims(json!({}))), NOW).unwrap();
                assert_eq!(&*identity.consumer, "alice", "{name}");
                assert_eq!(identity.method, Method::Jwt);
                let bare = json!({"alg": name});
                let bare = signer.with_header(&bare, name, &claims(json!({})));
                assert!(world.verify(&bare, NOW).is_ok(), "{name} without kid and typ");
            }
            if kind != Kind::Secret {
                let world = World::new(&of_kind(&signer.pem()));
                let bare = signer.with_header(&json!({"alg": name}), name, &claims(json!({})));
                assert!(world.verify(&bare, NOW).is_ok(), "{name} with PEM");
            }
        }
    }
    assert_eq!(algorithms, Algorithm::ALL.len());
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    for (kind, names) in KINDS {
        let signer = Signer::new("one", kind);
        for name in names {
            let algorithms = vec![Algorithm::parse(name).unwrap()];
            let world = World::new(&JwtPolicy { algorithms, ..policy(&jwks([&signer])) });
            let token = signer.token(name, &claims(json!({})));
            assert!(world.verify(&token, NOW).is_ok());
            for at in 0..token.len() {
                for other in ["A", "B", "."] {
                    if &token[at..=at] == other {
                        continue;
                    }
                    let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                    assert!(world.verify(&changed, NOW).is_err(), "{name}: {at}: {changed}");
                }
            }
            for cut in 0..token.len() {
                assert!(world.verify(&token[..cut.max(1)], NOW).is_err(), "{name}: cut at {cut}");
            }
        }
    }
}

#[test]
fn what_a_token_says_becomes_an_identity() {
    let signer = Signer::new("e", Kind::P256);
    let keys = jwks([&signer]);
    let settings = JwtPolicy {
        consumer_claim: "client.id".to_owned(),
        scopes_claim: Some("grants".to_owned()),
        roles_claim: Some("realm_access.roles".to_owned()),
        headers: vec![
            ClaimHeader { name: "x-user".to_owned(), claim: "sub".to_owned() },
            ClaimHeader { name: "x-tenant".to_owned(), claim: "tenant".to_owned() },
        ],
        ..policy(&keys)
    };
    let world = World::new(&settings);
    let token = signer.token(
        "ES256",
        &claims(json!({
            "client": {"id": "shop"}, "grants": ["read", "write"], "scope": "other",
            "realm_access": {"roles": ["admin"]}, "sub": "é",
        })),
    );
    let identity = world.verify(&token, NOW).unwrap();
    assert_eq!(&*identity.consumer, "shop");
    assert_eq!(texts(&identity.scopes), ["read", "write"]);
    assert_eq!(texts(&identity.roles), ["admin"]);
    assert_eq!(identity.claims.as_ref().unwrap()["iss"], ISSUER);
    assert_eq!(identity.credential.len(), 32);
    assert!(!token.contains(&*identity.credential));
    let headers = world.issuers.headers(0, &identity);
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("x-user", "%C3%A9")]);
    for (name, expected) in
        [("x-user", true), ("x_user", true), ("x.tenant", true), ("x-users", false), ("sub", false)]
    {
        assert_eq!(world.issuers.is_header(name), expected, "{name}");
    }

    let world = World::new(&policy(&keys));
    for (found, expected) in [
        (json!({"scope": "a b  c"}), &["a", "b", "c"][..]),
        (json!({"scope": ["a b", "c"]}), &["a b", "c"]),
        (json!({"scp": "a"}), &["a"]),
        (json!({"scp": ["a", "b"]}), &["a", "b"]),
        (json!({"scope": "a", "scp": "b"}), &["a"]),
        (json!({"scope": ""}), &[]),
        (json!({}), &[]),
    ] {
        let identity = world.verify(&signer.token("ES256", &claims(found.clone())), NOW).unwrap();
        assert_eq!(texts(&identity.scopes), expected, "{found}");
        assert_eq!(texts(&identity.roles), [""; 0]);
    }
}

#[test]
fn audiences_and_types_may_be_one_of_several() {
    let (signer, world) = one_signer();
    for aud in [json!("api"), json!("other"), json!(["x", "other"]), json!(["api"])] {
        let token = signer.token("ES256", &claims(json!({"aud": aud})));
        assert!(world.verify(&token, NOW).is_ok(), "{aud}");
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+JWT", "Application/jwt"] {
        let header = json!({"alg": "ES256", "kid": "e", "typ": typ, "x5t": "a", "unknown": {}});
        let token = signer.with_header(&header, "ES256", &claims(json!({})));
        assert!(world.verify(&token, NOW).is_ok(), "{typ}");
    }
}

#[test]
fn a_token_is_remembered_and_its_text_is_not() {
    let (signer, world) = one_signer();
    let token = signer.token("ES256", &claims(json!({})));
    for number in 0..5 {
        assert!(world.verify(&token, NOW).is_ok());
        let figures = world.figures();
        assert_eq!((figures.tokens_verified, figures.tokens_cached), (1, number));
    }
    assert!(world.verify(&signer.token("ES256", &claims(json!({"jti": 1}))), NOW).is_ok());
    assert_eq!(world.figures().tokens_verified, 2);
    let bad = format!("{token}A");
    assert!(world.verify(&bad, NOW).is_err() && world.verify(&bad, NOW).is_err());
    assert_eq!((world.figures().tokens_verified, world.figures().tokens_cached), (4, 4));
    let shown = format!("{:?}", world.verifier);
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!shown.contains(signature));
}

#[test]
fn nothing_shows_a_secret() {
    let signer = Signer::new("s", Kind::Secret);
    let keys = signer.jwk();
    let settings = JwtPolicy { algorithms: vec![Algorithm::HS256], ..policy(&keys.to_string()) };
    let secret = keys["k"].as_str().unwrap();
    let world = World::new(&settings);
    let shown = format!(
        "{settings:?} {:?} {:?}",
        world.issuers,
        KeyText { text: secret.to_owned(), confirmed_epoch_s: 1 }
    );
    assert!(!shown.contains(secret), "{shown}");
}
