//! `peerlink magnet`: prints a torrent's magnet link.

use super::exit::Failure;
use super::json::Object;
use super::settings::Settings;
use super::source;
use crate::io::console::Console;
use crate::metainfo::magnet;

/// Prints the link of the torrent that `source` names.
///
/// # Errors
/// When it cannot be read.
pub fn run(source: &str, settings: &Settings, console: &Console) -> Result<(), Failure> {
    let metainfo = source::read(source, settings)?;
    let link = magnet::link(&metainfo);
    console.result(if settings.switch("json") {
        let object = Object::empty().text("name", &metainfo.name).text("info_hash", &metainfo.info_hash.to_string());
        object.text("magnet", &link).line()
    } else {
        link
    });
    Ok(())
}
