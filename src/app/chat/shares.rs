//! What was shared in the groups, as messages told it.

use super::super::server::Server;
use crate::base::InfoHash;
use crate::base::text::{harmless, size};
use crate::machine::Message;
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::{self, Magnet};

/// Tags of a message that shares something: 40 hexadecimal digits, and bytes.
pub const HASH_TAG: &str = "+peerlink/hash";
pub const SIZE_TAG: &str = "+peerlink/size";
/// Bytes of a text that stays one line.
const TEXT_LEN: usize = 340;
/// Shares remembered of one session, over all groups.
const SHARES_MAX: usize = 1000;

/// Something that somebody shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    pub group: String,
    pub nick: String,
    pub name: String,
    pub info_hash: InfoHash,
    /// Bytes, as far as it was told.
    pub size: Option<u64>,
}

/// All of them; their numbers are their places, counted from 1, and stay.
#[derive(Debug, Default)]
pub struct Shares {
    all: Vec<Share>,
}

impl Shares {
    /// Looks whether a message shares something that was not shared there before; gives its number.
    pub fn hear(&mut self, message: &Message) -> Option<usize> {
        let share = share_of(message)?;
        let is_known = |known: &Share| known.info_hash == share.info_hash && known.group == share.group;
        if self.all.len() >= SHARES_MAX || self.all.iter().any(is_known) {
            return None;
        }
        self.all.push(share);
        Some(self.all.len())
    }

    pub fn find(&self, number: usize) -> Option<&Share> {
        self.all.get(number.checked_sub(1)?)
    }

    /// Lines about what was shared in a group, with numbers.
    pub fn lines(&self, group: &str) -> Vec<String> {
        let here = self.all.iter().enumerate().filter(|(_, share)| share.group == group);
        here.map(|(at, share)| {
            let size = share.size.map_or_else(|| "size unknown".into(), size);
            format!("{:>4}  {} ({size}), from {}", at + 1, harmless(&share.name), harmless(&share.nick))
        })
        .collect()
    }

    /// How much each nick shared in a group.
    pub fn count_of(&self, group: &str, nick: &str) -> usize {
        self.all.iter().filter(|share| share.group == group && share.nick.eq_ignore_ascii_case(nick)).count()
    }
}

/// The tags say it, or a magnet link in the text.
fn share_of(message: &Message) -> Option<Share> {
    let link = message.text.split_whitespace().find(|word| Magnet::is_link(word));
    let magnet = link.and_then(|link| Magnet::parse(link).ok());
    let of_link = magnet.as_ref().and_then(|magnet| magnet.info_hash);
    let info_hash = message.tag(HASH_TAG).and_then(InfoHash::from_hex).or(of_link)?;
    let name = magnet.as_ref().filter(|_| of_link == Some(info_hash)).map(Magnet::shown_name);
    Some(Share {
        group: message.group.clone(),
        nick: message.nick.clone(),
        name: name.unwrap_or_else(|| info_hash.to_string()),
        info_hash,
        size: message.tag(SIZE_TAG).and_then(|size| size.parse().ok()),
    })
}

/// The message that shares a torrent: its text for everybody, its tags for peerlink. A name that would not leave room
/// for the link in one line of talk is left out.
pub fn message_of(metainfo: &Metainfo, server: &Server) -> (String, Vec<(String, String)>) {
    let len: u64 = metainfo.files.iter().filter(|file| !file.pad).map(|file| file.len).sum();
    let told = |name: &str, shown: &str| {
        let (name, trackers) = (name.to_string(), vec![vec![server.announce()]]);
        let link = magnet::link(&Metainfo { name, trackers, web_seeds: Vec::new(), ..metainfo.clone() });
        format!("shares {shown} ({}): {link}", size(len))
    };
    let shown = harmless(&metainfo.name);
    let full = told(&metainfo.name, &shown);
    let text = match full.len() {
        ..=TEXT_LEN => full,
        _ => told("", "a file or folder with a long name"),
    };
    let tags = vec![(HASH_TAG.into(), metainfo.info_hash.to_string()), (SIZE_TAG.into(), len.to_string())];
    (text, tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, tags: &[(&str, &str)]) -> Message {
        let tags = tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Message { group: "#g".into(), nick: "bob".into(), text: text.into(), tags, ..Message::default() }
    }

    #[test]
    fn tags_and_links_are_shares() {
        let hash = "aa".repeat(20);
        let mut shares = Shares::default();
        let link = format!("look: magnet:?xt=urn:btih:{hash}&dn=A+film nice");
        assert_eq!(shares.hear(&message("no share", &[(SIZE_TAG, "5")])), None);
        assert_eq!(shares.hear(&message(&link, &[(HASH_TAG, &hash), (SIZE_TAG, "2048")])), Some(1));
        assert_eq!(shares.hear(&message(&link, &[])), None, "the same again");
        assert_eq!(shares.hear(&message("x", &[(HASH_TAG, &"bb".repeat(20))])), Some(2));
        assert_eq!(shares.hear(&message("x", &[(HASH_TAG, "no hash")])), None);
        assert_eq!(shares.lines("#g").len(), 2);
        assert!(shares.lines("#g")[0].ends_with("   1  A film (2 KiB), from bob"), "{:?}", shares.lines("#g"));
        assert_eq!((shares.lines("#h").len(), shares.count_of("#g", "BOB"), shares.find(0)), (0, 2, None));
    }
}
