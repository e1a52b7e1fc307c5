//! What is in the package, and where it goes.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::version::Changelog;
use crate::{reference, shell};

/// A file of the workspace and its place in the package.
const FILES: [(&str, &str); 5] = [
    ("rules/seawall.yaml", "etc/seawall/seawall.yaml"),
    ("packaging/systemd/seawall.service", "lib/systemd/system/seawall.service"),
    ("packaging/systemd/gateway.conf", "usr/share/seawall/systemd/gateway.conf"),
    ("packaging/sysusers.d/seawall.conf", "usr/lib/sysusers.d/seawall.conf"),
    ("packaging/tmpfiles.d/seawall.conf", "usr/lib/tmpfiles.d/seawall.conf"),
];
/// Folders whose files go along, where there are any.
const FOLDERS: [(&str, &str); 3] = [
    ("packaging/grafana", "usr/share/seawall/grafana"),
    ("packaging/prometheus", "usr/share/seawall/prometheus"),
    ("rules/examples", "usr/share/doc/seawall/examples"),
];
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/seawall"),
    ("zsh", "usr/share/zsh/vendor-completions/_seawall"),
    ("fish", "usr/share/fish/vendor_completions.d/seawall.fish"),
];
const DOCUMENTS: &str = "usr/share/doc/seawall";
/// The longest that `gzip` is asked to look for: what Debian expects of documents.
const GZIP: [&str; 2] = ["-9", "-n"];

/// Makes the tree anew.
pub fn lay_out(root: &Path, program: &Path, changelog: &Changelog) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("could not remove {}", root.display()))?;
    }
    let workspace = shell::workspace()?;
    for (from, to) in FILES {
        copy(&workspace.join(from), &root.join(to), 0o644)?;
    }
    for (from, to) in FOLDERS {
        for file in files(&workspace.join(from))? {
            let name = file.file_name().context("a file has a name")?;
            copy(&file, &root.join(to).join(name), 0o644)?;
        }
    }
    pack(program, root)?;
    for (shell, to) in COMPLETIONS {
        let script = shell::output(Command::new(program).args(["completions", shell]))?;
        write(&root.join(to), &script)?;
    }
    manual(root)?;
    documents(root, &workspace, changelog)
}

/// The binary without what only a debugger reads: a fifth of the size.
fn pack(program: &Path, root: &Path) -> Result<()> {
    let packed = root.join("usr/bin/seawall");
    copy(program, &packed, 0o755)?;
    let sections = ["--remove-section=.comment", "--remove-section=.note"];
    shell::run(Command::new("strip").arg("--strip-unneeded").args(sections).arg(&packed))
}

fn manual(root: &Path) -> Result<()> {
    let made = root.with_extension("man");
    if made.exists() {
        fs::remove_dir_all(&made)
            .with_context(|| format!("could not remove {}", made.display()))?;
    }
    reference::manual(&made)?;
    for page in files(&made)? {
        let section = page.extension().unwrap_or_default().to_string_lossy().into_owned();
        let name = page.file_name().context("a page has a name")?;
        let place = root.join(format!("usr/share/man/man{section}")).join(name);
        copy(&page, &place, 0o644)?;
        compress(&place)?;
    }
    Ok(())
}

fn documents(root: &Path, workspace: &Path, changelog: &Changelog) -> Result<()> {
    let folder = root.join(DOCUMENTS);
    let licence = read(&workspace.join("LICENSE-MIT"))?;
    // In a field of Debian's copyright file a line begins with a blank, and an empty one is a dot.
    let licence: Vec<String> = licence
        .lines()
        .skip_while(|line| !line.starts_with("Permission"))
        .map(|line| if line.is_empty() { " .".to_owned() } else { format!(" {line}") })
        .collect();
    let copyright = read(&workspace.join("packaging/debian/copyright"))?;
    write(&folder.join("copyright"), &copyright.replace("@MIT@", &licence.join("\n")))?;
    write(&folder.join("libraries"), &libraries()?)?;
    write(&folder.join("changelog.Debian"), &changelog.text)?;
    compress(&folder.join("changelog.Debian"))?;
    copy(&workspace.join("CHANGELOG.md"), &folder.join("changelog"), 0o644)?;
    compress(&folder.join("changelog"))
}

/// What the binary is linked with: a line a library, with its version and licence.
fn libraries() -> Result<String> {
    let mut tree = shell::cargo()?;
    tree.args(["tree", "--locked", "--package", "firewall-daemon", "--edges", "normal"]);
    tree.args(["--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"]);
    let listed = shell::output(&mut tree)?;
    let mut lines: Vec<String> = listed
        .lines()
        // Ours name the folder that they were built in.
        .filter(|line| !line.contains("(/"))
        .map(|line| line.replace(" (proc-macro)", ""))
        .collect();
    lines.sort();
    lines.dedup();
    Ok(lines.join("\n") + "\n")
}

/// The files in a folder; none where there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn compress(file: &Path) -> Result<()> {
    shell::run(Command::new("gzip").args(GZIP).arg(file))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

/// Writes a file of the package that all may read.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let Some(folder) = path.parent() else { bail!("{} has no folder", path.display()) };
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))?;
    mode(path, 0o644)
}

fn copy(from: &Path, to: &Path, wanted: u32) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("could not read {}", from.display()))?;
    let Some(folder) = to.parent() else { bail!("{} has no folder", to.display()) };
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    fs::write(to, content).with_context(|| format!("could not write {}", to.display()))?;
    mode(to, wanted)
}

/// Whatever the umask of whoever builds.
pub fn mode(path: &Path, wanted: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(wanted))
        .with_context(|| format!("could not set the mode of {}", path.display()))
}
