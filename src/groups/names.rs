//! NAMES: who sits in a group.

use super::Groups;
use super::caps::Caps;
use super::numerics::{RPL_ENDOFNAMES, RPL_NAMREPLY};
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::wire::irc::{LINE_LEN, Line};

impl Groups {
    /// NAMES.
    pub(super) fn names(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let Some(names) = line.param(0) else {
            return turn.numeric(RPL_ENDOFNAMES, nick).param("*").last("End of /NAMES list").end();
        };
        for name in names.split(',').filter(|name| !name.is_empty()) {
            match self.rooms.find(name).filter(|group| self.sees(me, *group)) {
                Some(group) => self.say_names(me, group, turn),
                None => turn.numeric(RPL_ENDOFNAMES, nick).param(name).last("End of /NAMES list").end(),
            }
        }
    }

    /// Whether a member may know of a group: it is not secret, or it sits there.
    pub(super) fn sees(&self, me: Key, group: GroupKey) -> bool {
        !self.rooms[group].modes.secret || self.rooms[group].has(me) || self.members[me].modes.is_oper
    }

    pub(super) fn say_names(&self, me: Key, key: GroupKey, turn: &mut Turn<'_>) {
        let (member, group) = (&self.members[me], &self.rooms[key]);
        let sign = if group.modes.secret { "@" } else { "=" };
        let is_inside = group.has(me);
        let (all_signs, whole) = (member.caps.has(Caps::MULTI_PREFIX), member.caps.has(Caps::USERHOST_IN_NAMES));
        let room = LINE_LEN - 2 - (self.name.len() + member.nick().len() + group.name.len() + 12);
        let mut text = String::with_capacity(room);
        for seat in group.seats() {
            let other = &self.members[seat.member];
            if other.modes.is_invisible && !is_inside {
                continue;
            }
            let name = if whole { other.mask() } else { other.nick() };
            let signs = seat.rank.signs(all_signs);
            if text.len() + 1 + signs.len() + name.len() > room {
                let line = turn.numeric(RPL_NAMREPLY, member.nick());
                line.param(sign).param(&group.name).last(&text).end();
                text.clear();
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(signs);
            text.push_str(name);
        }
        if !text.is_empty() {
            turn.numeric(RPL_NAMREPLY, member.nick()).param(sign).param(&group.name).last(&text).end();
        }
        turn.numeric(RPL_ENDOFNAMES, member.nick()).param(&group.name).last("End of /NAMES list").end();
    }
}
