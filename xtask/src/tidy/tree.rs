//! The tree as tidy sees it: every text file that belongs to the project, read once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Crates that may contain unsafe code: those that touch packet memory and share types with the kernel.
pub const UNSAFE_CRATES: [&str; 3] = ["firewall-ebpf", "firewall-common", "bench-ebpf"];

/// Files by their path from the workspace; what is not UTF-8 has no content.
pub struct Tree {
    /// Path to content.
    pub files: BTreeMap<PathBuf, String>,
    /// Folders with a manifest.
    pub crates: Vec<String>,
}

impl Tree {
    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.named("rs")
    }

    /// The files that end in an extension.
    pub fn named(&self, extension: &str) -> impl Iterator<Item = (&Path, &str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.extension().is_some_and(|found| found == extension))
            .map(|(path, content)| (path.as_path(), content.as_str()))
    }
}

/// Reads everything below `root` but what is built.
pub fn read(root: &Path) -> Result<Tree> {
    let mut files = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries =
            fs::read_dir(&path).with_context(|| format!("could not list {}", path.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("could not list {}", path.display()))?;
            let name = folder.join(entry.file_name());
            if entry.file_name() == ".git" || entry.file_name() == "target" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(name);
                continue;
            }
            let content = fs::read(entry.path())
                .with_context(|| format!("could not read {}", entry.path().display()))?;
            files.insert(name, String::from_utf8(content).unwrap_or_default());
        }
    }
    let crates = files
        .keys()
        .filter(|path| path.ends_with("Cargo.toml") && path.components().count() == 2)
        .filter_map(|path| Some(path.parent()?.to_str()?.to_owned()))
        .collect();
    Ok(Tree { files, crates })
}
