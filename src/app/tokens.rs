//! Publishers' tokens between runs: one line each in the state folder, `SERVER HASH TOKEN`, the last one counts.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::settings::shown;
use crate::base::InfoHash;

/// A longer file is not ours.
const FILE_LEN: u64 = 16 * 1024 * 1024;
/// A token that can stand in a line and in a request.
const TOKEN_LEN: usize = 200;

/// The file.
pub struct Tokens {
    path: PathBuf,
}

impl Tokens {
    pub fn of(state_dir: &Path) -> Tokens {
        Tokens { path: state_dir.join("published") }
    }

    /// Remembers a token durably, for its owner's eyes only.
    ///
    /// # Errors
    /// Code 5 when it cannot be written.
    pub fn keep(&self, server: &str, info_hash: InfoHash, token: &str) -> Result<(), Failure> {
        if token.is_empty() || token.len() > TOKEN_LEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::new(Exit::Other, format!("{server} gives a token that is none")));
        }
        let write = || -> std::io::Result<()> {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            // One write: two processes at once do not mix their lines.
            file.write_all(format!("{server} {info_hash} {token}\n").as_bytes())?;
            file.sync_all()
        };
        write().map_err(|e| {
            let text = format!("cannot write {}: {e}; the token is {token}", shown(&self.path));
            Failure::new(Exit::Disk, text)
        })
    }

    /// The token for a torrent at a server, where one is known.
    pub fn find(&self, server: &str, info_hash: InfoHash) -> Option<String> {
        let mut text = String::new();
        fs::File::open(&self.path).ok()?.take(FILE_LEN).read_to_string(&mut text).ok()?;
        let hash = info_hash.to_string();
        text.lines().rev().find_map(|line| {
            let mut words = line.split(' ');
            let fits = words.next() == Some(server) && words.next() == Some(hash.as_str());
            words.next().filter(|_| fits).map(str::to_string)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_token_counts_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::of(&dir.path().join("state"));
        let (a, b) = (InfoHash([1; 20]), InfoHash([2; 20]));
        assert_eq!(tokens.find("x:1", a), None);
        for (server, hash, token) in [("x:1", a, "t1"), ("x:1", b, "t2"), ("y:1", a, "t3"), ("x:1", a, "t4")] {
            tokens.keep(server, hash, token).unwrap();
        }
        let found = |server, hash| tokens.find(server, hash);
        assert_eq!((found("x:1", a).as_deref(), found("x:1", b).as_deref()), (Some("t4"), Some("t2")));
        assert_eq!((found("y:1", a).as_deref(), found("y:1", b)), (Some("t3"), None));
        assert!(tokens.keep("x:1", a, "a\nb").is_err() && tokens.keep("x:1", a, "").is_err());
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(dir.path().join("state/published")).unwrap().permissions().mode() & 0o77, 0);
    }
}
