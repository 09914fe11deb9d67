//! What this server can do, in tokens (RPL_ISUPPORT), and its modes.

use super::numerics::RPL_ISUPPORT;
use super::table::Key;
use super::turn::Turn;
use super::{Groups, registration};
use crate::wire::irc::{GROUP_LEN, NICK_LEN};

pub const VERSION: &str = concat!("peerlink-", env!("CARGO_PKG_VERSION"));
/// Modes of people.
pub const USER_MODES: &str = "Bio";
/// All modes of groups, and those with a value.
pub const GROUP_MODES: &str = "Ibeiklmnostv";
pub const VALUE_MODES: &str = "Ibeklov";

/// Groups a member may be in.
pub const GROUPS_PER_MEMBER: usize = 100;
/// Masks on each of a group's lists.
pub const LIST_MAX: usize = 64;
/// Mode changes with a value in one command.
pub const MODES_MAX: usize = 8;
/// Targets of one message.
pub const TARGETS_MAX: usize = 4;
pub const TOPIC_LEN: usize = 390;
pub const AWAY_LEN: usize = 255;
/// Nicks one member may watch.
pub const WATCHES_MAX: usize = 128;
/// Messages in one answer of history.
pub const HISTORY_MAX: usize = 200;
/// Tokens on one line, at most 13 as the document asks.
const PER_LINE: usize = 12;

impl Groups {
    /// Says the tokens.
    pub(super) fn say_isupport(&self, me: Key, turn: &mut Turn<'_>) {
        let mut tokens = vec![
            format!("AWAYLEN={AWAY_LEN}"),
            "BOT=B".into(),
            "CASEMAPPING=ascii".into(),
            format!("CHANLIMIT=#:{GROUPS_PER_MEMBER}"),
            "CHANMODES=Ibe,k,l,imnst".into(),
            format!("CHANNELLEN={GROUP_LEN}"),
            "CHANTYPES=#".into(),
            "ELIST=CMNTU".into(),
            "EXCEPTS=e".into(),
            format!("HOSTLEN={}", 46),
            "INVEX=I".into(),
            format!("KICKLEN={}", registration::REASON_LEN),
            format!("MAXLIST=Ibe:{LIST_MAX}"),
            format!("MAXTARGETS={TARGETS_MAX}"),
            format!("MODES={MODES_MAX}"),
            format!("MONITOR={WATCHES_MAX}"),
            format!("NAMELEN={}", registration::REAL_LEN),
            format!("NETWORK={}", self.options.network),
            format!("NICKLEN={NICK_LEN}"),
            "PREFIX=(ov)@+".into(),
            "SAFELIST".into(),
            "STATUSMSG=@+".into(),
            format!(
                "TARGMAX=PRIVMSG:{TARGETS_MAX},NOTICE:{TARGETS_MAX},TAGMSG:{TARGETS_MAX},JOIN:,PART:,KICK:1,NAMES:,WHOIS:1,LIST:"
            ),
            format!("TOPICLEN={TOPIC_LEN}"),
            format!("USERLEN={}", registration::USER_LEN),
            "UTF8ONLY".into(),
            "WHOX".into(),
        ];
        if self.options.history.is_some() {
            tokens.push(format!("CHATHISTORY={HISTORY_MAX}"));
            tokens.push("MSGREFTYPES=msgid,timestamp".into());
        }
        let nick = self.members[me].nick();
        for some in tokens.chunks(PER_LINE) {
            let line = some.iter().fold(turn.numeric(RPL_ISUPPORT, nick), |line, token| line.param(token));
            line.last("are supported by this server").end();
        }
    }
}
