//! The commands there are: one row each. To add one: a row here, in order, and its handler in a file of its duty.

use super::Groups;
use super::caps::Caps;
use super::numerics::{ERR_INPUTTOOLONG, ERR_NEEDMOREPARAMS, ERR_NOTREGISTERED, ERR_UNKNOWNCOMMAND};
use super::table::Key;
use super::turn::Turn;
use crate::wire::irc::{BadLine, Cut, Limits, Line};

/// Handles a command of a member.
type Run = fn(&mut Groups, Key, &Line<'_>, &mut Turn<'_>);

/// A row.
struct Verb {
    name: &'static str,
    /// Parameters it needs; with fewer, 461 is said.
    params: usize,
    /// It may come before registration is complete.
    is_early: bool,
    run: Run,
}

const fn verb(name: &'static str, params: usize, run: Run) -> Verb {
    Verb { name, params, is_early: false, run }
}

const fn early(name: &'static str, params: usize, run: Run) -> Verb {
    Verb { name, params, is_early: true, run }
}

/// Sorted by name.
const VERBS: &[Verb] = &[
    verb("AWAY", 0, Groups::away),
    early("CAP", 1, Groups::cap),
    verb("CHATHISTORY", 1, Groups::chathistory),
    verb("HELP", 0, Groups::help),
    verb("HELPOP", 0, Groups::help),
    verb("INFO", 0, Groups::info),
    verb("INVITE", 0, Groups::invite),
    verb("ISON", 1, Groups::ison),
    verb("JOIN", 1, Groups::join),
    verb("KICK", 2, Groups::kick),
    verb("KILL", 1, Groups::kill),
    verb("LIST", 0, Groups::list),
    verb("LUSERS", 0, Groups::lusers),
    verb("MODE", 1, Groups::mode),
    verb("MONITOR", 1, Groups::monitor),
    verb("MOTD", 0, Groups::motd),
    verb("NAMES", 0, Groups::names),
    early("NICK", 0, Groups::nick),
    verb("NOTICE", 0, Groups::notice),
    verb("OPER", 2, Groups::oper),
    verb("PART", 1, Groups::part),
    early("PASS", 1, Groups::pass),
    early("PEERLINK", 1, Groups::peerlink),
    early("PING", 0, Groups::ping),
    early("PONG", 0, Groups::pong),
    verb("PRIVMSG", 0, Groups::privmsg),
    early("QUIT", 0, Groups::quit),
    verb("SETNAME", 1, Groups::setname),
    verb("TAGMSG", 0, Groups::tagmsg),
    verb("TIME", 0, Groups::time),
    verb("TOPIC", 1, Groups::topic),
    early("USER", 4, Groups::user),
    verb("USERHOST", 1, Groups::userhost),
    verb("VERSION", 0, Groups::version),
    verb("WALLOPS", 1, Groups::wallops),
    verb("WHO", 0, Groups::who),
    verb("WHOIS", 0, Groups::whois),
    verb("WHOWAS", 0, Groups::whowas),
];

/// Bytes of a label (IRCv3 labeled-response).
const LABEL_LEN: usize = 64;

fn find(name: &str) -> Option<&'static Verb> {
    let compared = |verb: &Verb| verb.name.bytes().cmp(name.bytes().map(|byte| byte.to_ascii_uppercase()));
    VERBS.binary_search_by(compared).ok().map(|at| &VERBS[at])
}

impl Groups {
    /// Something was cut off a member's bytes.
    pub(super) fn heard(&mut self, me: Key, cut: Cut<'_>, turn: &mut Turn<'_>) {
        let parsed = match cut {
            Cut::Line(line) => Line::parse(line, Limits::OF_CLIENT),
            Cut::TooLong => Err(BadLine::TooLong),
        };
        match parsed {
            Ok(line) => self.obey(me, &line, turn),
            Err(BadLine::TooLong) => {
                turn.numeric(ERR_INPUTTOOLONG, self.members[me].nick()).last("Input line was too long").end();
            }
            Err(BadLine::NotUtf8) => {
                let text = "Only UTF-8 is understood here; the line was not used";
                self.fail(me, "*", "INVALID_UTF8", &[], text, turn);
            }
            Err(BadLine::Malformed) => {}
        }
    }

    /// A line of a member: finds its command and labels the replies.
    fn obey(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let member = &self.members[me];
        let wants_label = member.caps.has(Caps::LABELED_RESPONSE);
        let label =
            line.tags.find("label").filter(|label| wants_label && !label.is_empty() && label.len() <= LABEL_LEN);
        turn.begin(label.as_deref());
        let nick = member.nick();
        match find(line.command) {
            Some(verb) if !verb.is_early && !member.steps.is_in => {
                turn.numeric(ERR_NOTREGISTERED, nick).last("You have not registered").end();
            }
            Some(verb) if line.params().len() < verb.params => {
                turn.numeric(ERR_NEEDMOREPARAMS, nick).param(verb.name).last("Not enough parameters").end();
            }
            Some(verb) => (verb.run)(self, me, line, turn),
            None if !member.steps.is_in => {
                turn.numeric(ERR_NOTREGISTERED, nick).last("You have not registered").end();
            }
            None => turn.numeric(ERR_UNKNOWNCOMMAND, nick).param(line.command).last("Unknown command").end(),
        }
        turn.finish();
    }

    /// A parameter is missing that not every form of a command needs.
    pub(super) fn needs_more(&self, me: Key, verb: &str, turn: &mut Turn<'_>) {
        let nick = self.members[me].nick();
        turn.numeric(ERR_NEEDMOREPARAMS, nick).param(verb).last("Not enough parameters").end();
    }

    /// What went wrong, for programs (IRCv3 standard-replies); those who do not know that get a notice.
    pub(super) fn fail(&self, me: Key, verb: &str, code: &str, context: &[&str], text: &str, turn: &mut Turn<'_>) {
        let member = &self.members[me];
        if member.caps.has(Caps::STANDARD_REPLIES) {
            let line = turn.server("FAIL").param(verb).param(code);
            context.iter().fold(line, |line, word| line.param(word)).last(text).end();
        } else {
            turn.server("NOTICE").param(member.nick()).last(&format!("{verb}: {text}")).end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        assert!(VERBS.is_sorted_by_key(|verb| verb.name));
        for verb in VERBS {
            assert_eq!(find(&verb.name.to_lowercase()).map(|found| found.name), Some(verb.name));
        }
        assert!(find("PRIVMSGS").is_none() && find("").is_none());
    }
}
