//! Sealed talk: what is said in the groups of a passphrase, or to somebody with a key, leaves sealed; what arrives is
//! opened, or shown as what it is. README, "Sealed groups", has the format.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::exit::{Exit, Failure};
use super::super::settings::{Settings, shown};
use super::session::Session;
use super::shares::HASH_TAG;
use crate::base::text::ago;
use crate::io::localtime::now_ms;
use crate::machine::{ChatAsk, ChatNews, Manner, Message, Say};
use crate::seal::{
    GroupKey, Identity, Kind, MESSAGE_LEN_MAX, NotSealed, Opener, Place, PublicKey, Refused, Sealer, Target, folded,
};
use crate::wire::base64url;
use crate::wire::irc::is_nick;

/// What carries a sealed message, and what stands beside it for programs that do not know of that.
const TAG: &str = "+peerlink/sealed";
const FOR_GROUP: &str = "[sealed message: needs the group's passphrase]";
const FOR_PERSON: &str = "[sealed message: needs the key that it is for]";
/// What became of it, for scripts. No server can send such a tag: it has no `+`.
pub const STATE: &str = "sealed";
/// A message that is older than it says by more than this says so: clocks differ.
const LATE_S: u64 = 600;
/// Keys of people remembered in one run.
const KNOWN_MAX: usize = 1000;
/// Texts that wait for a key.
const HELD_MAX: usize = 1000;
/// Bytes of a passphrase.
const PASSPHRASE_LEN: u64 = 1024;
/// Shorter ones can be guessed.
const PASSPHRASE_SHORT: usize = 12;

/// Keys of ours, of groups and of people.
pub struct Sealed {
    me: Identity,
    passphrase: Option<Vec<u8>>,
    sealer: Sealer,
    opener: Opener,
    /// By folded name. None: it is being made.
    groups: BTreeMap<String, Option<GroupKey>>,
    /// Groups to be gone to when their key is made, with the key that the server wants.
    joins: Vec<(String, Option<String>)>,
    /// By folded nick: the first that was seen, or what the person has confirmed.
    people: BTreeMap<String, PublicKey>,
    /// What is to be said when a key is there.
    held: Vec<Say>,
}

impl Sealed {
    /// With our key, and the passphrase of `--passphrase-file`.
    ///
    /// # Errors
    /// A file that cannot be read or is empty, no random numbers.
    pub fn new(me: Identity, settings: &Settings) -> Result<Sealed, Failure> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
        let passphrase = settings.path("passphrase-file")?.map(|path| passphrase(&path)).transpose()?;
        Ok(Sealed {
            me,
            passphrase,
            sealer: Sealer::new(secret),
            opener: Opener::default(),
            groups: BTreeMap::new(),
            joins: Vec::new(),
            people: BTreeMap::new(),
            held: Vec::new(),
        })
    }

    /// Whether what is said in this group leaves sealed.
    pub fn has(&self, group: &str) -> bool {
        self.passphrase.is_some() && self.groups.contains_key(&folded(group))
    }

    fn key(&self, group: &str) -> Option<&GroupKey> {
        self.groups.get(&folded(group)).and_then(Option::as_ref)
    }

    /// The message that carries this one.
    fn seal(&mut self, say: Say) -> Result<Say, NotSealed> {
        let kind = match say.manner {
            _ if say.tags.iter().any(|(name, _)| name == HASH_TAG) => Kind::Share,
            Manner::Plain => Kind::Message,
            Manner::Action => Kind::Action,
            Manner::Notice => Kind::Notice,
        };
        let key = self.groups.get(&folded(&say.to)).and_then(Option::as_ref);
        let (target, text) = match (key, self.people.get(&folded(&say.to))) {
            (Some(key), _) => (Target::Group { name: &say.to, key }, FOR_GROUP),
            (None, Some(person)) => (Target::Person(person), FOR_PERSON),
            (None, None) => return Err(NotSealed::BadKey),
        };
        let sealed = self.sealer.seal(&self.me, target, kind, now_ms() / 1000, &say.text)?;
        let tags = vec![(TAG.into(), base64url::encode(&sealed))];
        Ok(Say { text: text.into(), tags, manner: Manner::Plain, ..say })
    }

    /// Remembers whose a nick is. The key that was known, where it is another.
    fn meet(&mut self, nick: &str, key: PublicKey) -> Option<PublicKey> {
        let known = self.people.get(&folded(nick)).copied();
        if known.is_none() && self.people.len() < KNOWN_MAX {
            self.people.insert(folded(nick), key);
        }
        known.filter(|known| *known != key)
    }
}

impl Session<'_> {
    /// Goes to a group, as soon as there is a key for what is said in it.
    pub(super) fn join(&mut self, group: String, key: Option<String>) {
        self.group = Some(group.clone());
        let Some(passphrase) = self.sealed.passphrase.clone().filter(|_| self.sealed.key(&group).is_none()) else {
            return self.ask(ChatAsk::Join { group, key });
        };
        if self.sealed.groups.contains_key(&folded(&group)) {
            return;
        }
        if !self.errands.stretch(passphrase, group.clone()) {
            return self.answer("too much is under way at once: wait a little");
        }
        self.sealed.groups.insert(folded(&group), None);
        self.sealed.joins.push((group, key));
    }

    /// A group's key is there, or could not be made.
    pub(super) fn stretched(&mut self, group: &str, key: Option<GroupKey>) {
        let Some(key) = key else {
            self.sealed.groups.remove(&folded(group));
            self.sealed.joins.retain(|(waiting, _)| waiting != group);
            let text = format!("{group} cannot be joined sealed: its key takes 19 MiB of memory to make");
            return self.fail(Exit::Other, &text);
        };
        self.sealed.groups.insert(folded(group), Some(key));
        let (joins, waiting) =
            std::mem::take(&mut self.sealed.joins).into_iter().partition(|(name, _)| name == group);
        self.sealed.joins = waiting;
        for (group, key) in joins {
            self.ask(ChatAsk::Join { group, key });
        }
        self.say_held(group);
    }

    /// Says it as it must be said there: sealed, openly, or when the key is known.
    pub(super) fn send(&mut self, say: Say) {
        let is_letter = is_nick(&say.to);
        if is_letter || (say.to.starts_with('#') && self.sealed.passphrase.is_some()) {
            if !is_letter && self.sealed.key(&say.to).is_some() {
                return self.send_sealed(say);
            }
            if self.sealed.held.len() >= HELD_MAX {
                return self.refuse(say.number, "too much waits for a key");
            }
            if is_letter && self.is_connected {
                self.ask(ChatAsk::Key { nick: say.to.clone() });
            }
            return self.sealed.held.push(say);
        }
        self.ask(ChatAsk::Say(Box::new(say)));
    }

    fn send_sealed(&mut self, say: Say) {
        let number = say.number;
        match self.sealed.seal(say) {
            Ok(say) => self.ask(ChatAsk::Say(Box::new(say))),
            Err(NotSealed::TooLong) => self.refuse(number, "more than 2048 bytes cannot be sealed"),
            Err(NotSealed::BadKey) => self.refuse(number, "there is no key that it could be sealed for"),
        }
    }

    fn refuse(&mut self, number: u64, why: &str) {
        self.news(ChatNews::Refused { number, why: why.into() });
    }

    fn say_held(&mut self, to: &str) {
        let is_there = |say: &Say| say.to.eq_ignore_ascii_case(to);
        let (due, held) = std::mem::take(&mut self.sealed.held).into_iter().partition(is_there);
        self.sealed.held = held;
        for say in due {
            self.send_sealed(say);
        }
    }

    /// The server is back: it is asked for the keys that are waited for.
    pub(super) fn ask_keys(&mut self) {
        let nicks: Vec<String> =
            self.sealed.held.iter().map(|say| say.to.clone()).filter(|nick| is_nick(nick)).collect();
        nicks.into_iter().for_each(|nick| self.ask(ChatAsk::Key { nick }));
    }

    /// Whose key a nick is: what was to be said to it is said.
    pub(super) fn key_told(&mut self, nick: &str, key: Option<&str>) {
        let Some(key) = key.and_then(PublicKey::parse) else {
            let is_there = |say: &Say| say.to.eq_ignore_ascii_case(nick);
            let (due, held): (Vec<Say>, Vec<Say>) =
                std::mem::take(&mut self.sealed.held).into_iter().partition(is_there);
            self.sealed.held = held;
            for say in due {
                if self.sealed.passphrase.is_some() || self.sealed.people.contains_key(&folded(nick)) {
                    self.refuse(say.number, &format!("{nick} has no key, and here nothing is said openly"));
                } else {
                    self.ask(ChatAsk::Say(Box::new(say)));
                }
            }
            return;
        };
        if self.sealed.meet(nick, key).is_some() {
            self.sealed.people.insert(folded(nick), key);
            let due: Vec<u64> = self
                .sealed
                .held
                .iter()
                .filter(|say| say.to.eq_ignore_ascii_case(nick))
                .map(|say| say.number)
                .collect();
            self.sealed.held.retain(|say| !due.contains(&say.number));
            let why = format!("{nick} has another key than before; say it again if that is as it should be");
            return due.into_iter().for_each(|number| self.refuse(number, &why));
        }
        self.say_held(nick);
    }

    /// A message as it was meant, or as what it is.
    pub(super) fn unseal(&mut self, mut message: Message) -> Message {
        let Some(tag) = message.tag(TAG).map(str::to_string) else {
            if !message.is_private && self.sealed.has(&message.group) {
                message.text = format!("(not sealed) {}", message.text);
                message.tags.push((STATE.into(), "no".into()));
            }
            return message;
        };
        // What stands beside it outside of the seal is nobody's word.
        message.tags.clear();
        let bytes = base64url::decode(&tag, MESSAGE_LEN_MAX).unwrap_or_default();
        let known = self.sealed.people.get(&folded(&message.group)).copied();
        let place = if message.is_private {
            Place::Private { with: known.as_ref() }
        } else {
            let key = self.sealed.groups.get(&folded(&message.group)).and_then(Option::as_ref);
            Place::Group { name: &message.group, key }
        };
        let me = self.sealed.me.public();
        let nick = message.nick.clone();
        let (state, text) = match self.sealed.opener.open(&self.sealed.me, place, &bytes) {
            // Words of ours, thrown back at us as if another had said them.
            Ok(opened) if opened.sender == me && !message.is_own && message.is_private => {
                ("forged", format!("[forged: {nick} has not said this]"))
            }
            Ok(opened) if opened.sender != me && message.is_own => {
                ("other_signer", format!("[signed with another key than yours] {}", opened.text))
            }
            Ok(opened) => {
                message.is_action = opened.kind == Kind::Action;
                message.is_notice = opened.kind == Kind::Notice;
                let late = late(&message, opened.written_s);
                let is_mine = message.is_own || opened.sender == me;
                let other = if is_mine { None } else { self.sealed.meet(&nick, opened.sender) };
                match other {
                    None => ("opened", format!("{late}{}", opened.text)),
                    Some(_) => {
                        ("other_signer", format!("[signed with another key than {nick}'s before] {}", opened.text))
                    }
                }
            }
            Err(Refused::NoKey) if message.is_private => ("no_key", FOR_PERSON.into()),
            Err(Refused::NoKey) => ("no_key", "[sealed: needs the group's passphrase (--passphrase-file)]".into()),
            Err(Refused::OtherKey) => ("other_key", "[sealed with another passphrase]".into()),
            Err(Refused::Forged) => ("forged", format!("[forged: {nick} has not said this here]")),
            Err(Refused::Replayed) => ("replayed", "[replayed: somebody sends again what was said before]".into()),
            Err(Refused::Unknown) => ("unknown", "[sealed by a newer program]".into()),
            Err(Refused::Malformed) => ("malformed", "[a sealed message that is damaged]".into()),
        };
        message.text = text;
        message.tags.push((STATE.into(), state.into()));
        message
    }
}

/// Says so where a message that comes as new was written long ago.
fn late(message: &Message, written_s: u64) -> String {
    let told_s = message.time_ms.unwrap_or_else(now_ms) / 1000;
    match written_s {
        0 => String::new(),
        _ if told_s.saturating_sub(written_s) <= LATE_S => String::new(),
        _ => format!("(written {} before) ", ago(written_s, told_s)),
    }
}

/// The first line of a file.
fn passphrase(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = shown(path);
    let failure = |why: &str| Failure::usage(format!("--passphrase-file: {name}: {why}"));
    let read = || -> std::io::Result<(u32, Vec<u8>)> {
        let file = std::fs::File::open(path)?;
        let mode = file.metadata()?.mode();
        let mut bytes = Vec::new();
        file.take(PASSPHRASE_LEN + 1).read_to_end(&mut bytes)?;
        Ok((mode, bytes))
    };
    let (mode, bytes) = read().map_err(|e| failure(&crate::io::trouble::reason(&e)))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.len() as u64 {
        0 => return Err(failure("its first line is empty")),
        len if len > PASSPHRASE_LEN => return Err(failure("its first line is too long")),
        _ => {}
    }
    if line.len() < PASSPHRASE_SHORT {
        log::warn!("the passphrase in {name} is short: a server that wants to can guess it");
    }
    if mode & 0o077 != 0 {
        log::warn!("others on this machine may read {name}: chmod 600");
    }
    Ok(line.to_vec())
}
