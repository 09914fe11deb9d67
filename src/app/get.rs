//! `peerlink get`: downloads torrents.

use std::sync::Arc;

use super::enough::Enough;
use super::exit::{Exit, Failure};
use super::follow::Purpose;
use super::run::{self, Item};
use super::settings::{Environment, Settings};
use super::space::MinFree;
use super::{show, source, values};
use crate::io::console::Console;
use crate::metainfo::Metainfo;

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
    let torrents: Vec<Metainfo> = sources.iter().map(|source| source::read(source)).collect::<Result<_, _>>()?;
    if settings.switch("list") {
        torrents.iter().for_each(|metainfo| show::list(metainfo, settings.switch("json"), console));
        return Ok(Exit::Done);
    }
    let dir = settings.path("dir")?.ok_or_else(|| Failure::usage("--dir: it is empty"))?;
    let mut items = Vec::new();
    for metainfo in torrents {
        let wanted = wanted(&metainfo, settings)?;
        items.push(Item { metainfo: Arc::new(metainfo), dir: dir.clone(), wanted });
    }
    let min_free = MinFree::start(&dir, &items, settings)?;
    let purpose = Purpose::Get { seed: Enough::of(settings).is_shared(settings), timeout: settings.time("timeout") };
    run::run(purpose, items, settings, settings.state_dir(environment)?, min_free, console)
}

/// What `--select` chooses of this torrent.
fn wanted(metainfo: &Metainfo, settings: &Settings) -> Result<Vec<bool>, Failure> {
    let Some(text) = settings.text("select") else { return Ok(Vec::new()) };
    let wanted =
        values::select(text, metainfo.files.len()).map_err(|why| Failure::usage(format!("--select: {why}")))?;
    let has_data = metainfo.files.iter().zip(&wanted).any(|(file, wanted)| *wanted && !file.pad);
    if !has_data {
        return Err(Failure::usage(format!("--select: `{text}` chooses nothing that can be downloaded")));
    }
    Ok(wanted)
}
