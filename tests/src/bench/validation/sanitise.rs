//! What bringing texts to one form costs: bodies that have it, and the worst that the bounds let in.

use anyhow::{Context as _, Result, ensure};
use firewall_gateway::{
    policy::{ControlCharacters, SanitisePolicy},
    sanitise::Sanitise,
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{BODIES, BODY_US_MAX, JSON, ORDER, SEED, SHOP, processor_us};
use crate::{
    bench::{measure::median, report::Row},
    mutants::Bodies,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// Of the 60 us that everything together may add.
const GOOD_US_MAX: f64 = 30.0;

/// Measures, as its parent does.
pub(super) fn run(rows: &mut Vec<Row>, problems: &mut Vec<String>) -> Result<()> {
    let policy = SanitisePolicy {
        control_characters: ControlCharacters::Strip,
        html: vec!["/html".to_owned()],
        ..SanitisePolicy::default()
    };
    let sanitise = Sanitise::new(&policy)?;
    let document: Value = serde_json::from_str(SHOP)?;
    let mut bodies = Bodies::new(&document, ORDER, SEED).context("a schema")?;
    let mut good_us = Vec::new();
    for _ in 0..BODIES {
        let body = bodies.good().to_string();
        let (us, changed) = clean(&sanitise, JSON, &body)?;
        ensure!(changed == Ok(false), "it is in the form that it should have: {body}");
        good_us.push(us);
    }
    good_us.sort_by(f64::total_cmp);
    for (name, place, most) in [
        ("p50", BODIES / 2, GOOD_US_MAX),
        ("p99", BODIES * 99 / 100, BODY_US_MAX),
        ("max", BODIES - 1, BODY_US_MAX),
    ] {
        let us = good_us.get(place).copied().context("a body")?;
        told(rows, problems, format!("sanitise_good_{name}_us"), us, most);
    }
    for (id, kind, body) in worst(policy.body_bytes_max as usize, policy.values_max as usize) {
        let turn = |_| Ok(clean(&sanitise, kind, &body)?.0);
        let us = median((0..11).map(turn).collect::<Result<_>>()?);
        told(rows, problems, format!("sanitise_worst_{id}_us"), us, BODY_US_MAX);
    }
    Ok(())
}

fn told(rows: &mut Vec<Row>, problems: &mut Vec<String>, id: String, us: f64, most: f64) {
    if us > most {
        problems.push(format!("{id}: {us:.1} us, of {most:.0} at most"));
    }
    rows.push(Row::single(id, us, "us", us <= most));
}

/// Microseconds of the processor that one body takes, and whether it was changed; nothing where it is refused.
fn clean(sanitise: &Sanitise, kind: &str, body: &str) -> Result<(f64, Result<bool, ()>)> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(kind)?)]);
    let begun = processor_us()?;
    let cleaned = sanitise.whole(&headers, body.as_bytes());
    let us = processor_us()? - begun;
    Ok((us, cleaned.map(|cleaned| cleaned.is_some()).map_err(|_| ())))
}

/// The most that the bounds let in: of texts that change, and of HTML that makes a parser work.
fn worst(bytes: usize, values: usize) -> Vec<(&'static str, &'static str, String)> {
    let fill = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len());
    let text = |piece: &str| format!("[\"{}\"]", fill(piece, bytes - 4));
    let html = |markup: &str| format!("{{\"html\":\"{markup}\"}}");
    let list = |piece: &str, count: usize| vec![format!("\"{piece}\""); count].join(",");
    let room = bytes - 100;
    let fonts = |count: usize| {
        let opened: String = (0..count).map(|number| format!("<font color={number}>")).collect();
        "<div>".repeat(count) + &opened + &"</div>x".repeat(count)
    };
    let names: Vec<String> =
        (0..values - 1).map(|number| format!("\"e\u{301}{number}\":1")).collect();
    let attributes: String = (0..).map(|number| format!(" a{number}")).take(7_000).collect();
    vec![
        ("plain", JSON, text("a")),
        ("decomposed", JSON, text("e\u{301}")),
        ("marks", JSON, text("\u{301}\u{323}")),
        ("hangul", JSON, text("\u{1112}\u{1161}\u{11ab}")),
        ("escapes", JSON, text("\\u0065\\u0301")),
        ("hidden", JSON, text("\u{200b}\u{202e}a")),
        ("texts", JSON, format!("[{}]", list(&fill("e\u{301}", 60), values - 1))),
        ("names", JSON, format!("{{{}}}", names.join(","))),
        ("form", FORM, fill("e%CC%81=%1b%41e%CC%81&", values * 22)),
        ("html_ordinary", JSON, html(&("<b>x</b> ".repeat(512) + &fill("word ", room - 5_000)))),
        ("html_links", JSON, html(&"<a href='https://a.example/b?c=d'>x</a>".repeat(512))),
        ("html_deep", JSON, html(&"<div>".repeat(1_024))),
        ("html_references", JSON, html(&"&".repeat(1_024))),
        ("html_reopened", JSON, html(&fonts(341))),
        ("html_reopened_often", JSON, html(&fonts(100).repeat(3))),
        ("html_tables", JSON, html(&"<table>x".repeat(1_024))),
        ("html_attributes", JSON, html(&format!("<a{attributes}>"))),
        ("html_twice", JSON, html(&"<i>&#x200b;e&#x301;".repeat(340))),
        ("html_too_much", JSON, html(&fill("<b>", room))),
    ]
}
