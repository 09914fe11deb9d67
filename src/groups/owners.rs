//! Whose the nicks are: the first key that uses one has it for 30 days from its last use. Bounded in count, kept on disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::seal::PublicKey;
use crate::wire::irc::{fold, is_nick};

/// A nick that its key has not used for so long is anybody's.
const AGE_MAX_S: u64 = 30 * 86_400;
/// Nicks with owners: about 2 MB. Where there are more, the one unused for longest goes, if it was for a day.
pub const OWNERS_MAX: usize = 10_000;
const UNUSED_S: u64 = 86_400;
/// Nicks of one key.
const PER_KEY_MAX: usize = 8;
/// Begins the file.
const HEAD: &str = "peerlink nicks 1";
/// A longer file is not ours.
pub const FILE_LEN_MAX: usize = OWNERS_MAX * 128;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Owned {
    key: PublicKey,
    /// Seconds since 1970.
    used_s: u64,
}

impl Owned {
    fn is_over(&self, now_s: u64) -> bool {
        now_s.saturating_sub(self.used_s) > AGE_MAX_S
    }
}

/// Whether a key has a nick now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// It has had it before.
    Already,
    Newly,
    /// Another's, or there is no room.
    No,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Owners {
    /// By folded nick.
    by_nick: BTreeMap<String, Owned>,
}

impl Owners {
    /// Whose a nick is.
    pub fn owner(&self, nick: &str, now_s: u64) -> Option<PublicKey> {
        let owned = self.by_nick.get(fold(nick).as_str())?;
        (!owned.is_over(now_s)).then_some(owned.key)
    }

    /// A key uses a nick.
    pub fn claim(&mut self, nick: &str, key: PublicKey, now_s: u64) -> Claimed {
        let folded = fold(nick).to_string();
        match self.by_nick.get_mut(&folded) {
            Some(owned) if owned.key == key => {
                owned.used_s = now_s.max(owned.used_s);
                return Claimed::Already;
            }
            Some(owned) if !owned.is_over(now_s) => return Claimed::No,
            _ => _ = self.by_nick.remove(&folded),
        }
        let of_key = self.by_nick.iter().filter(|(_, owned)| owned.key == key);
        let (count, oldest) =
            of_key.fold((0, None), |(count, oldest), (nick, owned)| (count + 1, older(oldest, nick, owned)));
        if count >= PER_KEY_MAX {
            // Its own, so nobody else is hurt.
            let oldest = oldest.map(|(nick, _)| nick.clone());
            oldest.and_then(|nick| self.by_nick.remove(&nick));
        } else if self.by_nick.len() >= OWNERS_MAX {
            let oldest = self.by_nick.iter().fold(None, |oldest, (nick, owned)| older(oldest, nick, owned));
            let Some((nick, owned)) = oldest else { return Claimed::No };
            if now_s.saturating_sub(owned.used_s) < UNUSED_S {
                return Claimed::No;
            }
            let nick = nick.clone();
            self.by_nick.remove(&nick);
        }
        self.by_nick.insert(folded, Owned { key, used_s: now_s });
        Claimed::Newly
    }

    /// What [`Self::read`] reads.
    pub fn write(&self, now_s: u64) -> Vec<u8> {
        let mut text = format!("{HEAD}\n");
        for (nick, owned) in self.by_nick.iter().filter(|(_, owned)| !owned.is_over(now_s)) {
            // To a string it cannot fail.
            let _ = writeln!(text, "{nick} {} {}", owned.key, owned.used_s);
        }
        text.into_bytes()
    }

    /// What was saved; lines that are damaged do not count.
    pub fn read(bytes: &[u8]) -> Owners {
        let text = String::from_utf8_lossy(bytes);
        let mut owners = Owners::default();
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            log::warn!("whose the nicks are is lost: the file is damaged or of another version");
            return owners;
        }
        for line in lines.take(OWNERS_MAX) {
            let mut words = line.split(' ');
            let (nick, key, used_s) = (words.next(), words.next(), words.next());
            let nick = nick.filter(|nick| is_nick(nick));
            let owned = key.and_then(PublicKey::parse).zip(used_s.and_then(|s| s.parse().ok()));
            if let (Some(nick), Some((key, used_s))) = (nick, owned) {
                owners.by_nick.insert(fold(nick).to_string(), Owned { key, used_s });
            }
        }
        owners
    }

    pub fn check(&self) {
        assert!(self.by_nick.len() <= OWNERS_MAX, "too many nicks have owners");
    }
}

/// Which of two was used longer ago.
fn older<'a>(a: Option<(&'a String, &'a Owned)>, nick: &'a String, b: &'a Owned) -> Option<(&'a String, &'a Owned)> {
    match a {
        Some((_, owned)) if owned.used_s <= b.used_s => a,
        _ => Some((nick, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: PublicKey = PublicKey([1; 32]);
    const EVE: PublicKey = PublicKey([2; 32]);
    const DAY: u64 = 86_400;

    #[test]
    fn the_first_key_has_a_nick_for_30_days_from_its_last_use() {
        let mut owners = Owners::default();
        assert_eq!(owners.claim("Anna", ANNA, 1000), Claimed::Newly);
        assert_eq!(owners.claim("anna", EVE, 1000), Claimed::No);
        assert_eq!(owners.claim("ANNA", ANNA, 20 * DAY), Claimed::Already);
        assert_eq!(owners.owner("anna", 50 * DAY), Some(ANNA));
        assert_eq!(owners.claim("anna", EVE, 50 * DAY), Claimed::No);
        assert_eq!(owners.owner("anna", 50 * DAY + 1), None);
        assert_eq!(owners.claim("anna", EVE, 50 * DAY + 1), Claimed::Newly);
        // A clock that was set back takes nothing from anybody.
        assert_eq!(owners.owner("anna", 0), Some(EVE));
    }

    #[test]
    fn what_is_saved_is_read_and_damage_costs_its_line_only() {
        let mut owners = Owners::default();
        owners.claim("anna", ANNA, 100);
        owners.claim("eve[]", EVE, 200);
        let bytes = owners.write(300);
        let read = Owners::read(&bytes);
        assert_eq!(read.by_nick, owners.by_nick);
        let damaged = String::from_utf8(bytes).unwrap().replace(" 100", " x");
        let read = Owners::read(damaged.as_bytes());
        assert_eq!((read.owner("anna", 300), read.owner("eve[]", 300)), (None, Some(EVE)));
        assert_eq!(Owners::read(b"\xff\n").by_nick.len(), 0);
        assert!(Owners::read(&owners.write(100 * DAY)).by_nick.is_empty(), "what is over is not saved");
    }

    #[test]
    fn there_is_a_bound_for_a_key_and_for_all() {
        let mut owners = Owners::default();
        for number in 0..2 * PER_KEY_MAX as u64 {
            assert_eq!(owners.claim(&format!("n{number}"), ANNA, number), Claimed::Newly);
        }
        assert_eq!(owners.by_nick.len(), PER_KEY_MAX);
        assert_eq!((owners.owner("n0", 20), owners.owner("n15", 20)), (None, Some(ANNA)));
        let key = |number: usize| PublicKey(std::array::from_fn(|at| (number >> (8 * (at % 4))) as u8));
        for number in PER_KEY_MAX..OWNERS_MAX {
            assert_eq!(owners.claim(&format!("m{number}"), key(number), 100), Claimed::Newly);
        }
        assert_eq!(owners.claim("late", EVE, 100), Claimed::No);
        owners.check();
        assert_eq!(owners.claim("late", EVE, 100 + DAY), Claimed::Newly);
        assert_eq!(owners.owner("n8", 100 + DAY), None, "unused for longest");
        owners.check();
    }
}
