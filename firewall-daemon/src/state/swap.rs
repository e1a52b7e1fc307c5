//! A file put in the place of another that comes back where what follows fails, or where the daemon dies
//! meanwhile.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::file::{self, Staged, sync_folder};

/// What became of an update of a file.
#[derive(Debug)]
pub enum Update<T> {
    /// What is in force is the newest.
    Unchanged,
    /// Another one is staged beside it.
    New(T),
}

/// A file in its place, whose forerunner is kept beside it until it is certain.
#[derive(Debug)]
#[must_use = "the old file comes back where it is not kept"]
pub struct Swapped {
    path: PathBuf,
    had_old: bool,
    kept: bool,
}

impl Swapped {
    /// Puts a staged file in its place.
    ///
    /// # Errors
    ///
    /// Where the file system refuses; the old file is in its place then.
    pub fn new(mut staged: Staged) -> io::Result<Self> {
        let path = staged.target().to_path_buf();
        let old = old(&path);
        let had_old = match fs::hard_link(&path, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&old)?;
                fs::hard_link(&path, &old)?;
                true
            }
            Err(error) => return Err(error),
        };
        // From here on dropping it takes it back.
        let swapped = Self { path, had_old, kept: false };
        staged.put_in_place()?;
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
        let path = folder.join("file");
        let text = || fs::read_to_string(&path).ok();
        let swap = |content: &str| {
            let staged = Staged::write(&path, content.as_bytes()).expect("written");
            Swapped::new(staged).expect("swapped")
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
