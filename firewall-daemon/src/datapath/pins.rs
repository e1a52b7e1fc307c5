//! The folder of pins: what the generations share, and what keeps the filter attached.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use aya::programs::{
    ProgramInfo, Xdp,
    links::{FdLink, PinnedLink},
    loaded_programs,
};
use aya_obj::programs::XdpAttachType;
use firewall_common::maps;
use nix::{
    fcntl::{Flock, FlockArg},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

use crate::datapath::error::DatapathError;

mod staging;

pub use staging::Staging;

/// What the name of a pinned link begins with.
const LINK: &str = "link_";
/// A symbolic link that points to the number of the layout: a BPF file system holds no files.
const ABI: &str = "abi";
/// The program that is in force: the next daemon puts it back where it cannot attach its own.
const PROGRAM: &str = "program";

/// A folder on a bpffs that this process alone uses.
pub struct PinFolder {
    path: PathBuf,
    /// Nothing was in it.
    was_empty: bool,
    /// Held for as long as the folder is in use; a process that dies lets go of it.
    _claim: Flock<File>,
}

impl PinFolder {
    /// Makes the folder, or takes over what a daemon that died left there.
    pub fn claim(path: &Path) -> Result<Self, DatapathError> {
        let parent = path.parent().unwrap_or(path);
        let on_bpffs = [path, parent]
            .iter()
            .any(|folder| statfs(*folder).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC));
        if !on_bpffs {
            return Err(DatapathError::NotBpffs { path: path.to_path_buf() });
        }
        let failed =
            |action| move |source| DatapathError::Pin { path: path.to_path_buf(), action, source };
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make the folder")(error));
            }
            Ok(()) | Err(_) => {}
        }
        let folder = File::open(path).map_err(failed("open the folder"))?;
        let claim = Flock::lock(folder, FlockArg::LockExclusiveNonblock)
            .map_err(|_| DatapathError::PinFolderInUse { path: path.to_path_buf() })?;
        let mut entries = fs::read_dir(path).map_err(failed("read the folder"))?;
        let was_empty = entries.next().is_none();
        Ok(Self { path: path.to_path_buf(), was_empty, _claim: claim })
    }

    /// Makes ready for a generation of this version, and changes nothing of what is in force: what a newer one
    /// has pinned is refused, and what this one cannot read is to be made anew, beside what is there.
    pub fn prepare(&self) -> Result<Staging, DatapathError> {
        self.settle()?;
        self.check_layout()?;
        let staging = Staging::of(&self.path);
        staging.write_layout()?;
        Ok(staging)
    }

    /// What another daemon left beside the pins. It died between attaching its program and putting these in
    /// place, which is done now, or before it attached anything: then they go.
    fn settle(&self) -> Result<(), DatapathError> {
        let left = Staging::left(&self.path);
        if self.is_in_force(&staging::next(&self.path, PROGRAM)) {
            tracing::warn!(pin_path = %self.path.display(), "an earlier daemon died while it took over");
            return left.commit();
        }
        left.discard();
        Ok(())
    }

    /// Whether a pinned program is in a link.
    fn is_in_force(&self, program: &Path) -> bool {
        let Ok(program) = ProgramInfo::from_pin(program) else { return false };
        self.links().iter().any(|(link, _)| program_in(link) == Some(program.id()))
    }

    /// The program in a pinned link, to put it back: the one that is pinned beside it, as the kernel hands
    /// out others to CAP_SYS_ADMIN alone.
    pub fn program_of(&self, link: &Path) -> Option<Xdp> {
        let (id, kind) = (program_in(link)?, XdpAttachType::Interface);
        let pinned = self.path.join(PROGRAM);
        if ProgramInfo::from_pin(&pinned).is_ok_and(|program| program.id() == id) {
            return Xdp::from_pin(pinned, kind).ok();
        }
        let mut loaded = loaded_programs().filter_map(Result::ok);
        let found = loaded.find(|program| program.id() == id)?;
        Xdp::from_program_info(found, maps::PROGRAM.into(), kind).ok()
    }

    /// Pins a program that is about to be in force; [`Staging::commit`] puts it in place.
    pub fn stage(&self, program: &mut Xdp) -> Result<Staging, DatapathError> {
        let staging = Staging::none(&self.path);
        staging.discard();
        staging.pin_program(program)?;
        Ok(staging)
    }

    /// What is pinned is not of a newer layout.
    fn check_layout(&self) -> Result<(), DatapathError> {
        let unknown = |found: String| DatapathError::PinsUnknown {
            path: self.path.clone(),
            found,
            known: maps::ABI,
        };
        let path = self.path.join(ABI);
        match fs::read_link(&path) {
            Ok(target) => {
                let target = target.to_string_lossy().into_owned();
                let is_known = target.parse::<u32>().is_ok_and(|number| number <= maps::ABI);
                if is_known { Ok(()) } else { Err(unknown(format!("layout {target:?}"))) }
            }
            // Before the fifth nothing said so; each map is looked at by itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(DatapathError::Pin { path, action: "read", source }),
        }
    }

    /// A start failed: of what it made nothing stays, and the rest is as it was.
    pub fn put_back(&self, staging: &Staging) {
        if self.was_empty {
            let _ = self.remove();
        } else {
            staging.discard();
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the link of an interface is pinned.
    pub fn link(&self, interface_index: u32, mode: &str) -> PathBuf {
        self.path.join(format!("{LINK}{interface_index}_{mode}"))
    }

    /// The links that are pinned here, each with the index of its interface: a program is attached by
    /// each.
    pub fn links(&self) -> Vec<(PathBuf, Option<u32>)> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let link = |name: String| {
            let index = name.strip_prefix(LINK)?.split('_').next()?.parse().ok();
            Some((self.path.join(&name), index))
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(link).collect()
    }

    /// Removes every pin, and the folder where it is not the mount point itself.
    pub fn remove(&self) -> Result<(), DatapathError> {
        let mut result = Ok(());
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| DatapathError::Pin { path, action: "remove", source }
        };
        match fs::read_dir(&self.path) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    let removed = fs::remove_file(entry.path()).map_err(failed(&entry.path()));
                    result = result.and(removed);
                }
            }
            Err(error) => result = Err(failed(&self.path)(error)),
        }
        match fs::remove_dir(&self.path) {
            // Under its systemd unit the daemon may write in the folder and not beside it: an empty one stays.
            Err(error)
                if ![io::ErrorKind::ResourceBusy, io::ErrorKind::ReadOnlyFilesystem]
                    .contains(&error.kind()) =>
            {
                result.and(Err(failed(&self.path)(error)))
            }
            Ok(()) | Err(_) => result,
        }
    }
}

/// The number of the program in a pinned link.
pub fn program_in(link: &Path) -> Option<u32> {
    let link = FdLink::from(PinnedLink::from_pin(link).ok()?);
    link.info().ok().map(|link| link.program_id())
}
