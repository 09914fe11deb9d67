//! Answers of many lines: who is there, what groups there are.

use super::Member;
use crate::machine::{ChatNews, GroupListed, Outbox, Present};
use crate::wire::irc::Line;

/// Entries told of one answer.
const ENTRIES_MAX: usize = 1000;

/// What was told of answers that are not complete.
#[derive(Debug, Default)]
pub struct Lists {
    people: Vec<Present>,
    groups: Vec<GroupListed>,
}

impl Member {
    pub(super) fn ask_who(&mut self, mask: &str, out: &mut Outbox) {
        self.send(out, |line| line.command("WHO").param(mask));
    }

    pub(super) fn ask_list(&mut self, out: &mut Outbox) {
        self.lists.groups.clear();
        self.send(out, |line| line.command("LIST"));
    }

    /// 352: `me group user host server nick flags :hops real name`.
    pub(super) fn on_who(&mut self, line: &Line<'_>) {
        let param = |at: usize| line.param(at).unwrap_or_default();
        if self.lists.people.len() < ENTRIES_MAX && !param(5).is_empty() {
            let real_name = line.last().and_then(|text| text.split_once(' ')).map_or("", |(_, name)| name);
            self.lists.people.push(Present {
                nick: param(5).to_string(),
                host: param(3).to_string(),
                real_name: real_name.to_string(),
                is_away: param(6).starts_with('G'),
                is_operator: param(6).contains('@'),
            });
        }
    }

    pub(super) fn on_who_end(&mut self, mask: &str, out: &mut Outbox) {
        let people = std::mem::take(&mut self.lists.people);
        self.tell(ChatNews::Who { mask: mask.to_string(), people }, out);
    }

    /// 322: `me group count :topic`.
    pub(super) fn on_list(&mut self, line: &Line<'_>) {
        if let (true, Some(group)) = (self.lists.groups.len() < ENTRIES_MAX, line.param(1)) {
            let count = line.param(2).and_then(|count| count.parse().ok()).unwrap_or(0);
            let topic = line.param(3).unwrap_or_default().to_string();
            self.lists.groups.push(GroupListed { group: group.to_string(), count, topic });
        }
    }

    pub(super) fn on_list_end(&mut self, out: &mut Outbox) {
        let groups = std::mem::take(&mut self.lists.groups);
        self.tell(ChatNews::Groups(groups), out);
    }
}
