//! Who somebody is (capability `peerlink/id`): a key that answers the server's nonce owns its nicks, ends its ghosts,
//! and gets the private messages that waited for it. README, "Keys and nicks", has the lines.

use sha2::{Digest, Sha256};

use super::Groups;
use super::caps::Caps;
use super::event::Event;
use super::kept_file::{Ended, KeptFile};
use super::numerics::*;
use super::owners::{self, Claimed, Owners};
use super::table::Key;
use super::turn::Turn;
use super::waiting::{self, WaitingRoom};
use crate::base::{ConnId, JobId, Span, Time};
use crate::machine::{Completion, Outbox};
use crate::seal::{PublicKey, SIGNATURE_LEN};
use crate::wire::base64url;
use crate::wire::irc::{Line, is_nick};

/// A new owner is on disk after this time.
const CLAIM_PATIENCE: Span = Span::secs(1);
/// That a nick is still in use is written so often.
const USE_PATIENCE: Span = Span::secs(3600);
/// Begins the token of the PING behind what had waited; its answer says that all of it was read.
const TOKEN: &str = "waiting-";
/// A tag that says which message of ours it is.
const ID_TAG: &str = "+peerlink/id";

/// What a connection with the capability has said of its key.
#[derive(Clone, Debug)]
pub struct Login {
    nonce: [u8; 32],
    /// A key and its answer, which is for a nick that was not said yet.
    pending: Option<(PublicKey, [u8; SIGNATURE_LEN])>,
    key: Option<PublicKey>,
}

/// Keys, their nicks, and what waits for them.
#[derive(Debug)]
pub struct Identities {
    owners: Owners,
    owners_file: KeptFile,
    waiting: WaitingRoom,
    waiting_file: KeptFile,
    /// Nonces made so far.
    nonces: u64,
}

impl Default for Identities {
    fn default() -> Identities {
        Identities {
            owners: Owners::default(),
            owners_file: KeptFile::new("nicks", owners::FILE_LEN_MAX),
            waiting: WaitingRoom::default(),
            waiting_file: KeptFile::new("waiting", waiting::FILE_LEN_MAX),
            nonces: 0,
        }
    }
}

impl Identities {
    /// Whose the nicks are is not known yet: nobody comes in before.
    pub fn is_loading(&self) -> bool {
        self.owners_file.is_loading() || self.waiting_file.is_loading()
    }

    pub fn load(&mut self, out: &mut Outbox) {
        self.owners_file.load(out);
        self.waiting_file.load(out);
    }

    pub fn waits_for(&self, job: JobId) -> bool {
        self.owners_file.waits_for(job) || self.waiting_file.waits_for(job)
    }

    pub fn next_deadline(&self) -> Option<Time> {
        [self.owners_file.next_deadline(), self.waiting_file.next_deadline()].into_iter().flatten().min()
    }

    /// Saves what is due.
    pub fn on_deadline(&mut self, now: Time, out: &mut Outbox) {
        if self.owners_file.is_due(now) {
            self.owners_file.save(self.owners.write(out.wall_ms / 1000), out);
        }
        if self.waiting_file.is_due(now) {
            self.waiting_file.save(self.waiting.write(), out);
        }
    }

    /// Saves all that is not saved, as soon as no save is under way.
    pub fn finish(&mut self, now: Time, out: &mut Outbox) {
        for file in [&mut self.owners_file, &mut self.waiting_file] {
            if !file.is_quiet() {
                file.change(now, Span::ZERO);
            }
        }
        self.on_deadline(now, out);
    }

    /// Everything is on disk.
    pub fn is_quiet(&self) -> bool {
        self.owners_file.is_quiet() && self.waiting_file.is_quiet()
    }

    pub fn check(&self) {
        self.owners.check();
        self.waiting.check();
    }
}

impl Groups {
    /// PEERLINK, of members with a capability of ours.
    pub(super) fn peerlink(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let caps = self.members[me].caps;
        let sub = line.param(0).unwrap_or_default().to_ascii_uppercase();
        match sub.as_str() {
            "ID" if caps.has(Caps::PEERLINK_ID) => self.log_in(me, line, turn),
            "KEY" if caps.has(Caps::PEERLINK_ID) => self.tell_key(me, line, turn),
            "PORT" | "SWARM" | "LEAVE" if caps.has(Caps::PEERLINK_PEERS) => match sub.as_str() {
                _ if !self.members[me].steps.is_in => {
                    turn.numeric(ERR_NOTREGISTERED, "*").last("You have not registered").end();
                }
                "PORT" => self.share_port(me, line, turn),
                "SWARM" => self.join_swarms(me, line, turn),
                _ => self.leave_swarm(me, line, turn),
            },
            _ if caps.has(Caps::PEERLINK_ID) || caps.has(Caps::PEERLINK_PEERS) => {
                self.fail(me, "PEERLINK", "UNKNOWN_COMMAND", &[&sub], "There is no such thing", turn);
            }
            _ => turn
                .numeric(ERR_UNKNOWNCOMMAND, self.members[me].nick())
                .param("PEERLINK")
                .last("Unknown command")
                .end(),
        }
    }

    /// The capability was granted: the nonce that the key is to answer.
    pub(super) fn greet_key(&mut self, me: Key, turn: &mut Turn<'_>) {
        if self.members[me].login.is_some() {
            return;
        }
        self.ids.nonces += 1;
        let secret = self.options.secret;
        let hash = Sha256::new()
            .chain_update(b"peerlink/id nonce")
            .chain_update(secret.0.to_be_bytes())
            .chain_update(secret.1.to_be_bytes())
            .chain_update(self.ids.nonces.to_be_bytes());
        let nonce: [u8; 32] = hash.finalize().into();
        turn.server("PEERLINK").param("NONCE").param(&base64url::encode(&nonce)).end();
        self.members[me].login = Some(Box::new(Login { nonce, pending: None, key: None }));
    }

    /// `PEERLINK ID <key> <signature>`.
    fn log_in(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let key = line.param(1).and_then(PublicKey::parse);
        let signature = line.param(2).and_then(base64url::decode_array);
        let (Some(key), Some(signature)) = (key, signature) else {
            return self.fail(me, "PEERLINK", "INVALID_PARAMS", &["ID"], "That is no key with a signature", turn);
        };
        let member = &mut self.members[me];
        let Some(login) = &mut member.login else { return };
        if login.key.is_some() {
            return self.fail(me, "PEERLINK", "ALREADY", &["ID"], "Your key is known", turn);
        }
        login.pending = Some((key, signature));
        if let Some(claimed) = member.claimed.take() {
            return self.take_nick(me, &claimed, turn);
        }
        let (has_nick, is_in, nick) = (member.steps.has_nick, member.steps.is_in, member.nick().to_string());
        if has_nick && self.proves(me, &nick, turn) && is_in {
            self.claim(me, turn);
            self.tell_waiting(me, turn);
        }
    }

    /// Whether the key that was shown has answered for this nick; then it is this member's.
    fn proves(&mut self, me: Key, nick: &str, turn: &mut Turn<'_>) -> bool {
        let Some(login) = &mut self.members[me].login else { return false };
        let Some((key, signature)) = login.pending else { return login.key.is_some() };
        if !key.has_logged_in(&login.nonce, nick, &signature) {
            return false;
        }
        login.pending = None;
        login.key = Some(key);
        turn.server("PEERLINK").param("ID").param(&key.to_string()).end();
        true
    }

    /// Whether a member may have this nick as far as keys go; if not, it is told. A ghost of its owner ends.
    pub(super) fn may_have(&mut self, me: Key, nick: &str, turn: &mut Turn<'_>) -> bool {
        self.proves(me, nick, turn);
        let mine = self.key_of(me);
        let owner = self.ids.owners.owner(nick, turn.wall_ms / 1000);
        let member = &mut self.members[me];
        if owner.is_some() && owner != mine && member.steps.is_negotiating && !member.steps.is_in {
            // Its key may be shown yet.
            if member.login.as_ref().is_none_or(|login| login.pending.is_none()) {
                member.claimed = Some(nick.into());
                return false;
            }
        }
        if owner.is_some() && owner != mine {
            self.refuse_key(me, turn);
            let own = self.members[me].nick();
            let text = "Nickname belongs to somebody else's key";
            turn.numeric(ERR_NICKNAMEINUSE, own).param(nick).last(text).end();
            return false;
        }
        let Some(holder) = self.members.holder(nick).filter(|holder| *holder != me) else { return true };
        if mine.is_none() || (owner != mine && self.key_of(holder) != mine) {
            return true; // Who holds it is no affair of keys.
        }
        self.end(holder, "Its owner has come back", turn);
        true
    }

    /// A key was shown whose answer is for no nick that was said.
    fn refuse_key(&mut self, me: Key, turn: &mut Turn<'_>) {
        let Some(login) = &mut self.members[me].login else { return };
        if login.pending.take().is_some() {
            let text = "The signature is not that of this key for this nonce and your nick";
            self.fail(me, "PEERLINK", "BAD_SIGNATURE", &["ID"], text, turn);
        }
    }

    /// Whether somebody who has said all that is needed may come in now, as far as keys go.
    pub(super) fn may_enter(&mut self, me: Key, turn: &mut Turn<'_>) -> bool {
        if self.ids.is_loading() {
            return false; // It is asked again when that is over.
        }
        let nick = self.members[me].nick().to_string();
        if !self.proves(me, &nick, turn) {
            self.refuse_key(me, turn);
        }
        let owner = self.ids.owners.owner(&nick, turn.wall_ms / 1000);
        if owner.is_some() && owner != self.key_of(me) {
            self.end(me, "The nickname belongs to somebody else's key", turn);
            return false;
        }
        true
    }

    /// The key that a member has proved to have.
    pub(super) fn key_of(&self, who: Key) -> Option<PublicKey> {
        self.members[who].login.as_ref().and_then(|login| login.key)
    }

    /// A member is in or has another nick: it owns it where nobody does.
    pub(super) fn claim(&mut self, me: Key, turn: &mut Turn<'_>) {
        let Some(key) = self.key_of(me) else { return };
        let nick = self.members[me].nick();
        match self.ids.owners.claim(nick, key, turn.wall_ms / 1000) {
            Claimed::Newly => self.ids.owners_file.change(turn.now, CLAIM_PATIENCE),
            Claimed::Already => self.ids.owners_file.change(turn.now, USE_PATIENCE),
            Claimed::No => {
                let text = "This server remembers as many nicks as it can; yours is not among them";
                self.fail(me, "PEERLINK", "NOT_OWNED", &["ID"], text, turn);
            }
        }
    }

    /// A member goes, or takes another nick: it has used this one until now.
    pub(super) fn used(&mut self, who: Key, nick: &str, turn: &Turn<'_>) {
        let now_s = turn.wall_ms / 1000;
        if let Some(key) = self.key_of(who)
            && self.ids.owners.owner(nick, now_s) == Some(key)
        {
            self.ids.owners.claim(nick, key, now_s);
            self.ids.owners_file.change(turn.now, USE_PATIENCE);
        }
    }

    /// `PEERLINK KEY <nick>`: whose key seals what is for this nick alone.
    fn tell_key(&mut self, me: Key, line: &Line<'_>, turn: &mut Turn<'_>) {
        let nick = line.param(1).unwrap_or_default();
        let here = self.members.by_nick(nick);
        // Somebody who is here without a key reads nothing that is sealed to another.
        let key = match here {
            Some(who) => self.key_of(who),
            None => self.ids.owners.owner(nick, turn.wall_ms / 1000),
        };
        match key {
            Some(key) => turn.server("PEERLINK").param("KEY").param(nick).param(&key.to_string()).end(),
            None => {
                let shown = if is_nick(nick) { nick } else { "*" };
                self.fail(me, "PEERLINK", "NO_KEY", &["KEY", shown], "Nobody of this nick has a key", turn);
            }
        }
    }

    /// A private message to a nick that is not here waits for its owner. False: the nick has none.
    pub(super) fn leave_message(
        &mut self,
        me: Key,
        nick: &str,
        event: impl FnOnce(&mut Groups, &mut Turn<'_>) -> Option<Event>,
        line: &Line<'_>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let now_s = turn.wall_ms / 1000;
        let Some(owner) = self.ids.owners.owner(nick, now_s) else { return false };
        let from = self.members[me].remote.to_string();
        let id_tag = line
            .tags
            .written()
            .find(|tag| tag.split_once('=').is_some_and(|(key, id)| key == ID_TAG && !id.is_empty()));
        // Said again because its echo was lost, it waits once.
        let waiting = id_tag.and_then(|tag| self.ids.waiting.find(&owner, &from, tag));
        let event = match waiting {
            Some(event) => event,
            None => {
                let Some(event) = event(self, turn) else { return true };
                if self.ids.waiting.put(owner, &from, now_s, event.clone()).is_err() {
                    let text = "Too many messages wait for this nick; yours was not kept";
                    turn.numeric(ERR_NOSUCHNICK, self.members[me].nick()).param(nick).last(text).end();
                    return true;
                }
                event
            }
        };
        let (member, label) = (&self.members[me], turn.take_label());
        let label = label.map(|label| format!("label={label}")).unwrap_or_default();
        let mut reply = Vec::new();
        if member.caps.has(Caps::ECHO_MESSAGE) {
            event.write(member.caps, &label, &mut reply);
        } else {
            let line = crate::wire::irc::Writer::new(&mut reply);
            let line = if label.is_empty() { line } else { line.written_tag(&label) };
            let line = line.source(&self.name).command("301").param(member.nick());
            line.param(nick).last("Is not here; the message waits").end();
        }
        self.ids.waiting.tell_when_saved(member.conn, reply);
        self.ids.waiting_file.change(turn.now, Span::ZERO);
        self.ids.on_deadline(turn.now, turn.out);
        true
    }

    /// Tells an owner what has waited. It waits on until a PONG says that it was read.
    pub(super) fn tell_waiting(&mut self, me: Key, turn: &mut Turn<'_>) {
        let Some(key) = self.key_of(me) else { return };
        let (events, last) = self.ids.waiting.of(&key, turn.wall_ms / 1000);
        if events.is_empty() {
            return;
        }
        let caps = self.members[me].caps;
        events.iter().for_each(|event| event.write(caps, "", turn.replies()));
        turn.server("PING").last(&format!("{TOKEN}{last}")).end();
    }

    /// A PONG: perhaps what had waited was read.
    pub(super) fn read_waiting(&mut self, me: Key, line: &Line<'_>, turn: &Turn<'_>) {
        let number = line.last().and_then(|token| token.strip_prefix(TOKEN)?.parse().ok());
        if let (Some(key), Some(number)) = (self.key_of(me), number)
            && self.ids.waiting.has_read(&key, number)
        {
            self.ids.waiting_file.change(turn.now, CLAIM_PATIENCE);
        }
    }

    /// A job of the files ended.
    pub(super) fn file_ended(&mut self, mut completion: Completion, now: Time, out: &mut Outbox) {
        let was_loading = self.ids.is_loading();
        match self.ids.owners_file.completed(&mut completion) {
            Some(Ended::Loaded(Some(bytes))) => self.ids.owners = Owners::read(&bytes),
            Some(Ended::Loaded(None) | Ended::Saved(_)) => {}
            None => self.waiting_ended(completion, now, out),
        }
        if was_loading && !self.ids.is_loading() {
            self.let_in(now, out);
        }
        if self.is_stopped {
            self.ids.finish(now, out);
        }
    }

    fn waiting_ended(&mut self, mut completion: Completion, now: Time, out: &mut Outbox) {
        match self.ids.waiting_file.completed(&mut completion) {
            Some(Ended::Loaded(Some(bytes))) => self.ids.waiting.load(&bytes, out.wall_ms / 1000),
            Some(Ended::Saved(result)) => {
                for (conn, reply) in self.ids.waiting.saved() {
                    match &result {
                        Ok(()) if self.members.by_conn(conn).is_some() => out.send(conn, reply),
                        Ok(()) => {}
                        Err(_) => self.say_unsaved(conn, now, out),
                    }
                }
                self.ids.on_deadline(now, out);
            }
            Some(Ended::Loaded(None)) | None => {}
        }
    }

    fn say_unsaved(&mut self, conn: ConnId, now: Time, out: &mut Outbox) {
        let Some(me) = self.members.by_conn(conn) else { return };
        self.with_turn(conn, now, out, |groups, turn| {
            groups.fail(me, "PRIVMSG", "NOT_KEPT", &[], "The server's disk failed; the message may be lost", turn);
        });
    }

    /// Those who had said all before it was known whose the nicks are.
    fn let_in(&mut self, now: Time, out: &mut Outbox) {
        let waiting = self.members.iter().filter(|(_, member)| !member.steps.is_in && member.steps.has_user);
        let waiting: Vec<(Key, ConnId)> = waiting.map(|(key, member)| (key, member.conn)).collect();
        for (me, conn) in waiting {
            self.with_turn(conn, now, out, |groups, turn| groups.try_register(me, turn));
        }
        self.read_kept(now, out);
    }
}
