//! MODE of people: `i` invisible, `o` operator (only given up here), `B` a program.

use super::Groups;
use super::numerics::{ERR_UMODEUNKNOWNFLAG, ERR_USERSDONTMATCH, RPL_UMODEIS};
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::same;

impl Groups {
    pub(super) fn user_mode(&mut self, me: Key, target: &str, letters: Option<&str>, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        if !same(nick, target) {
            let text = "Cannot change mode for other users";
            return turn.numeric(ERR_USERSDONTMATCH, nick).last(text).end();
        }
        let Some(letters) = letters else {
            let modes = self.members[me].modes;
            let on = [(modes.is_bot, 'B'), (modes.is_invisible, 'i'), (modes.is_oper, 'o')];
            let text: String = on.into_iter().filter(|(is_on, _)| *is_on).map(|(_, letter)| letter).collect();
            return turn.numeric(RPL_UMODEIS, nick).param(&format!("+{text}")).end();
        };
        let mut is_on = true;
        let (mut on, mut off) = (String::new(), String::new());
        let mut is_unknown = false;
        for letter in letters.chars() {
            let modes = &mut self.members[me].modes;
            let switch = match letter {
                '+' | '-' => {
                    is_on = letter == '+';
                    continue;
                }
                'i' => &mut modes.is_invisible,
                'B' => &mut modes.is_bot,
                // Nobody makes himself an operator.
                'o' if is_on => continue,
                'o' => &mut modes.is_oper,
                _ => {
                    is_unknown = true;
                    continue;
                }
            };
            if std::mem::replace(switch, is_on) == is_on {
                continue;
            }
            (if is_on { &mut on } else { &mut off }).push(letter);
            let count = match letter {
                'i' => &mut self.counts.invisible,
                'o' => &mut self.counts.opers,
                _ => continue,
            };
            *count = if is_on { *count + 1 } else { count.saturating_sub(1) };
        }
        let member = &self.members[me];
        if is_unknown {
            turn.numeric(ERR_UMODEUNKNOWNFLAG, member.nick()).last("Unknown MODE flag").end();
        }
        let mut text = String::new();
        for (sign, letters) in [('+', on), ('-', off)] {
            if !letters.is_empty() {
                text.push(sign);
                text.push_str(&letters);
            }
        }
        if !text.is_empty() {
            let line = crate::wire::irc::Writer::new(turn.replies()).source(member.mask());
            line.command("MODE").param(member.nick()).last(&text).end();
        }
    }
}
