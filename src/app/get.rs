//! `peerlink get`: downloads torrents.

use super::enough::Enough;
use super::exit::{Exit, Failure};
use super::follow::Purpose;
use super::run::{self, Item, Subject};
use super::server::Server;
use super::settings::{Environment, Settings};
use super::source::{self, Source};
use super::space::MinFree;
use super::{sought, values};
use crate::base::address::Reach;
use crate::io::console::Console;
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;

/// Downloads what the sources name, or lists it.
///
/// # Errors
/// What keeps it from starting; what goes wrong later is in the exit code.
pub fn run(
    sources: &[String],
    settings: &Settings,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    if sources.len() > 1 && settings.text("select").is_some() {
        return Err(Failure::usage("--select chooses files of one torrent, and several are given"));
    }
    let state_dir = settings.state_dir(environment)?;
    let server = Server::of(settings);
    let find = |source: &String| source::find(&source::looked_up(source, server.as_ref())?, &state_dir);
    let sources: Vec<Source> = sources.iter().map(find).collect::<Result<_, _>>()?;
    if settings.switch("list") {
        return look(sources, true, settings, state_dir, console);
    }
    let dir = settings.path("dir")?.ok_or_else(|| Failure::usage("--dir: it is empty"))?;
    let mut items = Vec::new();
    for source in sources {
        items.push(match source {
            Source::Link(magnet, info_hash) => {
                let subject = Subject::Link(magnet, info_hash);
                Item { subject, dir: dir.clone(), wanted: Vec::new(), named_by: Reach::Nowhere }
            }
            Source::Torrent(metainfo, magnet, named_by) => {
                let wanted = wanted(&metainfo, magnet.as_deref(), settings)?;
                let peers = magnet.map(|magnet| magnet.peers).unwrap_or_default();
                Item { subject: Subject::Torrent(metainfo, peers), dir: dir.clone(), wanted, named_by }
            }
        });
    }
    let min_free = MinFree::start(&dir, &items, settings)?;
    let purpose = Purpose::Get { seed: Enough::of(settings).is_shared(settings), timeout: settings.time("timeout") };
    run::run(purpose, items, settings, state_dir, min_free, console)
}

/// Prints what the sources hold; those of which only the hash is known are asked for.
///
/// # Errors
/// What keeps it from starting.
pub fn look(
    sources: Vec<Source>,
    list: bool,
    settings: &Settings,
    state_dir: std::path::PathBuf,
    console: &Console,
) -> Result<Exit, Failure> {
    let mut items = Vec::new();
    for source in sources {
        match source {
            Source::Torrent(metainfo, ..) => {
                console.result(sought::told(&metainfo, list, settings.switch("json")));
            }
            Source::Link(magnet, info_hash) => {
                let subject = Subject::Link(magnet, info_hash);
                let (dir, wanted) = Default::default();
                items.push(Item { subject, dir, wanted, named_by: Reach::Nowhere });
            }
        }
    }
    if items.is_empty() {
        return Ok(Exit::Done);
    }
    let purpose = Purpose::Look { list, json: settings.switch("json"), timeout: settings.time("timeout") };
    run::run(purpose, items, settings, state_dir, None, console)
}

/// What `--select` chooses of this torrent, or the link where that says nothing.
///
/// # Errors
/// A choice that chooses nothing.
pub fn wanted(metainfo: &Metainfo, magnet: Option<&Magnet>, settings: &Settings) -> Result<Vec<bool>, Failure> {
    let has_data = |wanted: &[bool]| metainfo.files.iter().zip(wanted).any(|(file, wanted)| *wanted && !file.pad);
    let Some(text) = settings.text("select") else {
        let chosen = magnet.map(|magnet| magnet.wanted(metainfo.files.len())).unwrap_or_default();
        return Ok(if has_data(&chosen) { chosen } else { Vec::new() });
    };
    let wanted =
        values::select(text, metainfo.files.len()).map_err(|why| Failure::usage(format!("--select: {why}")))?;
    if !has_data(&wanted) {
        return Err(Failure::usage(format!("--select: `{text}` chooses nothing that can be downloaded")));
    }
    Ok(wanted)
}
