//! Keys that can be used, and those that cannot.

use serde_json::{Value, json};

use super::{Algorithm, KeyError, KeySet, Source, TokenError};
use crate::identity::jwt::tests::forge::{Kind, Signer, jwks, url};

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::HS256,
];

fn local(text: &str) -> Result<KeySet, KeyError> {
    KeySet::read(text, &ALGORITHMS, Source::Local)
}

fn with(mut key: Value, changes: Value) -> String {
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(key.as_object_mut().expect("an object").remove(name)),
            value => key[name] = value.clone(),
        }
    }
    key.to_string()
}

#[test]
fn a_key_is_pinned_to_what_it_may_verify() {
    let rsa = Signer::new("r", Kind::Rsa);
    let ec = Signer::new("e", Kind::P256);
    let secret = Signer::new("s", Kind::Secret);
    let set = local(&jwks([&rsa, &ec, &secret])).unwrap();
    assert_eq!(set.len(), 3);
    use TokenError::{KeyAmbiguous, KeyMismatch, KeyUnknown};
    for (kid, algorithm, expected) in [
        (Some("r"), Algorithm::RS256, None),
        (Some("r"), Algorithm::PS256, None),
        (Some("r"), Algorithm::RS384, Some(KeyMismatch)),
        (Some("r"), Algorithm::ES256, Some(KeyMismatch)),
        (Some("r"), Algorithm::HS256, Some(KeyMismatch)),
        (Some("e"), Algorithm::ES256, None),
        (Some("e"), Algorithm::ES384, Some(KeyMismatch)),
        (Some("e"), Algorithm::HS256, Some(KeyMismatch)),
        (Some("s"), Algorithm::HS256, None),
        (Some("s"), Algorithm::RS256, Some(KeyMismatch)),
        (Some("E"), Algorithm::ES256, Some(KeyUnknown)),
        (Some(""), Algorithm::ES256, Some(KeyUnknown)),
        (None, Algorithm::ES256, None),
        (None, Algorithm::EdDSA, Some(KeyMismatch)),
    ] {
        assert_eq!(set.find(kid, algorithm).err(), expected, "{kid:?} {algorithm}");
    }
    let two = local(&jwks([&ec, &Signer::new("f", Kind::P256)])).unwrap();
    assert_eq!(two.find(None, Algorithm::ES256).err(), Some(KeyAmbiguous));
    // One name for two kinds of key is told apart by the algorithm.
    let both = local(&jwks([&Signer::new("x", Kind::P256), &Signer::new("x", Kind::Ed25519)]));
    let both = both.unwrap();
    assert!(both.find(Some("x"), Algorithm::ES256).is_ok());
    assert!(both.find(Some("x"), Algorithm::EdDSA).is_ok());
    // `alg` of a key leaves one of those it could do.
    let pinned = local(&with(rsa.jwk(), json!({"alg": "PS256"}))).unwrap();
    assert!(pinned.find(Some("r"), Algorithm::PS256).is_ok());
    assert_eq!(pinned.find(Some("r"), Algorithm::RS256).err(), Some(KeyMismatch));
}

#[test]
fn keys_that_are_not_for_us_are_passed_over() {
    let ec = Signer::new("e", Kind::P256).jwk();
    let rsa = Signer::new("r", Kind::Rsa).jwk();
    for (key, changes) in [
        (&ec, json!({"use": "enc"})),
        (&ec, json!({"key_ops": ["sign"]})),
        (&ec, json!({"key_ops": []})),
        (&ec, json!({"kty": "AKP"})),
        (&ec, json!({"crv": "secp256k1"})),
        (&ec, json!({"alg": "ES384"})),
        (&rsa, json!({"alg": "RSA-OAEP"})),
        (&rsa, json!({"alg": "RS512"})),
        (&json!({"kty": "OKP", "crv": "X25519", "x": url(&[1; 32])}), json!({})),
        (&json!({"kty": "OKP", "crv": "Ed448", "x": url(&[1; 57])}), json!({})),
    ] {
        let text = with(key.clone(), changes.clone());
        assert_eq!(local(&text).err(), Some(KeyError::None), "{changes}");
        let beside = json!({"keys": [serde_json::from_str::<Value>(&text).unwrap(), ec]});
        assert_eq!(local(&beside.to_string()).map(|set| set.len()), Ok(1), "{changes}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_words() {
    let [rsa, ec, ed, secret] = [Kind::Rsa, Kind::P256, Kind::Ed25519, Kind::Secret]
        .map(|kind| Signer::new("k", kind).jwk());
    let n_of = |bits: usize| {
        let mut n = vec![0xff; bits / 8];
        n[bits / 8 - 1] = 0x0d;
        url(&n)
    };
    let pem = Signer::new("k", Kind::P256).pem();
    let body = pem.lines().nth(1).expect("a line");
    for (text, expected) in [
        (String::new(), "found no JSON object"),
        ("[]".to_owned(), "found no JSON object"),
        ("{}".to_owned(), "without `keys` and `kty`"),
        ("{\"keys\":1}".to_owned(), "`keys` that is no list"),
        ("{\"keys\":[1]}".to_owned(), "a key that is no object"),
        ("{\"keys\":[],\"keys\":[]}".to_owned(), "with a member twice"),
        (format!("{{\"keys\":{}1{}}}", "[".repeat(9), "]".repeat(9)), "too deep or too large"),
        ("x".repeat(65_537), "at most 65536 bytes of keys, found 65537"),
        (with(rsa.clone(), json!({"n": n_of(1_024)})), "an RSA key of 2048 to 8192 bits, found 1024"),
        (with(rsa.clone(), json!({"n": n_of(2_040)})), "2048 to 8192 bits, found 2040"),
        (with(rsa.clone(), json!({"n": n_of(8_200)})), "2048 to 8192 bits, found 8200"),
        (with(rsa.clone(), json!({"n": ""})), "2048 to 8192 bits, found 0"),
        (with(rsa.clone(), json!({"e": "Aw"})), "an odd RSA exponent from 65537 on"),
        (with(rsa.clone(), json!({"e": "AQ"})), "an odd RSA exponent from 65537 on"),
        (with(rsa.clone(), json!({"e": "AQAA"})), "an odd RSA exponent from 65537 on"),
        (with(rsa.clone(), json!({"e": null})), "found no `e`"),
        (with(rsa.clone(), json!({"n": 1})), "`n` of another kind"),
        (with(rsa.clone(), json!({"n": "+/=="})), "something else in `n`"),
        (with(rsa.clone(), json!({"d": "AQ"})), "a public key, found a private one"),
        (with(rsa.clone(), json!({"alg": 1})), "`alg` of another kind"),
        (with(rsa.clone(), json!({"use": 1})), "`use` of another kind"),
        (with(rsa.clone(), json!({"key_ops": "verify"})), "a list in `key_ops`"),
        (with(rsa.clone(), json!({"kid": ""})), "a `kid` of 1 to 256 bytes"),
        (with(rsa.clone(), json!({"kid": "k".repeat(257)})), "a `kid` of 1 to 256 bytes"),
        (with(rsa.clone(), json!({"kid": 1})), "a `kid` of 1 to 256 bytes"),
        (with(ec.clone(), json!({"crv": null})), "`crv`, found none"),
        (with(ec.clone(), json!({"y": ec["x"]})), "a point of the curve, found one beside it"),
        (with(ec.clone(), json!({"x": url(&[1; 33])})), "coordinates of the curve's length"),
        (with(ec.clone(), json!({"d": "AQ"})), "a public key, found a private one"),
        (with(ed.clone(), json!({"x": "AQ"})), "32 bytes in `x`, found 1"),
        (with(ed.clone(), json!({"d": "AQ"})), "a public key, found a private one"),
        (with(secret.clone(), json!({"k": url(&[7; 31])})), "found 31 where its algorithm needs 32"),
        (with(secret.clone(), json!({"k": ""})), "found 0 where its algorithm needs 32"),
        (json!({"keys": [ec, ec]}).to_string(), "a second one of this name for the same algorithm"),
        (
            json!({"keys": (0..65).map(|kid| with(ec.clone(), json!({"kid": format!("{kid}")}))).map(|key| serde_json::from_str::<Value>(&key).unwrap()).collect::<Vec<_>>()}).to_string(),
            "at most 64 keys, found more",
        ),
        (pem.replace("PUBLIC", "PRIVATE"), "PUBLIC KEY blocks alone"),
        (pem.replace("PUBLIC KEY", "CERTIFICATE"), "PUBLIC KEY blocks alone"),
        (pem.replace(body, "AAAA"), "expected a key for one of the algorithms, found none"),
        (pem.replace(body, "~"), "expected PEM"),
        ("-----BEGIN PUBLIC KEY-----\n".to_owned(), "expected"),
    ] {
        let error = local(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{}: {error}", &text[..text.len().min(300)]);
    }
    let fetched = |text: &str| KeySet::read(text, &ALGORITHMS, Source::Fetched);
    let error = fetched(&json!({"keys": [secret]}).to_string()).expect_err("a secret").to_string();
    assert!(error.contains("public keys at an endpoint, found a shared secret"), "{error}");
    let set = fetched(&json!({"keys": [secret, ec]}).to_string()).unwrap();
    assert_eq!((set.len(), set.left_out().len()), (1, 1));
}

#[test]
fn several_keys_in_one_pem_file() {
    let signers = [Signer::new("", Kind::Rsa), Signer::new("", Kind::P256)];
    let text: String = signers.iter().map(Signer::pem).collect();
    let set = local(&format!("{text}\n")).unwrap();
    assert_eq!(set.len(), 2);
    for (signer, algorithm) in signers.iter().zip([Algorithm::RS256, Algorithm::ES256]) {
        let key = set.find(None, algorithm).unwrap();
        assert!(key.holds(b"x", &signer.sign(algorithm.name(), b"x")));
        assert!(!key.holds(b"y", &signer.sign(algorithm.name(), b"x")));
        assert_eq!(set.find(Some("a"), algorithm).err(), Some(TokenError::KeyUnknown));
    }
}
