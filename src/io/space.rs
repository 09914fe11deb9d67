//! Room on a file system: what is free, and what a torrent's files take already.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::metainfo::File;

/// Bytes that may still be written where `dir` is, or will be made, and bytes of that file system in all.
///
/// # Errors
/// Those of the operating system.
pub fn room(dir: &Path) -> io::Result<(u64, u64)> {
    let mut at = dir;
    loop {
        match statvfs(at) {
            Ok(found) => {
                let len = u128::from(found.fragment_size());
                let bytes = |count: u128| u64::try_from(count * len).unwrap_or(u64::MAX);
                return Ok((bytes(found.blocks_available().into()), bytes(found.blocks().into())));
            }
            Err(nix::errno::Errno::ENOENT) => at = at.parent().ok_or(io::ErrorKind::NotFound)?,
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Bytes that may still be written where `dir` is, or will be made.
///
/// # Errors
/// Those of the operating system.
pub fn free(dir: &Path) -> io::Result<u64> {
    room(dir).map(|(free, _)| free)
}

/// Bytes of this file that have their place on disk below `dir`, at most as many as it will have: holes have none, and
/// what is reserved behind its end has.
pub fn stored(dir: &Path, file: &File) -> u64 {
    let path = file.path.iter().fold(dir.to_path_buf(), |path, part| path.join(part));
    let found = path.symlink_metadata().ok().filter(|found| found.is_file());
    found.map_or(0, |found| found.blocks().saturating_mul(512).min(file.len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_not_there_yet_have_room_too() {
        let dir = tempfile::tempdir().unwrap();
        let here = free(dir.path()).unwrap();
        assert!(here > 0);
        assert!(free(&dir.path().join("a/b/c")).unwrap() > 0);
        std::fs::write(dir.path().join("file"), b"x").unwrap();
        assert!(free(&dir.path().join("file/x")).is_err());
    }

    #[test]
    fn holes_take_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| File {
            path: vec!["t".into(), name.into()],
            len: 1 << 20,
            offset: 0,
            pad: false,
            executable: false,
        };
        std::fs::create_dir(dir.path().join("t")).unwrap();
        let made = std::fs::File::create(dir.path().join("t/hole")).unwrap();
        made.set_len(1 << 20).unwrap();
        std::os::unix::fs::symlink(dir.path().join("t/hole"), dir.path().join("t/link")).unwrap();
        assert!(stored(dir.path(), &file("hole")) < 1 << 20);
        assert_eq!(stored(dir.path(), &file("missing")), 0);
        assert_eq!(stored(dir.path(), &file("link")), 0);
    }
}
