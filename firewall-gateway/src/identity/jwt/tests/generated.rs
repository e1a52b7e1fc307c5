//! Headers, claims and tokens that nobody would write: what is read is read, the rest is refused, and
//! nothing panics.

use http::HeaderValue;
use proptest::{collection, prelude::*};
use serde_json::{Map, Value, json};

use super::{NOW, World, claims, forge::url, one_signer};
use crate::{
    generated::cases,
    identity::jwt::{
        header::Header,
        json::{Bounds, object},
    },
};

const BOUNDS: Bounds = Bounds { depth: 8, values: 1_024 };

/// JSON of any shape within the bounds.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(name(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that mean something, and others.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "iss", "aud", "sub", "exp", "nbf", "iat", "azp", "scope", "scp", "alg", "typ", "kid",
            "crit", "jwk", "enc", "b64",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ]
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    collection::btree_map(name(), value(), 0..8).prop_map(|members| members.into_iter().collect())
}

/// Bytes of JSON with faults in them.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let faults = collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6);
    (members(), faults).prop_map(|(members, faults)| {
        let mut bytes = Value::Object(members).to_string().into_bytes();
        for (at, byte) in faults {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_object_is_read_as_it_was_written(members in members()) {
        let text = Value::Object(members.clone()).to_string();
        let read = object(text.as_bytes(), BOUNDS).expect("it is within the bounds");
        prop_assert_eq!(Value::Object(read), serde_json::from_str::<Value>(&text).expect("JSON"));
    }

    #[test]
    fn a_member_that_is_there_twice_is_found(members in members(), again in name(), first in value(), second in value()) {
        let mut all: Vec<String> = members
            .iter()
            .filter(|(name, _)| **name != again)
            .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
            .collect();
        all.insert(0, format!("{}:{first}", Value::from(again.as_str())));
        all.push(format!("{}:{second}", Value::from(again.as_str())));
        let text = format!("{{{}}}", all.join(","));
        prop_assert!(object(text.as_bytes(), BOUNDS).is_err());
    }

    #[test]
    fn what_is_read_is_json(bytes in damaged()) {
        // Nothing is read here that serde_json would not read, and nothing otherwise.
        if let Ok(read) = object(&bytes, BOUNDS) {
            let plain: Value = serde_json::from_slice(&bytes).expect("JSON");
            prop_assert_eq!(Value::Object(read), plain);
        }
        let _ = Header::read(&bytes);
    }

    #[test]
    fn a_header_that_is_read_asks_for_nothing_that_is_refused(members in members()) {
        if Header::read(Value::Object(members.clone()).to_string().as_bytes()).is_ok() {
            for refused in ["jku", "x5u", "x5c", "jwk", "crit", "b64", "enc", "zip"] {
                prop_assert!(!members.contains_key(refused));
            }
            prop_assert!(members.get("alg").is_some_and(Value::is_string));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn claims_that_are_signed_are_checked_all_the_same(members in members()) {
        let (signer, world) = one_signer();
        let mut changed = claims(json!({}));
        let names: Vec<String> = members.keys().cloned().collect();
        changed.as_object_mut().expect("an object").extend(members);
        let token = signer.token("ES256", &changed);
        if let Ok(identity) = world.verify(&token, NOW) {
            prop_assert_eq!(&changed["iss"], super::ISSUER);
            prop_assert_eq!(Some(&*identity.consumer), changed["sub"].as_str());
            prop_assert!(changed["exp"].as_f64().is_some_and(|exp| exp + 60.0 > NOW as f64), "{:?}", names);
        }
    }

    #[test]
    fn a_token_of_anything_is_refused(header in damaged(), payload in damaged(), signature in collection::vec(any::<u8>(), 0..80), text in "[A-Za-z0-9._-]{1,60}") {
        let (_, world) = one_signer();
        check(&world, &format!("{}.{}.{}", url(&header), url(&payload), url(&signature)))?;
        check(&world, &text)?;
    }
}

/// A good token with faults in it is refused, or it is the same token.
#[test]
fn generated_tokens_are_the_one_that_was_signed() {
    let (signer, world) = one_signer();
    let token = signer.token("ES256", &claims(json!({})));
    let seeds = [token.clone().into_bytes(), format!("{token}.{token}").into_bytes()];
    let mut good = 0;
    for bytes in cases(9, 5_000, &seeds) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if HeaderValue::from_str(&text).is_err() {
            continue;
        }
        if world.verify(&text, NOW).is_ok() {
            good += 1;
            // Spaces around it are the header's.
            assert_eq!(text.trim_ascii(), token);
        }
    }
    assert!(good > 100, "{good}");
}

fn check(world: &World, token: &str) -> Result<(), TestCaseError> {
    prop_assert!(world.refused(token, NOW).is_some());
    Ok(())
}
