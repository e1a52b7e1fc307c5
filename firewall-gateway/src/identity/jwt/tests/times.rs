//! When a token is good, to the second.

use serde_json::{Value, json};

use super::{
    JwtPolicy, NOW, TokenError, World, claims,
    forge::{Kind, Signer, jwks},
    policy,
};

#[test]
fn a_token_is_good_from_its_first_second_to_its_last() {
    use TokenError::{ClaimMissing, ClaimType, Expired, IssuedInFuture, NotYetValid, TooOld};
    let signer = Signer::new("e", Kind::P256);
    let keys = jwks([&signer]);
    let now = NOW;
    // Leeway, greatest age, claims, what is found.
    let cases: Vec<(u32, Option<u32>, Value, Option<TokenError>)> = vec![
        (0, None, json!({"exp": now + 1}), None),
        (0, None, json!({"exp": now}), Some(Expired)),
        (60, None, json!({"exp": now - 59}), None),
        (60, None, json!({"exp": now - 60}), Some(Expired)),
        (0, None, json!({"exp": 0}), Some(Expired)),
        (0, None, json!({"exp": now as f64 + 1.9}), None),
        (0, None, json!({"exp": now as f64 + 0.9}), Some(Expired)),
        (0, None, json!({"exp": 253_402_300_799_u64}), None),
        (0, None, json!({"exp": 253_402_300_800_u64}), Some(ClaimType)),
        (0, None, json!({"exp": now * 1_000}), Some(ClaimType)),
        (0, None, json!({"exp": u64::MAX}), Some(ClaimType)),
        (0, None, json!({"exp": 1e300}), Some(ClaimType)),
        (0, None, json!({"exp": -1}), Some(ClaimType)),
        (0, None, json!({"exp": -0.5}), Some(ClaimType)),
        (0, None, json!({"nbf": now}), None),
        (0, None, json!({"nbf": now + 1}), Some(NotYetValid)),
        (60, None, json!({"nbf": now + 60}), None),
        (60, None, json!({"nbf": now + 61}), Some(NotYetValid)),
        (0, None, json!({"iat": now}), None),
        (0, None, json!({"iat": now + 1}), Some(IssuedInFuture)),
        (60, None, json!({"iat": now + 61}), Some(IssuedInFuture)),
        (0, None, json!({"iat": null}), None),
        (0, None, json!({"iat": 0}), None),
        (0, Some(10), json!({"iat": now - 9}), None),
        (0, Some(10), json!({"iat": now - 10}), Some(TooOld)),
        (5, Some(10), json!({"iat": now - 14}), None),
        (5, Some(10), json!({"iat": now - 15}), Some(TooOld)),
        (0, Some(10), json!({"iat": null}), Some(ClaimMissing)),
    ];
    for (leeway_s, age_max_s, changes, expected) in cases {
        let world = World::new(&JwtPolicy { leeway_s, age_max_s, ..policy(&keys) });
        let token = signer.token("ES256", &claims(changes.clone()));
        assert_eq!(world.refused(&token, now), expected, "{leeway_s} {age_max_s:?} {changes}");
    }
}

#[test]
fn a_token_that_is_remembered_ends_in_time() {
    let signer = Signer::new("e", Kind::P256);
    for (age_max_s, end) in [(None, NOW + 300 + 60), (Some(100), NOW - 10 + 100 + 60)] {
        let world = World::new(&JwtPolicy { age_max_s, ..policy(&jwks([&signer])) });
        let token = signer.token("ES256", &claims(json!({"nbf": NOW})));
        assert_eq!(world.refused(&token, NOW), None);
        assert_eq!(world.refused(&token, end - 1), None);
        assert_eq!(world.figures().tokens_cached, 1);
        let late = if age_max_s.is_some() { TokenError::TooOld } else { TokenError::Expired };
        assert_eq!(world.refused(&token, end), Some(late));
        assert_eq!(world.refused(&token, NOW - 60), None);
        let early = world.refused(&token, NOW - 61);
        assert_eq!(early, Some(TokenError::NotYetValid), "a clock that was set back");
    }
}
