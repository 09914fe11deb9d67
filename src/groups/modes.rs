//! MODE of groups: what may be changed, by whom, and how others hear of it. People's own modes are in `user_modes`.

use super::Groups;
use super::event::Event;
use super::group::{Entry, Group};
use super::isupport::MODES_MAX;
use super::lists::whole_mask;
use super::numerics::*;
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::wire::irc::Line;

/// Bytes of a group's key.
const KEY_LEN: usize = 64;

/// What came of a command's changes: letters with their signs, and values.
#[derive(Default)]
struct Done {
    letters: String,
    values: Vec<String>,
    sign: Option<bool>,
}

impl Done {
    fn note(&mut self, is_on: bool, letter: char, value: Option<String>) {
        if self.sign != Some(is_on) {
            self.letters.push(if is_on { '+' } else { '-' });
            self.sign = Some(is_on);
        }
        self.letters.push(letter);
        self.values.extend(value);
    }
}

impl Groups {
    /// MODE.
    pub(super) fn mode(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(target) = line.param(0) else { return self.needs_more(me, "MODE", turn) };
        if !target.starts_with('#') {
            return self.user_mode(me, target, line.param(1), turn);
        }
        let Some(group) = self.known_group(me, target, turn) else { return };
        match line.param(1) {
            None => self.say_modes(me, group, turn),
            Some(letters) => self.change_modes(me, group, letters, &line.params()[2..], turn),
        }
    }

    fn say_modes(&self, me: Key, group: GroupKey, turn: &mut Turn<'_>) {
        let (nick, group) = (self.members[me].nick(), &self.rooms[group]);
        let (letters, values) = group.modes_text(group.has(me));
        let line = turn.numeric(RPL_CHANNELMODEIS, nick).param(&group.name).param(&letters);
        values.iter().fold(line, |line, value| line.param(value)).end();
        let made = turn.numeric(RPL_CREATIONTIME, nick).param(&group.name);
        made.param(&group.made_s.to_string()).end();
    }

    fn change_modes(&mut self, me: Key, group: GroupKey, letters: &str, values: &[&str], turn: &mut Turn<'_>) {
        let mut values = values.iter().copied().filter(|value| !value.is_empty());
        let mut is_on = true;
        let mut done = Done::default();
        let mut with_value = 0;
        let mut is_allowed = None;
        for letter in letters.chars() {
            if matches!(letter, '+' | '-') {
                is_on = letter == '+';
                continue;
            }
            let takes_value = matches!(letter, 'b' | 'e' | 'I' | 'o' | 'v' | 'k') || (letter == 'l' && is_on);
            let value = if takes_value { values.next() } else { None };
            if matches!(letter, 'b' | 'e' | 'I') && value.is_none() {
                self.say_list(me, group, letter, turn);
                continue;
            }
            if !"Ibeiklmnostv".contains(letter) {
                let nick = self.members[me].nick();
                let line = turn.numeric(ERR_UNKNOWNMODE, nick).param(&letter.to_string());
                line.last("is unknown mode char to me").end();
                continue;
            }
            // Said once, however many changes there are.
            if !*is_allowed.get_or_insert_with(|| self.is_allowed(me, group, turn)) {
                continue;
            }
            with_value += usize::from(value.is_some());
            if with_value > MODES_MAX {
                break;
            }
            match value {
                Some(value) => self.change_value(me, group, Change { is_on, letter, value }, &mut done, turn),
                None if takes_value && (is_on || letter != 'k') => {
                    self.bad_value(me, group, letter, "*", "It needs a value", turn);
                }
                None => change_switch(&mut self.rooms[group], is_on, letter, &mut done),
            }
        }
        if done.letters.is_empty() {
            return;
        }
        let event = Event::plain(turn.wall_ms, |line| {
            let line = line.source(self.members[me].mask()).command("MODE").param(&self.rooms[group].name);
            done.values.iter().fold(line.param(&done.letters), |line, value| line.param(value)).end();
        });
        self.tell_group(group, &event, me, |_| true, turn);
        self.tell(me, me, &event, turn);
        self.changed(group, turn);
    }

    /// One change that has a value.
    fn change_value(&mut self, me: Key, group: GroupKey, change: Change<'_>, done: &mut Done, turn: &mut Turn<'_>) {
        let Change { is_on, letter, value } = change;
        match letter {
            'b' | 'e' | 'I' => self.change_list(me, group, change, done, turn),
            'o' | 'v' => self.change_rank(me, group, change, done, turn),
            'k' if is_on => {
                let is_good =
                    value.len() <= KEY_LEN && !value.contains([',', ':']) && !value.contains(char::is_control);
                if !is_good {
                    return self.bad_value(me, group, 'k', "*", "That cannot be a key", turn);
                }
                self.rooms[group].modes.key = Some(value.into());
                done.note(true, 'k', Some(value.into()));
            }
            'l' => match value.parse::<u32>().ok().filter(|limit| *limit > 0) {
                Some(limit) if self.rooms[group].modes.limit != Some(limit) => {
                    self.rooms[group].modes.limit = Some(limit);
                    done.note(true, 'l', Some(limit.to_string()));
                }
                Some(_) => {}
                None => self.bad_value(me, group, 'l', value, "It is no number of members", turn),
            },
            _ => change_switch(&mut self.rooms[group], is_on, letter, done),
        }
    }

    fn change_list(
        &mut self,
        me: Key,
        group: GroupKey,
        Change { is_on, letter, value }: Change<'_>,
        done: &mut Done,
        turn: &mut Turn<'_>,
    ) {
        let mask = whole_mask(value);
        let by = self.members[me].mask().into();
        let lists = &mut self.rooms[group].lists;
        if !is_on {
            if let Some(entry) = lists.take(letter, &mask).or_else(|| lists.take(letter, value)) {
                done.note(false, letter, Some(entry.mask.into()));
            }
            return;
        }
        let entry = Entry { mask: mask.as_str().into(), by, at_s: turn.wall_ms / 1000 };
        match lists.add(letter, entry) {
            Ok(true) => done.note(true, letter, Some(mask)),
            Ok(false) => {}
            Err(()) => {
                let line = turn.numeric(ERR_BANLISTFULL, self.members[me].nick()).param(&self.rooms[group].name);
                line.param(&mask).last("Channel list is full").end();
            }
        }
    }

    fn change_rank(
        &mut self,
        me: Key,
        group: GroupKey,
        Change { is_on, letter, value }: Change<'_>,
        done: &mut Done,
        turn: &mut Turn<'_>,
    ) {
        let nick = self.members[me].nick();
        let Some(other) = self.members.by_nick(value) else {
            return turn.numeric(ERR_NOSUCHNICK, nick).param(value).last("No such nick/channel").end();
        };
        let Some(seat) = self.rooms[group].seat_mut(other) else {
            let line = turn.numeric(ERR_USERNOTINCHANNEL, nick).param(value).param(&self.rooms[group].name);
            return line.last("They aren't on that channel").end();
        };
        let rank = if letter == 'o' { &mut seat.rank.is_op } else { &mut seat.rank.has_voice };
        if std::mem::replace(rank, is_on) != is_on {
            done.note(is_on, letter, Some(self.members[other].nick().into()));
        }
    }

    fn bad_value(&self, me: Key, group: GroupKey, letter: char, value: &str, why: &str, turn: &mut Turn<'_>) {
        let line = turn.numeric(ERR_INVALIDMODEPARAM, self.members[me].nick()).param(&self.rooms[group].name);
        line.param(&letter.to_string()).param(value).last(why).end();
    }

    fn say_list(&self, me: Key, group: GroupKey, letter: char, turn: &mut Turn<'_>) {
        let (nick, group) = (self.members[me].nick(), &self.rooms[group]);
        let (each, end, text) = match letter {
            'b' => (RPL_BANLIST, RPL_ENDOFBANLIST, "End of channel ban list"),
            'e' => (RPL_EXCEPTLIST, RPL_ENDOFEXCEPTLIST, "End of channel exception list"),
            _ => (RPL_INVEXLIST, RPL_ENDOFINVEXLIST, "End of channel invite exception list"),
        };
        for entry in group.lists.of(letter).iter().filter(|_| group.has(me)) {
            let line = turn.numeric(each, nick).param(&group.name).param(&entry.mask);
            line.param(&entry.by).param(&entry.at_s.to_string()).end();
        }
        turn.numeric(end, nick).param(&group.name).last(text).end();
    }
}

/// One change that has a value.
#[derive(Clone, Copy)]
struct Change<'a> {
    is_on: bool,
    letter: char,
    value: &'a str,
}

/// One change without a value.
fn change_switch(group: &mut Group, is_on: bool, letter: char, done: &mut Done) {
    let modes = &mut group.modes;
    let switch = match letter {
        'i' => &mut modes.invite_only,
        'm' => &mut modes.moderated,
        'n' => &mut modes.no_outside,
        's' => &mut modes.secret,
        't' => &mut modes.topic_by_ops,
        'k' => {
            if let Some(key) = modes.key.take() {
                done.note(false, 'k', Some(key.into()));
            }
            return;
        }
        _ => {
            if modes.limit.take().is_some() {
                done.note(false, 'l', None);
            }
            return;
        }
    };
    if std::mem::replace(switch, is_on) != is_on {
        done.note(is_on, letter, None);
    }
}

impl Group {
    /// The modes as MODE shows them; the key only to those who know it.
    pub fn modes_text(&self, shows_key: bool) -> (String, Vec<String>) {
        let modes = &self.modes;
        let mut letters = String::from("+");
        let switches = [
            (modes.invite_only, 'i'),
            (modes.moderated, 'm'),
            (modes.no_outside, 'n'),
            (modes.secret, 's'),
            (modes.topic_by_ops, 't'),
        ];
        letters.extend(switches.into_iter().filter(|(is_on, _)| *is_on).map(|(_, letter)| letter));
        let mut values = Vec::new();
        if let Some(key) = &modes.key {
            letters.push('k');
            values.push(if shows_key { key.to_string() } else { "*".into() });
        }
        if let Some(limit) = modes.limit {
            letters.push('l');
            values.push(limit.to_string());
        }
        (letters, values)
    }
}
