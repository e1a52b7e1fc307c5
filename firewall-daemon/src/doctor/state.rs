//! The state folder, and the folder of pins.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
    process,
};

use nix::sys::{
    statfs::{BPF_FS_MAGIC, statfs},
    statvfs::statvfs,
};

use super::{Finding, Level};

/// Where systemd mounts one.
const BPFFS: &str = "/sys/fs/bpf";
/// Less than this and a change or the audit log may not fit.
const FREE_BYTES_MIN: u64 = 64 << 20;

pub fn examine(path: &Path) -> Vec<Finding> {
    if !path.exists() {
        let parent = path.ancestors().skip(1).find(|folder| folder.exists());
        let parent = parent.unwrap_or(Path::new("/"));
        return vec![judge_written(path, &write(parent), true), judge_free(parent, free(parent))];
    }
    vec![judge_written(path, &write(path), false), judge_free(path, free(path))]
}

/// Writes a file and removes it: root is told that it may, where a mount or an attribute forbids it.
fn write(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".doctor-{}", process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)
}

fn free(folder: &Path) -> Option<u64> {
    let found = statvfs(folder).ok()?;
    Some(found.blocks_available() as u64 * found.fragment_size() as u64)
}

fn judge_written(path: &Path, written: &io::Result<()>, absent: bool) -> Finding {
    let (check, expected) = ("state folder", "a folder that can be written to");
    let shown = path.display();
    match written {
        Ok(()) if absent => Finding::ok(check, expected, format!("{shown} is made at the start")),
        Ok(()) => Finding::ok(check, expected, format!("{shown} can be")),
        Err(error) => {
            let remedy = format!(
                "install -d -m 700 {shown}; where it is read-only: findmnt -T {shown}, lsattr -d {shown}"
            );
            Finding::not(
                Level::Error,
                check,
                expected,
                format!("{shown} cannot be: {error}"),
                remedy,
            )
        }
    }
}

fn judge_free(path: &Path, free: Option<u64>) -> Finding {
    let (check, shown) = ("free space", path.display());
    let expected = format!("{} MiB or more", FREE_BYTES_MIN >> 20);
    let remedy = format!("df {shown}, and make room");
    match free {
        Some(free) if free >= FREE_BYTES_MIN => {
            Finding::ok(check, &expected, format!("{} MiB at {shown}", free >> 20))
        }
        Some(free) => {
            let found = format!("{} MiB at {shown}", free >> 20);
            Finding::not(Level::Warning, check, &expected, found, remedy)
        }
        None => {
            Finding::not(Level::Notice, check, &expected, format!("unknown at {shown}"), remedy)
        }
    }
}

pub fn bpffs(pin_path: &Path) -> Finding {
    let parent = pin_path.parent().unwrap_or(pin_path);
    let on_bpffs = [pin_path, parent]
        .iter()
        .any(|folder| statfs(*folder).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC));
    let (check, expected) = ("bpffs", "packet.pin_path on a mounted bpffs");
    let shown = pin_path.display();
    if on_bpffs {
        return Finding::ok(check, expected, format!("{shown} is"));
    }
    let found = format!("{shown} is not");
    let remedy = match pin_path.starts_with(BPFFS) {
        true => format!("mount -t bpf bpf {BPFFS}"),
        false => format!(
            "mkdir -p {parent} && mount -t bpf bpf {parent}, in /etc/fstab too; or let packet.pin_path be below \
             {BPFFS}, where there is one",
            parent = parent.display()
        ),
    };
    Finding::not(Level::Error, check, expected, found, remedy)
}

/// Links that are pinned: each keeps a program on an interface.
pub fn links(pin_path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(pin_path) else { return 0 };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(b"link_")).count()
}

pub fn judge_pins(links: usize, daemon: bool, pin_path: &Path) -> Finding {
    let (check, expected) = ("pins", "a daemon wherever the filter is in force");
    match (links, daemon) {
        (0, false) => Finding::ok(check, expected, "neither"),
        (_, true) => Finding::ok(check, expected, format!("{links} links and a daemon")),
        (links, false) => {
            let found = format!(
                "{links} links in {} and no daemon that answers: the filter goes on with its last policy",
                pin_path.display()
            );
            let remedy = "start the daemon, which takes it over: systemctl start seawall";
            Finding::not(Level::Warning, check, expected, found, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_pins() {
        let path = Path::new("/var/lib/seawall");
        let denied = || Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        assert_eq!(judge_written(path, &Ok(()), false).level, Level::Ok);
        assert_eq!(judge_written(path, &Ok(()), true).level, Level::Ok);
        assert_eq!(judge_written(path, &denied(), false).level, Level::Error);
        for (free, level) in [
            (Some(FREE_BYTES_MIN), Level::Ok),
            (Some(FREE_BYTES_MIN - 1), Level::Warning),
            (None, Level::Notice),
        ] {
            assert_eq!(judge_free(path, free).level, level, "{free:?}");
        }
        for (links, daemon, level) in [
            (0, false, Level::Ok),
            (0, true, Level::Ok),
            (2, true, Level::Ok),
            (1, false, Level::Warning),
        ] {
            assert_eq!(judge_pins(links, daemon, path).level, level, "{links} {daemon}");
        }
        let found = bpffs(Path::new("/proc/seawall"));
        assert_eq!(found.level, Level::Error);
        let remedy = found.remedy.unwrap_or_default();
        assert!(remedy.starts_with("mkdir -p /proc && mount -t bpf bpf /proc, "), "{remedy}");
    }
}
