//! The reference of the configuration as a manual page: the Markdown that it uses, and no more.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// What stands behind the name in the page's first section; `apropos` finds it by that.
const PURPOSE: &str = "seawall.yaml - configuration of the packet filter and the gateway";

/// The page `seawall.yaml(5)`.
#[must_use]
pub fn page(markdown: &str) -> String {
    let mut roff = Roff::new();
    let version = concat!("seawall ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["seawall.yaml", "5", "", version, "Seawall"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(PURPOSE)]);
    roff.control("SH", ["DESCRIPTION"]);
    let mut paragraph: Vec<&str> = Vec::new();
    // The first line is the title, which the head has said.
    for line in markdown.lines().skip(1) {
        let heading = line.trim_start_matches('#').trim();
        let is_row = line.starts_with('|');
        if line.is_empty() || line.starts_with('#') || is_row {
            if !paragraph.is_empty() {
                roff.control("PP", []);
                roff.text(inlines(&paragraph.join(" ")));
                paragraph.clear();
            }
        } else {
            paragraph.push(line.trim());
        }
        if line.starts_with("###") {
            roff.control("SS", [heading]);
        } else if line.starts_with('#') {
            roff.control("SH", [heading.to_uppercase().as_str()]);
        } else if is_row {
            row(line, &mut roff);
        }
    }
    if !paragraph.is_empty() {
        roff.control("PP", []);
        roff.text(inlines(&paragraph.join(" ")));
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("seawall"), roman("(1)")]);
    roff.render()
}

/// A key as a tagged paragraph; the head of a table and its rule are not rows.
fn row(line: &str, roff: &mut Roff) {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [key, kind, does, change] = cells[..] else { return };
    let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`')) else { return };
    roff.control("TP", []);
    roff.text([bold(key)]);
    roff.text(inlines(&format!("{kind}.")));
    roff.control("RS", []);
    roff.text(inlines(&format!("{does}. Changed by {change}.")));
    roff.control("RE", []);
}

/// Code and stress as fonts; of a link its text.
fn inlines(text: &str) -> Vec<Inline> {
    let mut parts = Vec::new();
    for (number, piece) in without_links(text).split('`').enumerate() {
        if number % 2 == 1 {
            parts.push(italic(piece));
            continue;
        }
        for (number, piece) in piece.replace("**", "*").split('*').enumerate() {
            match (number % 2, piece) {
                (_, "") => {}
                (1, piece) => parts.push(bold(piece)),
                (_, piece) => parts.push(roman(piece)),
            }
        }
    }
    parts
}

fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link.split_once("](").and_then(|(shown, target)| {
            let (_, after) = target.split_once(')')?;
            (!shown.contains('`') && !shown.contains('[')).then_some((shown, after))
        });
        out.push_str(before);
        match parts {
            Some((shown, after)) => {
                out.push_str(shown);
                rest = after;
            }
            None => {
                out.push('[');
                rest = link;
            }
        }
    }
    out + rest
}
