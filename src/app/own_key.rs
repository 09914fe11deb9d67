//! Who we are to groups and people: the key in the state folder, made on the first start that needs it.

use std::path::Path;

use super::exit::{Exit, Failure};
use crate::io::keep;
use crate::seal::Identity;

/// The file in the state folder.
const FILE: &str = "identity";
/// A longer file is not ours.
const LEN_MAX: usize = 1024;

/// Our key: always the same for one state folder.
///
/// # Errors
/// A folder that cannot be read or written, a file that is no key, no random numbers.
pub fn own_key(state_dir: &Path) -> Result<Identity, Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    let file = Identity::new(secret).to_file();
    let there = keep::once(state_dir, FILE, file.as_bytes(), LEN_MAX)
        .map_err(|error| Failure::new(Exit::of_disk(error.kind), error.text))?;
    Identity::from_file(&there).map_err(|why| {
        let path = state_dir.join(FILE);
        let advice = "put the right file back, or take it away to be somebody else";
        Failure::new(Exit::Other, format!("{} is no key: {why}; {advice}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_one_is_stays_and_a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let me = own_key(dir.path()).unwrap().public();
        assert_eq!(own_key(dir.path()).unwrap().public(), me);
        let path = dir.path().join(FILE);
        std::fs::write(&path, "peerlink secret key 1\nshort\n").unwrap();
        let failure = own_key(dir.path()).unwrap_err();
        assert!(failure.text.contains("its second line is not a key; put"), "{}", failure.text);
        assert!(std::fs::read_to_string(&path).unwrap().contains("short"));
    }
}
