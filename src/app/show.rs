//! `peerlink show`, and `--list` of other commands: what a torrent holds.

use super::exit::Failure;
use super::json;
use super::source;
use crate::io::console::Console;
use crate::metainfo::{Metainfo, show, show_magnet};

/// Prints the torrent or the link that `source` names.
///
/// # Errors
/// When it cannot be read.
pub fn run(source: &str, as_json: bool, console: &Console) -> Result<(), Failure> {
    let text = match source::link(source)? {
        Some(magnet) if as_json => json::harmless(&show_magnet::json(&magnet)),
        Some(magnet) => show_magnet::text(&magnet),
        None => {
            let metainfo = source::read(source)?;
            if as_json { json::harmless(&show::json(&metainfo)) } else { show::text(&metainfo) }
        }
    };
    console.result(text);
    Ok(())
}

/// Prints its files with the numbers that `--select` takes.
pub fn list(metainfo: &Metainfo, as_json: bool, console: &Console) {
    console.result(if as_json { json::harmless(&show::json(metainfo)) } else { show::files(metainfo) });
}
