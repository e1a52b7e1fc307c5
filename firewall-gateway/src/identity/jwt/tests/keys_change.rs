//! Keys of an endpoint: they come late, change, get old, and are asked for no more often than is good.

use serde_json::json;

use super::{
    JwtPolicy, KeyOrigin, KeyText, NOW, TokenError, World, claims,
    forge::{Kind, Signer, jwks},
    policy,
};

fn fetched(keys: Option<&str>) -> JwtPolicy {
    let keys = keys.map(|text| KeyText { text: text.to_owned(), confirmed_epoch_s: NOW });
    JwtPolicy {
        keys,
        origin: KeyOrigin::Fetched { endpoint: "x".to_owned(), stale_max_s: 1_000 },
        ..policy("")
    }
}

fn text(text: &str, confirmed_epoch_s: u64) -> KeyText {
    KeyText { text: text.to_owned(), confirmed_epoch_s }
}

#[test]
fn without_keys_nobody_is_anybody() {
    let world = World::new(&fetched(None));
    let signer = Signer::new("e", Kind::P256);
    let token = signer.token("ES256", &claims(json!({})));
    assert_eq!(world.refused(&token, NOW), Some(TokenError::KeysMissing));
    assert_eq!(world.issuers.newer_wanted(), ["main"]);
    assert_eq!(world.issuers.newer_wanted(), [""; 0]);
    // The same token asks again: there is nothing that it could be verified with.
    assert_eq!(world.refused(&token, NOW), Some(TokenError::KeysMissing));
    assert_eq!(world.issuers.newer_wanted(), ["main"]);
    world.issuers.renew("main", &text(&jwks([&signer]), NOW)).unwrap();
    assert_eq!(world.refused(&token, NOW), None);
}

#[test]
fn other_keys_forget_what_was_verified_with_those_before() {
    let [old, new] = ["old", "new"].map(|kid| Signer::new(kid, Kind::P256));
    let world = World::new(&fetched(Some(&jwks([&old]))));
    let tokens = [&old, &new].map(|signer| signer.token("ES256", &claims(json!({}))));
    assert_eq!(world.refused(&tokens[0], NOW), None);
    assert_eq!(world.refused(&tokens[1], NOW), Some(TokenError::KeyUnknown));
    assert_eq!(world.issuers.newer_wanted(), ["main"]);
    // Both, as an issuer that rotates has them for a while.
    world.issuers.renew("main", &text(&jwks([&old, &new]), NOW)).unwrap();
    assert_eq!([0, 1].map(|one| world.refused(&tokens[one], NOW)), [None, None]);
    // The same ones, confirmed: what is remembered stays.
    let before = world.figures();
    world.issuers.renew("main", &text(&jwks([&old, &new]), NOW + 5)).unwrap();
    assert_eq!([0, 1].map(|one| world.refused(&tokens[one], NOW)), [None, None]);
    assert_eq!(world.figures().tokens_cached, before.tokens_cached + 2);
    // The old one is gone, for a reason that may be urgent.
    world.issuers.renew("main", &text(&jwks([&new]), NOW + 6)).unwrap();
    let found = [0, 1].map(|one| world.refused(&tokens[one], NOW));
    assert_eq!(found, [Some(TokenError::KeyUnknown), None]);
    // Another key under the same name.
    let other = Signer::new("new", Kind::P256);
    world.issuers.renew("main", &text(&jwks([&other]), NOW + 7)).unwrap();
    assert_eq!(world.refused(&tokens[1], NOW), Some(TokenError::SignatureWrong));
}

#[test]
fn what_cannot_be_used_leaves_the_keys_of_before() {
    let signer = Signer::new("e", Kind::P256);
    let world = World::new(&fetched(Some(&jwks([&signer]))));
    let token = signer.token("ES256", &claims(json!({})));
    let secret = Signer::new("s", Kind::Secret);
    for garbage in ["", "{}", "<html>", "{\"keys\":[]}", "{\"keys\":{}}", "[1]", &jwks([&secret])] {
        assert!(world.issuers.renew("main", &text(garbage, NOW)).is_err(), "{garbage}");
        assert_eq!(world.refused(&token, NOW), None, "{garbage}");
    }
    assert!(world.issuers.renew("other", &text(&jwks([&signer]), NOW)).is_err());
    // One bad key among them is left out.
    let mixed =
        json!({"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB"}, signer.jwk(), secret.jwk()]});
    world.issuers.renew("main", &text(&mixed.to_string(), NOW)).unwrap();
    assert_eq!(world.refused(&token, NOW), None);
}

#[test]
fn keys_that_nobody_confirms_are_not_believed_for_ever() {
    let signer = Signer::new("e", Kind::P256);
    let keys = jwks([&signer]);
    let world = World::new(&fetched(Some(&keys)));
    let token = signer.token("ES256", &claims(json!({"exp": NOW + 100_000})));
    assert_eq!(world.refused(&token, NOW + 999), None);
    assert_eq!(world.issuers.newer_wanted(), [""; 0]);
    assert_eq!(world.refused(&token, NOW + 1_000), Some(TokenError::KeysStale));
    assert_eq!(world.issuers.newer_wanted(), ["main"]);
    world.issuers.renew("main", &text(&keys, NOW + 1_000)).unwrap();
    assert_eq!(world.refused(&token, NOW + 1_999), None);
    assert_eq!(world.figures().tokens_cached, 1, "it was remembered all the while");
    // A file is nobody's word that could get old.
    let world = World::new(&policy(&keys));
    let token = signer.token("ES256", &claims(json!({"exp": NOW + 400_000_000})));
    assert_eq!(world.refused(&token, NOW + 300_000_000), None);
}

#[test]
fn a_storm_of_unknown_names_asks_once() {
    let signer = Signer::new("e", Kind::P256);
    let world = World::new(&fetched(Some(&jwks([&signer]))));
    let stranger = Signer::new("x", Kind::P256);
    let signed = claims(json!({}));
    let good = signer.token("ES256", &signed);
    let mut asked = 0;
    for number in 0..10_000 {
        let header = json!({"alg": "ES256", "kid": format!("storm-{number}")});
        let token = stranger.with_header(&header, "ES256", &signed);
        assert_eq!(world.refused(&token, NOW), Some(TokenError::KeyUnknown));
        assert_eq!(world.refused(&good, NOW), None);
        // The worker asks once a second, whatever happened in it.
        if number % 1_000 == 999 {
            asked += world.issuers.newer_wanted().len();
        }
    }
    assert_eq!(asked, 10);
    let figures = world.figures();
    assert_eq!((figures.tokens_verified, figures.tokens_cached), (10_001, 9_999));
    // The same name again asks for nothing for a while.
    let token = stranger.token("ES256", &signed);
    assert_eq!(world.refused(&token, NOW), Some(TokenError::KeyUnknown));
    assert_eq!(world.issuers.newer_wanted(), ["main"]);
    for later in 0..60 {
        assert_eq!(world.refused(&token, NOW + later), Some(TokenError::KeyUnknown));
    }
    assert_eq!(world.issuers.newer_wanted(), [""; 0]);
    // A token of another issuer says nothing of this one's keys.
    let other = stranger.with_header(
        &json!({"alg": "ES256", "kid": "y"}),
        "ES256",
        &claims(json!({"iss": "https://other.example/"})),
    );
    assert_eq!(world.refused(&other, NOW), Some(TokenError::IssuerWrong));
    assert_eq!(world.issuers.newer_wanted(), [""; 0]);
}
