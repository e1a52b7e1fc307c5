//! Rules about single files: length, first line, names, and no path of somebody's machine.

use super::tree::Tree;

/// Past this a file has stopped telling one story.
const LINES_MAX: usize = 600;

/// Every rule about a single file.
pub fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, content) in tree.rust() {
        let shown = path.display();
        let lines = content.lines().count();
        if lines > LINES_MAX {
            problems.push(format!(
                "{shown}: {lines} lines, at most {LINES_MAX}: cut it by what it does"
            ));
        }
        if path.ends_with("mod.rs") {
            problems.push(format!(
                "{shown}: a module is `name.rs` with a folder `name/`, never `mod.rs`"
            ));
        }
        if path.ends_with("utils.rs") || path.ends_with("helpers.rs") {
            problems.push(format!("{shown}: name the file after what lives in it"));
        }
        if !content.starts_with("//!") {
            problems.push(format!(
                "{shown}: the first line says in one `//!` sentence what lives here"
            ));
        }
    }
    for (path, content) in &tree.files {
        for (number, line) in content.lines().enumerate() {
            if let Some(found) = machine_path(line) {
                problems.push(format!(
                    "{}:{}: names a machine's own path ({found})",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    problems
}

/// A folder that exists on one developer's machine only.
fn machine_path(line: &str) -> Option<&'static str> {
    // Written in two halves, or this file would break its own rule.
    const FOLDERS: [(&str, &str); 4] =
        [("/work", "/main"), ("/work", "/shared"), ("/tmp", "/sw"), ("/root", "/.")];
    FOLDERS
        .iter()
        .find(|(first, second)| line.contains(&[*first, *second].concat()))
        .map(|(first, _)| *first)
}
