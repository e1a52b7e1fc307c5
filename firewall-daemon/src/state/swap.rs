//! A file put in the place of another that comes back where what follows fails, or where the daemon dies
//! meanwhile.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::file::{self, sync_folder};

/// A file in its place, whose forerunner is kept beside it until it is certain.
#[derive(Debug)]
#[must_use = "the old file comes back where it is not kept"]
pub struct Swapped {
    path: PathBuf,
    had_old: bool,
    kept: bool,
}

impl Swapped {
    /// Puts `staged`, a file in the same folder, in the place of `path`.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; the old file is in its place then.
    pub fn new(staged: &Path, path: &Path) -> io::Result<Self> {
        let old = old(path);
        let had_old = match fs::hard_link(path, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&old)?;
                fs::hard_link(path, &old)?;
                true
            }
            Err(error) => return Err(error),
        };
        // From here on dropping it takes it back.
        let swapped = Self { path: path.to_path_buf(), had_old, kept: false };
        fs::rename(staged, path)?;
        sync_folder(path)?;
        Ok(swapped)
    }

    /// It stays.
    pub fn keep(mut self) {
        self.kept = true;
        let _ = fs::remove_file(old(&self.path));
    }
}

impl Drop for Swapped {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let back = match self.had_old {
            true => fs::rename(old(&self.path), &self.path),
            false => fs::remove_file(&self.path),
        };
        if let Err(error) = back.and_then(|()| sync_folder(&self.path)) {
            tracing::error!(path = %self.path.display(), %error, "the old file is not back in its place");
        }
    }
}

/// Takes back what a daemon that died had put in its place and not in force.
///
/// # Errors
///
/// Where the file system refuses.
pub fn recover(path: &Path) -> io::Result<()> {
    match fs::rename(old(path), path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn old(path: &Path) -> PathBuf {
    file::beside(path, ".old")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_comes_back_unless_the_new_one_is_kept() {
        let folder = std::env::temp_dir().join(format!("seawall-swap-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (staged, path) = (folder.join("new"), folder.join("file"));
        let text = || fs::read_to_string(&path).ok();
        let swap = |content: &str| {
            fs::write(&staged, content).expect("written");
            Swapped::new(&staged, &path).expect("swapped")
        };
        drop(swap("one"));
        assert_eq!(text(), None, "there was none before");
        swap("one").keep();
        let swapped = swap("two");
        assert_eq!(text().as_deref(), Some("two"));
        drop(swapped);
        assert_eq!(text().as_deref(), Some("one"));
        // As if it had died here.
        std::mem::forget(swap("two"));
        recover(&path).expect("taken back");
        assert_eq!(text().as_deref(), Some("one"));
        std::mem::forget(swap("two"));
        swap("three").keep();
        recover(&path).expect("nothing to take back");
        assert_eq!(text().as_deref(), Some("three"));
        let _ = fs::remove_dir_all(&folder);
    }
}
