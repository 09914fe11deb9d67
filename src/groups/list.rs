//! LIST, with the conditions of ELIST: masks and masks not to match, ages of groups and topics, counts.

use super::Groups;
use super::group::Group;
use super::numerics::{RPL_LIST, RPL_LISTEND, RPL_LISTSTART};
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::{Line, matches, same};

/// Groups in one answer.
const REPLIES_MAX: usize = 2000;

/// A condition on a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition<'a> {
    /// Made (C) or its topic set (T) less or more than so many seconds ago.
    MadeWithin(u64),
    MadeBefore(u64),
    TopicWithin(u64),
    TopicBefore(u64),
    /// More or fewer members than this.
    Over(usize),
    Under(usize),
    Not(&'a str),
    Mask(&'a str),
}

impl<'a> Condition<'a> {
    /// Reads one; None where it is none.
    fn read(text: &'a str) -> Option<Condition<'a>> {
        let minutes = |text: &str| text.parse::<u64>().ok().map(|minutes| minutes.saturating_mul(60));
        let condition = match text.as_bytes() {
            [b'C' | b'c', b'<', ..] => Condition::MadeWithin(minutes(&text[2..])?),
            [b'C' | b'c', b'>', ..] => Condition::MadeBefore(minutes(&text[2..])?),
            [b'T' | b't', b'<', ..] => Condition::TopicWithin(minutes(&text[2..])?),
            [b'T' | b't', b'>', ..] => Condition::TopicBefore(minutes(&text[2..])?),
            [b'>', ..] => Condition::Over(text[1..].parse().ok()?),
            [b'<', ..] => Condition::Under(text[1..].parse().ok()?),
            [b'!', ..] => Condition::Not(&text[1..]),
            _ => Condition::Mask(text),
        };
        Some(condition)
    }

    fn holds(self, group: &Group, now_s: u64) -> bool {
        let made_ago = now_s.saturating_sub(group.made_s);
        let topic_ago = group.topic.as_ref().map(|topic| now_s.saturating_sub(topic.at_s));
        match self {
            Condition::MadeWithin(s) => made_ago < s,
            Condition::MadeBefore(s) => made_ago > s,
            Condition::TopicWithin(s) => topic_ago.is_some_and(|ago| ago < s),
            Condition::TopicBefore(s) => topic_ago.is_some_and(|ago| ago > s),
            Condition::Over(count) => group.seats().len() > count,
            Condition::Under(count) => group.seats().len() < count,
            Condition::Not(mask) => !matches(mask, &group.name),
            Condition::Mask(mask) if mask.contains(['*', '?']) => matches(mask, &group.name),
            Condition::Mask(name) => same(name, &group.name),
        }
    }
}

impl Groups {
    /// LIST. Masks add to each other; all other conditions must hold together.
    pub(super) fn list(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        let asked = line.param(0).unwrap_or_default().split(',').filter(|text| !text.is_empty());
        let conditions: Vec<Condition<'_>> = asked.filter_map(Condition::read).collect();
        let is_mask = |condition: &&Condition<'_>| matches!(condition, Condition::Mask(_));
        let has_masks = conditions.iter().any(|condition| is_mask(&condition));
        let now_s = turn.wall_ms / 1000;
        turn.numeric(RPL_LISTSTART, nick).param("Channel").last("Users  Name").end();
        let mut room = REPLIES_MAX;
        for (key, group) in self.rooms.iter() {
            let is_named = !has_masks || conditions.iter().filter(is_mask).any(|mask| mask.holds(group, now_s));
            let holds =
                conditions.iter().filter(|condition| !is_mask(condition)).all(|other| other.holds(group, now_s));
            if !is_named || !holds || !self.sees(me, key) || (group.seats().is_empty() && !has_masks) {
                continue;
            }
            let line = turn.numeric(RPL_LIST, nick).param(&group.name).param(&group.seats().len().to_string());
            line.last(group.topic.as_ref().map_or("", |topic| &topic.text)).end();
            room -= 1;
            if room == 0 {
                break;
            }
        }
        turn.numeric(RPL_LISTEND, nick).last("End of /LIST").end();
    }
}
