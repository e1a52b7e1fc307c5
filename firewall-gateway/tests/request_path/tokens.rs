//! Every way in which a token can be wrong: each is refused for its stated reason, the client is told the same
//! each time, and the upstream sees none of them.

use std::time::{SystemTime, UNIX_EPOCH};

use firewall_gateway::{
    identity::{Denied, jwt::Algorithm},
    policy::{AuthenticationPolicy, ClaimHeader, JwtPolicy, KeyOrigin, KeyText, RoutePolicy},
};
use serde_json::{Value, json};

use crate::{
    forge::{Kind, Signer, jwks, url},
    world::{World, header, label, one_request, status},
};

const ISSUER: &str = "https://issuer.example/";

/// The issuer, whoever pretends to be it, and settings of several kinds.
struct Place {
    world: World,
    rsa: Signer,
    ec: Signer,
    ed: Signer,
    secret: Signer,
    stranger: Signer,
    now: u64,
}

impl Place {
    fn new() -> Place {
        let [rsa, ec, ed, secret, stranger] = [
            ("r", Kind::Rsa),
            ("e", Kind::P256),
            ("d", Kind::Ed25519),
            ("s", Kind::Secret),
            ("e", Kind::P256),
        ]
        .map(|(kid, kind)| Signer::new(kid, kind));
        let twin = Signer::new("twin", Kind::Ed25519);
        let public = jwks([&rsa, &ec, &ed, &twin]);
        let plain = |name: &str| policy(name, &public);
        let fetched = |name: &str, stale_max_s| JwtPolicy {
            origin: KeyOrigin::Fetched { endpoint: name.to_owned(), stale_max_s },
            ..plain(name)
        };
        let jwts = vec![
            plain("main"),
            JwtPolicy { algorithms: vec![Algorithm::HS256], ..policy("secret", &jwks([&secret])) },
            JwtPolicy { algorithms: vec![Algorithm::ES256], ..plain("narrow") },
            JwtPolicy {
                types: vec!["at+jwt".to_owned()],
                authorized_parties: vec!["app".to_owned()],
                age_max_s: Some(3_600),
                claims_required: vec!["tenant.id".to_owned(), "jti".to_owned()],
                leeway_s: 0,
                ..plain("strict")
            },
            JwtPolicy {
                consumer_claim: "client_id".to_owned(),
                scopes_claim: Some("grants".to_owned()),
                roles_claim: Some("realm_access.roles".to_owned()),
                headers: vec![
                    ClaimHeader { name: "x-user".to_owned(), claim: "sub".to_owned() },
                    ClaimHeader {
                        name: "x-roles".to_owned(),
                        claim: "realm_access.roles".to_owned(),
                    },
                ],
                ..plain("mapped")
            },
            fetched("stale", 0),
            JwtPolicy { keys: None, ..fetched("empty", 3_600) },
            JwtPolicy { issuer: "https://other.example/".to_owned(), ..plain("other") },
        ];
        let mut routes: Vec<RoutePolicy> = jwts
            .iter()
            .map(|jwt| route(&format!("/{}", jwt.name), &[&jwt.name]))
            .chain([route("/either", &["other", "main"]), route("/open", &[])])
            .collect();
        routes.push(RoutePolicy::to_upstream("rest", "/*", 0));
        let world = World::changed(|policy| {
            policy.jwts = jwts;
            policy.routes = routes;
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Place { world, rsa, ec, ed, secret, stranger, now }
    }

    /// Good claims with some changed; `null` takes one away.
    fn claims(&self, changes: Value) -> Value {
        let mut claims = json!({
            "iss": ISSUER, "aud": "api", "sub": "alice", "iat": self.now - 10,
            "exp": self.now + 300,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn signed(&self, changes: Value) -> String {
        self.ec.token("ES256", &self.claims(changes))
    }

    fn with_header(&self, header: Value) -> String {
        self.ec.with_header(&header, "ES256", &self.claims(json!({})))
    }

    fn get(&self, path: &str, lines: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n");
        self.world.exchange(&request)
    }
}

fn policy(name: &str, keys: &str) -> JwtPolicy {
    JwtPolicy {
        name: name.to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec!["api".to_owned()],
        algorithms: Algorithm::ALL.into_iter().filter(|one| !one.is_symmetric()).collect(),
        keys: Some(KeyText { text: keys.to_owned(), confirmed_epoch_s: 0 }),
        origin: KeyOrigin::Local,
        types: Vec::new(),
        authorized_parties: Vec::new(),
        leeway_s: 60,
        age_max_s: None,
        claims_required: Vec::new(),
        consumer_claim: "sub".to_owned(),
        scopes_claim: None,
        roles_claim: None,
        headers: Vec::new(),
    }
}

fn route(path: &str, jwts: &[&str]) -> RoutePolicy {
    let authentication = jwts.iter().map(|name| AuthenticationPolicy::Jwt((*name).to_owned()));
    let name = path.trim_start_matches('/');
    RoutePolicy {
        authentication: authentication.collect(),
        ..RoutePolicy::to_upstream(name, path, 0)
    }
}

/// Path, header lines, reason.
type Row = (&'static str, String, &'static str);

fn rows(place: &Place) -> Vec<Row> {
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let main = |token: &str, reason| ("/main", bearer(token), reason);
    let on = |path, token: &str, reason| (path, bearer(token), reason);
    let good = place.signed(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("{good}") };
    let now = place.now;
    let header = |header: Value, reason| main(&place.with_header(header), reason);
    let alg = |name: Value, reason| header(json!({"alg": name, "kid": "e"}), reason);
    let claim = |changes: Value, reason| main(&place.signed(changes), reason);
    let texts = |header: &str, claims: &str, reason| {
        main(&place.ec.of_texts(header, "ES256", claims), reason)
    };
    let plain_header = "{\"alg\":\"ES256\",\"kid\":\"e\"}";
    let plain_claims = place.claims(json!({})).to_string();
    let strict = json!({"tenant": {"id": 1}, "jti": "j", "azp": "app"});
    let strictly = |changes: Value, reason| {
        let mut all = strict.clone();
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
        let header = json!({"alg": "ES256", "kid": "e", "typ": "at+jwt"});
        on("/strict", &place.ec.with_header(&header, "ES256", &place.claims(all)), reason)
    };
    let mapped = |changes: Value, reason| {
        let mut all = json!({"client_id": "shop"});
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
        on("/mapped", &place.signed(all), reason)
    };
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(20), "]".repeat(20));
    let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(1_100));
    let flipped = {
        let mut bytes = place.ec.sign("ES256", format!("{head}.{body}").as_bytes());
        bytes[5] ^= 1;
        url(&bytes)
    };
    let der_secret = Signer::with_secret("r", &place.rsa.der());
    let pem_secret = Signer::with_secret("e", place.ec.pem().as_bytes());
    let claims = place.claims(json!({}));
    vec![
        // What is brought
        ("/main", String::new(), "credential_missing"),
        ("/main", "Authorization: Basic YTpi\r\n".to_owned(), "credential_missing"),
        ("/main", format!("Authorization: {good}\r\n"), "credential_missing"),
        ("/main", format!("Cookie: token={good}\r\n"), "credential_missing"),
        ("/main", format!("X-Authorization: Bearer {good}\r\n"), "credential_missing"),
        ("/main", bearer(&good).repeat(2), "credential_repeated"),
        ("/main", format!("Authorization: Basic YTpi\r\n{}", bearer(&good)), "credential_repeated"),
        ("/main", format!("Authorization: Bearer {good}, Bearer {good}\r\n"), "token_malformed"),
        // Its form
        main("", "token_malformed"),
        main("a", "token_malformed"),
        main("a.b", "token_malformed"),
        main("a.b.c.d", "token_malformed"),
        main("a.b.c.d.e.f", "token_malformed"),
        main(&format!("{good}.{good}"), "token_malformed"),
        main("a.b.c.d.e", "token_encrypted"),
        main(&"a".repeat(8_193), "token_too_long"),
        main(&format!("{good}="), "token_encoding"),
        main(&format!("{head}=.{body}.{signature}"), "token_encoding"),
        main(&format!("{head}.{body}==.{signature}"), "token_encoding"),
        main(&format!("{head}.{body}.+{}", &signature[1..]), "token_encoding"),
        // The last letter has bits behind the last byte.
        main(&format!("{head}.{body}.{}B", &signature[..85]), "token_encoding"),
        // A byte more, in good form.
        main(&format!("{head}.{body}.{signature}A"), "signature_wrong"),
        main(&format!(".{body}.{signature}"), "header_malformed"),
        // Its header
        texts("", &plain_claims, "header_malformed"),
        texts("null", &plain_claims, "header_malformed"),
        texts("[\"ES256\"]", &plain_claims, "header_malformed"),
        texts("{\"alg\":\"ES256\"} ;", &plain_claims, "header_malformed"),
        texts("{\"alg\":\"ES256\",\"alg\":\"none\"}", &plain_claims, "header_repeated"),
        texts("{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}", &plain_claims, "header_repeated"),
        texts(&deep, &plain_claims, "header_too_large"),
        texts(&wide, &plain_claims, "header_too_large"),
        header(json!({"kid": "e"}), "algorithm_missing"),
        alg(json!(null), "header_type"),
        alg(json!(["ES256"]), "header_type"),
        header(json!({"alg": "ES256", "kid": 1}), "header_type"),
        header(json!({"alg": "ES256", "kid": ""}), "header_type"),
        header(json!({"alg": "ES256", "kid": "k".repeat(257)}), "header_type"),
        header(json!({"alg": "ES256", "kid": "e", "typ": 1}), "header_type"),
        alg(json!("none"), "algorithm_none"),
        alg(json!("NoNe"), "algorithm_none"),
        main(&format!("{}.{body}.", url(b"{\"alg\":\"none\"}")), "algorithm_none"),
        alg(json!(""), "algorithm_unknown"),
        alg(json!("es256"), "algorithm_unknown"),
        alg(json!("ES256 "), "algorithm_unknown"),
        alg(json!("ES256K"), "algorithm_unknown"),
        alg(json!("RSA-OAEP"), "algorithm_unknown"),
        // Another algorithm than was agreed
        main(&der_secret.token("HS256", &claims), "algorithm_refused"),
        main(&pem_secret.token("HS256", &claims), "algorithm_refused"),
        on("/secret", &good, "algorithm_refused"),
        on("/narrow", &place.rsa.token("RS256", &claims), "algorithm_refused"),
        alg(json!("RS256"), "signing_key_mismatch"),
        alg(json!("ES384"), "signing_key_mismatch"),
        alg(json!("EdDSA"), "signing_key_mismatch"),
        // A key of its own
        header(json!({"alg": "ES256", "jwk": place.stranger.jwk()}), "embedded_key"),
        header(json!({"alg": "ES256", "kid": "e", "jku": "https://evil.example/"}), "embedded_key"),
        header(json!({"alg": "ES256", "kid": "e", "x5u": "https://evil.example/"}), "embedded_key"),
        header(json!({"alg": "ES256", "kid": "e", "x5c": ["AA=="]}), "embedded_key"),
        header(
            json!({"alg": "ES256", "kid": "e", "crit": ["exp"], "exp": 1}),
            "critical_extension",
        ),
        header(json!({"alg": "ES256", "kid": "e", "crit": []}), "critical_extension"),
        header(json!({"alg": "ES256", "kid": "e", "b64": false}), "payload_unencoded"),
        header(json!({"alg": "ES256", "kid": "e", "enc": "A128GCM"}), "token_encrypted"),
        header(json!({"alg": "ES256", "kid": "e", "zip": "DEF"}), "token_encrypted"),
        // Another kind of token
        header(json!({"alg": "ES256", "kid": "e", "typ": "logout+jwt"}), "type_refused"),
        header(json!({"alg": "ES256", "kid": "e", "typ": "dpop+jwt"}), "type_refused"),
        header(json!({"alg": "ES256", "kid": "e", "typ": ""}), "type_refused"),
        header(json!({"alg": "ES256", "kid": "e", "typ": "application/x"}), "type_refused"),
        on("/strict", &good, "type_refused"),
        on("/strict", &place.with_header(json!({"alg": "ES256", "kid": "e"})), "type_refused"),
        // Keys
        header(json!({"alg": "ES256", "kid": "E"}), "signing_key_unknown"),
        header(json!({"alg": "ES256", "kid": "../e"}), "signing_key_unknown"),
        header(json!({"alg": "ES256", "kid": "e' OR 1=1 --"}), "signing_key_unknown"),
        main(
            &place.ed.with_header(&json!({"alg": "EdDSA"}), "EdDSA", &claims),
            "signing_key_ambiguous",
        ),
        on("/stale", &good, "signing_keys_stale"),
        on("/empty", &good, "signing_keys_missing"),
        // Signatures
        main(&format!("{head}.{body}."), "signature_wrong"),
        // One byte too many.
        main(&format!("{head}.{body}.{signature}A"), "signature_wrong"),
        main(&format!("{head}.{body}.{flipped}"), "signature_wrong"),
        main(&format!("{head}.{body}.{}", url(&[0; 64])), "signature_wrong"),
        main(&format!("{head}.{body}.{}", url(&[0xff; 64])), "signature_wrong"),
        main(&format!("{head}.{body}.{}", url(&[0; 72])), "signature_wrong"),
        main(&format!("{head}.{}.{signature}", url(b"{}")), "signature_wrong"),
        main(&place.stranger.token("ES256", &claims), "signature_wrong"),
        main(
            &place.rsa.with_header(&json!({"alg": "PS256", "kid": "r"}), "RS256", &claims),
            "signature_wrong",
        ),
        main(
            &place.rsa.with_header(&json!({"alg": "RS512", "kid": "r"}), "RS256", &claims),
            "signature_wrong",
        ),
        on("/secret", &Signer::with_secret("s", b"").token("HS256", &claims), "signature_wrong"),
        on(
            "/secret",
            &place.secret.token("HS256", &claims).replace('.', "..")[..20],
            "token_malformed",
        ),
        // Its claims
        texts(plain_header, "", "claims_malformed"),
        texts(plain_header, "\"text\"", "claims_malformed"),
        texts(plain_header, "[]", "claims_malformed"),
        texts(plain_header, &good, "claims_malformed"),
        texts(plain_header, "{\"exp\":1e999}", "claims_malformed"),
        texts(plain_header, &plain_claims.replace('{', "{\"iss\":1,"), "claims_repeated"),
        texts(
            plain_header,
            &plain_claims.replace('{', "{\"\\u0065xp\":9999999999,"),
            "claims_repeated",
        ),
        texts(
            plain_header,
            &plain_claims.replace('{', "{\"x\":{\"y\":1,\"y\":2},"),
            "claims_repeated",
        ),
        texts(plain_header, &deep, "claims_too_large"),
        texts(plain_header, &wide, "claims_too_large"),
        claim(json!({"iss": null}), "claim_missing"),
        claim(json!({"aud": null}), "claim_missing"),
        claim(json!({"exp": null}), "claim_missing"),
        claim(json!({"sub": null}), "claim_missing"),
        claim(json!({"sub": ""}), "claim_missing"),
        claim(json!({"iss": [ISSUER]}), "claim_type"),
        claim(json!({"aud": {"api": true}}), "claim_type"),
        claim(json!({"aud": ["api", 1]}), "claim_type"),
        claim(json!({"exp": (now + 300).to_string()}), "claim_type"),
        claim(json!({"exp": true}), "claim_type"),
        claim(json!({"exp": (now + 300) * 1_000}), "claim_type"),
        claim(json!({"exp": -1}), "claim_type"),
        claim(json!({"nbf": "now"}), "claim_type"),
        claim(json!({"iat": []}), "claim_type"),
        claim(json!({"sub": 7}), "claim_type"),
        claim(json!({"sub": "a\r\nX-User: b"}), "claim_type"),
        claim(json!({"scope": 1}), "claim_type"),
        claim(json!({"scope": ["a", 1]}), "claim_type"),
        claim(json!({"sub": "a".repeat(257)}), "claims_too_large"),
        claim(json!({"scope": "a".repeat(257)}), "claims_too_large"),
        claim(json!({"scope": "a ".repeat(257)}), "claims_too_large"),
        claim(json!({"iss": "https://issuer.example"}), "issuer_wrong"),
        claim(json!({"iss": ""}), "issuer_wrong"),
        on("/other", &good, "issuer_wrong"),
        claim(json!({"aud": "API"}), "audience_wrong"),
        claim(json!({"aud": ["x", "y"]}), "audience_wrong"),
        claim(json!({"aud": []}), "audience_wrong"),
        claim(json!({"exp": now - 61}), "expired"),
        claim(json!({"exp": 0}), "expired"),
        claim(json!({"nbf": now + 120}), "not_yet_valid"),
        claim(json!({"iat": now + 120}), "issued_in_future"),
        // Settings that ask for more
        strictly(json!({"exp": now - 1}), "expired"),
        strictly(json!({"iat": now - 3_601}), "too_old"),
        strictly(json!({"iat": null}), "claim_missing"),
        strictly(json!({"azp": null}), "claim_missing"),
        strictly(json!({"azp": "other"}), "party_wrong"),
        strictly(json!({"azp": ["app"]}), "claim_type"),
        strictly(json!({"jti": null}), "claim_missing"),
        strictly(json!({"tenant": {"ID": 1}}), "claim_missing"),
        strictly(json!({"tenant": null}), "claim_missing"),
        mapped(json!({"client_id": null}), "claim_missing"),
        mapped(json!({"client_id": {}}), "claim_type"),
        mapped(json!({"grants": {}}), "claim_type"),
        mapped(json!({"realm_access": {"roles": [1]}}), "claim_type"),
        mapped(json!({"sub": "é".repeat(700)}), "claims_too_large"),
        // Several issuers: the reason that says most
        on("/either", &place.signed(json!({"exp": 0})), "expired"),
        on("/either", &place.signed(json!({"iss": "x"})), "issuer_wrong"),
    ]
}

#[test]
fn every_token_that_is_wrong_is_refused_for_its_reason() {
    let place = Place::new();
    let rows = rows(&place);
    assert!(rows.len() >= 60, "{}", rows.len());
    let mut reasons = std::collections::BTreeSet::new();
    for (path, lines, reason) in &rows {
        let before = place.world.settled();
        let answer = place.get(path, lines);
        let shown = format!("{reason}: {path} {}", &lines[..lines.len().min(600)]);
        let after = place.world.settled();
        one_request(&before, &after, 401, "h1", "unauthenticated");
        let added = label(&after.denied, reason) - label(&before.denied, reason);
        assert_eq!(added, 1, "{shown}: {:?} then {:?}", before.denied, after.denied);
        let all = |figures: &firewall_gateway::figures::Figures| {
            figures.denied.iter().map(|one| one.count).sum::<u64>()
        };
        assert_eq!(all(&after) - all(&before), 1, "{shown}");
        let challenge = match *reason {
            "credential_missing" => "Bearer",
            "credential_repeated" => "Bearer error=\"invalid_request\"",
            _ => "Bearer error=\"invalid_token\"",
        };
        assert_eq!(header(&answer, "www-authenticate"), Some(challenge), "{shown}");
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
        // The answer is the same whatever was wrong.
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut body: Value = serde_json::from_str(body).unwrap();
        body["request_id"] = Value::Null;
        let expected = json!({
            "type": "urn:seawall:problem:unauthenticated", "title": "Unauthorized", "status": 401,
            "detail": "The request has no credential that is accepted here.", "request_id": null,
        });
        assert_eq!(body, expected, "{shown}");
        assert_eq!(place.world.upstream.seen(), [""; 0], "{shown}");
        reasons.insert(*reason);
    }
    // Those of other credentials have rows of their own.
    let of_token =
        |denied: &Denied| matches!(denied, Denied::Missing | Denied::Repeated | Denied::Jwt(_));
    let known: std::collections::BTreeSet<&str> =
        Denied::all().filter(of_token).map(|denied| denied.label()).collect();
    assert_eq!(reasons, known, "each reason has a row");
    println!("{} rows, {} reasons", rows.len(), reasons.len());
}

#[test]
fn a_good_token_passes_and_tells_the_backend_who_it_is() {
    let place = Place::new();
    let spoofed =
        "X-User: root\r\nX_User: root\r\nX.User: root\r\nX-Roles: admin\r\nx_roles: admin\r\n";
    for (path, changes, expected) in [
        ("/main", json!({}), &[][..]),
        ("/either", json!({}), &[]),
        ("/either", json!({"iss": "https://other.example/"}), &[]),
        ("/secret", json!({}), &[]),
        (
            "/mapped",
            json!({"client_id": "c", "realm_access": {"roles": ["a", "b,c"]}}),
            &["x-roles: a,b%2Cc", "x-user: alice"],
        ),
        ("/mapped", json!({"client_id": "c"}), &["x-user: alice"]),
    ] {
        let claims = place.claims(changes);
        let token = match path {
            "/secret" => place.secret.token("HS256", &claims),
            _ => place.ec.token("ES256", &claims),
        };
        for _ in 0..2 {
            let before = place.world.settled();
            let answer = place.get(path, &format!("{spoofed}Authorization: Bearer {token}\r\n"));
            assert_eq!(status(&answer), 200, "{path} {claims}: {answer}");
            let after = place.world.settled();
            one_request(&before, &after, 200, "h1", "");
            assert_eq!(after.denied, before.denied, "{path}");
            let seen = place.world.upstream.seen();
            let mut told: Vec<&str> = seen[0]
                .lines()
                .filter(|line| {
                    let line = line.to_ascii_lowercase().replace(['_', '.'], "-");
                    line.starts_with("x-user") || line.starts_with("x-roles")
                })
                .collect();
            told.sort_unstable();
            assert_eq!(told, expected, "{path}");
            assert!(seen[0].contains(&format!("authorization: Bearer {token}")));
        }
    }
    let figures = place.world.settled();
    assert!(figures.tokens_cached >= 6, "{figures:?}");
}

#[test]
fn headers_of_identities_are_never_the_clients_on_any_route() {
    let place = Place::new();
    for path in ["/open", "/elsewhere"] {
        let lines = "X-User: root\r\nX_ROLES: admin\r\nx.user: root\r\nX-Users: kept\r\n";
        assert_eq!(status(&place.get(path, lines)), 200);
        let seen = place.world.upstream.seen();
        let lower = seen[0].to_ascii_lowercase();
        assert!(!lower.contains("root") && !lower.contains("admin"), "{lower}");
        assert!(lower.contains("x-users: kept"), "{lower}");
    }
    // `Connection` does not take away what we say.
    let token = place.signed(json!({"client_id": "c"}));
    let request = format!(
        "GET /mapped HTTP/1.1\r\nHost: a\r\nConnection: close, X-User\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    assert_eq!(status(&place.world.exchange(&request)), 200);
    assert!(place.world.upstream.seen()[0].contains("x-user: alice"));
}
