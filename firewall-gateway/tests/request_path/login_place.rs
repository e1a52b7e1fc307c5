//! A gateway whose people log in at a provider, and a browser that does.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use firewall_gateway::{
    identity::jwt::Algorithm,
    policy::{
        AuthenticationPolicy, ClaimHeader, ClientAuthentication, FailuresPolicy, GatewayPolicy,
        JwtPolicy, KeyOrigin, KeyText, LoginPolicy, ProviderPolicy, RoutePolicy, SecretText,
    },
};
use serde_json::{Value, json};

use crate::{
    forge::{Kind, Signer, jwks},
    provider::{Provider, Says},
    world::{World, header, status},
};

pub const ISSUER: &str = "https://id.test";
pub const ORIGIN: &str = "https://gateway.test";
pub const NAVIGATION: &str = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";

pub struct Place {
    pub world: World,
    pub provider: Provider,
    pub signer: Signer,
}

/// A login that was begun.
pub struct Begun {
    /// `NAME=VALUE` of its cookie.
    pub cookie: String,
    /// What the provider was asked.
    pub asked: BTreeMap<String, String>,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn login(name: &str, provider: &Provider, keys: &str) -> LoginPolicy {
    let port = provider.address.port();
    LoginPolicy {
        jwt: JwtPolicy {
            name: name.to_owned(),
            issuer: ISSUER.to_owned(),
            audiences: vec!["app".to_owned()],
            algorithms: vec![Algorithm::ES256],
            keys: Some(KeyText { text: keys.to_owned(), confirmed_epoch_s: now() }),
            origin: KeyOrigin::Fetched { endpoint: "x".to_owned(), stale_max_s: 86_400 },
            types: Vec::new(),
            authorized_parties: Vec::new(),
            leeway_s: 60,
            age_max_s: None,
            claims_required: Vec::new(),
            consumer_claim: "preferred_username".to_owned(),
            scopes_claim: None,
            roles_claim: Some("realm_access.roles".to_owned()),
            headers: vec![ClaimHeader { name: "x-mail".to_owned(), claim: "email".to_owned() }],
        },
        client_id: "app".to_owned(),
        client_secret: Some(SecretText("s3cret:1".to_owned())),
        client_authentication: ClientAuthentication::ClientSecretBasic,
        scopes: vec!["openid".to_owned(), "profile".to_owned()],
        origin: ORIGIN.to_owned(),
        cookie: format!("__Host-session-{name}"),
        after_logout: "/bye".to_owned(),
        front_channel_logout: false,
        idle_timeout_s: 60,
        absolute_timeout_s: 3_600,
        ca_pem: provider.certificate_pem.clone(),
        key_hex: SecretText("ab".repeat(32)),
        port,
        provider: Some(ProviderPolicy {
            authorization_endpoint: "https://id.test/auth?kc=1".to_owned(),
            token_endpoint: format!("https://id.test:{port}/token"),
            jwks_uri: "https://id.test/certs".to_owned(),
            end_session_endpoint: Some("https://id.test/end".to_owned()),
            names_itself: false,
            addresses: vec![provider.address],
        }),
    }
}

/// The first route takes a token of the provider too, which a client says itself.
pub fn or_token(policy: &mut GatewayPolicy) {
    let mut api = policy.logins[0].jwt.clone();
    api.name = "api".to_owned();
    policy.jwts = vec![api];
    policy.routes[0].authentication.push(AuthenticationPolicy::Jwt("api".to_owned()));
}

impl Place {
    pub fn new() -> Place {
        Place::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut GatewayPolicy)) -> Place {
        let (provider, signer) = (Provider::start("id.test"), Signer::new("e", Kind::P256));
        let keys = jwks([&signer]);
        let world = World::changed(|policy| {
            let main = login("main", &provider, &keys);
            let mut names = main.clone();
            names.jwt.name = "names".to_owned();
            names.cookie = "__Host-session-names".to_owned();
            names.client_secret = None;
            names.provider.as_mut().unwrap().names_itself = true;
            policy.logins = vec![main, names];
            let by = |path: &str, login: &str| RoutePolicy {
                authentication: vec![AuthenticationPolicy::Session(login.to_owned())],
                ..RoutePolicy::to_upstream(login, path, 0)
            };
            policy.routes = vec![
                by("/app/*", "main"),
                by("/names/*", "names"),
                RoutePolicy::to_upstream("open", "/*", 0),
            ];
            // Every case comes from one address.
            policy.authentication_failures = FailuresPolicy {
                address_per_min: 1_000_000,
                network_per_min: 1_000_000,
                consumer_per_min: 1_000_000,
            };
            change(policy);
        });
        Place { world, provider, signer }
    }

    pub fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> String {
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        self.world.exchange(&format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n{lines}{length}\r\n{body}"
        ))
    }

    pub fn get(&self, path: &str, lines: &str) -> String {
        self.send("GET", path, lines, "")
    }

    pub fn begin(&self, path: &str) -> Begun {
        let answer = self.get(path, NAVIGATION);
        assert_eq!(status(&answer), 302, "{answer}");
        let to = header(&answer, "location").unwrap();
        let query = to.strip_prefix("https://id.test/auth?kc=1&").unwrap_or_else(|| panic!("{to}"));
        let cookie = header(&answer, "set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let asked = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Begun { cookie, asked }
    }

    /// Good claims of a login with some changed; `null` takes one away.
    pub fn claims(&self, begun: &Begun, changes: &Value) -> Value {
        let mut claims = json!({
            "iss": ISSUER, "aud": "app", "sub": "u-1", "preferred_username": "ada", "sid": "p-1",
            "email": "ada@example.com", "realm_access": {"roles": ["editor", "staff"]},
            "nonce": begun.asked["nonce"], "iat": now(), "exp": now() + 300,
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    pub fn token(&self, begun: &Begun, changes: &Value) -> String {
        self.signer.token("ES256", &self.claims(begun, changes))
    }

    pub fn gives(&self, token: &str) {
        let answer = json!({"access_token": "a", "token_type": "Bearer", "id_token": token});
        self.provider.says(Says::Answer(200, answer.to_string()));
    }

    pub fn come_back(&self, login: &str, query: &str, cookie: &str) -> String {
        let cookie =
            if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        self.get(&format!("/.seawall/callback/{login}?{query}"), &cookie)
    }

    /// Somebody logs in; `NAME=VALUE` of the session's cookie.
    pub fn log_in(&self, changes: &Value) -> String {
        let begun = self.begin("/app/page?x=1");
        self.gives(&self.token(&begun, changes));
        let answer = self.come_back(
            "main",
            &format!("code=c&state={}", begun.asked["state"]),
            &begun.cookie,
        );
        assert_eq!(status(&answer), 302, "{answer}");
        session(&answer)
    }

    pub fn counted(&self) -> [u64; 3] {
        let figures = self.world.settled();
        [figures.logins_begun, figures.logins_completed, figures.sessions]
    }
}

/// What an answer sets for the session.
pub fn session(answer: &str) -> String {
    let set = |line: &&str| line.to_ascii_lowercase().starts_with("set-cookie: __host-session-");
    let line = answer.lines().find(set).unwrap_or_else(|| panic!("{answer}"));
    line.split_once(": ").unwrap().1.split(';').next().unwrap().to_owned()
}
