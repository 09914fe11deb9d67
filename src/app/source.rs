//! Where a torrent comes from: a file, standard input or the web.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::bounded;

use super::exit::{Exit, Failure};
use super::server::Server;
use super::{publish, sought};
use crate::base::address::{Reach, reach};
use crate::base::text::harmless;
use crate::base::{InfoHash, JobId, Span, limits};
use crate::io::statefile;
use crate::io::web::{self, Web};
use crate::machine::{Completion, Fetch, Purpose};
use crate::metainfo::magnet::{self, Magnet};
use crate::metainfo::{self, Metainfo};

/// Bytes of a .torrent that was kept: metadata, and trackers.
const KEPT_LEN: u64 = limits::METADATA_LEN as u64 + 1024 * 1024;
/// From look-up to last byte of a .torrent on the web.
const FETCH_TIMEOUT: Span = Span::secs(60);

/// What a source names.
pub enum Source {
    /// A torrent, the link that named it where its .torrent was kept earlier, and how far whoever gave it is: `Nowhere`
    /// for the person at this machine.
    Torrent(Arc<Metainfo>, Option<Box<Magnet>>, Reach),
    /// A link or hash of which nothing is known here.
    Link(Box<Magnet>, InfoHash),
}

/// Finds what `source` names; links are looked up among what earlier runs kept in the state folder.
///
/// # Errors
/// As [`read`].
pub fn find(source: &str, state_dir: &Path) -> Result<Source, Failure> {
    let Some(magnet) = link(source)? else {
        return read_from(source).map(|(_, metainfo, from)| Source::Torrent(Arc::new(metainfo), None, from));
    };
    let Some(info_hash) = magnet.info_hash else {
        return Err(bad("magnet link", "this is a v2-only torrent (BEP 52); only v1 and hybrid ones can be used"));
    };
    Ok(match kept(&magnet, info_hash, state_dir) {
        Some(metainfo) => Source::Torrent(Arc::new(metainfo), Some(Box::new(magnet)), Reach::Nowhere),
        None => Source::Link(Box::new(magnet), info_hash),
    })
}

/// What an earlier run was told by peers.
fn kept(magnet: &Magnet, info_hash: InfoHash, state_dir: &Path) -> Option<Metainfo> {
    let path = statefile::kept_torrent(state_dir, info_hash);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).ok()?;
    file.take(KEPT_LEN).read_to_end(&mut bytes).ok()?;
    let mut metainfo = magnet::read_kept(&bytes, info_hash)?;
    sought::add_from_link(&mut metainfo, magnet);
    Some(metainfo)
}

/// The refusal of a link where a torrent is needed.
pub fn only_a_link(source: &str) -> Failure {
    let why = "a link does not say what the torrent holds; `peerlink show --fetch` asks its swarm";
    bad(&harmless(source), why)
}

/// Reads the torrent that `source` names, in this order: a file, `-`, a URL.
///
/// # Errors
/// Code 3 for what is no torrent or not there, 6 for a server that does not answer.
pub fn read(source: &str) -> Result<Metainfo, Failure> {
    read_bytes(source).map(|(_, metainfo)| metainfo)
}

/// As [`read`], with the .torrent itself.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(source: &str) -> Result<(Vec<u8>, Metainfo), Failure> {
    read_from(source).map(|(bytes, metainfo, _)| (bytes, metainfo))
}

fn read_from(source: &str) -> Result<(Vec<u8>, Metainfo, Reach), Failure> {
    let shown = harmless(source);
    let (bytes, from) = bytes_of(source, &shown)?;
    let name = if source == "-" { "standard input" } else { &shown };
    let metainfo = metainfo::parse::parse(&bytes).map_err(|refused| bad(name, &refused.to_string()))?;
    Ok((bytes, metainfo, from))
}

/// Looks names, numbers and hashes up in the index of a server: what it has becomes the URL of its .torrent, what
/// is something else already stays.
///
/// # Errors
/// Code 3 for a name that nothing has, 6 for a server that does not answer.
pub fn looked_up(source: &str, server: Option<&Server>) -> Result<String, Failure> {
    let is_known = source == "-" || source.contains("://") || Magnet::is_link(source);
    // What a name brought before lies there under that name, and is no .torrent: the name still means the same.
    let is_here = Path::new(source).symlink_metadata().is_ok();
    if is_known || is_here && (server.is_none() || is_torrent(source)) {
        return Ok(source.to_string());
    }
    let hash = link(source)?.and_then(|magnet| magnet.info_hash);
    match (server, hash) {
        (None, Some(_)) => Ok(source.to_string()),
        (None, None) => {
            Err(bad(&harmless(source), "no such file (names and numbers of a server's index need --server HOST)"))
        }
        // Peers can be asked as well.
        (Some(server), Some(info_hash)) if !server.has(info_hash).unwrap_or(false) => Ok(source.to_string()),
        (Some(server), Some(info_hash)) => Ok(server.torrent_url(info_hash)),
        (Some(server), None) => publish::one_of(source, server).map(|info_hash| server.torrent_url(info_hash)),
    }
}

/// Whether a source is a .torrent: by its name, or by a look inside. Everything else is data to share.
pub fn is_torrent(source: &str) -> bool {
    let path = Path::new(source);
    if source == "-" || source.contains("://") || source.starts_with("magnet:") {
        return true;
    }
    if path.is_dir() {
        return false;
    }
    if path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("torrent")) {
        return true;
    }
    let mut start = [0; 1];
    let is_short = path.metadata().is_ok_and(|about| about.len() <= limits::TORRENT_LEN as u64);
    let opened = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let is_whole = || read_file(path, source).is_ok_and(|bytes| metainfo::parse::parse(&bytes).is_ok());
    is_short && opened.is_ok() && start[0] == b'd' && is_whole()
}

/// What `source` says where it is a magnet link or an info hash, and nothing that has a file of that name.
///
/// # Errors
/// Code 3 for a link that is none.
pub fn link(source: &str) -> Result<Option<Magnet>, Failure> {
    if Path::new(source).symlink_metadata().is_ok() {
        return Ok(None);
    }
    if Magnet::is_link(source) {
        return Magnet::parse(source).map(Some).map_err(|why| bad("magnet link", &why.to_string()));
    }
    Ok(Magnet::from_hash(source))
}

fn bad(name: &str, why: &str) -> Failure {
    Failure::new(Exit::BadTorrent, format!("{name}: {why}"))
}

/// What is there, and how far whoever gave it is.
fn bytes_of(source: &str, shown: &str) -> Result<(Vec<u8>, Reach), Failure> {
    let of_a_person = |bytes| (bytes, Reach::Nowhere);
    let starts = |scheme: &str| source.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    if source == "-" {
        let read = read_all(std::io::stdin().lock());
        return read.map(of_a_person).map_err(|e| bad("standard input", &format!("cannot read it: {e}")));
    }
    if Path::new(source).symlink_metadata().is_ok() {
        return read_file(Path::new(source), shown).map(of_a_person);
    }
    if starts("http://") || starts("https://") {
        return fetch(source, shown);
    }
    if link(source)?.is_some() {
        return Err(only_a_link(source));
    }
    if source.contains("://") {
        return Err(bad(shown, "only http and https URLs can be fetched"));
    }
    Err(bad(shown, "no such file"))
}

fn read_file(path: &Path, shown: &str) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        return Err(bad(shown, "this is a folder, not a .torrent file"));
    }
    let file = std::fs::File::open(path).map_err(|e| bad(shown, &format!("cannot open it: {e}")))?;
    read_all(file).map_err(|e| bad(shown, &format!("cannot read it: {e}")))
}

/// One byte more than a torrent may have, so that the parser sees when there is too much.
fn read_all(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limits::TORRENT_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn fetch(url: &str, shown: &str) -> Result<(Vec<u8>, Reach), Failure> {
    let (tell, told) = bounded(1);
    let web = Web::new(web::Options::default(), move |completion| {
        let _ = tell.try_send(completion);
    });
    let request =
        Fetch { url: url.to_string(), len_max: limits::TORRENT_LEN, timeout: FETCH_TIMEOUT, purpose: Purpose::File };
    web.fetch(JobId(0), request);
    let unreachable = |why: &str| Failure::new(Exit::Unreachable, format!("{shown}: {}", harmless(why)));
    match told.recv() {
        Ok(Completion::Fetched { result: Ok(fetched), .. }) if fetched.status == 200 => {
            let from = fetched.from.map_or(Reach::Global, |from| reach(from.ip()));
            Ok((fetched.body, from))
        }
        Ok(Completion::Fetched { result: Ok(fetched), .. }) => {
            Err(bad(shown, &format!("the server answers {} instead of a torrent", fetched.status)))
        }
        Ok(Completion::Fetched { result: Err(why), .. }) => Err(unreachable(&why)),
        _ => Err(unreachable("no answer")),
    }
}
