//! The watched folder of a daemon: what somebody puts there as `.torrent` or `.magnet` file is added.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::settings::shown;
use crate::base::limits;
use crate::io::keep;
use crate::io::reactor::Handle;
use crate::machine::Note;

/// Between two looks. A file counts as whole when it looks the same twice.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What a file is called when it was taken.
const TAKEN: &str = "added";

/// How a file looked.
type Look = (u64, Option<SystemTime>);

/// The folder that is watched, if any.
#[derive(Debug)]
pub struct WatchDir {
    dir: Arc<Mutex<Option<PathBuf>>>,
    handle: Handle,
    has_begun: AtomicBool,
}

impl WatchDir {
    /// Looks for as long as the process lives.
    pub fn start(dir: Option<PathBuf>, handle: Handle) -> WatchDir {
        let watched = WatchDir { dir: Arc::default(), handle, has_begun: AtomicBool::new(false) };
        watched.look_at(dir);
        watched
    }

    /// Another folder is watched from now on, or none.
    pub fn look_at(&self, dir: Option<PathBuf>) {
        let is_wanted = dir.is_some();
        *self.dir.lock().unwrap_or_else(PoisonError::into_inner) = dir;
        if is_wanted && !self.has_begun.swap(true, Ordering::Relaxed) {
            begin(self.dir.clone(), self.handle.clone());
        }
    }
}

fn begin(watched: Arc<Mutex<Option<PathBuf>>>, handle: Handle) {
    let look = move || {
        let mut seen = BTreeMap::new();
        let mut was_there = true;
        loop {
            let dir = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(dir) = dir else {
                std::thread::sleep(LOOK_EVERY);
                continue;
            };
            let found = files(&dir);
            if found.is_none() && std::mem::replace(&mut was_there, false) {
                log::warn!("the watched folder {} cannot be read", shown(&dir));
            }
            was_there |= found.is_some();
            let found = found.unwrap_or_default();
            for (path, look) in &found {
                if seen.get(path) == Some(look) {
                    take(path, &handle);
                }
            }
            seen = found;
            std::thread::sleep(LOOK_EVERY);
        }
    };
    if std::thread::Builder::new().name("watch".into()).stack_size(256 * 1024).spawn(look).is_err() {
        log::warn!("no thread to be had for the watched folder");
    }
}

fn files(dir: &Path) -> Option<BTreeMap<PathBuf, Look>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        let is_ours = path.extension().is_some_and(|ext| ext == "torrent" || ext == "magnet");
        if let Some(about) = entry.metadata().ok().filter(|about| is_ours && about.is_file() && about.len() > 0) {
            found.insert(path, (about.len(), about.modified().ok()));
        }
    }
    Some(found)
}

/// Renamed first, so that nothing is added twice.
fn take(path: &Path, handle: &Handle) {
    let bytes = match keep::read_any(path, limits::TORRENT_LEN) {
        Ok(bytes) => bytes,
        Err(error) => return log::warn!("{}", error.text),
    };
    let taken = path.with_extension(format!("{}.{TAKEN}", path.extension().unwrap_or_default().to_string_lossy()));
    if let Err(error) = std::fs::rename(path, &taken) {
        return log::warn!("cannot rename {}, so it is not added: {error}", shown(path));
    }
    if !handle.note(Note::Bring { bytes }) {
        log::warn!("{} was not added: too much is going on", shown(path));
        let _ = std::fs::rename(&taken, path);
    }
}
