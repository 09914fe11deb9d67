//! WHO, with the fields that its extension WHOX lets one choose.

use super::Groups;
use super::caps::Caps;
use super::group::Rank;
use super::member::Member;
use super::numerics::{RPL_ENDOFWHO, RPL_WHOREPLY, RPL_WHOSPCRPL};
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::{Line, matches};

/// Replies to one question: more would be of no use to anybody.
const REPLIES_MAX: usize = 1000;

/// A question's form.
struct Form<'a> {
    /// Letters of fields; empty for the usual reply.
    fields: &'a str,
    token: &'a str,
    opers_only: bool,
}

impl<'a> Form<'a> {
    /// Reads the second parameter: `o`, `%fields,token`, or both.
    fn of(text: &'a str) -> Form<'a> {
        let (flags, fields) = text.split_once('%').unwrap_or((text, ""));
        let (fields, token) = fields.split_once(',').unwrap_or((fields, ""));
        let is_token = (1..=3).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
        Form { fields, token: if is_token { token } else { "0" }, opers_only: flags.contains('o') }
    }
}

impl Groups {
    /// WHO.
    pub(super) fn who(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let mask = line.param(0).unwrap_or("*");
        let form = Form::of(line.param(1).unwrap_or_default());
        if mask.starts_with('#') {
            if let Some(key) = self.rooms.find(mask).filter(|key| self.sees(me, *key)) {
                let group = &self.rooms[key];
                let is_inside = group.has(me);
                for seat in group.seats() {
                    let member = &self.members[seat.member];
                    if (is_inside || !member.modes.is_invisible) && (!form.opers_only || member.modes.is_oper) {
                        self.say_who(me, member, Some((&group.name, seat.rank)), &form, turn);
                    }
                }
            }
        } else if let Some(key) = self.members.by_nick(mask) {
            if !form.opers_only || self.members[key].modes.is_oper {
                self.say_who(me, &self.members[key], self.common(me, key), &form, turn);
            }
        } else {
            let mask = if mask == "0" { "*" } else { mask };
            let mut room = REPLIES_MAX;
            for (key, member) in self.members.iter() {
                let is_seen = member.steps.is_in && (!form.opers_only || member.modes.is_oper);
                if !is_seen
                    || !(matches(mask, member.nick()) || matches(mask, member.mask()) || matches(mask, member.host()))
                {
                    continue;
                }
                let common = self.common(me, key);
                if member.modes.is_invisible && common.is_none() && key != me && !self.members[me].modes.is_oper {
                    continue;
                }
                self.say_who(me, member, common, &form, turn);
                room -= 1;
                if room == 0 {
                    break;
                }
            }
        }
        turn.numeric(RPL_ENDOFWHO, self.members[me].nick()).param(mask).last("End of WHO list").end();
    }

    /// A group that both sit in, and the other's rank there.
    fn common(&self, me: Key, other: Key) -> Option<(&str, Rank)> {
        self.members[other].groups.iter().find_map(|key| {
            let group = &self.rooms[*key];
            let rank = group.seat(other)?.rank;
            (group.has(me) || !group.modes.secret && self.members[other].modes == Default::default())
                .then_some((&*group.name, rank))
        })
    }

    fn say_who(&self, me: Key, member: &Member, place: Option<(&str, Rank)>, form: &Form<'_>, turn: &mut Turn<'_>) {
        let asker = &self.members[me];
        let mut flags = String::from(if member.away.is_some() { "G" } else { "H" });
        if member.modes.is_oper {
            flags.push('*');
        }
        if let Some((_, rank)) = place {
            flags.push_str(rank.signs(asker.caps.has(Caps::MULTI_PREFIX)));
        }
        if member.modes.is_bot {
            flags.push('B');
        }
        let name = place.map_or("*", |(name, _)| name);
        if form.fields.is_empty() {
            let line = turn.numeric(RPL_WHOREPLY, asker.nick()).param(name).param(member.user()).param(member.host());
            let line = line.param(&self.name).param(member.nick()).param(&flags);
            return line.last(&format!("0 {}", member.real)).end();
        }
        let idle = turn.now.since(member.spoke_at).0 / 1_000_000;
        let mut line = turn.numeric(RPL_WHOSPCRPL, asker.nick());
        // The order is fixed, whatever order was asked in.
        for letter in "tcuihsnfdlao".chars().filter(|letter| form.fields.contains(*letter)) {
            line = match letter {
                't' => line.param(form.token),
                'c' => line.param(name),
                'u' => line.param(member.user()),
                'i' => line.param(member.host()),
                'h' => line.param(member.host()),
                's' => line.param(&self.name),
                'n' => line.param(member.nick()),
                'f' => line.param(&flags),
                'l' => line.param(&idle.to_string()),
                // Hops, account and rank: there are none here.
                'd' | 'a' => line.param("0"),
                _ => line.param("n/a"),
            };
        }
        if form.fields.contains('r') { line.last(&member.real).end() } else { line.end() }
    }
}
