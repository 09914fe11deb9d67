//! `peerlink publish` and `unpublish`, and `seed --publish`: a torrent goes into a server's index, and out of it.

use std::path::Path;

use super::exit::{Exit, Failure};
use super::json::Object;
use super::server::{Receipt, Server};
use super::settings::{Environment, Settings};
use super::source;
use super::tokens::Tokens;
use crate::base::InfoHash;
use crate::base::text::harmless;
use crate::io::console::{Console, Stream};
use crate::wire::authorization::Authorization;

/// Publishes .torrent files.
///
/// # Errors
/// Code 3 for what is no torrent, 6 where no server answers, 1 where it refuses, 5 when the token cannot be kept.
pub fn run(
    sources: &[String],
    settings: &Settings,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let server = Server::or_here(settings);
    let state_dir = settings.state_dir(environment)?;
    for source in sources {
        if Path::new(source).is_dir() {
            let text = format!("{}: this is a folder; `peerlink seed PATH --publish` shares it", harmless(source));
            return Err(Failure::new(Exit::BadTorrent, text));
        }
        let (bytes, _) = source::read_bytes(source)?;
        publish(&bytes, &server, &state_dir, settings, console)?;
    }
    Ok(Exit::Done)
}

/// Publishes one torrent and tells what came of it.
///
/// # Errors
/// As [`run`].
pub fn publish(
    torrent: &[u8],
    server: &Server,
    state_dir: &Path,
    settings: &Settings,
    console: &Console,
) -> Result<(), Failure> {
    let description = settings.text("description").unwrap_or_default();
    let receipt = server.publish(torrent, description, claim(settings).as_ref())?;
    let info_hash = InfoHash::from_hex(&receipt.info_hash);
    if let (Some(info_hash), Some(token)) = (info_hash, &receipt.token) {
        Tokens::of(state_dir).keep(&server.place(), info_hash, token)?;
    }
    tell(&receipt, info_hash, server, settings, console);
    Ok(())
}

fn tell(receipt: &Receipt, info_hash: Option<InfoHash>, server: &Server, settings: &Settings, console: &Console) {
    if settings.switch("json") {
        let object = Object::event("published").text("name", &receipt.name).text("info_hash", &receipt.info_hash);
        let object = object.number("number", receipt.number).switch("new", receipt.new);
        console.result(object.switch("private", receipt.private).line());
        return;
    }
    if settings.switch("quiet") {
        return;
    }
    let (name, place) = (harmless(&receipt.name), server.place());
    let done = if receipt.new { "published" } else { "published already:" };
    match info_hash.filter(|_| receipt.private) {
        Some(info_hash) => {
            console.result(format!("{done} {name}, unlisted as it is private: {}", server.torrent_url(info_hash)));
        }
        None => console.result(format!("{done} {name} as number {} of {place}", receipt.number)),
    }
}

/// Takes a torrent out of the index.
///
/// # Errors
/// Code 3 where there is no such torrent, 6 where no server answers, 1 where it refuses.
pub fn take_back(
    what: &str,
    settings: &Settings,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let server = Server::or_here(settings);
    let info_hash = match InfoHash::from_hex(what) {
        Some(info_hash) => info_hash,
        None => one_of(what, &server)?,
    };
    let token = Tokens::of(&settings.state_dir(environment)?).find(&server.place(), info_hash);
    let oper = settings.accounts("oper").pop().map(|(name, password)| Authorization::Basic { name, password });
    let who = oper.or(token.map(Authorization::Bearer));
    if who.is_none() {
        let text = format!(
            "{info_hash} was not published at {} from here; an operator takes it away with --oper NAME:PASSWORD",
            server.place()
        );
        return Err(Failure::new(Exit::Other, text));
    }
    server.unpublish(info_hash, who.as_ref())?;
    if settings.switch("json") {
        console.result(Object::event("unpublished").text("info_hash", &info_hash.to_string()).line());
    } else if !settings.switch("quiet") {
        console.line(Stream::Out, format!("{info_hash} is not published at {} any more", server.place()));
    }
    Ok(Exit::Done)
}

/// The torrent that a name or number means.
///
/// # Errors
/// Code 3 where there is none, or several.
pub fn one_of(name: &str, server: &Server) -> Result<InfoHash, Failure> {
    let found = server.find(name)?;
    let shown = harmless(name);
    let place = server.place();
    let text = match found.as_slice() {
        [] => format!("{shown}: no such file, and nothing of that name or number in the index of {place}"),
        [one] => match InfoHash::from_hex(&one.info_hash) {
            Some(info_hash) => return Ok(info_hash),
            None => format!("{shown}: {place} names a torrent without an info hash"),
        },
        several => {
            let named = |one: &super::server::Listed| format!("{} {}", one.number, harmless(&one.name));
            let first: Vec<String> = several.iter().take(5).map(named).collect();
            let more = if several.len() > 5 { ", …" } else { "" };
            format!("{shown}: several torrents of {place} fit; say a number: {}{more}", first.join(", "))
        }
    };
    Err(Failure::new(Exit::BadTorrent, text))
}

/// What is shown to a server that asks for a password.
pub(super) fn claim(settings: &Settings) -> Option<Authorization> {
    let password = settings.text("password").map(str::to_string);
    let name = String::new();
    let by_password = password.map(|password| Authorization::Basic { name, password });
    let oper = settings.accounts("oper").pop().map(|(name, password)| Authorization::Basic { name, password });
    by_password.or(oper)
}
