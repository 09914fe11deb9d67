//! TOPIC.

use super::Groups;
use super::event::Event;
use super::group::Topic;
use super::isupport::TOPIC_LEN;
use super::numerics::*;
use super::registration::cut;
use super::table::{GroupKey, Key};
use super::turn::Turn;
use crate::wire::irc::Line;

impl Groups {
    /// TOPIC.
    pub(super) fn topic(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let Some(name) = line.param(0) else { return self.needs_more(me, "TOPIC", turn) };
        let Some(text) = line.params().get(1) else {
            let Some(group) = self.known_group(me, name, turn) else { return };
            if !self.sees(me, group) {
                let nick = self.members[me].nick();
                return turn.numeric(ERR_NOTONCHANNEL, nick).param(name).last("You're not on that channel").end();
            }
            return self.say_topic(me, group, turn);
        };
        let Some(group) = self.my_group(me, name, turn) else { return };
        if self.rooms[group].modes.topic_by_ops && !self.is_allowed(me, group, turn) {
            return;
        }
        let text = cut(text, TOPIC_LEN);
        let by = self.members[me].mask().to_string();
        let topic = Topic { text: text.to_string(), by, at_s: turn.wall_ms / 1000 };
        self.rooms[group].topic = (!text.is_empty()).then(|| Box::new(topic));
        let event = Event::plain(turn.wall_ms, |line| {
            line.source(self.members[me].mask()).command("TOPIC").param(&self.rooms[group].name).last(text).end();
        });
        self.tell_group(group, &event, me, |_| true, turn);
        self.tell(me, me, &event, turn);
        self.changed(group, turn);
    }

    pub(super) fn say_topic(&self, me: Key, group: GroupKey, turn: &mut Turn<'_>) {
        let (nick, group) = (self.members[me].nick(), &self.rooms[group]);
        let Some(topic) = &group.topic else {
            return turn.numeric(RPL_NOTOPIC, nick).param(&group.name).last("No topic is set").end();
        };
        turn.numeric(RPL_TOPIC, nick).param(&group.name).last(&topic.text).end();
        let line = turn.numeric(RPL_TOPICWHOTIME, nick).param(&group.name);
        line.param(&topic.by).param(&topic.at_s.to_string()).end();
    }

    /// Whether a member is an operator of the group or the server; else it is told that it has to be.
    pub(super) fn is_allowed(&self, me: Key, group: GroupKey, turn: &mut Turn<'_>) -> bool {
        let is_op = self.rooms[group].is_op(me) || self.members[me].modes.is_oper;
        if !is_op {
            let line = turn.numeric(ERR_CHANOPRIVSNEEDED, self.members[me].nick());
            line.param(&self.rooms[group].name).last("You're not channel operator").end();
        }
        is_op
    }
}
