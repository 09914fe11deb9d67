//! Peers by way of a server: a download or a seed is a member of its groups, with a nick that means nothing.

use super::exit::Failure;
use super::run::identity;
use super::server::Server;
use super::settings::Settings;
use crate::machine::{ChatAsk, Note};
use crate::member::{Member, MemberOptions};
use crate::wire::irc;

/// The member, and what it is asked at the start; None without a server. `history`: lines of the group that were said
/// before, and are wanted.
///
/// # Errors
/// A group that cannot be one, or that has no server.
pub fn member(settings: &Settings, history: usize) -> Result<Option<(Member, Option<Note>)>, Failure> {
    let group = settings
        .text("group")
        .map(group_name)
        .transpose()
        .map_err(|why| Failure::usage(format!("--group: {why}")))?;
    let Some(server) = Server::of(settings) else {
        return match group.filter(|_| settings.is_given("group")) {
            Some(_) => Err(Failure::usage("--group: it is on a server; say which with --server")),
            None => Ok(None),
        };
    };
    let (number, ..) = identity()?;
    let (host, port) = server.address();
    let options = MemberOptions {
        host: host.to_string(),
        port,
        nick: format!("box-{:08x}", number as u32),
        real_name: "peerlink".into(),
        password: settings.text("password").map(str::to_string),
        history,
    };
    let join = group.map(|group| Note::Ask(Box::new(ChatAsk::Join { group, key: None })));
    Ok(Some((Member::new(options), join)))
}

/// A group's name as a person writes it, with its `#` or without.
///
/// # Errors
/// What cannot be a group.
pub fn group_name(text: &str) -> Result<String, String> {
    let name = if text.starts_with('#') { text.to_string() } else { format!("#{text}") };
    let why = || format!("`{text}` cannot be a group: up to 63 bytes without blanks, commas, colons and #");
    Some(name).filter(|name| irc::is_group(name)).ok_or_else(why)
}
