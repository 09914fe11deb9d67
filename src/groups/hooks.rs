//! What happens when members come, change their nick, and go: counts, and whoever wants to hear of it.

use super::Groups;
use super::table::{Key, Members};
use super::turn::Turn;
use crate::wire::irc::same;

/// Sums over the members.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Those who are in.
    pub members: usize,
    pub invisible: usize,
    pub opers: usize,
    /// Most members at once since the start.
    pub most: usize,
}

impl Counts {
    pub fn check(&self, members: &Members) {
        let count = |is: &dyn Fn(&super::Member) -> bool| {
            members.iter().filter(|(_, member)| member.steps.is_in && is(member)).count()
        };
        assert_eq!(self.members, count(&|_| true), "members");
        assert_eq!(self.invisible, count(&|member| member.modes.is_invisible), "invisible members");
        assert_eq!(self.opers, count(&|member| member.modes.is_oper), "operators");
    }
}

impl Groups {
    /// A member is in; the welcome is among the replies already.
    pub(super) fn came(&mut self, me: Key, turn: &mut Turn<'_>) {
        self.claim(me, turn);
        self.tell_waiting(me, turn);
        let member = &self.members[me];
        self.tell_watchers(member.nick(), true, member.mask(), turn);
    }

    /// A member has another nick than `old` now.
    pub(super) fn renamed(&mut self, me: Key, old: &str, turn: &mut Turn<'_>) {
        self.used(me, old, turn);
        self.claim(me, turn);
        self.remember(me, old, turn.wall_ms);
        let member = &self.members[me];
        // Of a change of case alone nobody needs to hear.
        if !same(old, member.nick()) {
            self.tell_watchers(old, false, old, turn);
            self.tell_watchers(member.nick(), true, member.mask(), turn);
        }
    }

    /// A member goes; all of it is still there.
    pub(super) fn went(&mut self, who: Key, turn: &mut Turn<'_>) {
        let nick = self.members[who].nick().to_string();
        self.used(who, &nick, turn);
        self.leave_swarms(who, turn.out);
        self.remember(who, &nick, turn.wall_ms);
        self.tell_watchers(&nick, false, &nick, turn);
    }

    pub(super) fn count_in(&mut self, me: Key) {
        let modes = self.members[me].modes;
        self.counts.members += 1;
        self.counts.most = self.counts.most.max(self.counts.members);
        self.counts.invisible += usize::from(modes.is_invisible);
        self.counts.opers += usize::from(modes.is_oper);
    }

    pub(super) fn count_out(&mut self, who: Key) {
        let modes = self.members[who].modes;
        self.counts.members -= 1;
        self.counts.invisible -= usize::from(modes.is_invisible);
        self.counts.opers -= usize::from(modes.is_oper);
    }
}
