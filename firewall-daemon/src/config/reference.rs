//! The documents against the program: every key is documented, every documented key is read, and every
//! shipped file loads.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{Config, read, valid};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The dotted keys below a document type, read from the text of its declaration.
fn keys(source: &str, document: &str, prefix: &str, found: &mut BTreeSet<String>) {
    let start = source.find(&format!("pub struct {document} {{")).expect("the type is declared");
    let body = source[start..].split("\n}").next().expect("it ends");
    for field in body.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
        let Some((name, kind)) = field.split_once(": ") else { continue };
        let key = format!("{prefix}{name}");
        let inner = kind
            .split(|letter: char| !letter.is_alphanumeric())
            .find(|word| source.contains(&format!("pub struct {word} {{")));
        match inner {
            Some(inner) => {
                let entry = if kind.contains("Map<") { ".NAME." } else { "." };
                if kind.contains("Entries<") || kind.contains("Map<") {
                    found.insert(key.clone());
                }
                keys(source, inner, &format!("{key}{entry}"), found);
            }
            None => {
                found.insert(key);
            }
        }
    }
}

/// The text of every document type.
fn documents() -> String {
    [
        include_str!("document.rs"),
        include_str!("document/packet.rs"),
        include_str!("document/rules.rs"),
        include_str!("document/limits.rs"),
        include_str!("document/feeds.rs"),
        include_str!("document/gateway.rs"),
        include_str!("document/tls.rs"),
        include_str!("document/routes.rs"),
        include_str!("document/jwt.rs"),
        include_str!("document/login.rs"),
        include_str!("document/consumers.rs"),
        include_str!("document/authorise.rs"),
        include_str!("document/browser.rs"),
        include_str!("document/rates.rs"),
        include_str!("document/sanitise.rs"),
        include_str!("document/validate.rs"),
        include_str!("document/clients.rs"),
        include_str!("document/behaviour.rs"),
        include_str!("document/events.rs"),
        include_str!("document/answers.rs"),
        include_str!("document/scrub.rs"),
        include_str!("document/introspection.rs"),
        include_str!("document/gateway/delivery.rs"),
    ]
    .concat()
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let mut read = BTreeSet::new();
    keys(&documents(), "Document", "", &mut read);
    let reference = fs::read_to_string(root().join("docs/reference/config.md")).expect("text");
    let documented: BTreeSet<String> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(read, documented);
    assert!(read.contains("packet.rules.limit.per") && read.len() > 100, "{read:?}");
}

#[test]
fn every_shipped_configuration_loads_with_its_comments_in_or_out() {
    let examples = fs::read_dir(root().join("rules/examples")).expect("a folder");
    let files = examples.map(|entry| entry.expect("an entry").path());
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut files: Vec<PathBuf> = files.filter(yaml).collect();
    files.push(root().join("rules/seawall.yaml"));
    for file in &files {
        Config::load(file).unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(files.len(), 7);

    let shipped = fs::read_to_string(root().join("rules/seawall.yaml")).expect("text");
    // A key that is commented out begins its line with the mark; a remark stands behind something.
    let uncommented = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(key) => format!("{}{key}\n", &line[..line.len() - line.trim_start().len()]),
        None => format!("{line}\n"),
    };
    let full: String = shipped.lines().skip(1).map(uncommented).collect();
    let path = Path::new("seawall.yaml");
    let config = read::parse(path, full.into_bytes())
        .and_then(|document| valid::config(path, document))
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(config.gateway.is_some() && config.packet.geo.is_some());
    let mut read = BTreeSet::new();
    keys(&documents(), "Document", "", &mut read);
    // What a gateway for many services adds is in an example of its own.
    let examples = ["services.yaml", "backends.yaml"];
    let examples = examples.map(|name| root().join("rules/examples").join(name));
    let texts = examples.map(|path| fs::read_to_string(path).expect("text"));
    let shown = shipped + &texts.concat();
    for key in read {
        let name = key.rsplit('.').next().expect("a name");
        assert!(shown.contains(&format!("{name}:")), "{key} is not shown");
    }
}
