//! Who and what is here: members by connection and by nick, groups by name.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use slab::Slab;

use super::group::Group;
use super::member::Member;
use crate::base::ConnId;
use crate::base::keyed::Secret;
use crate::wire::irc::{fold, same};

/// A member's place. Reused when it is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(pub u32);

/// A group's place. Reused when it is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GroupKey(pub u32);

/// The members. Nicks are found by a keyed hash of 64 bits, which takes a third of the memory of the names themselves;
/// two nicks of one hash count as the same.
#[derive(Debug)]
pub struct Members {
    slab: Slab<Member>,
    by_conn: BTreeMap<ConnId, Key>,
    by_nick: BTreeMap<u64, Key>,
    secret: Secret,
}

impl Members {
    pub fn new(secret: Secret) -> Members {
        Members { slab: Slab::new(), by_conn: BTreeMap::new(), by_nick: BTreeMap::new(), secret }
    }

    pub fn insert(&mut self, member: Member) -> Key {
        let conn = member.conn;
        let key = Key(self.slab.insert(member) as u32);
        self.by_conn.insert(conn, key);
        key
    }

    /// Forgets a member and its nick.
    pub fn remove(&mut self, key: Key) -> Option<Member> {
        let member = self.slab.try_remove(key.0 as usize)?;
        self.by_conn.remove(&member.conn);
        let hash = self.hash(member.nick());
        if self.by_nick.get(&hash) == Some(&key) {
            self.by_nick.remove(&hash);
        }
        Some(member)
    }

    pub fn by_conn(&self, conn: ConnId) -> Option<Key> {
        self.by_conn.get(&conn).copied()
    }

    /// Who has this nick, registered or not.
    pub fn holder(&self, nick: &str) -> Option<Key> {
        self.by_nick.get(&self.hash(nick)).copied()
    }

    /// The member of this nick.
    pub fn by_nick(&self, nick: &str) -> Option<Key> {
        self.holder(nick).filter(|key| self[*key].steps.is_in && same(self[*key].nick(), nick))
    }

    /// Gives a free nick to a member.
    pub fn rename(&mut self, key: Key, nick: &str) {
        let old = self.hash(self[key].nick());
        if self.by_nick.get(&old) == Some(&key) {
            self.by_nick.remove(&old);
        }
        self[key].set_nick(nick);
        self.by_nick.insert(self.hash(nick), key);
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &Member)> {
        self.slab.iter().map(|(at, member)| (Key(at as u32), member))
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }

    fn hash(&self, nick: &str) -> u64 {
        self.secret.spread(fold(nick).as_bytes())
    }

    pub fn check(&self) {
        assert_eq!(self.by_conn.len(), self.slab.len(), "a connection for every member");
        for (key, member) in self.iter() {
            assert_eq!(self.by_conn.get(&member.conn), Some(&key), "a member's connection leads to it");
            assert!(!member.steps.is_in || self.holder(member.nick()) == Some(key), "a member's nick leads to it");
        }
        assert!(self.by_nick.len() <= self.slab.len(), "no nick without its holder");
    }
}

impl Index<Key> for Members {
    type Output = Member;
    fn index(&self, key: Key) -> &Member {
        &self.slab[key.0 as usize]
    }
}

impl IndexMut<Key> for Members {
    fn index_mut(&mut self, key: Key) -> &mut Member {
        &mut self.slab[key.0 as usize]
    }
}

/// The groups, by folded name in order.
#[derive(Default, Debug)]
pub struct Rooms {
    slab: Slab<Group>,
    by_name: BTreeMap<Box<str>, GroupKey>,
}

impl Rooms {
    pub fn find(&self, name: &str) -> Option<GroupKey> {
        self.by_name.get(fold(name).as_str()).copied()
    }

    pub fn insert(&mut self, group: Group) -> GroupKey {
        let name = fold(&group.name).into();
        let key = GroupKey(self.slab.insert(group) as u32);
        self.by_name.insert(name, key);
        key
    }

    pub fn remove(&mut self, key: GroupKey) -> Option<Group> {
        let group = self.slab.try_remove(key.0 as usize)?;
        self.by_name.remove(fold(&group.name).as_str());
        Some(group)
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (GroupKey, &Group)> {
        self.by_name.values().map(|key| (*key, &self[*key]))
    }

    pub fn keys(&self) -> Vec<GroupKey> {
        self.by_name.values().copied().collect()
    }

    pub fn contains(&self, key: GroupKey) -> bool {
        self.slab.contains(key.0 as usize)
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn check(&self) {
        assert_eq!(self.by_name.len(), self.slab.len(), "a name for every group");
    }
}

impl Index<GroupKey> for Rooms {
    type Output = Group;
    fn index(&self, key: GroupKey) -> &Group {
        &self.slab[key.0 as usize]
    }
}

impl IndexMut<GroupKey> for Rooms {
    fn index_mut(&mut self, key: GroupKey) -> &mut Group {
        &mut self.slab[key.0 as usize]
    }
}
