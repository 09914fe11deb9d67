//! File descriptors: how many this process may have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than this is never needed here; a bigger limit stays what it is.
const WANTED: u64 = 4096;
/// What to count with when the limit cannot be asked for.
const FALLBACK: u64 = 256;

/// Raises the soft `RLIMIT_NOFILE` towards the hard one where it is low; the limit that holds then comes back.
pub fn raise() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return FALLBACK as usize };
    let wanted = hard.min(WANTED);
    let raised = soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    usize::try_from(if raised { wanted } else { soft }).unwrap_or(usize::MAX)
}
