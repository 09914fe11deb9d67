//! Folders of small state files that are whole or not there: written beside, synced, renamed, the folder synced.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::keep::replace;
use super::trouble::Trouble;
use crate::machine::{DiskError, DiskErrorKind};

/// What a file is called until it is whole.
const NEW: &str = ".new";

/// A folder of such files.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// A file as it was found: its name, its length, and its first bytes.
#[derive(Debug)]
pub struct Glance<'a> {
    pub name: &'a str,
    pub len: u64,
    pub head: &'a [u8],
}

impl Shelf {
    /// The shelf of this name; whether it is there is seen when it is used.
    pub fn of(state_dir: &Path, name: &str) -> Shelf {
        Shelf { folder: state_dir.join(name) }
    }

    /// Durably puts a file in its place.
    ///
    /// # Errors
    /// When any step fails; an older one of the name stays.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        make_folder(&self.folder)?;
        replace(&self.folder, name, bytes)
    }

    /// Durably takes a file away. One that is not there is no trouble.
    ///
    /// # Errors
    /// When it, or its folder, cannot be changed.
    pub fn discard(&self, name: &str) -> Result<(), DiskError> {
        let path = self.folder.join(name);
        let remove = || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => File::open(&self.folder)?.sync_all(),
        };
        remove().map_err(|error| Trouble::new("remove", &path, &error).into_error())
    }

    /// A whole file.
    ///
    /// # Errors
    /// When it cannot be read, or is longer.
    pub fn read(&self, name: &str, len_max: usize) -> Result<Vec<u8>, DiskError> {
        let path = self.folder.join(name);
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(&path)?.take(len_max as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) if bytes.len() > len_max => {
                let text = format!("{} is longer than {len_max} bytes", path.display());
                Err(DiskError { kind: DiskErrorKind::Other, text })
            }
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(Trouble::new("read", &path, &error).into_error()),
        }
    }

    /// Shows every file's first bytes, in no order, and sweeps out what a crash left half-written. What cannot be read
    /// is passed over with a warning.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn each(&self, head_len: usize, mut show: impl FnMut(Glance<'_>)) -> Result<(), DiskError> {
        make_folder(&self.folder)?;
        let unread = |error: io::Error| Trouble::new("read", &self.folder, &error).into_error();
        let mut head = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.ends_with(NEW) {
                if let Err(error) = fs::remove_file(&path) {
                    log::warn!("cannot remove {}: {error}", path.display());
                }
                continue;
            }
            head.clear();
            let mut read = || -> io::Result<Option<u64>> {
                let file = File::open(&path)?;
                let about = file.metadata()?;
                file.take(head_len as u64).read_to_end(&mut head)?;
                Ok(about.is_file().then_some(about.len()))
            };
            match read() {
                Ok(Some(len)) => show(Glance { name, len, head: &head }),
                Ok(None) => {}
                Err(error) => log::warn!("cannot read {}, going on without: {error}", path.display()),
            }
        }
        Ok(())
    }
}

fn make_folder(folder: &Path) -> Result<(), DiskError> {
    fs::create_dir_all(folder).map_err(|error| Trouble::new("make", folder, &error).into_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(shelf: &Shelf) -> Vec<(String, u64, Vec<u8>)> {
        let mut found = Vec::new();
        shelf.each(3, |glance| found.push((glance.name.to_string(), glance.len, glance.head.to_vec()))).unwrap();
        found.sort();
        found
    }

    #[test]
    fn files_are_put_read_and_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(dir.path(), "index");
        assert_eq!(names(&shelf), []);
        shelf.put("a", b"first").unwrap();
        shelf.put("a", b"second").unwrap();
        shelf.put("b", b"").unwrap();
        assert_eq!(names(&shelf), [("a".into(), 6, b"sec".to_vec()), ("b".into(), 0, vec![])]);
        assert_eq!(shelf.read("a", 6), Ok(b"second".to_vec()));
        assert!(shelf.read("a", 5).unwrap_err().text.contains("longer"));
        assert_eq!(shelf.read("c", 5).unwrap_err().kind, DiskErrorKind::Missing);
        assert_eq!((shelf.discard("a"), shelf.discard("a")), (Ok(()), Ok(())));
        assert_eq!(names(&shelf), [("b".into(), 0, vec![])]);
    }

    #[test]
    fn what_a_crash_left_is_swept_out_and_folders_are_no_files() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(dir.path(), "index");
        shelf.put("a", b"whole").unwrap();
        fs::write(dir.path().join("index/b.new"), b"ha").unwrap();
        fs::create_dir(dir.path().join("index/folder")).unwrap();
        assert_eq!(names(&shelf), [("a".into(), 5, b"who".to_vec())]);
        assert!(!dir.path().join("index/b.new").exists());
    }

    #[test]
    fn a_shelf_that_cannot_be_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("index"), b"").unwrap();
        let shelf = Shelf::of(dir.path(), "index");
        assert!(shelf.put("a", b"x").unwrap_err().text.contains("index"));
        assert!(shelf.each(1, |_| {}).is_err());
    }
}
