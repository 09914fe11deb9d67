//! IRC lines, read and written: the "Modern IRC client protocol" with IRCv3 message tags, for both sides.
//!
//! Bytes of a connection go through [`Stream`], which cuts them into lines; [`Line::parse`] reads one without copying;
//! [`Writer`] makes one. Everything is bounded: a line of a client has at most [`CLIENT_TAGS_LEN`] bytes of tags and
//! [`LINE_LEN`] bytes besides, and [`PARAMS_MAX`] parameters. Text is UTF-8 (the token `UTF8ONLY` says so to others).

mod line;
mod mask;
mod names;
mod stamp;
mod stream;
mod tags;
mod write;

pub use self::line::{BadLine, Limits, Line, Source};
pub use self::mask::matches;
pub use self::names::{Casemapping, fold, is_group, is_nick, same};
pub use self::stamp::{read_time, write_time};
pub use self::stream::{Cut, Stream};
pub use self::tags::{Tags, escape, unescape};
pub use self::write::Writer;

/// Bytes of a line without its tags, CR LF included.
pub const LINE_LEN: usize = 512;
/// Bytes of the tags that a client may send, without `@` and the blank behind them (IRCv3 message-tags).
pub const CLIENT_TAGS_LEN: usize = 4094;
/// The same of all tags that a server may send: its own, and those of clients.
pub const SERVER_TAGS_LEN: usize = 8189;
/// Parameters of a line; what comes behind is part of the last one.
pub const PARAMS_MAX: usize = 15;
/// Characters of a nick (token `NICKLEN`).
pub const NICK_LEN: usize = 32;
/// Bytes of a group's name, `#` included (token `CHANNELLEN`).
pub const GROUP_LEN: usize = 64;
