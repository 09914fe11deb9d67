//! File descriptors: how many this process may have, and what for.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than this is never needed by a client; a bigger limit stays what it is.
pub const WANTED: u64 = 4096;
/// What to count with when the limit cannot be asked for.
const FALLBACK: u64 = 256;

/// Besides connections and payload files: pollers, signals, terminal and doors (15), sockets of the web threads (12),
/// state files being written, folders being walked, programs being started.
const RESERVE: usize = 36;
/// What each torrent keeps: its lock and its journal.
const RESERVE_TORRENT: usize = 2;
/// With fewer connections than this there is no point in running.
const CONNS_MIN: usize = 4;

/// What the descriptors are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Payload files at once.
    pub open_files: usize,
    /// Connections at once.
    pub conns: usize,
}

/// Divides what this process may have between payload files, of which `open_files` are wanted, and connections;
/// the limit is raised to `wanted` where it is lower.
pub fn divide(wanted: u64, open_files: usize, torrents: usize) -> Room {
    divided(raise(wanted), open_files, torrents)
}

fn divided(descriptors: usize, open_files: usize, torrents: usize) -> Room {
    let open_files = open_files.min(descriptors / 8).max(1);
    let others = open_files.saturating_add(RESERVE).saturating_add(torrents.saturating_mul(RESERVE_TORRENT));
    Room { open_files, conns: descriptors.saturating_sub(others).max(CONNS_MIN) }
}

/// Raises the soft `RLIMIT_NOFILE` towards the hard one where it is low; the limit that holds then comes back.
fn raise(wanted: u64) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return FALLBACK as usize };
    let wanted = hard.min(wanted);
    let raised = soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    usize::try_from(if raised { wanted } else { soft }).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_files_and_threads_leave() {
        let divided = |descriptors, torrents| {
            let room = divided(descriptors, 128, torrents);
            (room.open_files, room.conns)
        };
        assert_eq!(divided(4096, 1), (128, 3930));
        assert_eq!(divided(64, 1), (8, 18));
        assert_eq!(divided(64, 5000), (8, CONNS_MIN));
    }
}
