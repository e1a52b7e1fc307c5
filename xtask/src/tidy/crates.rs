//! Rules between crates: what a crate must not see, and where unsafe code may be.

use std::path::Path;

use anyhow::Result;

use super::tree::{Tree, UNSAFE_CRATES};
use crate::shell;

/// A crate, and what must not be among its dependencies, however deep.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    // Code that parses hostile HTTP cannot name a BPF map.
    ("firewall-gateway", &["aya", "aya-obj", "firewall-daemon"]),
    ("api-server", &["aya", "aya-obj", "firewall-daemon", "firewall-gateway"]),
    ("firewall-common", &["firewall-daemon", "firewall-gateway"]),
];

/// Every rule between crates.
pub fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut problems = forbid_unsafe(tree);
    for (name, forbidden) in FORBIDDEN {
        let listed =
            shell::output(shell::cargo()?.args(["tree", "--locked", "--package", name]).args([
                "--edges",
                "normal,build",
                "--prefix",
                "none",
                "--format",
                "{p}",
            ]))?;
        for line in listed.lines() {
            let dependency = line.split_whitespace().next().unwrap_or_default();
            if forbidden.contains(&dependency) {
                problems.push(format!("{name}: must not depend on {dependency}"));
            }
        }
    }
    problems.dedup();
    Ok(problems)
}

/// The compiler enforces it where the line stands; this sees to it that the line stands.
fn forbid_unsafe(tree: &Tree) -> Vec<String> {
    tree.rust()
        .filter(|(path, content)| {
            is_crate_root(path) && !content.contains("#![forbid(unsafe_code)]")
        })
        .filter(|(path, _)| !UNSAFE_CRATES.iter().any(|name| path.starts_with(name)))
        .map(|(path, _)| format!("{}: lacks `#![forbid(unsafe_code)]`", path.display()))
        .collect()
}

fn is_crate_root(path: &Path) -> bool {
    path.ends_with("src/main.rs")
        || path.ends_with("src/lib.rs")
        || path.ends_with("it/main.rs")
        || path.parent().is_some_and(|folder| folder.ends_with("src/bin"))
}
