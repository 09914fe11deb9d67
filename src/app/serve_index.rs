//! The index of `peerlink serve` as it starts: its settings, what is on disk, and the lock that keeps a second one out.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exit::{Exit, Failure};
use super::settings::Settings;
use crate::base::text::harmless;
use crate::index::{HEAD_LEN, Index, Options, PublishBy, SHELF};
use crate::io::lock::Lock;
use crate::io::shelf::Shelf;
use crate::machine::{DiskError, DiskErrorKind};

/// The index with everything that was published before, and its lock.
///
/// # Errors
/// Code 2 for settings that do not go together, 5 for the disk, 1 when another process has the folder.
pub fn open(settings: &Settings, state_dir: &Path) -> Result<(Index, Lock), Failure> {
    let publish_by = match settings.text("publish-by") {
        Some("password") => PublishBy::Password,
        _ => PublishBy::Anyone,
    };
    let password = settings.text("password").map(str::to_string);
    if publish_by == PublishBy::Password && password.is_none() {
        return Err(Failure::usage("--publish-by password needs a --password"));
    }
    let lock = Lock::take(&state_dir.join("index.lock")).map_err(|error| match error.kind {
        DiskErrorKind::Locked => {
            let text = "another process serves from this state folder; give this one its own --state-dir";
            Failure::new(Exit::Other, text)
        }
        _ => failed(&error),
    })?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    let mut index = Index::new(Options {
        publish_by,
        password,
        opers: settings.accounts("oper"),
        count_max: settings.count("index-max").unwrap_or(0) as usize,
        disk_max: settings.size("index-size").unwrap_or(0),
        secret,
        began_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    });
    let shelf = Shelf::of(state_dir, SHELF);
    let each = shelf.each(HEAD_LEN, |file| {
        if !index.restore(file.name, file.len, file.head) {
            let folder = state_dir.join(SHELF);
            log::warn!("{}: {} is no torrent of the index, or torn: left out", folder.display(), harmless(file.name));
        }
    });
    each.map_err(|error| failed(&error))?;
    Ok((index, lock))
}

fn failed(error: &DiskError) -> Failure {
    Failure::new(Exit::of_disk(error.kind), harmless(&error.text))
}
