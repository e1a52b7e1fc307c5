//! One daemon, one state folder: two would write over each other's changes, bans and audit log.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    process,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::{StateError, StateFolder};

/// The file that is locked. It stays when the daemon ends: what counts is the lock, of which the kernel lets go.
const FILE: &str = "lock";
/// A process id and a line end have no more bytes.
const PID_BYTES_MAX: u64 = 16;

/// The folder is this process's alone, for as long as this is held.
#[derive(Debug)]
pub struct StateClaim {
    _lock: Flock<File>,
}

impl StateFolder {
    /// Claims the folder; nothing where no file can be made in it, as then nobody can write over anything
    /// there, and a host whose disk is full is still to be protected.
    ///
    /// # Errors
    ///
    /// Where another daemon has it.
    pub fn claim(&self) -> Result<Option<StateClaim>, StateError> {
        let path = self.path().join(FILE);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = match opened.open(&path) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the state folder is not locked");
                return Ok(None);
            }
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                // For whoever is refused. Where the disk is full they are not told which process it is.
                if let Err(error) = write_pid(&mut lock) {
                    tracing::warn!(path = %path.display(), %error, "the lock does not say whose it is");
                }
                Ok(Some(StateClaim { _lock: lock }))
            }
            Err((file, Errno::EWOULDBLOCK)) => {
                Err(StateError::InUse { path: self.path().to_path_buf(), holder: holder(file) })
            }
            Err((_, error)) => Err(StateError::Folder {
                path: self.path().to_path_buf(),
                action: "lock it",
                source: error.into(),
            }),
        }
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

/// The process that has the lock, as it says itself.
fn holder(file: File) -> String {
    let mut text = String::new();
    let read = file.take(PID_BYTES_MAX).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "a process that it does not name".to_owned(),
    }
}
