//! Packing the tree: twice, because a package that cannot be made again cannot be checked by anyone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Packs; every file gets the changelog's time and belongs to root.
pub fn pack(root: &Path, file: &Path, epoch_s: u64) -> Result<PathBuf> {
    shell::step("package: packing it twice");
    let again = file.with_extension("again");
    for target in [file, &again] {
        let mut command = Command::new("dpkg-deb");
        command.args(["--root-owner-group", "-Zxz", "--build"]).arg(root).arg(target);
        command.env("SOURCE_DATE_EPOCH", epoch_s.to_string());
        shell::output(&mut command)?;
    }
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("could not read {}", path.display()));
    if read(file)? != read(&again)? {
        bail!("{} is not reproducible: it differs from {}", file.display(), again.display());
    }
    fs::remove_file(&again)?;
    Ok(file.to_path_buf())
}
