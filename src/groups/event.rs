//! Something many hear of: one line, encoded once for each way of writing its tags, however many get it.

use std::sync::Arc;

use super::Groups;
use super::caps::Caps;
use super::group::Seat;
use super::ids::MsgId;
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::base::ConnId;
use crate::machine::Command;
use crate::wire::irc::{Writer, write_time};

/// Bytes of `@time=2026-11-20T11:42:22.123Z`.
const TIME_LEN: usize = 30;

/// A line with all its tags, the time first.
#[derive(Clone, Debug)]
pub struct Event {
    full: Arc<[u8]>,
    /// Where the tags have ended.
    body: usize,
}

impl Event {
    /// A line that only has a time: `write` makes it, from its source on.
    pub fn plain(wall_ms: u64, write: impl FnOnce(Writer<'_>)) -> Event {
        Event::build(wall_ms, |_| {}, write)
    }

    /// A message: with its id, and the tags that clients wrote for each other.
    pub fn message<'t>(
        wall_ms: u64,
        id: MsgId,
        is_bot: bool,
        client_tags: impl Iterator<Item = &'t str>,
        write: impl FnOnce(Writer<'_>),
    ) -> Event {
        let tags = |to: &mut Vec<u8>| {
            to.extend_from_slice(b";msgid=");
            to.extend_from_slice(&id.digits());
            if is_bot {
                to.extend_from_slice(b";bot");
            }
            for tag in client_tags {
                to.push(b';');
                to.extend_from_slice(tag.as_bytes());
            }
        };
        Event::build(wall_ms, tags, write)
    }

    fn build(wall_ms: u64, tags: impl FnOnce(&mut Vec<u8>), write: impl FnOnce(Writer<'_>)) -> Event {
        let mut full = Vec::with_capacity(256);
        full.extend_from_slice(b"@time=");
        write_time(wall_ms, &mut full);
        tags(&mut full);
        full.push(b' ');
        let body = full.len();
        write(Writer::new(&mut full));
        Event { full: full.into(), body }
    }

    /// A line that was written by an event before: its bytes, and where its tags have ended. None where it is none.
    pub fn read(full: &[u8], body: usize) -> Option<Event> {
        let is_whole = full.starts_with(b"@time=") && full.ends_with(b"\r\n") && std::str::from_utf8(full).is_ok();
        let has_tags = body > TIME_LEN && matches!(full.get(TIME_LEN), Some(b';' | b' '));
        let has_body = full.get(body.wrapping_sub(1)) == Some(&b' ') && body + 2 < full.len();
        (is_whole && has_tags && has_body).then(|| Event { full: full.into(), body })
    }

    /// With all tags.
    pub fn full(&self) -> &Arc<[u8]> {
        &self.full
    }

    /// Where the tags have ended.
    pub fn body_at(&self) -> usize {
        self.body
    }

    /// Bytes without the tags, line end included.
    pub fn body_len(&self) -> usize {
        self.full.len() - self.body
    }

    /// Appends the line as somebody with these capabilities takes it; `first` is a tag to put in front, or empty.
    pub fn write(&self, caps: Caps, first: &str, to: &mut Vec<u8>) {
        let has_time = caps.has(Caps::SERVER_TIME);
        let others = &self.full[TIME_LEN..self.body - 1];
        let others = if caps.has(Caps::MESSAGE_TAGS) { others } else { &[] };
        let parts =
            [first.as_bytes(), if has_time { &self.full[1..TIME_LEN] } else { &[] }, others.get(1..).unwrap_or(&[])];
        let mut before = b'@';
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            to.push(before);
            to.extend_from_slice(part);
            before = b';';
        }
        if before == b';' {
            to.push(b' ');
        }
        to.extend_from_slice(&self.full[self.body..]);
    }

    fn copy(&self, caps: Caps) -> Arc<[u8]> {
        if caps.variant() == 3 {
            return Arc::clone(&self.full);
        }
        let mut bytes = Vec::with_capacity(self.full.len());
        self.write(caps, "", &mut bytes);
        bytes.into()
    }
}

/// Those who get a line, by how they want its tags.
#[derive(Default, Debug)]
pub struct Audience {
    conns: [Vec<ConnId>; 4],
    caps: [Caps; 4],
}

impl Audience {
    pub fn add(&mut self, conn: ConnId, caps: Caps) {
        let variant = caps.variant();
        self.caps[variant] = caps;
        self.conns[variant].push(conn);
    }

    /// Sends it to all of them.
    pub fn tell(self, event: &Event, turn: &mut Turn<'_>) {
        for (conns, caps) in self.conns.into_iter().zip(self.caps) {
            if !conns.is_empty() {
                turn.out.push(Command::SendMany { conns, bytes: event.copy(caps) });
            }
        }
    }
}

impl Groups {
    /// Tells everybody in a group but `except` who `wants` it.
    pub(super) fn tell_group(
        &self,
        group: GroupKey,
        event: &Event,
        except: Key,
        wants: impl Fn(&Seat) -> bool,
        turn: &mut Turn<'_>,
    ) {
        let mut audience = Audience::default();
        for seat in self.rooms[group].seats() {
            if seat.member != except && wants(seat) {
                audience.add(seat.conn, seat.caps);
            }
        }
        audience.tell(event, turn);
    }

    /// Tells everybody who shares a group with a member, once each, but not the member itself.
    pub(super) fn tell_neighbours(&self, of: Key, event: &Event, wants: Caps, turn: &mut Turn<'_>) {
        let mut seats: Vec<&Seat> = Vec::new();
        for group in &self.members[of].groups {
            seats.extend(self.rooms[*group].seats().iter().filter(|seat| seat.member != of && seat.caps.has(wants)));
        }
        seats.sort_unstable_by_key(|seat| seat.member);
        seats.dedup_by_key(|seat| seat.member);
        let mut audience = Audience::default();
        seats.iter().for_each(|seat| audience.add(seat.conn, seat.caps));
        audience.tell(event, turn);
    }

    /// Tells one member, who may be the one who spoke.
    pub(super) fn tell(&self, who: Key, me: Key, event: &Event, turn: &mut Turn<'_>) {
        let member = &self.members[who];
        if who == me {
            return event.write(member.caps, "", turn.replies());
        }
        let mut bytes = Vec::new();
        event.write(member.caps, "", &mut bytes);
        turn.out.send(member.conn, bytes);
    }
}
