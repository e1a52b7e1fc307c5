//! Rules about the documents: links lead somewhere, and ARCHITECTURE.md tells the story of the tree.

use std::path::{Component, Path, PathBuf};

use super::tree::Tree;

const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Every relative link of every Markdown file names a file or folder that exists.
pub fn check_links(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, content) in tree.named("md") {
        for target in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split(['#', ' ']).next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let from = path.parent().unwrap_or(Path::new(""));
            if !exists(tree, &normal(&from.join(file))) {
                problems.push(format!("{}: the link to {target} leads nowhere", path.display()));
            }
        }
    }
    problems
}

/// ARCHITECTURE.md names every file at the top of each crate, and names nothing that does not exist.
pub fn check_codemap(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.files.get(Path::new(ARCHITECTURE)) else {
        return vec![format!("{ARCHITECTURE}: missing; it holds the codemap")];
    };
    let mut problems: Vec<String> = text
        .split(|letter: char| letter.is_whitespace() || "`()[],;|".contains(letter))
        .map(|word| word.trim_end_matches(['.', ':', '/']))
        .filter(|word| tree.crates.iter().any(|name| word.starts_with(&format!("{name}/"))))
        .filter(|word| !word.contains(['*', '{', '<']) && !exists(tree, Path::new(word)))
        .map(|word| format!("{ARCHITECTURE}: names {word}, which does not exist"))
        .collect();
    for (path, _) in tree.rust() {
        let Some((name, file)) = top_file(path) else { continue };
        if !sections(text).any(|section| section.contains(name) && mentions(section, file)) {
            problems.push(format!("{ARCHITECTURE}: no section on {name} names {file}"));
        }
    }
    problems
}

/// `crate/src/file.rs` as its crate and its file; the roots need no mention.
fn top_file(path: &Path) -> Option<(&str, &str)> {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        [_, "src", "main.rs" | "lib.rs"] => None,
        [name, "src", file] => Some((name, file)),
        _ => None,
    }
}

fn sections(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n#")
}

/// Whether a file is named as a word of its own: `parse.rs` is not named by `reparse.rs`.
fn mentions(section: &str, file: &str) -> bool {
    let stem = file.trim_end_matches(".rs");
    section
        .split(|letter: char| !(letter.is_alphanumeric() || "_.-".contains(letter)))
        .any(|word| word.trim_end_matches('.') == file || word == stem)
}

fn exists(tree: &Tree, path: &Path) -> bool {
    path.as_os_str().is_empty() || tree.files.keys().any(|file| file.starts_with(path))
}

/// Without `.` and `..`: the tree is not asked through the file system.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(name) => parts.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts
}
