//! `peerlink create`: makes a torrent of a file or folder; `seed PATH` starts the same way.

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::hashing;
use super::json::Object;
use super::server::Server;
use super::settings::{Settings, shown};
use crate::base::limits;
use crate::base::text::{harmless, size};
use crate::io::console::{Console, Stream};
use crate::io::create::{self, Found};
use crate::io::pieces::Watch;
use crate::metainfo::Metainfo;
use crate::metainfo::create::{NewFile, Recipe, create as encode, piece_len_for};

/// A torrent that was just made.
pub struct Made {
    pub metainfo: Metainfo,
    pub bytes: Vec<u8>,
    /// Where its data lies: the folder above the shared file or folder.
    pub dir: PathBuf,
}

/// Makes a torrent and writes it.
///
/// # Errors
/// One line, with code 2 for what cannot be shared, 5 for the disk, 130 when it was interrupted.
pub fn run(path: &str, settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let to_stdout = settings.text("output") == Some("-");
    let target = settings.path("output")?;
    if let Some(target) = target.as_ref().filter(|_| !to_stdout) {
        refuse_existing(target, settings)?;
    }
    let made = make(Path::new(path), settings, console)?;
    if to_stdout {
        console.result_bytes(made.bytes);
        return Ok(Exit::Done);
    }
    let default = || PathBuf::from(format!("{}.torrent", made.metainfo.name));
    let target = target.unwrap_or_else(default);
    write(&target, &made, settings.switch("force"))?;
    tell(&target, &made, settings, console);
    Ok(Exit::Done)
}

/// Better now than after an hour of hashing.
fn refuse_existing(target: &Path, settings: &Settings) -> Result<(), Failure> {
    if target.symlink_metadata().is_ok() && !settings.switch("force") {
        let text = format!("{} exists already (--force replaces it)", shown(target));
        return Err(Failure::usage(text));
    }
    Ok(())
}

/// Writes the .torrent file.
///
/// # Errors
/// Code 2 where something is in the way, 5 for the disk.
pub fn write(target: &Path, made: &Made, replace: bool) -> Result<(), Failure> {
    create::write_file(target, &made.bytes, replace).map_err(|why| {
        let exit = if why.contains("exists already") { Exit::Usage } else { Exit::Disk };
        Failure::new(exit, harmless(&why))
    })
}

/// Says what was made.
pub fn tell(target: &Path, made: &Made, settings: &Settings, console: &Console) {
    let metainfo = &made.metainfo;
    let info_hash = metainfo.info_hash.to_string();
    let len = metainfo.geometry.total_len();
    if settings.switch("json") {
        let object = Object::event("created").text("name", &metainfo.name).text("info_hash", &info_hash);
        let object = object.text("path", &target.to_string_lossy()).number("size", len);
        console.result(object.number("pieces", metainfo.geometry.piece_count()).line());
    } else if !settings.switch("quiet") {
        let name = harmless(&metainfo.name);
        console.result(format!("{}: {name} ({}), info hash {info_hash}", shown(target), size(len)));
    }
}

/// Walks, hashes and describes; the live line tells how far it is.
///
/// # Errors
/// As [`run`].
pub fn make(path: &Path, settings: &Settings, console: &Console) -> Result<Made, Failure> {
    let usage = |why: String| Failure::usage(harmless(&why));
    let found = create::walk(path, &settings.globs("exclude")).map_err(usage)?;
    if found.skipped_count > 0 && !settings.switch("quiet") {
        let count = found.skipped_count;
        console.line(Stream::Err, format!("{count} links, pipes or devices are left out"));
    }
    if found.excluded_count > 0 && !settings.switch("quiet") {
        console.line(Stream::Err, format!("files and folders left out by --exclude: {}", found.excluded_count));
    }
    let piece_len = piece_len(&found, settings)?;
    let hashes = hash(&found, piece_len, console)?;
    let dir = found.root.parent().unwrap_or(Path::new("/")).to_path_buf();
    let (bytes, metainfo) = encode(recipe(found, piece_len, hashes, settings)).map_err(|e| usage(e.to_string()))?;
    Ok(Made { metainfo, bytes, dir })
}

/// Makes a torrent for a group: with these trackers, without a live line, ended by `watch`. None when it was.
///
/// # Errors
/// As [`run`].
pub fn make_shared(path: &Path, server: &Server, private: bool, watch: &Watch) -> Result<Option<Made>, Failure> {
    let usage = |why: String| Failure::usage(harmless(&why));
    let found = create::walk(path, &[]).map_err(usage)?;
    let piece_len = piece_len_for(found.total_len);
    let thread_count = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    let hashed = create::hash(&found, piece_len, thread_count, watch);
    let Some(hashes) = hashed.map_err(|why| Failure::new(Exit::Disk, harmless(&why)))? else { return Ok(None) };
    let dir = found.root.parent().unwrap_or(Path::new("/")).to_path_buf();
    let recipe = Recipe { tiers: vec![vec![server.announce()]], private, ..named(found, piece_len, hashes) };
    let (bytes, metainfo) = encode(recipe).map_err(|e| usage(e.to_string()))?;
    Ok(Some(Made { metainfo, bytes, dir }))
}

fn piece_len(found: &Found, settings: &Settings) -> Result<u32, Failure> {
    let Some(len) = settings.size("piece-length") else { return Ok(piece_len_for(found.total_len)) };
    let fits = len.is_power_of_two() && len <= u64::from(limits::PIECE_LEN);
    let refused = || Failure::usage("--piece-length must be a power of two from 16K to 512M");
    u32::try_from(len).ok().filter(|_| fits).ok_or_else(refused)
}

fn hash(found: &Found, piece_len: u32, console: &Console) -> Result<Vec<[u8; 20]>, Failure> {
    let doing = format!("{}  hashing", harmless(&found.name));
    let work = |watch: &_, thread_count| create::hash(found, piece_len, thread_count, watch);
    let result = hashing::run(&doing, found.total_len, console, work)?;
    match result {
        Ok(Some(hashes)) => Ok(hashes),
        Ok(None) => Err(Failure::new(Exit::Interrupted, "stopped; nothing was written")),
        Err(why) => Err(Failure::new(Exit::Disk, harmless(&why))),
    }
}

/// The trackers that were named, else that of the group's server.
fn tiers(settings: &Settings) -> Vec<Vec<String>> {
    let named = settings.tiers("tracker");
    let of_server = || Server::of(settings).map(|server| vec![server.announce()]).into_iter().collect();
    if named.is_empty() { of_server() } else { named }
}

fn recipe(found: Found, piece_len: u32, hashes: Vec<[u8; 20]>, settings: &Settings) -> Recipe {
    let text = |name: &str| settings.text(name).map(str::to_string);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let date = now.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    Recipe {
        tiers: tiers(settings),
        private: settings.switch("private"),
        comment: text("comment"),
        source: text("source"),
        web_seeds: settings.tiers("web-seed").into_iter().flatten().collect(),
        creation_date: date.filter(|_| !settings.switch("no-date")),
        ..named(found, piece_len, hashes)
    }
}

/// What the data alone says.
fn named(found: Found, piece_len: u32, hashes: Vec<[u8; 20]>) -> Recipe {
    let files = found.files.into_iter();
    let files = files.map(|file| NewFile { path: file.parts, len: file.len, executable: file.executable });
    Recipe {
        name: found.name,
        files: files.collect(),
        piece_len,
        hashes,
        tiers: Vec::new(),
        private: false,
        comment: None,
        created_by: Some(concat!("peerlink ", env!("CARGO_PKG_VERSION")).to_string()),
        source: None,
        web_seeds: Vec::new(),
        creation_date: None,
    }
}
