//! `peerlink magnet`: prints a torrent's magnet link.

use super::exit::Failure;
use super::json::Object;
use super::source;
use crate::io::console::Console;
use crate::metainfo::magnet;

/// Prints the link of the torrent that `source` names.
///
/// # Errors
/// When it cannot be read.
pub fn run(source: &str, as_json: bool, console: &Console) -> Result<(), Failure> {
    let metainfo = source::read(source)?;
    let link = magnet::link(&metainfo);
    console.result(if as_json {
        let object = Object::empty().text("name", &metainfo.name).text("info_hash", &metainfo.info_hash.to_string());
        object.text("magnet", &link).line()
    } else {
        link
    });
    Ok(())
}
