//! The commands that drive a daemon: `add`, `list`, `status`, `start`, `stop`, `remove`, `set`.

use std::path::Path;

use super::daemon_client::{Daemon, Told};
use super::daemon_table as table;
use super::exit::{Exit, Failure};
use super::json::Object;
use super::server::Server;
use super::settings::{Environment, Origin, Settings};
use super::{create, publish, source, values};
use crate::base::text::harmless;
use crate::io::console::Console;
use crate::metainfo::magnet::Magnet;
use crate::wire::authorization::base64;
use crate::wire::json::{self, Writer};

/// What a listing asks of each torrent.
const LISTED: &[&str] = &[
    "id",
    "hashString",
    "name",
    "status",
    "sizeWhenDone",
    "totalSize",
    "leftUntilDone",
    "percentDone",
    "rateDownload",
    "rateUpload",
    "uploadRatio",
    "eta",
    "error",
    "errorString",
    "labels",
    "downloadDir",
    "peersConnected",
    "webseedsSendingToUs",
    "uploadedEver",
    "downloadedEver",
    "isFinished",
    "recheckProgress",
    "metadataPercentComplete",
    "queuePosition",
    "addedDate",
    "doneDate",
];
/// What is asked besides of one that is looked at closely.
const LOOKED_AT: &[&str] = &[
    "comment",
    "pieceCount",
    "pieceSize",
    "isPrivate",
    "files",
    "fileStats",
    "trackerStats",
    "webseeds",
    "peers",
    "secondsSeeding",
];

/// Gives torrents to the daemon.
///
/// # Errors
/// Code 6 where no daemon answers, 3 for what is no torrent, and those of what is read or made.
pub fn add(
    sources: &[String],
    settings: &Settings,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let mut daemon = Daemon::of(settings)?;
    // Better said before an hour of hashing than after.
    daemon.call("session-get", |object| json::write_list(["version"], object.key("fields"), json::quote))?;
    let index = Server::of(settings).filter(|_| settings.switch("publish"));
    if settings.switch("publish") && index.is_none() {
        return Err(Failure::usage("--publish needs a --server HOST[:PORT] to publish on"));
    }
    for text in sources {
        let mut dir = said_dir(settings)?;
        let (key, value) = if is_remote(text) {
            ("filename", text.clone())
        } else if source::is_torrent(text) {
            ("metainfo", base64(&source::read_bytes(text)?.0))
        } else {
            let made = create::make(Path::new(text), settings, console)?;
            if let Some(server) = &index {
                let state_dir = settings.state_dir(environment)?;
                publish::publish(&made.bytes, server, &state_dir, settings, console)?;
            }
            dir = Some(made.dir.to_string_lossy().into_owned());
            ("metainfo", base64(&made.bytes))
        };
        let answer = daemon.call("torrent-add", |object| {
            object.text(key, &value);
            dir.iter().for_each(|dir| object.text("download-dir", dir));
            if settings.effective("paused").origin == Origin::Flag {
                object.plain("paused", settings.switch("paused"));
            }
            if !settings.list("label").is_empty() {
                json::write_list(settings.list("label"), object.key("labels"), |label, to| json::quote(label, to));
            }
        })?;
        tell_added(&answer, settings, console);
    }
    Ok(Exit::Done)
}

/// What the daemon fetches itself.
fn is_remote(source: &str) -> bool {
    if Path::new(source).symlink_metadata().is_ok() || source == "-" {
        return false;
    }
    Magnet::is_link(source) || source.contains("://") || Magnet::from_hash(source).is_some()
}

/// Only what is said on the command line: a folder of the configuration is this machine's.
fn said_dir(settings: &Settings) -> Result<Option<String>, Failure> {
    if settings.effective("dir").origin != Origin::Flag {
        return Ok(None);
    }
    Ok(settings.path("dir")?.map(|dir| dir.to_string_lossy().into_owned()))
}

fn tell_added(answer: &Told, settings: &Settings, console: &Console) {
    let is_new = !answer.inner("torrent-added").object.is_empty();
    let torrent = answer.inner(if is_new { "torrent-added" } else { "torrent-duplicate" });
    let (name, hash) = (torrent.text("name"), torrent.text("hashString"));
    if settings.switch("json") {
        let object = Object::event("added").switch("new", is_new).number("id", torrent.count("id"));
        console.result(object.text("name", name).text("info_hash", hash).line());
    } else if !settings.switch("quiet") {
        let how = if is_new { "added" } else { "was there already" };
        console.result(format!("{} {how}: {}", torrent.int("id"), harmless(name)));
    }
}

/// Lists torrents.
///
/// # Errors
/// Code 6 where no daemon answers, 3 for a name that means nothing.
pub fn list(names: &[String], settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let mut daemon = Daemon::of(settings)?;
    let ids = if names.is_empty() { None } else { Some(daemon.find(names)?) };
    let torrents = daemon.torrents(ids.as_deref(), LISTED)?;
    if settings.switch("json") {
        torrents.iter().for_each(|torrent| console.result(table::object(torrent).line()));
    } else {
        table::rows(&torrents).into_iter().for_each(|line| console.result(line));
    }
    Ok(Exit::Done)
}

/// Says how the daemon stands, or its torrents one by one.
///
/// # Errors
/// As [`list`].
pub fn status(names: &[String], settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let mut daemon = Daemon::of(settings)?;
    if names.is_empty() {
        let stats = daemon.call("session-stats", |_| {})?;
        let session = daemon.call("session-get", |_| {})?;
        let lines = if settings.switch("json") {
            vec![table::session_object(&stats, &session).line()]
        } else {
            table::session(&stats, &session)
        };
        lines.into_iter().for_each(|line| console.result(line));
        return Ok(Exit::Done);
    }
    let ids = daemon.find(names)?;
    let fields = [LISTED, LOOKED_AT].concat();
    for torrent in daemon.torrents(Some(&ids), &fields)? {
        if settings.switch("json") {
            console.result(table::closer_object(&torrent).line());
        } else {
            table::closer(&torrent).into_iter().for_each(|line| console.result(line));
        }
    }
    Ok(Exit::Done)
}

/// Does something to torrents.
///
/// # Errors
/// As [`list`].
pub fn act(method: &str, names: &[String], settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let mut daemon = Daemon::of(settings)?;
    let ids = daemon.find(names)?;
    if ids.is_empty() {
        return Ok(Exit::Done);
    }
    daemon.call(method, |object| {
        write_ids(&ids, object);
        if method == "torrent-remove" {
            object.plain("delete-local-data", settings.switch("delete-data"));
        }
    })?;
    done(&ids, settings, console);
    Ok(Exit::Done)
}

fn write_ids(ids: &[i64], object: &mut Writer<'_>) {
    json::write_list(ids, object.key("ids"), json::number);
}

fn done(ids: &[i64], settings: &Settings, console: &Console) {
    if settings.switch("json") {
        console.result(Object::event("done").number("torrents", ids.len() as u64).line());
    }
}

/// Sets what holds for torrents, or for all.
///
/// # Errors
/// As [`list`]; code 2 where nothing is set, or what cannot be.
pub fn set(names: &[String], settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let said = |name: &str| settings.effective(name).origin == Origin::Flag;
    let of_all = ["max-downloads", "max-seeds"];
    let of_one = ["select", "first", "last", "label", "recheck"];
    let wrong =
        if names.is_empty() { of_one.iter().find(|name| said(name)) } else { of_all.iter().find(|name| said(name)) };
    if let Some(wrong) = wrong {
        let what = if names.is_empty() { "a torrent" } else { "all of them together: say no torrent" };
        return Err(Failure::usage(format!("--{wrong} is for {what}")));
    }
    let common = ["dir", "up-limit", "down-limit", "seed-ratio", "max-peers"];
    if !common.iter().chain(&of_all).chain(&of_one).any(|name| said(name)) {
        return Err(Failure::usage("nothing to set (`peerlink set --help` shows what can be)"));
    }
    let mut daemon = Daemon::of(settings)?;
    if names.is_empty() {
        daemon.call("session-set", |object| session_values(settings, object))?;
        done(&[], settings, console);
        return Ok(Exit::Done);
    }
    let ids = daemon.find(names)?;
    if ["select", "first", "last"].iter().any(|name| said(name)) {
        choose(&mut daemon, &ids, settings)?;
    }
    daemon.call("torrent-set", |object| {
        write_ids(&ids, object);
        torrent_values(settings, object);
    })?;
    if said("recheck") {
        daemon.call("torrent-verify", |object| write_ids(&ids, object))?;
    }
    done(&ids, settings, console);
    Ok(Exit::Done)
}

/// Chooses files of one torrent, and which of them come first.
fn choose(daemon: &mut Daemon, ids: &[i64], settings: &Settings) -> Result<(), Failure> {
    let torrents = daemon.torrents(Some(ids), &["files"])?;
    let [torrent] = &torrents[..] else {
        return Err(Failure::usage(
            "--select, --first and --last are for files of one torrent, and several are named",
        ));
    };
    let count = torrent.list("files").len();
    let chosen = |name: &str| -> Result<Option<Vec<bool>>, Failure> {
        let is_said = settings.effective(name).origin == Origin::Flag;
        let Some(text) = settings.text(name).filter(|_| is_said) else { return Ok(None) };
        values::select(text, count).map(Some).map_err(|why| Failure::usage(format!("--{name}: {why}")))
    };
    let (wanted, first, last) = (chosen("select")?, chosen("first")?, chosen("last")?);
    let is_in = |list: &Option<Vec<bool>>, index: usize| list.as_ref().is_some_and(|list| list[index]);
    if (0..count).any(|index| is_in(&first, index) && is_in(&last, index)) {
        return Err(Failure::usage("--first and --last name the same file"));
    }
    let of = |is: &dyn Fn(usize) -> bool| (0..count).filter(|index| is(*index)).collect::<Vec<_>>();
    let mut lists = Vec::new();
    if wanted.is_some() {
        lists.push(("files-wanted", of(&|index| is_in(&wanted, index))));
        lists.push(("files-unwanted", of(&|index| !is_in(&wanted, index))));
    }
    if first.is_some() || last.is_some() {
        lists.push(("priority-high", of(&|index| is_in(&first, index))));
        lists.push(("priority-low", of(&|index| is_in(&last, index))));
        lists.push(("priority-normal", of(&|index| !is_in(&first, index) && !is_in(&last, index))));
    }
    daemon.call("torrent-set", |object| {
        write_ids(ids, object);
        // To clients, a list of no files means all of them.
        for (key, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            json::write_list(list, object.key(key), json::number);
        }
    })?;
    Ok(())
}

/// A rate that was said, in thousands of bytes; 0 is none.
fn rate(settings: &Settings, name: &str) -> Option<u64> {
    let is_said = settings.effective(name).origin == Origin::Flag;
    settings.size(name).filter(|_| is_said).map(|bytes| bytes.div_ceil(1000))
}

fn ratio(settings: &Settings) -> Option<f64> {
    let is_said = settings.effective("seed-ratio").origin == Origin::Flag;
    let thousandths = settings.text("seed-ratio").and_then(|text| values::ratio(text).ok());
    thousandths.filter(|_| is_said).map(|thousandths| thousandths as f64 / 1000.0)
}

fn count(settings: &Settings, name: &str) -> Option<u64> {
    let is_said = settings.effective(name).origin == Origin::Flag;
    settings.count(name).filter(|_| is_said)
}

fn session_values(settings: &Settings, object: &mut Writer<'_>) {
    if let Ok(Some(dir)) = said_dir(settings) {
        object.text("download-dir", &dir);
    }
    for (flag, key) in [("up-limit", "speed-limit-up"), ("down-limit", "speed-limit-down")] {
        let Some(kb) = rate(settings, flag) else { continue };
        object.plain(&format!("{key}-enabled"), kb > 0);
        if kb > 0 {
            object.plain(key, kb);
        }
    }
    if let Some(ratio) = ratio(settings) {
        object.plain("seedRatioLimit", ratio);
        object.plain("seedRatioLimited", ratio > 0.0);
    }
    if let Some(max) = count(settings, "max-peers") {
        object.plain("peer-limit-per-torrent", max);
    }
    for (flag, key) in [("max-downloads", "download-queue"), ("max-seeds", "seed-queue")] {
        let Some(max) = count(settings, flag) else { continue };
        object.plain(&format!("{key}-enabled"), max > 0);
        object.plain(&format!("{key}-size"), max);
    }
}

fn torrent_values(settings: &Settings, object: &mut Writer<'_>) {
    if let Ok(Some(dir)) = said_dir(settings) {
        object.text("location", &dir);
    }
    for (flag, key, switch) in
        [("up-limit", "uploadLimit", "uploadLimited"), ("down-limit", "downloadLimit", "downloadLimited")]
    {
        let Some(kb) = rate(settings, flag) else { continue };
        object.plain(switch, kb > 0);
        if kb > 0 {
            object.plain(key, kb);
        }
    }
    if let Some(ratio) = ratio(settings) {
        object.plain("seedRatioLimit", ratio);
        object.plain("seedRatioMode", if ratio > 0.0 { 1 } else { 2 });
    }
    if let Some(max) = count(settings, "max-peers") {
        object.plain("peer-limit", max);
    }
    if settings.effective("label").origin == Origin::Flag {
        json::write_list(settings.list("label"), object.key("labels"), |label, to| json::quote(label, to));
    }
}
