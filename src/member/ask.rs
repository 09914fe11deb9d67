//! What the application wants.

use super::Member;
use crate::machine::{ChatAsk, Outbox};

impl Member {
    pub(super) fn ask(&mut self, ask: ChatAsk, out: &mut Outbox) {
        match ask {
            ChatAsk::Join { group, key } => self.join(group, key, out),
            ChatAsk::Part { group, reason } => self.part(&group, &reason, out),
            ChatAsk::Say(say) => self.say(*say, out),
            ChatAsk::Nick(nick) => self.want_nick(nick, out),
            ChatAsk::Topic { group, text } if self.is_ready() => {
                self.send(out, |line| line.command("TOPIC").param(&group).last(&text));
            }
            ChatAsk::Who { mask } if self.is_ready() => self.ask_who(&mask, out),
            ChatAsk::List if self.is_ready() => self.ask_list(out),
            ChatAsk::Topic { .. } | ChatAsk::Who { .. } | ChatAsk::List => {}
            ChatAsk::Key { nick } => self.ask_key(&nick, out),
            ChatAsk::Drop => self.outgoing.clear(),
        }
    }
}
