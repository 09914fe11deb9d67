//! `peerlink seed`: shares torrents whose data is there, and files and folders of which it makes torrents.

use std::path::Path;
use std::sync::Arc;

use super::exit::{Exit, Failure};
use super::follow::Purpose;
use super::run::{self, Item, Subject};
use super::server::Server;
use super::settings::{Environment, Origin, Settings, shown};
use super::source::{self, Source};
use super::{create, publish};
use crate::base::address::Reach;
use crate::io::console::Console;
use crate::metainfo::magnet::Magnet;

/// Shares until somebody says stop.
///
/// # Errors
/// What keeps it from starting; what goes wrong later is in the exit code.
pub fn run(
    sources: &[String],
    settings: &Settings,
    environment: Environment<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let state_dir = settings.state_dir(environment)?;
    let data = |source: &String| !source::is_torrent(source);
    let data_count = sources.iter().filter(|source| data(source)).count();
    if data_count > 0 && settings.effective("dir").origin == Origin::Flag {
        return Err(Failure::usage("--dir is for .torrent files; a file or folder is shared from where it is"));
    }
    if data_count != 1 && settings.effective("output").origin == Origin::Flag {
        return Err(Failure::usage("--output takes the torrent made of one file or folder"));
    }
    let dir = settings.path("dir")?.ok_or_else(|| Failure::usage("--dir: it is empty"))?;
    let to_publish = settings.switch("publish");
    let server = Server::of(settings);
    if to_publish && server.is_none() {
        return Err(Failure::usage("--publish needs a --server HOST[:PORT] to publish on"));
    }
    let index = server.filter(|_| to_publish);
    let mut items = Vec::new();
    for source in sources {
        items.push(if source::is_torrent(source) {
            match find(source, index.as_ref(), &state_dir, settings, console)? {
                Source::Torrent(metainfo, magnet, named_by) => {
                    let peers = magnet.map(|magnet| magnet.peers).unwrap_or_default();
                    let subject = Subject::Torrent(metainfo, peers);
                    Item { subject, dir: dir.clone(), wanted: Vec::new(), named_by }
                }
                Source::Link(..) => return Err(source::only_a_link(source)),
            }
        } else {
            made_of(source, index.as_ref(), &state_dir, settings, console)?
        });
    }
    run::run(Purpose::Seed, items, settings, state_dir, None, console)
}

/// Reads a torrent, and publishes it where that is wanted.
fn find(
    source: &str,
    index: Option<&Server>,
    state_dir: &Path,
    settings: &Settings,
    console: &Console,
) -> Result<Source, Failure> {
    let Some(server) = index.filter(|_| !Magnet::is_link(source)) else {
        return source::find(source, state_dir);
    };
    let (bytes, metainfo) = source::read_bytes(source)?;
    publish::publish(&bytes, server, state_dir, settings, console)?;
    Ok(Source::Torrent(Arc::new(metainfo), None, Reach::Global))
}

/// Makes a torrent of a path, and keeps it in the state folder or where `--output` says.
fn made_of(
    path: &str,
    index: Option<&Server>,
    state_dir: &Path,
    settings: &Settings,
    console: &Console,
) -> Result<Item, Failure> {
    let output = settings.path("output")?;
    let made = create::make(Path::new(path), settings, console)?;
    let target = match output {
        Some(target) => target,
        None => {
            let folder = state_dir.join("created");
            std::fs::create_dir_all(&folder)
                .map_err(|e| Failure::new(Exit::Disk, format!("cannot make the folder {}: {e}", shown(&folder))))?;
            folder.join(format!("{}.torrent", made.metainfo.info_hash))
        }
    };
    // The same data makes the same torrent: its own file may be replaced.
    create::write(&target, &made, true)?;
    create::tell(&target, &made, settings, console);
    if let Some(server) = index {
        publish::publish(&made.bytes, server, state_dir, settings, console)?;
    }
    let subject = Subject::Torrent(Arc::new(made.metainfo), Vec::new());
    Ok(Item { subject, dir: made.dir, wanted: Vec::new(), named_by: Reach::Nowhere })
}
