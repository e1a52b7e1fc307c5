//! Making and removing the socket: one daemon at a time.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use tokio::net::UnixListener;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon holds the lock.
    #[error(
        "control.socket {path}: another seawall daemon is running; stop it, or give this one a socket of its own"
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("control.socket {path}: cannot {action}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// The socket's file and its lock; both go with it.
pub struct ControlSocket {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: Flock<File>,
}

/// Binds the socket, readable by its owner alone.
///
/// # Errors
///
/// Where another daemon has it, or the file system refuses.
pub fn bind(path: &Path) -> Result<(UnixListener, ControlSocket), BindError> {
    let failed = |action| {
        move |source| BindError::File { path: path.to_path_buf(), action, source }
    };
    if let Some(folder) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
        made.map_err(failed("make its folder"))?;
    }
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(failed("open its lock file"))?;
    // The lock says whether a daemon lives; a socket file alone may be a dead one's.
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
        .map_err(|_| BindError::InUse { path: path.to_path_buf() })?;
    let guard = ControlSocket { path: path.to_path_buf(), lock_path, _lock: lock };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("replace the socket of an earlier daemon")(error));
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed("bind"))?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed("protect"))?;
    Ok((listener, guard))
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // In this order: whoever finds no lock file finds no socket either.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.lock_path);
    }
}
