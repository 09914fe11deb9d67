//! Removes a torrent: its files and the folders that are empty then, and what was remembered of it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{Folder, Key};
use super::statefile::kept_torrent;
use super::trouble::Trouble;
use crate::base::InfoHash;
use crate::machine::{DiskError, StoreSpec};

/// What is kept of a torrent in the folder of resume states.
const STATES: [&str; 4] = ["snapshot", "journal", "part", "lock"];

/// Removes what is asked for, and goes on with the rest where something cannot be.
///
/// # Errors
/// The first thing that could not be removed.
pub fn erase(
    state_dir: &Path,
    info_hash: InfoHash,
    data: Option<Arc<StoreSpec>>,
    state: bool,
) -> Result<(), DiskError> {
    let files = data.map_or(Ok(()), erase_files);
    if !state {
        return files;
    }
    let folder = state_dir.join("resume");
    let states = STATES.iter().map(|kind| folder.join(format!("{info_hash}.{kind}")));
    let mut result = files;
    for path in states.chain([kept_torrent(state_dir, info_hash)]) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                result = result.and(Err(Trouble::new("remove", &path, &error).into_error()));
            }
            _ => {}
        }
    }
    result
}

fn erase_files(spec: Arc<StoreSpec>) -> Result<(), DiskError> {
    let folder = Folder::new(spec, Default::default());
    let mut result = Ok(());
    for (key, _) in folder.layout().files().iter().enumerate().filter(|(_, file)| !file.pad) {
        result = result.and(folder.remove(key as Key).map_err(Trouble::into_error));
    }
    remove_empty_folders(&folder);
    result
}

/// Removes the folders of a torrent's files that nothing is left in.
pub(super) fn remove_empty_folders(folder: &Folder) {
    let files = folder.layout().files().iter().filter(|file| !file.pad);
    let above: BTreeSet<&[String]> =
        files.flat_map(|file| (1..file.path.len()).map(|len| &file.path[..len])).collect();
    // What lies deeper comes later in order.
    for path in above.iter().rev() {
        folder.remove_folder(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::parse::parse;
    use crate::storage::Layout;

    #[test]
    fn own_files_and_empty_folders_go_and_others_stay() {
        let text = "d4:infod5:filesld6:lengthi3e4:pathl1:a1:beed6:lengthi5e4:pathl1:ceee4:name1:t\
                    12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        let metainfo = parse(text.as_bytes()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (data, state) = (dir.path().join("data"), dir.path().join("state"));
        fs::create_dir_all(data.join("t/a")).unwrap();
        fs::create_dir_all(state.join("resume")).unwrap();
        for path in ["t/a/b", "t/other"] {
            fs::write(data.join(path), "abc").unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", data.join("t/c")).unwrap();
        let hash = metainfo.info_hash;
        fs::write(state.join(format!("resume/{hash}.snapshot")), "x").unwrap();
        let spec = StoreSpec { info_hash: hash, dir: data.clone(), layout: Layout::new(&metainfo, &[]) };
        erase(&state, hash, Some(Arc::new(spec)), true).unwrap();
        let left = |path: &Path| fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        let mut names = left(&data.join("t"));
        names.sort();
        assert_eq!(names, ["c", "other"], "a link and a stranger's file stay");
        assert!(left(&state.join("resume")).is_empty());
        erase(&state, hash, None, true).unwrap();
    }
}
