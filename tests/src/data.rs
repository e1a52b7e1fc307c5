//! Real databases and lists, where this machine has them beside the repository.

use std::path::{Path, PathBuf};

/// A file of `../shared/data`, or of the folder that `SEAWALL_DATA` names; nothing where it is missing.
#[must_use]
pub fn file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEAWALL_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    path.exists().then_some(path)
}
