//! Peer ids, for the few who ask for them (BEP 3's dictionaries): of the peers that announced last, in a table of
//! bounded size. With ids in the peer table itself, all peers would cost twice as much.

/// Entries that share a row: enough that no peer of a small server loses its id by chance.
const WIDTH: usize = 8;
/// Rows at first and at most: 192 bytes each.
const ROWS_MIN: usize = 16;
const ROWS_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Name {
    /// Tells the peers of one row apart; 0 is nobody.
    tag: u32,
    peer_id: [u8; 20],
}

/// The ids.
#[derive(Default)]
pub struct Names {
    rows: Vec<[Name; WIDTH]>,
    /// Entries in use.
    taken: usize,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Names({} rows)", self.rows.len())
    }
}

const NOBODY: Name = Name { tag: 0, peer_id: [0; 20] };

impl Names {
    /// Remembers the id of the peer with this key: a keyed hash of its torrent and address.
    pub fn put(&mut self, key: u64, peer_id: &[u8; 20]) {
        if self.taken * 4 >= self.rows.len() * WIDTH && self.rows.len() < ROWS_MAX {
            let rows = (self.rows.len() * 2).clamp(ROWS_MIN, ROWS_MAX);
            let old = std::mem::replace(&mut self.rows, vec![[NOBODY; WIDTH]; rows]);
            self.taken = 0;
            old.as_flattened().iter().filter(|name| name.tag != 0).for_each(|name| self.enter(*name));
        }
        self.enter(Name { tag: tag(key), peer_id: *peer_id });
    }

    fn enter(&mut self, name: Name) {
        let at = row(name.tag, self.rows.len());
        let row = &mut self.rows[at];
        let same = row.iter().position(|other| other.tag == name.tag);
        let free = || row.iter().position(|other| other.tag == 0);
        // A full row loses one, whichever the tag's last bits say.
        let at = same.or_else(free).unwrap_or(name.tag as usize % WIDTH);
        self.taken += usize::from(row[at].tag == 0);
        row[at] = name;
    }

    /// The id of the peer with this key, if it is still known.
    pub fn find(&self, key: u64) -> Option<&[u8; 20]> {
        let tag = tag(key);
        let row = self.rows.get(row(tag, self.rows.len()))?;
        row.iter().find(|name| name.tag == tag).map(|name| &name.peer_id)
    }

    /// Bytes of memory.
    pub fn heap_len(&self) -> usize {
        self.rows.len() * size_of::<[Name; WIDTH]>()
    }
}

/// The row of a tag: its front, so that a larger table keeps the order.
fn row(tag: u32, rows: usize) -> usize {
    ((u64::from(tag) * rows as u64) >> 32) as usize
}

fn tag(key: u64) -> u32 {
    ((key >> 32) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::keyed::Secret;

    #[test]
    fn ids_of_a_small_server_are_kept_and_of_a_large_one_bounded() {
        let key = |number: u32| Secret(1, 2).mac(&number.to_be_bytes());
        let id = |number: u32| {
            let mut id = *b"-XX0000-............";
            id[16..].copy_from_slice(&number.to_be_bytes());
            id
        };
        let mut names = Names::default();
        assert_eq!((names.find(key(1)), names.heap_len()), (None, 0));
        (0..10_000).for_each(|number| names.put(key(number), &id(number)));
        let known = (0..10_000).filter(|number| names.find(key(*number)) == Some(&id(*number))).count();
        assert!(known > 9_950, "{known} of 10000");
        names.put(key(3), &id(4));
        assert_eq!(names.find(key(3)), Some(&id(4)));
        (0..300_000).for_each(|number| names.put(key(number), &id(number)));
        assert!(names.heap_len() <= 800 * 1024, "{}", names.heap_len());
        assert_eq!(names.find(key(299_999)), Some(&id(299_999)));
    }
}
