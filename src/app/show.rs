//! `peerlink show`: what a torrent holds, or what a link says.

use super::exit::{Exit, Failure};
use super::settings::{Environment, Settings};
use super::{get, json, sought, source};
use crate::io::console::Console;
use crate::metainfo::show_magnet;

/// Prints the torrent or the link that `source` names.
///
/// # Errors
/// When it cannot be read.
pub fn run(
    source: &str,
    settings: &Settings,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let as_json = settings.switch("json");
    let Some(magnet) = source::link(source)? else {
        console.result(sought::told(&source::read(source)?, false, as_json));
        return Ok(Exit::Done);
    };
    if settings.switch("fetch") {
        let state_dir = settings.state_dir(environment)?;
        let found = source::find(source, &state_dir)?;
        return get::look(vec![found], false, settings, state_dir, console);
    }
    console.result(if as_json { json::harmless(&show_magnet::json(&magnet)) } else { show_magnet::text(&magnet) });
    Ok(Exit::Done)
}
