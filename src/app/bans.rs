//! The bans of earlier runs, read at the start of one.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use crate::base::Span;
use crate::node::bans::FILE;
use crate::storage::Bans;

/// A longer file is not ours.
const LEN_MAX: u64 = 1024 * 1024;

/// What is kept in the state folder. Nothing that is missing, damaged or foreign in there keeps anybody from starting;
/// it is replaced with the next ban.
pub fn read(state_dir: &Path) -> Bans {
    let path = state_dir.join(FILE);
    match read_file(&path) {
        Ok((bytes, age)) => Bans::decode(&bytes, age).unwrap_or_else(|| {
            log::info!("{} is damaged or not ours, going on without", path.display());
            Bans::default()
        }),
        // Without a folder there is nothing; why there is none is said elsewhere.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Bans::default()
        }
        Err(error) => {
            log::warn!("cannot read {}, going on without: {error}", path.display());
            Bans::default()
        }
    }
}

/// The bytes, and how long ago they were written; a clock that went backwards counts as standing still.
fn read_file(path: &Path) -> io::Result<(Vec<u8>, Span)> {
    let file = File::open(path)?;
    let age = SystemTime::now().duration_since(file.metadata()?.modified()?).unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(LEN_MAX).read_to_end(&mut bytes)?;
    Ok((bytes, Span(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{PeerId, Time};
    use crate::storage::Suspect;

    #[test]
    fn bans_age_between_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(folder.path()).counts(), (0, 0));
        let liar = Suspect { address: ([10, 0, 0, 1], 5).into(), dialled: true, peer_id: PeerId([1; 20]) };
        let mut bans = Bans::default();
        bans.ban(Time(7), liar);
        std::fs::write(&path, bans.encode(Time(7))).unwrap();
        assert_eq!(read(folder.path()).counts(), (1, 1));
        let file = File::options().write(true).open(&path).unwrap();
        for (hours, count) in [(23, 1), (25, 0)] {
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
            assert_eq!(read(folder.path()).counts(), (count, count), "{hours} hours later");
        }
        file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
        assert_eq!(read(folder.path()).counts(), (1, 1));
        file.set_len(LEN_MAX * 2).unwrap();
        assert_eq!(read(folder.path()).counts(), (0, 0));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(read(folder.path()).counts(), (0, 0));
    }
}
