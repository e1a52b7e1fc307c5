//! What the daemon keeps on disk: what verbs changed, and what else must outlive a restart of the host.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

mod error;
mod claim;
pub mod file;
pub mod swap;
pub mod changes;
pub mod backends;
pub mod names;
pub mod history;
mod lines;
pub mod bans;
pub mod api_keys;
pub mod sessions;

pub use backends::{BackendChange, BackendState};
pub use changes::{Changes, Entry, GeoChange, LimitChange};
pub use claim::StateClaim;
pub use error::StateError;
pub use names::KnownNames;

use file::Staged;

/// Where the daemon keeps its state, where nothing else is configured.
pub const PATH: &str = "/var/lib/seawall";

const CHANGES: &str = "changes.json";

/// The folder of `state.path`. Its files are written whole or not at all.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// Opens the folder, and makes it where it is missing. One that cannot be written is no error yet: a
    /// host whose disk is full is still to be protected.
    ///
    /// # Errors
    ///
    /// Where it cannot be made, or is none.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed =
            |action| move |source| StateError::Folder { path: path.to_path_buf(), action, source };
        // What is in it says who may do what: it is its owner's alone.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(failed("make the folder"))?;
        fs::read_dir(path).map_err(failed("read the folder"))?;
        Ok(Self { path: path.to_path_buf() })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a file can be written in it at this moment.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn try_writing(&self) -> Result<(), StateError> {
        Staged::write(&self.path.join("writable"), b"\n").map(drop)
    }

    /// What verbs changed; nothing where no verb ever did.
    ///
    /// # Errors
    ///
    /// Where the file is not whole: it is neither passed over nor written again.
    pub fn changes(&self) -> Result<Changes, StateError> {
        let path = self.path.join(CHANGES);
        match file::read(&path, changes::FILE_BYTES_MAX) {
            Ok(bytes) => Changes::parse(&path, &bytes),
            Err(StateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Changes::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes changes beside those that are there; [`Staged::commit`] puts them in their place.
    ///
    /// # Errors
    ///
    /// Where they cannot be written; those that are there stay.
    pub fn stage_changes(&self, changes: &Changes) -> Result<Staged, StateError> {
        let path = self.path.join(CHANGES);
        Staged::write(&path, &changes.bytes(&path)?)
    }
}

#[cfg(test)]
mod tests;
