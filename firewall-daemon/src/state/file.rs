//! Writing a file whole or not at all: beside the old one, then in its place by one rename.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::StateError;

const OWNER_ALONE: u32 = 0o600;
const EVERYONE_READS: u32 = 0o644;

/// A file that is written, and not yet in its place; it goes away where it is not committed.
#[derive(Debug)]
#[must_use = "it goes away where it is not committed"]
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Staged {
    /// Writes beside `target`, down to the disk, what its owner alone may read. A name of its own for each
    /// target: what a daemon left there when it died is written over, and one target is written by one at a
    /// time.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; nothing is left then.
    pub fn write(target: &Path, bytes: &[u8]) -> Result<Self, StateError> {
        let written = Self::write_with(target, OWNER_ALONE, |file| file.write_all(bytes));
        written.map_err(|source| StateError::Write {
            path: target.to_path_buf(),
            action: "write beside it",
            source,
        })
    }

    /// The same of what is public and came from the network, in a folder that is made where it is missing.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; nothing is left then.
    pub fn write_public(
        target: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<Self> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        Self::write_with(target, EVERYONE_READS, write)
    }

    fn write_with(
        target: &Path,
        mode: u32,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!(".{name}.new"));
        let staged = Self { temporary, target: target.to_path_buf(), committed: false };
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(mode);
        let mut file = BufWriter::new(options.open(&staged.temporary)?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(staged)
    }

    /// Where it is, until it is in its place.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Where it is to be.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whoever may read the old file may read the new one; a new file is its owner's alone.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn like_the_old(self) -> Result<Self, StateError> {
        if let Ok(old) = fs::metadata(&self.target) {
            let set = fs::set_permissions(&self.temporary, old.permissions());
            set.map_err(self.failed("give it the old one's mode"))?;
        }
        Ok(self)
    }

    /// Puts it in its place. Whoever reads sees the old or the new, after a loss of power too.
    ///
    /// # Errors
    ///
    /// Where the file system refuses.
    pub fn commit(mut self) -> Result<(), StateError> {
        self.put_in_place().map_err(self.failed("put it in its place"))
    }

    /// The same, for whoever says themselves what failed.
    pub(super) fn put_in_place(&mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.committed = true;
        sync_folder(&self.target)
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> StateError + use<> {
        let path = self.target.clone();
        move |source| StateError::Write { path, action, source }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.committed {
            // Where it cannot be removed, it is written over the next time.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a file in one step.
///
/// # Errors
///
/// Where the file system refuses; the old file is as it was.
pub fn write(target: &Path, bytes: &[u8]) -> Result<(), StateError> {
    Staged::write(target, bytes)?.commit()
}

/// Reads a file of at most so many bytes.
///
/// # Errors
///
/// Where it cannot be read, or is larger.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, StateError> {
    let failed = |source| StateError::Read { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(StateError::TooLarge { path: path.to_path_buf(), max: bytes_max });
    }
    Ok(bytes)
}

/// The file of the same name with an ending behind it.
#[must_use]
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    path.with_file_name(name)
}

/// A rename is on the disk once its folder is.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
