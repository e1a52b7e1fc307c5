//! What the package says of itself: dependencies, sums, configuration files, and the scripts of its life.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    layout::{self, mode},
    version::Changelog,
};
use crate::shell;

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Writes DEBIAN/ into a tree that is laid out.
pub fn write(root: &Path, changelog: &Changelog, architecture: &str) -> Result<()> {
    let source = shell::workspace()?.join("packaging/debian");
    let folder = root.join("DEBIAN");
    let read = |name: &str| {
        let path = source.join(name);
        fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    };
    let mut files = Vec::new();
    list(root, root, &mut files)?;
    files.sort();

    let control = read("control")?
        .replace("@VERSION@", &changelog.version.to_string())
        .replace("@ARCHITECTURE@", architecture)
        .replace("@MAINTAINER@", &changelog.maintainer)
        .replace("@INSTALLED_SIZE@", &installed_kib(root, &files)?.to_string())
        .replace("@SHLIBS@", &shared_libraries(root)?);
    layout::write(&folder.join("md5sums"), &sums(root, &files)?)?;
    layout::write(&folder.join("control"), &control)?;
    layout::write(&folder.join("conffiles"), &read("conffiles")?)?;
    for script in SCRIPTS {
        layout::write(&folder.join(script), &read(script)?)?;
        mode(&folder.join(script), 0o755)?;
    }
    Ok(())
}

/// Every file, by its path from the root.
fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            // Whatever the umask of whoever builds.
            mode(&path, 0o755)?;
            list(root, &path, files)?;
        } else {
            files.push(path.strip_prefix(root)?.to_path_buf());
        }
    }
    Ok(())
}

/// As Debian counts it: each file in whole KiB, and one for each other entry.
fn installed_kib(root: &Path, files: &[PathBuf]) -> Result<u64> {
    let mut kib = 0;
    for file in files {
        kib += fs::metadata(root.join(file))?.len().div_ceil(1024);
    }
    Ok(kib)
}

fn sums(root: &Path, files: &[PathBuf]) -> Result<String> {
    // Those of configuration files are kept by dpkg itself.
    let files = files.iter().filter(|file| !file.starts_with("etc"));
    shell::output(Command::new("md5sum").current_dir(root).args(files))
}

/// The packages whose libraries the binary loads, each with the version that it needs at least.
fn shared_libraries(root: &Path) -> Result<String> {
    // The tool insists on a source package around it.
    let around = root.with_extension("shlibs");
    layout::write(
        &around.join("debian/control"),
        "Source: seawall\n\nPackage: seawall\nArchitecture: any\n",
    )?;
    let found = shell::output(
        Command::new("dpkg-shlibdeps")
            .current_dir(&around)
            .args(["-O", "-e"])
            .arg(root.join("usr/bin/seawall")),
    )?;
    let depends = found.trim().strip_prefix("shlibs:Depends=");
    depends.map(str::to_owned).with_context(|| format!("dpkg-shlibdeps said {found:?}"))
}
