//! What policies add to a request: keys, sessions, tokens that are verified and remembered, limits, a schema, all of it.
//!
//! A second Seawall with the policies stands in a world of its own, with a backend of its own. A row is a
//! difference, median of its pairs: what the route costs less what the same request cost just before on a route
//! without a policy. `behaviour` is the second one's own plain route beside the first one's, as it watches all of
//! its routes.

mod session;

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{
    Ground, HOST, ROUNDS, SMALL_BYTES,
    clients::{self, Pinned},
    contender::Contender,
    load::{Load, Protocol},
    servers,
    table::{Comparison, Row},
};
use crate::{
    bench::measure::median,
    forge::{Kind, Signer, jwks},
    pki::Authority,
    process::Process,
    seawall, upstream,
    world::World,
};

const PORT: u16 = 4433;
/// Requests of a sample: a second.
const REQUESTS: u64 = 30_000;
/// Pairs of samples of a row: a difference of a few microseconds is within the noise of one.
const PAIRS: usize = 7;
/// Requests with a token of their own.
const TOKENS: usize = 6_000;
/// What is posted where everything is on.
const POSTED_BYTES: usize = 2_048;
/// Token algorithms, with the rows of tokens that are remembered and that are not.
const ALGORITHMS: [(&str, Kind, &str, &str); 3] = [
    ("RS256", Kind::Rsa, "jwt_rs256_cached_cpu_added", "jwt_rs256_cpu_added"),
    ("ES256", Kind::P256, "jwt_es256_cached_cpu_added", "jwt_es256_cpu_added"),
    ("EdDSA", Kind::Ed25519, "jwt_eddsa_cached_cpu_added", "jwt_eddsa_cpu_added"),
];
/// Algorithms of limits, with their rows.
const LIMITS: [(&str, &str); 5] = [
    ("token_bucket", "token_bucket_cpu_added"),
    ("leaky_bucket", "leaky_bucket_cpu_added"),
    ("fixed_window", "fixed_window_cpu_added"),
    ("sliding_log", "sliding_log_cpu_added"),
    ("sliding_counter", "sliding_counter_cpu_added"),
];

/// Adds the rows.
pub fn measure(plain: &Ground, table: &mut Comparison) -> Result<()> {
    let guarded = Guarded::lay()?;
    let mut rows = guarded.pairs();
    let ours = &plain.servers.contenders[0];
    let (get, post) = (Load::of("/small", SMALL_BYTES, REQUESTS), guarded.post("/posted"));
    let plain_post = Load { header: None, ..post };
    let beside = guarded.get("/plain", None);
    for _ in 0..PAIRS {
        for row in &mut rows {
            // Behaviour watches every route of the guarded one: its own plain route is what others are held
            // against; what is posted, against the first one's, with behaviour in it.
            let without = match (row.id, row.load.posted.is_some()) {
                ("behaviour_cpu_added", _) => sample(table, &plain.world, ours, &get, "plain")?,
                (_, true) => sample(table, &plain.world, ours, &plain_post, "plain")?,
                (_, false) => sample(table, &guarded.world, &guarded.seawall, &beside, "plain")?,
            };
            let spent = sample(table, &guarded.world, &guarded.seawall, &row.load, row.id)?;
            row.added.push(spent - without);
        }
    }
    for row in rows {
        table.push(Row::less(row.id, "us", vec![median(row.added)], true));
    }
    guarded.verified_each_time(table)
}

/// Each policy's requests, once.
pub fn exercise(table: &mut Comparison) -> Result<()> {
    let guarded = Guarded::lay()?;
    for pair in guarded.pairs() {
        sample(table, &guarded.world, &guarded.seawall, &pair.load, pair.id)?;
    }
    guarded.verified_each_time(table)
}

/// A policy, and what it was found to add.
struct Pair {
    id: &'static str,
    load: Load,
    added: Vec<f64>,
}

impl Pair {
    fn of(id: &'static str, load: Load) -> Self {
        Self { id, load, added: Vec::new() }
    }
}

/// Microseconds of a request.
fn sample(
    table: &mut Comparison,
    world: &World,
    contender: &Contender,
    load: &Load,
    id: &str,
) -> Result<f64> {
    let before = contender.cpu()?;
    let seen = load.run(world, contender, Protocol::Http1)?;
    let spent = contender.cpu()? - before;
    ensure!(table.check(&seen, contender, id, load), "{id}: {seen:?}");
    Ok(spent.as_secs_f64() * 1e6 / load.requests as f64)
}

/// A Seawall with all the policies. What is dropped first ends first.
struct Guarded {
    seawall: Contender,
    _backend: Process,
    signers: Vec<Signer>,
    /// A header with a key.
    key: String,
    /// A header with the cookie of a session.
    session: String,
    posted: PathBuf,
    authority: Authority,
    world: World,
}

impl Guarded {
    fn lay() -> Result<Self> {
        let world = World::build(&[])?;
        let authority = Authority::create(world.folder(), "authority")?;
        let front = authority.issue(HOST)?;
        fs::create_dir(world.folder().join("www"))?;
        fs::write(world.folder().join("www/small"), super::body(SMALL_BYTES))?;
        let posted = world.folder().join("posted.json");
        fs::write(&posted, order())?;
        let backend = servers::backend(&world, &authority)?;
        let signers: Vec<Signer> =
            ALGORITHMS.iter().map(|(name, kind, ..)| Signer::new(name, *kind)).collect();
        let session = session::opened(&world, &token(&signers[0], ALGORITHMS[0].0, 0))?;
        let seawall = servers::seawall(&world, &front, PORT, &ways(&signers))?;
        let key = format!("x-api-key: {}", made(&world)?);
        Ok(Self { seawall, _backend: backend, signers, key, session, posted, authority, world })
    }

    /// What is asked of each policy.
    fn pairs(&self) -> Vec<Pair> {
        let mut pairs = vec![Pair::of("behaviour_cpu_added", self.get("/plain", None))];
        pairs.push(Pair::of("api_key_cpu_added", self.get("/key", Some(&self.key))));
        pairs.push(Pair::of("session_cpu_added", self.get("/session", Some(&self.session))));
        for ((name, _, cached, _), signer) in ALGORITHMS.iter().zip(&self.signers) {
            let header = format!("authorization: Bearer {}", token(signer, name, 0));
            let path = format!("/{}", name.to_lowercase());
            pairs.push(Pair::of(cached, self.get(&path, Some(&header))));
        }
        for (name, id) in LIMITS {
            pairs.push(Pair::of(id, self.get(&format!("/{name}"), None)));
        }
        pairs.push(Pair::of("scrub_cpu_added", self.get("/scrubbed", None)));
        pairs.push(Pair::of("validation_cpu_added", self.post("/validated")));
        pairs.push(Pair::of("everything_cpu_added", self.post("/everything")));
        pairs
    }

    fn get(&self, path: &str, header: Option<&str>) -> Load {
        let header = header.map(str::to_owned);
        Load { header, ..Load::of(path, SMALL_BYTES, REQUESTS) }
    }

    fn post(&self, path: &str) -> Load {
        let (header, posted) = (Some(self.key.clone()), Some(self.posted.clone()));
        Load { header, posted, ..Load::of(path, servers::POSTED.len(), REQUESTS) }
    }

    /// Tokens of which each is seen once: nothing is remembered.
    fn verified_each_time(&self, table: &mut Comparison) -> Result<()> {
        let pinned = Pinned::new(&self.authority, HOST, self.seawall.address)?;
        let body = super::body(SMALL_BYTES);
        let head =
            |path: &str, more: &str| format!("GET /{path} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n");
        let plain: Vec<String> = (0..TOKENS).map(|_| head("plain", "")).collect();
        let cost = |heads: &[String]| -> Result<f64> {
            let before = self.seawall.cpu()?;
            clients::each_once(&self.world.server, &pinned, heads, &body)?;
            Ok((self.seawall.cpu()? - before).as_secs_f64() * 1e6 / heads.len() as f64)
        };
        for ((name, _, _, id), signer) in ALGORITHMS.iter().zip(&self.signers) {
            let mut added = Vec::new();
            for round in 0..ROUNDS {
                let numbers = 1 + round * TOKENS..=(round + 1) * TOKENS;
                let heads: Vec<String> = numbers
                    .map(|number| {
                        let token = token(signer, name, number);
                        head(&name.to_lowercase(), &format!("Authorization: Bearer {token}\r\n"))
                    })
                    .collect();
                let without = cost(&plain)?;
                added.push(cost(&heads)? - without);
            }
            table.push(Row::less(id, "us", vec![median(added)], true));
        }
        Ok(())
    }
}

/// A token of a common provider's size, unlike those of other numbers.
fn token(signer: &Signer, algorithm: &str, number: usize) -> String {
    let claims = json!({
        "iss": "https://id.example/realms/shop", "aud": ["api", "account"], "azp": "web",
        "sub": "7b1f3c1e-9a55-4c39-8b61-d1a6d1f0c0ff", "jti": number.to_string(),
        "iat": 1_700_000_000, "exp": 4_000_000_000_u64, "scope": "openid profile email",
        "realm_access": {"roles": ["offline_access", "uma_authorization", "customer"]},
        "preferred_username": "alice", "email": "alice@example.com", "email_verified": true,
    });
    signer.token(algorithm, &claims)
}

/// An order of some 2 kB.
fn order() -> String {
    let mut items: Vec<Value> = Vec::new();
    let mut text = String::new();
    while text.len() < POSTED_BYTES {
        let number = items.len();
        items.push(json!({"sku": format!("A-{number:05}"), "count": 1 + number % 9, "price": 1.5}));
        text = json!({"customer": "shop", "currency": "EUR", "items": items}).to_string();
    }
    text
}

/// What an order looks like.
const ORDER: &str = "{type: object, additionalProperties: false, required: [customer, currency, items], properties: {\
    customer: {type: string, maxLength: 64}, currency: {enum: [EUR, USD]}, \
    items: {type: array, minItems: 1, maxItems: 200, items: {type: object, additionalProperties: false, \
    required: [sku, count, price], properties: {sku: {type: string, pattern: '^[A-Z]-[0-9]{5}$'}, \
    count: {type: integer, minimum: 1, maximum: 99}, price: {type: number, minimum: 0}}}}}}";

/// A key of the consumer.
fn made(world: &World) -> Result<String> {
    let socket = seawall::socket(world.folder());
    let socket = socket.to_string_lossy();
    let output = seawall::run(world, &["key", "create", "shop", "--json", "--socket", &socket])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "seawall key create: {said}");
    let made: Value = serde_json::from_slice(&output.stdout)?;
    Ok(made["key"].as_str().unwrap_or_default().to_owned())
}

/// Upstreams, policies and routes.
fn ways(signers: &[Signer]) -> String {
    let (backend, name) = (upstream::ADDRESS, upstream::NAME);
    let mut text = format!(
        "  upstreams: [{{name: api, backends: [{{address: '{backend}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]\n  \
         consumers: [{{name: shop, scopes: [orders.write]}}]\n  \
         behaviour: {{ban: 100000}}\n  jwt:\n"
    );
    for ((algorithm, ..), signer) in ALGORITHMS.iter().zip(signers) {
        text.push_str(&format!(
            "    {name}: {{issuer: 'https://id.example/realms/shop', audience: [api], \
             algorithms: [{algorithm}], keys: '{}', roles_claim: realm_access.roles}}\n",
            jwks([signer]),
            name = algorithm.to_lowercase()
        ));
    }
    text.push_str(&session::login());
    text.push_str("  rate_limits:\n");
    for (algorithm, _) in LIMITS {
        // A log remembers what it took: it holds what a second brings.
        let (limit, window_s) = match algorithm {
            "sliding_log" => (260_000, 1),
            _ => (100_000_000, 60),
        };
        let keys = match algorithm {
            "sliding_log" => ", keys_max: 16",
            "leaky_bucket" => ", wait_max_ms: 1000",
            _ => "",
        };
        text.push_str(&format!(
            "    - {{name: {algorithm}, algorithm: {algorithm}, limit: {limit}, window_s: {window_s}{keys}}}\n"
        ));
    }
    text.push_str(
        "    - {name: consumer, limit: 100000000, window_s: 60, key: [consumer]}\n  routes:\n    \
         - {name: plain, path: /plain, rewrite: /small, upstream: api}\n    \
         - {name: key, path: /key, rewrite: /small, upstream: api, authentication: [{api_key: {}}]}\n    \
         - {name: session, path: /session, rewrite: /small, upstream: api, authentication: [{session: people}]}\n    \
         - {name: everything, path: /everything, methods: [POST], rewrite: /posted, upstream: api, authentication: [{api_key: {}}], \
         authorise: [{scopes: [orders.write]}], rate_limits: [token_bucket, consumer], validate: {body: ORDER}}\n    \
         - {name: validated, path: /validated, methods: [POST], rewrite: /posted, upstream: api, validate: {body: ORDER}}\n    \
         - {name: scrubbed, path: /scrubbed, rewrite: /small, upstream: api, scrub: {action: mask}}\n"
            .replace("ORDER", ORDER)
            .as_str(),
    );
    for algorithm in ALGORITHMS.map(|(algorithm, ..)| algorithm.to_lowercase()) {
        text.push_str(&format!(
            "    - {{name: {algorithm}, path: /{algorithm}, rewrite: /small, upstream: api, authentication: [{{jwt: {algorithm}}}]}}\n"
        ));
    }
    for (algorithm, _) in LIMITS {
        text.push_str(&format!(
            "    - {{name: {algorithm}, path: /{algorithm}, rewrite: /small, upstream: api, rate_limits: [{algorithm}]}}\n"
        ));
    }
    text
}
