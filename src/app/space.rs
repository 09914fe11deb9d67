//! `--min-free`: room that must stay on the file system of a download.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::run::{Item, Subject};
use super::settings::{Settings, shown};
use crate::base::text::size;
use crate::io::space::{free, stored};

/// Between two looks while it downloads.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What must stay free, and where. Knows once a thread of its own saw that it is not: asking may block.
#[derive(Clone, Debug)]
pub struct MinFree {
    dir: PathBuf,
    min: u64,
    is_low: Arc<AtomicBool>,
}

impl MinFree {
    /// Refuses downloads that would leave less than `--min-free`; otherwise watches that nobody else takes the room
    /// meanwhile. None where nothing must stay free.
    ///
    /// # Errors
    /// Code 9 with what is needed and what is there; 5 when it cannot be known.
    pub fn start(dir: &Path, items: &[Item], settings: &Settings) -> Result<Option<MinFree>, Failure> {
        let Some(min) = settings.size("min-free").filter(|min| *min > 0) else { return Ok(None) };
        let min_free = MinFree { dir: dir.to_path_buf(), min, is_low: Arc::default() };
        min_free.check(&items.iter().collect::<Vec<_>>())?;
        let watched = min_free.clone();
        let watch = move || {
            while look(&watched.dir).map_or(true, |found| found >= watched.min) {
                std::thread::sleep(LOOK_EVERY);
            }
            watched.is_low.store(true, Ordering::Relaxed);
        };
        let started = std::thread::Builder::new().name("space".into()).stack_size(64 * 1024).spawn(watch);
        started.map_err(|e| Failure::new(Exit::Other, format!("no thread to be had: {e}")))?;
        Ok(Some(min_free))
    }

    /// Refuses downloads that would leave too little.
    ///
    /// # Errors
    /// As [`MinFree::start`].
    pub fn check(&self, items: &[&Item]) -> Result<(), Failure> {
        let min = self.min;
        let needed: u64 = items.iter().map(|item| missing(item)).fold(0, u64::saturating_add);
        let found = look(&self.dir)?;
        // What is complete may be shared from a full disk.
        if needed > 0 && found < needed.saturating_add(min) {
            let text = format!(
                "{}: {} are to be downloaded, {} are free, and {} of it must stay so (--min-free)",
                shown(&self.dir),
                size(needed),
                size(found),
                size(min)
            );
            return Err(Failure::new(Exit::DiskFull, text));
        }
        Ok(())
    }

    /// Why downloads must end, once there is too little room.
    pub fn trouble(&self) -> Option<String> {
        self.is_low.load(Ordering::Relaxed).then(|| {
            let (dir, min) = (shown(&self.dir), size(self.min));
            format!("less than {min} are free in {dir} (--min-free); the same command goes on from here")
        })
    }
}

fn look(dir: &Path) -> Result<u64, Failure> {
    free(dir).map_err(|e| {
        let why = crate::io::trouble::reason(&e);
        Failure::new(Exit::Disk, format!("cannot see how much is free in {}: {why}", shown(dir)))
    })
}

/// Bytes of a torrent's wanted files that have no place on disk yet.
fn missing(item: &Item) -> u64 {
    let is_wanted = |index: usize| item.wanted.get(index).copied().unwrap_or(true);
    // Of a link nothing is known yet.
    let Subject::Torrent(metainfo, _) = &item.subject else { return 0 };
    let files = metainfo.files.iter().enumerate().filter(|(index, file)| !file.pad && is_wanted(*index));
    files.map(|(_, file)| file.len - stored(&item.dir, file)).sum()
}
