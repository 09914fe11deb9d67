//! Moves a torrent's files to another folder or to other names: renamed where that is possible, else copied, made durable, and removed.

use std::fs::File;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::renameat;

use super::erase::remove_empty_folders;
use super::files::{Access, Folder, Key, again};
use super::trouble::Trouble;
use crate::machine::{DiskError, StoreSpec};

/// Moves what is there. What is at its new place already stays, so that a move which was cut short can go on.
///
/// # Errors
/// The first file that could not be moved; those before it are at their new place.
pub fn relocate(from: Arc<StoreSpec>, to: Arc<StoreSpec>) -> Result<(), DiskError> {
    let (from, to) = (Folder::new(from, Default::default()), Folder::new(to, Default::default()));
    for (key, _) in from.layout().files().iter().enumerate().filter(|(_, file)| !file.pad) {
        move_one(&from, &to, key as Key).map_err(Trouble::into_error)?;
    }
    remove_empty_folders(&from);
    Ok(())
}

fn move_one(from: &Folder, to: &Folder, key: Key) -> Result<(), Trouble> {
    let files = (from.layout().files().get(key as usize), to.layout().files().get(key as usize));
    let (Some(file), Some(renamed)) = files else { return Ok(()) };
    if (from.stamp(key)?.is_none()) || from.path_of(key) == to.path_of(key) {
        return Ok(());
    }
    if to.stamp(key)?.is_some() {
        let reason = format!("{} is there already", to.path_of(key).display());
        return Err(Trouble::denied("move", &from.path_of(key), &reason));
    }
    let rename = || -> io::Result<()> {
        let (old, name) = from.walk_to_folder(&file.path, false)?;
        let (new, new_name) = to.walk_to_folder(&renamed.path, true)?;
        Ok(again(|| renameat(&old, name, &new, new_name))?)
    };
    match rename() {
        Ok(()) => Ok(()),
        Err(error) if error.raw_os_error() == Some(Errno::EXDEV as i32) => copy(from, to, key),
        Err(error) => Err(Trouble::new("move", &from.path_of(key), &error)),
    }
}

/// To another file system.
fn copy(from: &Folder, to: &Folder, key: Key) -> Result<(), Trouble> {
    let mut source = from.open(key, Access::Read)?;
    let mut target: File = to.open(key, Access::Write)?;
    let copied = io::copy(&mut source, &mut target).and_then(|_| target.sync_all());
    match copied {
        Ok(()) => from.remove(key),
        Err(error) => {
            // A part of it would only be in the way.
            to.remove(key)?;
            Err(Trouble::new("write", &to.path_of(key), &error))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::metainfo::Metainfo;
    use crate::metainfo::parse::parse;
    use crate::storage::Layout;

    #[test]
    fn what_is_there_moves_and_nothing_is_overwritten() {
        let text = "d4:infod5:filesld6:lengthi3e4:pathl1:a1:beed6:lengthi5e4:pathl1:ceee4:name1:t\
                    12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        let metainfo = parse(text.as_bytes()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::create_dir_all(old.join("t/a")).unwrap();
        std::fs::write(old.join("t/a/b"), "abc").unwrap();
        let layout = Layout::new(&metainfo, &[]);
        let spec = Arc::new(StoreSpec { info_hash: metainfo.info_hash, dir: old.clone(), layout });
        let target = |metainfo: &Metainfo, dir: &Path| {
            let layout = Layout::new(metainfo, &[]);
            Arc::new(StoreSpec { info_hash: metainfo.info_hash, dir: dir.to_path_buf(), layout })
        };
        relocate(spec.clone(), target(&metainfo, &new)).unwrap();
        assert_eq!(std::fs::read(new.join("t/a/b")).unwrap(), b"abc");
        assert!(!old.join("t").exists(), "empty folders go");
        relocate(spec.clone(), target(&metainfo, &new)).unwrap();
        std::fs::create_dir_all(old.join("t/a")).unwrap();
        std::fs::write(old.join("t/a/b"), "xyz").unwrap();
        assert!(relocate(spec, target(&metainfo, &new)).unwrap_err().text.contains("is there already"));
        assert_eq!(std::fs::read(new.join("t/a/b")).unwrap(), b"abc");
        let mut renamed = metainfo.clone();
        crate::metainfo::rename::rename(&mut renamed, "t/a", "z").unwrap();
        relocate(target(&metainfo, &new), target(&renamed, &new)).unwrap();
        assert_eq!(std::fs::read(new.join("t/z/b")).unwrap(), b"abc");
        assert!(!new.join("t/a").exists(), "empty folders go");
    }
}
