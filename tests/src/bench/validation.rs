//! `cargo xtask bench validation`: what holding a request against the document of its API costs, and what bringing its texts
//! to one form does before: bodies that fit,
//! ten thousand with one thing that is wrong, and the worst that bounds let in. One thread, no network, in time of
//! the processor: what is around it is measured elsewhere, and who else runs is not what is measured.

mod sanitise;

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use firewall_gateway::{
    policy::{Against, DocumentPolicy, ValidationPolicy},
    route::Pattern,
    validate::{Asked, Validation, Verdict, openapi::Api},
};
use http::{HeaderMap, HeaderValue, Method, header};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::{
    bench::report::{Report, Row},
    mutants::Bodies,
};

const SHOP: &str = include_str!("../../../rules/examples/shop.openapi.json");
const ORDER: &str = "/components/schemas/Order";
const BODIES: usize = 10_000;
const SEED: u64 = 11;
const JSON: &str = "application/json";
/// What the issue asks for.
const BODY_US_MAX: f64 = 5_000.0;
/// Of the 60 us that everything together may add.
const GOOD_US_MAX: f64 = 40.0;

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let document: Value = serde_json::from_str(SHOP)?;
    let shop = shop()?;
    let mut bodies = Bodies::new(&document, ORDER, SEED).context("a schema")?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let (mut good_us, mut bytes) = (Vec::new(), 0);
    for _ in 0..BODIES {
        let body = bodies.good().to_string();
        bytes += body.len();
        let (us, verdict) = judge(&shop, "/v1/orders", Some(JSON), None, body.as_bytes())?;
        ensure!(verdict == Verdict::Passed, "it fits, and was refused: {body}");
        good_us.push(us);
    }
    let mut mutant_us = Vec::new();
    for _ in 0..BODIES {
        let mutant = bodies.mutant();
        let (us, verdict) =
            judge(&shop, "/v1/orders", mutant.content_type, mutant.content_encoding, &mutant.body)?;
        ensure!(verdict == Verdict::Refused, "{}, and was let by", mutant.what);
        mutant_us.push(us);
    }
    rows.push(Row::single("validation_good_bytes", bytes as f64 / BODIES as f64, "bytes", true));
    for (id, mut us) in [("good", good_us), ("mutant", mutant_us)] {
        us.sort_by(f64::total_cmp);
        let bounds = [("p50", us.len() / 2), ("p99", us.len() * 99 / 100), ("max", us.len() - 1)];
        for (name, place) in bounds {
            let value = us.get(place).copied().context("a body")?;
            let most = if (id, name) == ("good", "p50") { GOOD_US_MAX } else { BODY_US_MAX };
            let id = format!("validation_{id}_{name}_us");
            if value > most {
                problems.push(format!("{id}: {value:.1} us, of {most:.0} at most"));
            }
            rows.push(Row::single(id, value, "us", value <= most));
        }
    }
    for (id, schema, content_type, body) in worst() {
        let us = worst_us(&schema, &content_type, &body)?;
        let id = format!("validation_worst_{id}_us");
        if us > BODY_US_MAX {
            problems.push(format!("{id}: {us:.1} us, of {BODY_US_MAX:.0} at most"));
        }
        rows.push(Row::single(id, us, "us", us <= BODY_US_MAX));
    }
    sanitise::run(&mut rows, &mut problems)?;
    Ok((Report::from_rows(rows), problems))
}

fn shop() -> Result<Validation> {
    let name = "shop".to_owned();
    let document = DocumentPolicy { name: name.clone(), text: SHOP.to_owned(), base_path: None };
    let api = Arc::new(Api::of_document(&document, false)?);
    let policy = ValidationPolicy::new(Against::Document(name.clone()));
    Ok(Validation::new(&policy, &Pattern::parse("/*")?, &[(name, api)])?)
}

/// Microseconds of the processor that one body takes, and what becomes of it.
fn judge(
    validation: &Validation,
    path: &str,
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    body: &[u8],
) -> Result<(f64, Verdict)> {
    let mut headers = HeaderMap::new();
    for (name, value) in
        [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, content_encoding)]
    {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_str(value)?);
        }
    }
    let asked = Asked { method: &Method::POST, path, query: None, headers: &headers };
    let begun = processor_us()?;
    let (verdict, invalid) = validation.judge_whole(&asked, body);
    // Making the answer belongs to it.
    let errors = invalid.map(|invalid| invalid.errors().to_string());
    let us = processor_us()? - begun;
    if errors.is_some_and(|errors| !errors.contains("\"pointer\":\"#")) {
        bail!("a body was refused without a pointer");
    }
    Ok((us, verdict))
}

/// The median of some turns: a page that is touched for the first time is no part of it.
fn worst_us(operation: &Value, content_type: &str, body: &[u8]) -> Result<f64> {
    let policy = ValidationPolicy::new(Against::Operation(operation.to_string()));
    let validation = Validation::new(&policy, &Pattern::parse("/*")?, &[])?;
    let turn = |_| Ok(judge(&validation, "/", Some(content_type), None, body)?.0);
    Ok(crate::bench::measure::median((0..11).map(turn).collect::<Result<_>>()?))
}

type Worst = (&'static str, Value, String, Vec<u8>);

/// The most that the bounds let in where nothing is said of them, against schemas that make the most of it.
fn worst() -> Vec<Worst> {
    let policy = ValidationPolicy::new(Against::Body(String::new()));
    let (bytes, values) = (policy.body_bytes_max as usize, policy.values_max as usize);
    let operation = |content_type: &str, schema: Value| {
        let mut content = serde_json::Map::new();
        content.insert(content_type.to_owned(), json!({ "schema": schema }));
        json!({"requestBody": {"content": content}})
    };
    let json = |schema: Value| operation(JSON, schema);
    let list = |entry: &dyn Fn(usize) -> String, count: usize| {
        let entries: Vec<String> = (0..count).map(entry).collect();
        format!("[{}]", entries.join(",")).into_bytes()
    };
    let branches =
        json!([{"type": "string"}, {"type": "object"}, {"type": "array"}, {"minimum": 1e9}]);
    let form = "application/x-www-form-urlencoded";
    let fields: String = (0..values).map(|number| format!("f{number}=1&")).collect();
    let part = |number: usize| {
        format!("--b\r\nContent-Disposition: form-data; name=\"f{number}\"\r\n\r\n1\r\n")
    };
    let parts: String = (0..bytes / part(1_000).len()).map(part).collect();
    let closed = json!({"type": "object", "additionalProperties": false, "properties": {"a": {}}});
    vec![
        ("syntax", json(json!({})), JSON.to_owned(), vec![b' '; bytes]),
        (
            "wrong_entries",
            json(json!({"items": {"type": "string", "pattern": "^a", "enum": ["a", "b"]}})),
            JSON.to_owned(),
            list(&|number| number.to_string(), values - 1),
        ),
        (
            "any_of",
            json(json!({"items": {"anyOf": branches}})),
            JSON.to_owned(),
            list(&|number| number.to_string(), values - 1),
        ),
        (
            "one_of_within",
            json(json!({"items": {"oneOf": [{"anyOf": branches}, {"anyOf": branches}]}})),
            JSON.to_owned(),
            list(&|number| number.to_string(), values - 1),
        ),
        (
            "unique_objects",
            json(json!({"uniqueItems": true})),
            JSON.to_owned(),
            list(&|number| format!("{{\"a\":{number}}}"), values / 2 - 1),
        ),
        (
            "pattern",
            json(json!({"pattern": "^([a-z]+[0-9]?)+$"})),
            JSON.to_owned(),
            format!("\"{}!\"", "a".repeat(bytes - 3)).into_bytes(),
        ),
        (
            "numbers",
            json(json!({"items": {"multipleOf": 0.01}})),
            JSON.to_owned(),
            list(&|number| format!("1.{number}e{}", number % 300), values - 1),
        ),
        ("members", json(closed.clone()), JSON.to_owned(), {
            let members: Vec<String> =
                (0..values - 1).map(|number| format!("\"m{number}\":1")).collect();
            format!("{{{}}}", members.join(",")).into_bytes()
        }),
        ("form", operation(form, closed.clone()), form.to_owned(), fields.into_bytes()),
        (
            "parts",
            operation("multipart/form-data", closed),
            "multipart/form-data; boundary=b".to_owned(),
            format!("{parts}--b--\r\n").into_bytes(),
        ),
    ]
}

fn processor_us() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}
