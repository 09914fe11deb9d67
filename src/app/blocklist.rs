//! The blocklist of a daemon: read by a thread of its own at the start, when somebody asks for it, and from the web
//! once a day. What came from the web is kept, for starts without it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::exit::Failure;
use super::settings::{Settings, shown};
use crate::base::blocked::Blocked;
use crate::base::text::harmless;
use crate::base::{JobId, Span};
use crate::io::keep;
use crate::io::reactor::Handle;
use crate::io::web::{self, Web};
use crate::machine::{Completion, Fetch, Note, Purpose};
use crate::wire::blocklist::Reader;

/// Between two fetches of a list on the web.
const FETCH_EVERY: Duration = Duration::from_secs(24 * 3600);
/// After one that failed.
const FETCH_AGAIN: Duration = Duration::from_secs(3600);
const FETCH_TIMEOUT: Span = Span::secs(120);
/// Bytes of a list on the web as it is sent, which is in memory meanwhile: the largest ones have 5 MB when gzipped.
const FETCH_LEN: usize = 16 * 1024 * 1024;
/// What the one from the web is kept as.
const KEPT: &str = "blocklist";

/// Where it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    File(PathBuf),
    Url(String),
}

/// Where the settings say that it comes from; None: there is none.
///
/// # Errors
/// Where they say nothing that makes sense.
pub fn source(settings: &Settings) -> Result<Option<Source>, Failure> {
    let Some(text) = settings.text("blocklist").filter(|text| !text.is_empty()) else { return Ok(None) };
    let starts = |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    if starts("http://") || starts("https://") {
        return Ok(Some(Source::Url(text.to_string())));
    }
    if text.contains("://") {
        return Err(Failure::usage(format!(
            "--blocklist {}: only http and https URLs can be fetched",
            harmless(text)
        )));
    }
    Ok(settings.path("blocklist")?.map(Source::File))
}

/// What the thread is asked for.
#[derive(Debug)]
enum Ask {
    Again,
    From(Option<Source>),
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub struct Blocklist {
    asks: Sender<Ask>,
}

impl Blocklist {
    /// Reads it as soon as the loop goes round, and whenever it is asked for.
    pub fn start(source: Option<Source>, state_dir: &Path, handle: Handle) -> Blocklist {
        // Who asks while it is read anyway need not be remembered often.
        let (asks, asked) = bounded(4);
        let state_dir = state_dir.to_path_buf();
        let read = move || serve(source, &state_dir, &handle, &asked);
        if std::thread::Builder::new().name("blocklist".into()).stack_size(256 * 1024).spawn(read).is_err() {
            log::warn!("no thread to be had for the blocklist");
        }
        Blocklist { asks }
    }

    /// It is read again.
    pub fn again(&self) {
        let _ = self.asks.try_send(Ask::Again);
    }

    /// It is read again, perhaps from elsewhere.
    pub fn read_from(&self, source: Option<Source>) {
        let _ = self.asks.try_send(Ask::From(source));
    }
}

/// Reads whenever it is time to, for as long as the process lives.
fn serve(mut source: Option<Source>, state_dir: &Path, handle: &Handle, asked: &Receiver<Ask>) {
    let mut patience = source.as_ref().map(|source| begin(source, state_dir, handle));
    loop {
        let ask = match patience {
            Some(patience) => asked.recv_timeout(patience),
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let had_one = source.is_some();
        match ask {
            Ok(Ask::From(new)) => source = new,
            Ok(Ask::Again) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        patience = match &source {
            Some(source) => Some(tell(read(source, state_dir), source, handle)),
            None => {
                if had_one {
                    handle.note(Note::Blocklist(Ok(Arc::default())));
                }
                None
            }
        };
    }
}

/// The first look: what was kept of the web is good for a day.
fn begin(source: &Source, state_dir: &Path, handle: &Handle) -> Duration {
    if let Source::Url(_) = source {
        let kept = state_dir.join(KEPT);
        let changed = kept.metadata().and_then(|about| about.modified()).ok();
        let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
        if let Some(age) = age
            && let Ok(read) = read_file(&kept)
        {
            tell(Ok(read), source, handle);
            if let Some(left) = FETCH_EVERY.checked_sub(age) {
                return left;
            }
        }
    }
    tell(read(source, state_dir), source, handle)
}

/// Tells the loop; how long it is good for.
fn tell(read: Result<(Blocked, u32), String>, source: &Source, handle: &Handle) -> Duration {
    let read = match read {
        Ok((blocked, bad_count)) => {
            log::info!("the blocklist has {} ranges; {bad_count} lines were none", blocked.count());
            Ok(Arc::new(blocked))
        }
        Err(why) => {
            log::warn!("the blocklist cannot be read: {why}");
            Err(why)
        }
    };
    let is_good = read.is_ok();
    if !handle.note(Note::Blocklist(read)) {
        log::warn!("the blocklist was read, but nobody listens");
        return Duration::from_secs(10);
    }
    match source {
        Source::Url(_) if !is_good => FETCH_AGAIN,
        Source::Url(_) => FETCH_EVERY,
        // Until somebody says that it is another one.
        Source::File(_) => FETCH_EVERY * 365,
    }
}

fn read(source: &Source, state_dir: &Path) -> Result<(Blocked, u32), String> {
    match source {
        Source::File(path) => read_file(path),
        Source::Url(url) => {
            let bytes = fetch(url)?;
            let read = read_bytes(&bytes).map_err(|why| format!("{}: {why}", harmless(url)))?;
            keep::save(state_dir, KEPT, &bytes).map_err(|error| error.text)?;
            Ok(read)
        }
    }
}

fn read_bytes(bytes: &[u8]) -> Result<(Blocked, u32), &'static str> {
    let mut reader = Reader::default();
    reader.feed(bytes).map_err(|why| why.text())?;
    reader.finish().map_err(|why| why.text())
}

fn read_file(path: &Path) -> Result<(Blocked, u32), String> {
    let cannot = |error: std::io::Error| format!("{}: {error}", shown(path));
    let mut file = File::open(path).map_err(cannot)?;
    let mut reader = Reader::default();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let len = file.read(&mut piece).map_err(cannot)?;
        if len == 0 {
            break;
        }
        reader.feed(&piece[..len]).map_err(|why| format!("{}: {}", shown(path), why.text()))?;
    }
    reader.finish().map_err(|why| format!("{}: {}", shown(path), why.text()))
}

fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let (tell, told) = bounded(1);
    let web = Web::new(web::Options::default(), move |completion| {
        let _ = tell.try_send(completion);
    });
    let (len_max, timeout, purpose) = (FETCH_LEN, FETCH_TIMEOUT, Purpose::File);
    web.fetch(JobId(0), Fetch { url: url.to_string(), len_max, timeout, purpose });
    match told.recv() {
        Ok(Completion::Fetched { result: Ok(fetched), .. }) if fetched.status == 200 => Ok(fetched.body),
        Ok(Completion::Fetched { result: Ok(fetched), .. }) => {
            Err(format!("{}: the server answers {}", harmless(url), fetched.status))
        }
        Ok(Completion::Fetched { result: Err(why), .. }) => Err(format!("{}: {}", harmless(url), harmless(&why))),
        _ => Err(format!("{}: no answer", harmless(url))),
    }
}
