//! Where a sandbox keeps its databases, configurations and logs.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::{Error, While};

/// The directory: a temporary one, which goes when this is dropped, or one that stays.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
    /// Held so that no second sandbox opens the same databases.
    _lock: Option<File>,
}

impl DataDir {
    /// Opens the directory `given`, or a temporary one.
    pub fn open(given: Option<&Path>) -> Result<Self, Error> {
        match given {
            Some(path) => Self::keep(path),
            None => {
                let dir = tempfile::Builder::new().prefix("panko-dev-").tempdir();
                let dir = dir.doing(|| "a temporary directory".to_owned())?;
                Ok(Self { path: dir.path().to_owned(), _temporary: Some(dir), _lock: None })
            }
        }
    }

    fn keep(path: &Path) -> Result<Self, Error> {
        let doing = || format!("--data-dir {}", path.display());
        fs::create_dir_all(path).doing(doing)?;
        let path = fs::canonicalize(path).doing(doing)?;
        let lock = File::create(path.join("lock")).doing(doing)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _temporary: None, _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
            Err(TryLockError::Error(error)) => Err(error).doing(doing),
        }
    }

    /// Its path, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path when the directory is to be removed at the end.
    pub fn leftover(&self) -> Option<&Path> {
        self._temporary.as_ref().map(|_| self.path())
    }

    /// Makes a directory in it.
    pub fn dir(&self, name: &str) -> Result<PathBuf, Error> {
        let dir = self.path.join(name);
        fs::create_dir_all(&dir).doing(|| dir.display().to_string())?;
        Ok(dir)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let file = self.path.join(name);
        fs::write(&file, text).doing(|| file.display().to_string())?;
        Ok(file)
    }

    /// Writes a file in it that nobody else on this machine may read.
    pub fn write_secret(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let file = self.path.join(name);
        let written = || {
            // In a kept directory the file may be there, and readable.
            let mut opened =
                File::options().write(true).create(true).truncate(true).mode(0o600).open(&file)?;
            opened.set_permissions(Permissions::from_mode(0o600))?;
            opened.write_all(text.as_bytes())
        };
        written().doing(|| file.display().to_string())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_directory_has_one_sandbox_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(Some(dir.path())).unwrap();
        assert!(matches!(DataDir::open(Some(dir.path())), Err(Error::InUse(_))));
        drop(first);
        DataDir::open(Some(dir.path())).unwrap();
    }

    #[test]
    fn a_temporary_directory_goes_with_its_sandbox() {
        let dir = DataDir::open(None).unwrap();
        let path = dir.path().to_owned();
        dir.write("x", "y").unwrap();
        assert_eq!(dir.leftover(), Some(path.as_path()));
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn a_secret_is_nobody_elses_even_where_it_was() {
        let dir = DataDir::open(None).unwrap();
        let path = dir.write("secret", "readable").unwrap();
        assert_eq!(dir.write_secret("secret", "s").unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(path).unwrap(), "s");
    }
}
