//! No dead file: every Rust file is a crate's root or is reached from one by `mod` lines.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::tree::Tree;

/// Follows the `mod` lines of every root, and names the files that were not met.
pub fn check(tree: &Tree) -> Vec<String> {
    let mut open: Vec<PathBuf> = tree
        .rust()
        .map(|(path, _)| path)
        .filter(|path| is_root(path))
        .map(Path::to_path_buf)
        .collect();
    let mut reached: BTreeSet<PathBuf> = open.iter().cloned().collect();
    while let Some(file) = open.pop() {
        let content = tree.files.get(&file).map_or("", String::as_str);
        for name in content.lines().filter_map(declared) {
            let child = folder_of(&file).join(format!("{name}.rs"));
            if tree.files.contains_key(&child) && reached.insert(child.clone()) {
                open.push(child);
            }
        }
    }
    tree.rust()
        .filter(|(path, _)| !reached.contains(*path))
        .map(|(path, _)| format!("{}: no `mod` line reaches this file", path.display()))
        .collect()
}

fn is_root(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    matches!(
        parts.as_slice(),
        [_, "build.rs"]
            | [_, "src", "main.rs" | "lib.rs"]
            | [_, "src", "bin", _]
            | [_, "it", "main.rs"]
            | [_, "tests", _, "main.rs"]
            | [_, "tests" | "benches" | "examples" | "fuzz_targets", _]
    )
}

/// The name in `mod name;`, whatever its visibility.
fn declared(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    line.strip_prefix("mod ")?.split_once(';').map(|(name, _)| name.trim())
}

/// Where the modules that a file declares live.
fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    let is_root_module = is_root(file);
    if is_root_module { folder.to_path_buf() } else { file.with_extension("") }
}
