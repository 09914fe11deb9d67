//! What takes a while and must not hold up the talk: making and publishing a torrent, fetching one from the server.
//! Each runs on a thread of its own, and its result goes to the loop's listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::super::create;
use super::super::exit::{Exit, Failure};
use super::super::server::Server;
use super::super::settings::shown;
use super::super::tokens::Tokens;
use crate::base::InfoHash;
use crate::io::pieces::Watch;
use crate::io::reactor::Handle;
use crate::machine::{Note, Own};
use crate::metainfo::{Metainfo, parse};
use crate::seal::GroupKey;
use crate::wire::authorization::Authorization;

/// Errands at once.
const ERRANDS_MAX: usize = 4;
const STACK_LEN: usize = 512 * 1024;
/// While the loop has no room for a result.
const RETRY: Duration = Duration::from_millis(5);

/// What came of an errand.
#[derive(Debug)]
pub enum Done {
    /// It was made, kept and published; it is to be seeded and told to this group.
    Shared {
        group: String,
        metainfo: Arc<Metainfo>,
        /// Where its data lies.
        dir: PathBuf,
    },
    /// The server has it.
    Fetched { metainfo: Arc<Metainfo> },
    /// One line for people.
    Failed(String),
    /// A group's key was made of its passphrase; None where there was no memory for it.
    Stretched { group: String, key: Option<GroupKey> },
    /// It was told to end.
    Stopped,
}

/// What errands need; and how many run.
#[derive(Clone)]
pub struct Errands {
    pub server: Server,
    pub state_dir: PathBuf,
    /// What the server wants to know of publishers.
    pub claim: Option<Authorization>,
    pub handle: Handle,
    pub watch: Arc<Watch>,
    pub running: Arc<AtomicUsize>,
}

impl Errands {
    /// Makes a torrent of a path, keeps it and stores it at the server. False when too much is under way.
    pub fn share(&self, path: String, is_public: bool, group: String) -> bool {
        self.start(move |errands| errands.make(Path::new(&path), is_public, group))
    }

    /// Makes a group's key of its passphrase. False when too much is under way.
    pub fn stretch(&self, passphrase: Vec<u8>, group: String) -> bool {
        self.start(move |_| {
            let key = GroupKey::stretch(&passphrase, &group);
            Ok(Done::Stretched { group, key })
        })
    }

    /// Fetches a torrent from the server. False when too much is under way.
    pub fn fetch(&self, info_hash: InfoHash) -> bool {
        self.start(move |errands| {
            let bytes = errands.server.torrent(info_hash)?;
            let bad = |why: String| Failure::new(Exit::BadTorrent, why);
            let metainfo = parse::parse(&bytes).map_err(|refused| bad(refused.to_string()))?;
            if metainfo.info_hash != info_hash {
                return Err(bad(format!("{} sent another torrent than {info_hash}", errands.server.place())));
            }
            Ok(Done::Fetched { metainfo: Arc::new(metainfo) })
        })
    }

    fn start(&self, work: impl FnOnce(&Errands) -> Result<Done, Failure> + Send + 'static) -> bool {
        if self.running.fetch_add(1, Ordering::Relaxed) >= ERRANDS_MAX {
            self.running.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let errands = self.clone();
        let run = move || {
            let done = work(&errands).unwrap_or_else(|failure| Done::Failed(failure.text));
            errands.running.fetch_sub(1, Ordering::Relaxed);
            errands.tell(done);
        };
        let is_started = thread::Builder::new().name("errand".into()).stack_size(STACK_LEN).spawn(run).is_ok();
        if !is_started {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
        is_started
    }

    fn tell(&self, done: Done) {
        let mut note = Note::Own(Own::new(done));
        while let Err(back) = self.handle.try_note(note) {
            if self.handle.is_over() {
                return;
            }
            note = back;
            thread::sleep(RETRY);
        }
    }

    fn make(&self, path: &Path, is_public: bool, group: String) -> Result<Done, Failure> {
        let Some(made) = create::make_shared(path, &self.server, !is_public, &self.watch)? else {
            return Ok(Done::Stopped);
        };
        let info_hash = made.metainfo.info_hash;
        let folder = self.state_dir.join("created");
        std::fs::create_dir_all(&folder)
            .map_err(|e| Failure::new(Exit::Disk, format!("cannot make the folder {}: {e}", shown(&folder))))?;
        create::write(&folder.join(format!("{info_hash}.torrent")), &made, true)?;
        let receipt = self.server.publish(&made.bytes, "", self.claim.as_ref())?;
        if let Some(token) = &receipt.token {
            Tokens::of(&self.state_dir).keep(&self.server.place(), info_hash, token)?;
        }
        Ok(Done::Shared { group, metainfo: Arc::new(made.metainfo), dir: made.dir })
    }
}
