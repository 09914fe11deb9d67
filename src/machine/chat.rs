//! What the application and the member of groups say to each other.

use std::any::Any;

use crate::base::Span;

/// A text to be said. It is kept until the server has acknowledged it, over any number of connections.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Say {
    /// Names it in [`ChatNews::Acknowledged`] and [`ChatNews::Refused`]; never 0.
    pub number: u64,
    /// A group or a nick.
    pub to: String,
    /// One line; a long one leaves as several.
    pub text: String,
    pub manner: Manner,
    /// Client-only tags besides `+peerlink/id`: names with their `+`, and values, not escaped.
    pub tags: Vec<(String, String)>,
}

/// How a text is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    Plain,
    /// `/me`: told as what somebody does.
    Action,
    /// From a bot: never answered by one.
    Notice,
}

/// Application to member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChatAsk {
    /// Be in this group from now on, over any number of connections.
    Join {
        group: String,
        key: Option<String>,
    },
    Part {
        group: String,
        reason: String,
    },
    Say(Box<Say>),
    /// The nick wanted from now on.
    Nick(String),
    /// Sets the topic.
    Topic {
        group: String,
        text: String,
    },
    /// Who is in the group, with what the server tells of them; answered by [`ChatNews::Who`].
    Who {
        mask: String,
    },
    /// What groups there are; answered by [`ChatNews::Groups`].
    List,
    /// Whose key a nick is; answered by [`ChatNews::Key`].
    Key {
        nick: String,
    },
    /// Forget what was not acknowledged.
    Drop,
}

/// Something that somebody said.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Message {
    /// The group, or for a private message, the other one's nick.
    pub group: String,
    pub is_private: bool,
    pub nick: String,
    pub text: String,
    pub is_action: bool,
    pub is_notice: bool,
    /// It is ours.
    pub is_own: bool,
    /// It was said before we came, or while we were away.
    pub is_history: bool,
    /// The server's name for it, and its time, in milliseconds since 1970.
    pub msgid: Option<String>,
    pub time_ms: Option<u64>,
    /// Client-only tags, as they came but for their escapes: names with their `+`.
    pub tags: Vec<(String, String)>,
}

impl Message {
    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// How a nick left a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leave {
    Part,
    Quit,
    /// By whom.
    Kick(String),
}

/// A line of [`ChatNews::Who`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    pub nick: String,
    pub host: String,
    pub real_name: String,
    pub is_away: bool,
    pub is_operator: bool,
}

/// A line of [`ChatNews::Groups`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupListed {
    pub group: String,
    pub count: u32,
    pub topic: String,
}

/// Member to application. All foreign text in it is as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChatNews {
    /// The server knows us by this nick.
    Registered {
        nick: String,
        server: String,
    },
    /// The connection is gone, or there was none; the next try is made after this time.
    Lost {
        why: String,
        retry: Span,
        was_registered: bool,
    },
    /// The server does not want us (a wrong password, a ban); tried again later all the same.
    Unwelcome {
        why: String,
    },
    Message(Box<Message>),
    /// Everything of this text has reached the server.
    Acknowledged {
        number: u64,
        /// The server's name for its last part.
        msgid: Option<String>,
    },
    /// The key of whoever has this nick, as the server knows it (base64url); None where nobody has one.
    Key {
        nick: String,
        key: Option<String>,
    },
    /// A text that will reach nobody, and is kept no longer.
    Refused {
        number: u64,
        why: String,
    },
    /// We, or somebody else.
    Joined {
        group: String,
        nick: String,
        is_own: bool,
    },
    Left {
        group: String,
        nick: String,
        is_own: bool,
        how: Leave,
        reason: String,
    },
    /// The group cannot be joined.
    Shut {
        group: String,
        why: String,
    },
    /// Everybody who is in the group, in order, with their marks (`@`, `+`).
    Roster {
        group: String,
        nicks: Vec<String>,
    },
    /// All that was said before is told; what comes is new. `is_cut`: more was said meanwhile than the server told.
    CaughtUp {
        group: String,
        is_cut: bool,
    },
    Topic {
        group: String,
        text: String,
        /// Who set it just now; None on joining.
        by: Option<String>,
    },
    Nick {
        old: String,
        new: String,
        is_own: bool,
    },
    /// The nick cannot be had.
    NickTaken {
        nick: String,
        why: String,
    },
    Who {
        mask: String,
        people: Vec<Present>,
    },
    Groups(Vec<GroupListed>),
    /// Something else that the server says to us.
    Server {
        text: String,
    },
}

/// What the application says to itself by way of the loop: goes from any thread to the listener, not to the machine.
pub struct Own(Box<dyn Any + Send>);

impl Own {
    pub fn new(what: impl Any + Send) -> Own {
        Own(Box::new(what))
    }

    /// What it is, if it is that.
    pub fn take<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|what| *what)
    }

    /// Whether it is a `T`.
    pub fn is<T: Any>(&self) -> bool {
        self.0.is::<T>()
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own(..)")
    }
}
