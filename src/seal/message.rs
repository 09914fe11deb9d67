//! The bytes of a sealed message: head, sealed text, signature; and of the text inside.

use super::identity::{PublicKey, SIGNATURE_LEN};

/// Bytes of the longest text that can be sealed. Its message still fits into the tags of a line (4 094 bytes, base64).
pub const TEXT_LEN_MAX: usize = 2048;

/// Bytes of the longest sealed message.
pub const MESSAGE_LEN_MAX: usize = HEAD_LEN + padded_len(TEXT_LEN_MAX) + TAG_LEN + SIGNATURE_LEN;

/// Version and place, sender, session, counter.
pub(super) const HEAD_LEN: usize = 1 + 32 + 16 + 8;

const TAG_LEN: usize = 16;

/// Kind and time before the text.
const INNER_HEAD_LEN: usize = 1 + 8;

/// The inner text is filled up to a multiple of this, so that lengths tell less.
const PAD_LEN: usize = 32;

/// What binds messages of groups, and private ones, to this format.
const BOUND_GROUP: &[u8] = b"peerlink/sealed 1 group\0";
const BOUND_PRIVATE: &[u8] = b"peerlink/sealed 1 private\0";

/// Begins what is signed.
const SIGNED: &[u8] = b"peerlink/sealed 1 signed\0";

/// What sort of message lies inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Message,
    /// What somebody does (`/me`).
    Action,
    /// As a NOTICE: programs do not answer it.
    Notice,
    /// A shared torrent: the text holds its magnet link.
    Share,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Message => 0,
            Kind::Action => 1,
            Kind::Notice => 2,
            Kind::Share => 3,
        }
    }

    /// What later versions may add is a message to us.
    fn of(code: u8) -> Kind {
        match code {
            1 => Kind::Action,
            2 => Kind::Notice,
            3 => Kind::Share,
            _ => Kind::Message,
        }
    }
}

/// A group's name as it is bound in: ASCII letters in lower case.
pub fn folded(group: &str) -> String {
    group.to_ascii_lowercase()
}

/// For whom a message is, as bound into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound<'a> {
    /// The folded name.
    Group(&'a str),
    Private(&'a PublicKey),
}

/// What everybody can read of a sealed message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub is_private: bool,
    pub sender: PublicKey,
    /// Random, of one run of the sender's program and one conversation.
    pub session: [u8; 16],
    /// From 0 on.
    pub counter: u64,
}

impl Head {
    pub fn write(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[0] = if self.is_private { 2 } else { 1 };
        bytes[1..33].copy_from_slice(&self.sender.0);
        bytes[33..57].copy_from_slice(&self.nonce());
        bytes
    }

    /// Session and counter: a session is random and no counter comes twice in it, so no nonce does under one key.
    pub fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.session);
        nonce[16..].copy_from_slice(&self.counter.to_be_bytes());
        nonce
    }

    /// What the sealed text is bound to.
    pub fn bound(&self, to: Bound<'_>) -> Vec<u8> {
        let (what, whom) = match to {
            Bound::Group(name) => (BOUND_GROUP, name.as_bytes()),
            Bound::Private(receiver) => (BOUND_PRIVATE, &receiver.0[..]),
        };
        [what, &self.write(), whom].concat()
    }
}

/// A sealed message's parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parts<'a> {
    pub head: Head,
    /// With its tag.
    pub sealed: &'a [u8],
    pub signature: &'a [u8; SIGNATURE_LEN],
}

/// Why bytes are no message that we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoMessage {
    /// Its first byte names another version.
    Unknown,
    Malformed,
}

impl<'a> Parts<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Parts<'a>, NoMessage> {
        let (place, rest) = bytes.split_first().ok_or(NoMessage::Malformed)?;
        if !matches!(place, 1 | 2) {
            return Err(NoMessage::Unknown);
        }
        if bytes.len() > MESSAGE_LEN_MAX {
            return Err(NoMessage::Malformed);
        }
        let parts = || -> Option<Parts<'a>> {
            let (sender, rest) = rest.split_first_chunk::<32>()?;
            let (session, rest) = rest.split_first_chunk::<16>()?;
            let (counter, rest) = rest.split_first_chunk::<8>()?;
            let (sealed, signature) = rest.split_last_chunk::<SIGNATURE_LEN>()?;
            let counter = u64::from_be_bytes(*counter);
            let is_private = *place == 2;
            let head = Head { is_private, sender: PublicKey(*sender), session: *session, counter };
            let padded = sealed.len().checked_sub(TAG_LEN)?;
            (padded > 0 && padded.is_multiple_of(PAD_LEN)).then_some(Parts { head, sealed, signature })
        };
        parts().ok_or(NoMessage::Malformed)
    }
}

/// What the sender signs: what the text is bound to, and the sealed text.
pub(super) fn signed(bound: &[u8], sealed: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bound.len()).expect("a name is far shorter");
    [SIGNED, &len.to_be_bytes(), bound, sealed].concat()
}

/// What is sealed of a text: kind, time, text, and one 0x80 with zeros behind it (ISO/IEC 7816-4).
pub(super) fn write_inner(kind: Kind, written_s: u64, text: &str) -> Vec<u8> {
    let mut inner = Vec::with_capacity(padded_len(text.len()) + TAG_LEN);
    inner.push(kind.code());
    inner.extend_from_slice(&written_s.to_be_bytes());
    inner.extend_from_slice(text.as_bytes());
    inner.push(0x80);
    inner.resize(padded_len(text.len()), 0);
    inner
}

/// Kind, seconds since 1970 and text. None: the sender's program is wrong.
pub(super) fn read_inner(inner: &[u8]) -> Option<(Kind, u64, String)> {
    let (kind, rest) = inner.split_first()?;
    let (written_s, rest) = rest.split_first_chunk::<8>()?;
    let end = rest.iter().rposition(|byte| *byte != 0).filter(|at| rest[*at] == 0x80)?;
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    Some((Kind::of(*kind), u64::from_be_bytes(*written_s), text.to_string()))
}

const fn padded_len(text_len: usize) -> usize {
    (INNER_HEAD_LEN + text_len + 1).div_ceil(PAD_LEN) * PAD_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_read_as_written() {
        for len in 0..100 {
            let text = "x".repeat(len);
            let inner = write_inner(Kind::Share, 1_700_000_000, &text);
            assert!(inner.len().is_multiple_of(PAD_LEN) && inner.len() > len + INNER_HEAD_LEN);
            assert_eq!(read_inner(&inner), Some((Kind::Share, 1_700_000_000, text)));
        }
        for kind in [Kind::Message, Kind::Action, Kind::Notice, Kind::Share] {
            assert_eq!(read_inner(&write_inner(kind, 0, "\u{80}")).unwrap().0, kind);
        }
        assert_eq!(read_inner(&[0; 32]), None, "no end");
        assert_eq!(read_inner(b"\0\0\0\0\0\0\0\0\0\xff\x80"), None, "no text");
        assert_eq!(read_inner(b"\x09\0\0\0\0\0\0\0\0\x80").unwrap().0, Kind::Message);
    }

    #[test]
    fn heads_are_read_as_written_and_every_cut_is_refused() {
        let head = Head { is_private: true, sender: PublicKey([3; 32]), session: [4; 16], counter: 5 };
        let bytes = [&head.write()[..], &[9; 48], &[8; 64]].concat();
        let parts = Parts::parse(&bytes).unwrap();
        assert_eq!((parts.head, parts.sealed, parts.signature), (head, &[9; 48][..], &[8; 64]));
        for len in 0..bytes.len() {
            assert_eq!(Parts::parse(&bytes[..len]), Err(NoMessage::Malformed), "{len}");
        }
        let mut other = bytes.clone();
        other[0] = 3;
        assert_eq!(Parts::parse(&other), Err(NoMessage::Unknown));
        assert_eq!(Parts::parse(&[&[1; MESSAGE_LEN_MAX][..], &[0; 32]].concat()), Err(NoMessage::Malformed));
    }

    #[test]
    fn the_longest_message_fits_into_a_line() {
        assert_eq!(MESSAGE_LEN_MAX, 2217);
        let others = "@+peerlink/id=;+peerlink/sealed= ".len() + 22 + "label=;".len() + 64;
        assert!(MESSAGE_LEN_MAX.div_ceil(3) * 4 + others <= 4094);
    }
}
