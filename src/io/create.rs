//! Makes torrents of what is on disk: walks a folder, hashes its pieces with several threads, writes the result.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha1::{Digest, Sha1};

use super::pieces::{self, Watch};
use crate::base::glob::Glob;
use crate::base::{Geometry, Piece, limits};

/// Files of one torrent; their list must fit a .torrent file.
const FILES_MAX: usize = 200_000;
/// Read at once by each thread.
const READ_LEN: usize = 256 * 1024;
/// A file that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundFile {
    /// Names below the root; empty where the root is the file.
    pub parts: Vec<String>,
    pub len: u64,
    /// First byte within the torrent.
    pub offset: u64,
    /// Somebody may run it.
    pub executable: bool,
    modified: (i64, i64),
}

/// What a path holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Absolute, without symbolic links.
    pub root: PathBuf,
    /// The root's own name.
    pub name: String,
    /// The root is one file.
    pub is_single: bool,
    /// Sorted by name.
    pub files: Vec<FoundFile>,
    pub total_len: u64,
    /// Entries that are neither files nor folders: symbolic links, pipes, devices.
    pub skipped_count: usize,
    /// Files and folders that were to be left out.
    pub excluded_count: usize,
}

/// Looks at a file, or at everything below a folder, dot files included, symbolic links not followed; what is below
/// the folder and fits a pattern is left out.
///
/// # Errors
/// One line for people: nothing there, no data, too much, a name that is not UTF-8.
pub fn walk(path: &Path, exclude: &[Glob]) -> Result<Found, String> {
    let shown = path.display();
    let root = fs::canonicalize(path).map_err(|e| format!("{shown}: {}", plain(&e)))?;
    let name = root.file_name().ok_or_else(|| format!("{shown} has no name to share it under"))?;
    let name = name.to_str().ok_or_else(|| format!("{shown}: its name is not UTF-8"))?.to_string();
    let about = fs::metadata(&root).map_err(|e| format!("{shown}: {}", plain(&e)))?;
    let is_single = about.is_file();
    let (files, total_len) = (Vec::new(), 0);
    let mut found = Found { root, name, is_single, files, total_len, skipped_count: 0, excluded_count: 0 };
    if about.is_file() {
        found.add(Vec::new(), &about)?;
    } else if about.is_dir() {
        found.add_folder(exclude)?;
        found.files.sort_by(|a, b| a.parts.cmp(&b.parts));
    } else {
        return Err(format!("{shown} is neither a file nor a folder"));
    }
    for file in &mut found.files {
        file.offset = found.total_len;
        found.total_len += file.len;
    }
    if found.total_len == 0 {
        return Err(format!("{shown} holds no data to share"));
    }
    Ok(found)
}

/// What the operating system says, without its number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

impl Found {
    fn add(&mut self, parts: Vec<String>, about: &fs::Metadata) -> Result<(), String> {
        if self.files.len() >= FILES_MAX {
            return Err(format!("{} holds more than {FILES_MAX} files", self.root.display()));
        }
        let modified = (about.mtime(), about.mtime_nsec());
        let executable = about.mode() & 0o111 != 0;
        self.files.push(FoundFile { parts, len: about.len(), offset: 0, executable, modified });
        Ok(())
    }

    fn add_folder(&mut self, exclude: &[Glob]) -> Result<(), String> {
        let mut folders: Vec<Vec<String>> = vec![Vec::new()];
        while let Some(folder) = folders.pop() {
            let path = self.path_of(&folder);
            let trouble = |e: std::io::Error| format!("cannot read folder {}: {}", path.display(), plain(&e));
            for entry in fs::read_dir(&path).map_err(trouble)? {
                let entry = entry.map_err(trouble)?;
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| format!("{}: a name is not UTF-8", entry.path().display()))?;
                let parts: Vec<String> = folder.iter().cloned().chain([name.to_string()]).collect();
                let about = entry.metadata().map_err(trouble)?;
                if exclude.iter().any(|glob| glob.fits(&parts, about.is_dir())) {
                    self.excluded_count += 1;
                } else if about.is_dir() {
                    if parts.len() >= limits::PATH_DEPTH {
                        return Err(format!("{}: folders are nested too deeply", entry.path().display()));
                    }
                    folders.push(parts);
                } else if about.is_file() {
                    self.add(parts, &about)?;
                } else {
                    self.skipped_count += 1;
                }
            }
        }
        Ok(())
    }

    /// Where names below the root lie.
    pub fn path_of(&self, parts: &[String]) -> PathBuf {
        parts.iter().fold(self.root.clone(), |path, part| path.join(part))
    }

    /// Whether every file still has the length and date it had.
    fn check_unchanged(&self) -> Result<(), String> {
        for file in &self.files {
            let path = self.path_of(&file.parts);
            let about = fs::symlink_metadata(&path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
            if (about.len(), (about.mtime(), about.mtime_nsec())) != (file.len, file.modified) {
                return Err(changed(&path));
            }
        }
        Ok(())
    }
}

fn changed(path: &Path) -> String {
    format!("{} changed while it was read; try again when it is finished", path.display())
}

/// SHA-1 of every piece, by `thread_count` threads; None when it was stopped.
///
/// # Errors
/// A file that cannot be read or changed meanwhile, in one line.
pub fn hash(
    found: &Found,
    piece_len: u32,
    thread_count: usize,
    watch: &Watch,
) -> Result<Option<Vec<[u8; 20]>>, String> {
    let geometry = Geometry::new(found.total_len, piece_len).ok_or("too much data for one torrent")?;
    if geometry.piece_count() > limits::PIECES {
        return Err(format!("more than {} pieces: take longer ones (--piece-length)", limits::PIECES));
    }
    let mut digests = vec![[0; 20]; geometry.piece_count() as usize];
    let results = Mutex::new(&mut digests);
    let trouble: Mutex<Option<String>> = Mutex::new(None);
    let start = || Reader { found, file: None, buffer: vec![0; READ_LEN] };
    pieces::each(&geometry, thread_count, watch, start, |reader, piece, other| {
        for piece in [Some(piece), other].into_iter().flatten() {
            match reader.digest(&geometry, piece, watch) {
                Ok(digest) => results.lock().expect("no holder of this lock panics")[piece.at()] = digest,
                Err(why) => {
                    trouble.lock().expect("no holder of this lock panics").get_or_insert(why);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    });
    if let Some(why) = trouble.into_inner().expect("no holder of this lock panics") {
        return Err(why);
    }
    if watch.is_stopped() {
        return Ok(None);
    }
    found.check_unchanged()?;
    Ok(Some(digests))
}

/// One thread's place in the files.
struct Reader<'a> {
    found: &'a Found,
    file: Option<(usize, File)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn digest(&mut self, geometry: &Geometry, piece: Piece, watch: &Watch) -> Result<[u8; 20], String> {
        let mut sha1 = Sha1::new();
        let mut at = geometry.start_of(piece);
        let end = at + u64::from(geometry.len_of(piece));
        let mut index = self.found.files.partition_point(|file| file.offset + file.len <= at);
        while at < end {
            let file = &self.found.files[index];
            let file_end = file.offset + file.len;
            let want = (end.min(file_end) - at).min(READ_LEN as u64) as usize;
            let count = self.read(index, at - file.offset, want)?;
            sha1.update(&self.buffer[..count]);
            watch.add(count as u64);
            at += count as u64;
            // Empty files have no bytes and are stepped over.
            while at < end && at >= self.found.files[index].offset + self.found.files[index].len {
                index += 1;
            }
        }
        Ok(sha1.finalize().into())
    }

    /// Reads at most `want` bytes into the buffer, at least one.
    fn read(&mut self, index: usize, offset: u64, want: usize) -> Result<usize, String> {
        let path = || self.found.path_of(&self.found.files[index].parts);
        let trouble = |e: &std::io::Error| format!("cannot read {}: {}", path().display(), plain(e));
        if self.file.as_ref().is_none_or(|(open, _)| *open != index) {
            self.file = Some((index, File::open(path()).map_err(|e| trouble(&e))?));
        }
        let (_, file) = self.file.as_ref().expect("it was opened above");
        loop {
            match file.read_at(&mut self.buffer[..want], offset) {
                Ok(0) => return Err(changed(&path())),
                Ok(count) => return Ok(count),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(trouble(&e)),
            }
        }
    }
}

/// Writes a file whole or not at all: beside it, synced, renamed. Without `replace` an existing one stays.
///
/// # Errors
/// One line for people.
pub fn write_file(path: &Path, bytes: &[u8], replace: bool) -> Result<(), String> {
    let shown = path.display();
    if !replace && path.symlink_metadata().is_ok() {
        return Err(format!("{shown} exists already (--force replaces it)"));
    }
    if path.is_dir() {
        return Err(format!("{shown} is a folder"));
    }
    let name = path.file_name().ok_or_else(|| format!("{shown} is no name of a file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = folder.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = write_synced(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    written.and_then(|()| File::open(folder)?.sync_all()).map_err(|e| {
        let _ = fs::remove_file(&beside);
        format!("cannot write {shown}: {}", plain(&e))
    })
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, len: usize) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, (0..len).map(|at| (at * 7 + len) as u8).collect::<Vec<_>>()).unwrap();
    }

    #[test]
    fn folders_are_walked_in_order_with_dot_files_and_without_links() {
        let dir = tempfile::tempdir().unwrap();
        for (name, len) in [("t/b", 3), ("t/a/z", 0), ("t/.dot", 5), ("t/a/b/c", 70_000), ("t/a.x", 1)] {
            write(dir.path(), name, len);
        }
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("t/link")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("t/root")).unwrap();
        let found = walk(&dir.path().join("t/."), &[]).unwrap();
        let names: Vec<String> = found.files.iter().map(|file| file.parts.join("/")).collect();
        assert_eq!(names, [".dot", "a/b/c", "a/z", "a.x", "b"]);
        assert_eq!((found.name.as_str(), found.skipped_count, found.total_len), ("t", 2, 70_009));
        let globs = ["/a/b", "*.x", ".?ot"].map(|text| Glob::parse(text).unwrap());
        let fewer = walk(&dir.path().join("t"), &globs).unwrap();
        let names: Vec<String> = fewer.files.iter().map(|file| file.parts.join("/")).collect();
        assert_eq!((names.join(" ").as_str(), fewer.excluded_count, fewer.total_len), ("a/z b", 3, 3));
        assert!(walk(&dir.path().join("t"), &[Glob::parse("*").unwrap()]).is_err());
        assert_eq!(found.files.iter().map(|file| file.offset).collect::<Vec<_>>(), [0, 5, 70_005, 70_005, 70_006]);
    }

    #[test]
    fn nothing_to_share_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "empty", 0);
        fs::create_dir(dir.path().join("folder")).unwrap();
        for name in ["empty", "folder", "missing", "empty/x"] {
            assert!(walk(&dir.path().join(name), &[]).is_err(), "{name}");
        }
        assert!(walk(Path::new("/"), &[]).is_err());
        assert!(walk(Path::new("/dev/null"), &[]).is_err());
    }

    #[test]
    fn any_number_of_threads_finds_the_same_digests() {
        let dir = tempfile::tempdir().unwrap();
        for (name, len) in [("t/a", 40_000), ("t/b", 0), ("t/c", 1), ("t/d", 600_000)] {
            write(dir.path(), name, len);
        }
        let found = walk(&dir.path().join("t"), &[]).unwrap();
        let all: Vec<u8> =
            ["a", "b", "c", "d"].iter().flat_map(|n| fs::read(dir.path().join("t").join(n)).unwrap()).collect();
        let expected: Vec<[u8; 20]> = all.chunks(32_768).map(|piece| Sha1::digest(piece).into()).collect();
        for threads in [1, 2, 5] {
            let watch = Watch::default();
            assert_eq!(hash(&found, 32_768, threads, &watch).unwrap().as_ref(), Some(&expected));
            assert_eq!(watch.done_len.into_inner(), found.total_len);
        }
        let stopped = Watch { stop: true.into(), ..Watch::default() };
        assert_eq!(hash(&found, 32_768, 2, &stopped), Ok(None));
        fs::write(dir.path().join("t/a"), b"short").unwrap();
        assert!(hash(&found, 32_768, 2, &Watch::default()).unwrap_err().contains("changed"));
        fs::remove_file(dir.path().join("t/a")).unwrap();
        assert!(hash(&found, 32_768, 2, &Watch::default()).unwrap_err().contains("cannot read"));
    }

    #[test]
    fn files_are_written_whole_and_not_over_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.torrent");
        write_file(&path, b"one", false).unwrap();
        assert!(write_file(&path, b"two", false).unwrap_err().contains("exists already"));
        write_file(&path, b"three", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert!(write_file(&dir.path().join("no/x"), b"", false).is_err());
        assert!(write_file(dir.path(), b"", true).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
