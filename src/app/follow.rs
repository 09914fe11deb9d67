//! Follows the torrents of one run: turns the node's notes into lines, and decides when the run is over and with
//! which exit code. Decides only: what it says is carried out by `run`.

use std::path::PathBuf;

use super::enough::{Enough, ratio_text};
use super::exit::{Exit, Failure};
use super::json::Object;
use super::portmap;
use super::progress;
use super::run::{Item, Subject};
use crate::base::text::{harmless, size};
use crate::base::{InfoHash, Span, TorrentId};
use crate::machine::{Activity, DiskError, DiskErrorKind, Level, Note, Row};
use crate::metainfo::Metainfo;

/// Between plain progress lines where no live line can be shown.
const PLAIN_INTERVAL: Span = Span::secs(30);

/// What a run is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Downloads; goes on sharing with `seed`.
    Get { seed: bool, timeout: Option<Span> },
    /// Finds out what links stand for, and shows that: with `list` the files alone, with `json` as an object.
    Look { list: bool, json: bool, timeout: Option<Span> },
    /// Shares what is there, and only that.
    Seed,
}

/// What a person or script should be told, or what is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Say {
    /// A line of results.
    Out(String),
    /// A line about how it goes, which may get lost where nobody reads.
    Event(String),
    /// A line for people.
    Err(String),
    /// The live line.
    Live(String),
    /// The torrent of this number is complete: run what was asked for.
    Done(usize),
    /// Wind down.
    Stop,
}

/// A torrent of the run.
#[derive(Debug)]
pub struct Followed {
    pub name: String,
    pub info_hash: InfoHash,
    pub dir: PathBuf,
    /// Bytes of the files that are wanted.
    wanted_len: u64,
    row: Option<Row>,
    /// When it began to download.
    began: Option<Span>,
    /// When it was complete.
    completed: Option<Span>,
    /// It was shared enough.
    is_shared: bool,
    failed: Option<Exit>,
}

impl Followed {
    /// A torrent of which nothing was told yet; `wanted` per file, empty for all.
    pub fn new(metainfo: &Metainfo, dir: PathBuf, wanted: &[bool]) -> Followed {
        let mut followed = Followed::sought(&metainfo.name, metainfo.info_hash, dir);
        followed.learn(metainfo, wanted);
        followed
    }

    /// The same of a run's item.
    pub fn of(item: &Item) -> Followed {
        match &item.subject {
            Subject::Torrent(metainfo, _) => Followed::new(metainfo, item.dir.clone(), &item.wanted),
            Subject::Link(magnet, hash) => Followed::sought(&harmless(&magnet.shown_name()), *hash, item.dir.clone()),
        }
    }

    /// One of which only the hash is known, and a name that may be another's.
    fn sought(name: &str, info_hash: InfoHash, dir: PathBuf) -> Followed {
        Followed {
            name: name.to_string(),
            info_hash,
            dir,
            wanted_len: 0,
            row: None,
            began: None,
            completed: None,
            is_shared: false,
            failed: None,
        }
    }

    fn learn(&mut self, metainfo: &Metainfo, wanted: &[bool]) {
        let is_wanted = |index: usize| wanted.get(index).copied().unwrap_or(true);
        let files = metainfo.files.iter().enumerate().filter(|(index, file)| !file.pad && is_wanted(*index));
        self.wanted_len = files.map(|(_, file)| file.len).sum();
        self.name.clone_from(&metainfo.name);
        // Waiting for peers begins anew.
        (self.row, self.began) = (None, None);
    }

    fn is_over(&self) -> bool {
        self.completed.is_some() || self.failed.is_some()
    }
}

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    pub json: bool,
    pub quiet: bool,
    /// A live line can be shown.
    pub live: bool,
}

/// The run. Torrents are numbered as they were added.
pub struct Follow {
    purpose: Purpose,
    style: Style,
    enough: Enough,
    torrents: Vec<Followed>,
    /// When the last plain line was said, and what it was.
    plain: (Span, String),
    is_stopping: bool,
}

impl Follow {
    /// Follows these torrents, whose ids are their places.
    pub fn new(purpose: Purpose, style: Style, torrents: Vec<Followed>) -> Follow {
        let enough = Enough::default();
        Follow { purpose, style, enough, torrents, plain: Default::default(), is_stopping: false }
    }

    /// The same, ended when every torrent was shared enough.
    pub fn until(mut self, enough: Enough) -> Follow {
        self.enough = enough;
        self
    }

    pub fn torrents(&self) -> &[Followed] {
        &self.torrents
    }

    /// Takes a note in; `now` is the time since the run began.
    pub fn note(&mut self, now: Span, note: Note) -> Vec<Say> {
        let mut say = Vec::new();
        match note {
            Note::Row(row) => self.row(now, *row, &mut say),
            Note::Complete { torrent } => self.complete(now, torrent, &mut say),
            Note::Said { torrent, level, text } => self.said(torrent, level, &text, &mut say),
            Note::Failed { torrent, error } => self.failed(torrent, &error, &mut say),
            Note::PortMapped(mapped) => say.extend(portmap::say(mapped, self.style)),
            _ => {}
        }
        say
    }

    /// A torrent that was never told of, or whose id is not ours, is nobody's.
    fn at(&mut self, torrent: TorrentId) -> Option<&mut Followed> {
        self.torrents.get_mut(torrent.0 as usize)
    }

    fn row(&mut self, now: Span, mut row: Row, say: &mut Vec<Say>) {
        let torrent = row.torrent;
        let purpose = self.purpose.clone();
        let Some(followed) = self.at(torrent) else { return };
        let is_sought = matches!(row.activity, Activity::Metadata { .. });
        if (is_sought || row.activity == Activity::Downloading) && followed.began.is_none() {
            followed.began = Some(now);
        }
        let is_idle = row.downloaded == 0 && !followed.is_over();
        let waited = followed.began.map_or(Span::ZERO, |began| Span(now.0.saturating_sub(began.0)));
        if row.down_per_s == 0 && (1..2_000_000).contains(&waited.0) {
            // Rates are known after a second; until then the average is the best guess.
            row.down_per_s = (row.downloaded as f64 / waited.as_secs_f64()) as u64;
        }
        let is_missing = row.activity == Activity::Downloading && !followed.is_over();
        followed.row = Some(row);
        match purpose {
            Purpose::Get { timeout: Some(timeout), .. } | Purpose::Look { timeout: Some(timeout), .. }
                if is_idle && waited >= timeout =>
            {
                let what = if is_sought { "told what it holds" } else { "delivered anything" };
                let text = format!("no peer {what} within {timeout}");
                self.give_up(torrent, Exit::NoPeers, &text, say);
            }
            Purpose::Seed if is_missing => self.refuse_missing(torrent, say),
            _ => {}
        }
        self.share(now, torrent, say);
        self.show(now, torrent, say);
    }

    /// Looks whether a torrent was shared enough. It is shared until all of them were.
    fn share(&mut self, now: Span, torrent: TorrentId, say: &mut Vec<Say>) {
        let (enough, Style { json, quiet, .. }) = (self.enough, self.style);
        let Some(followed) = self.at(torrent).filter(|followed| !followed.is_shared && followed.failed.is_none())
        else {
            return;
        };
        let (Some(completed), Some(row)) = (followed.completed, &followed.row) else { return };
        let shared_for = Span(now.0.saturating_sub(completed.0));
        if !enough.is_reached(row, shared_for) {
            return;
        }
        let (ratio, sent) = (ratio_text(row), row.uploaded);
        let ever = (row.downloaded_ever, row.uploaded_ever);
        followed.is_shared = true;
        if json {
            let object = named("shared", followed).number("ms", shared_for.0 / 1000).number("uploaded", sent);
            say.push(Say::Out(object.number("downloaded_ever", ever.0).number("uploaded_ever", ever.1).line()));
        } else if !quiet {
            let name = &followed.name;
            let time = progress::time(shared_for);
            say.push(Say::Out(format!("shared {name} for {time}: sent {}, ratio {ratio}", size(sent))));
        }
        self.stop_if_over(say);
    }

    pub fn purpose(&self) -> Purpose {
        self.purpose.clone()
    }

    /// What a link stands for is known: it is downloaded from now on.
    pub fn learn(&mut self, torrent: TorrentId, metainfo: &Metainfo, wanted: &[bool]) -> Vec<Say> {
        let Style { json, quiet, .. } = self.style;
        let Some(followed) = self.at(torrent) else { return Vec::new() };
        followed.learn(metainfo, wanted);
        let file_count = metainfo.files.iter().filter(|file| !file.pad).count();
        let len = followed.wanted_len;
        if json {
            let object = named("metadata", followed).number("files", file_count as u64).number("size", len);
            return vec![Say::Out(object.line())];
        }
        let files = if file_count == 1 { "1 file".into() } else { format!("{file_count} files") };
        let text = format!("{}: {files}, {} to download", metainfo.name, size(len));
        if quiet { Vec::new() } else { vec![Say::Err(text)] }
    }

    /// What a link stands for is known, and that was all.
    pub fn looked(&mut self, now: Span, torrent: TorrentId, text: String) -> Vec<Say> {
        let mut say = vec![Say::Out(text)];
        if let Some(followed) = self.at(torrent).filter(|followed| !followed.is_over()) {
            followed.completed = Some(now);
            self.stop_if_over(&mut say);
        }
        say
    }

    /// What a link stands for cannot be used.
    pub fn refuse(&mut self, torrent: TorrentId, failure: &Failure) -> Vec<Say> {
        let mut say = Vec::new();
        self.give_up(torrent, failure.exit, &failure.text, &mut say);
        say
    }

    /// Data that should be shared is not all there.
    fn refuse_missing(&mut self, torrent: TorrentId, say: &mut Vec<Say>) {
        let Some(followed) = self.at(torrent) else { return };
        let (have, wanted) = followed.row.as_ref().map_or((0, 0), |row| (row.have_bytes, row.wanted_bytes));
        let dir = followed.dir.display();
        let text = match have {
            0 => format!("none of its data is in {dir} (--dir says where it is)"),
            _ => {
                format!("only {} of {} in {dir} are right; `peerlink get` fetches the rest", size(have), size(wanted))
            }
        };
        self.give_up(torrent, Exit::BadData, &text, say);
    }

    fn give_up(&mut self, torrent: TorrentId, exit: Exit, text: &str, say: &mut Vec<Say>) {
        let (is_json, purpose) = (self.style.json, self.purpose.clone());
        let Some(followed) = self.at(torrent) else { return };
        if followed.is_over() {
            return;
        }
        followed.failed = Some(exit);
        let name = followed.name.clone();
        if let Purpose::Look { json: true, .. } = purpose {
            say.push(Say::Out(Object::empty().text("error", text).line()));
        } else if is_json {
            let object = named("failed", followed).text("error", text).number("code", exit as u8);
            say.push(Say::Out(object.line()));
        }
        say.push(Say::Err(format!("peerlink: {name}: {text}")));
        self.stop_if_over(say);
    }

    /// Too little room is left: downloads end, what is complete is shared on. Says nothing the second time.
    pub fn no_room(&mut self, text: &str) -> Vec<Say> {
        let mut say = Vec::new();
        let is_loading = |followed: &Followed| {
            let activity = followed.row.as_ref().map(|row| &row.activity);
            matches!(activity, Some(Activity::Downloading | Activity::Paused(_)))
        };
        for number in 0..self.torrents.len() {
            if is_loading(&self.torrents[number]) {
                self.give_up(TorrentId(number as u32), Exit::DiskFull, text, &mut say);
            }
        }
        say
    }

    fn failed(&mut self, torrent: TorrentId, error: &DiskError, say: &mut Vec<Say>) {
        self.give_up(torrent, Exit::of_disk(error.kind), &error.text, say);
    }

    fn complete(&mut self, now: Span, torrent: TorrentId, say: &mut Vec<Say>) {
        let Style { json, quiet, .. } = self.style;
        let is_seed = self.purpose == Purpose::Seed;
        let Some(followed) = self.at(torrent) else { return };
        if followed.is_over() {
            return;
        }
        followed.completed = Some(now);
        let took = Span(now.0.saturating_sub(followed.began.unwrap_or(now).0).max(1000));
        let downloaded = followed.row.as_ref().map_or(0, |row| row.downloaded);
        let rate = (downloaded as f64 / took.as_secs_f64()) as u64;
        let len = followed.wanted_len;
        let name = &followed.name;
        if json {
            let object = named("complete", followed).number("size", len).number("downloaded", downloaded);
            say.push(Say::Out(object.number("ms", took.0 / 1000).number("per_s", rate).line()));
        } else if !quiet {
            let verb = if is_seed { "sharing" } else { "verified" };
            let how = match downloaded {
                _ if is_seed => String::new(),
                0 => ", all of it was there already".into(),
                _ => format!(" in {}, at {}/s", progress::time(took), size(rate)),
            };
            say.push(Say::Out(format!("{verb} {name} ({}){how}", size(len))));
        }
        say.push(Say::Done(torrent.0 as usize));
        self.stop_if_over(say);
    }

    /// Ends the run where nothing is left to do.
    fn stop_if_over(&mut self, say: &mut Vec<Say>) {
        let goes_on = match self.purpose {
            Purpose::Get { seed: false, .. } | Purpose::Look { .. } => {
                self.torrents.iter().any(|followed| !followed.is_over())
            }
            // Sharing goes on as long as there is anything to share.
            _ => self.torrents.iter().any(|followed| followed.failed.is_none() && !followed.is_shared),
        };
        if !goes_on && !self.is_stopping {
            self.is_stopping = true;
            say.push(Say::Stop);
        }
    }

    fn said(&mut self, torrent: TorrentId, level: Level, text: &str, say: &mut Vec<Say>) {
        let Style { json, quiet, .. } = self.style;
        let Some(followed) = self.at(torrent) else { return };
        if json {
            let level = if level == Level::Warning { "warning" } else { "info" };
            say.push(Say::Event(named("message", followed).text("level", level).text("text", text).line()));
        } else if !quiet || level == Level::Warning {
            say.push(Say::Err(format!("{}: {text}", followed.name)));
        }
    }

    /// Shows where the run stands: the live line, a plain line now and then, or an object.
    fn show(&mut self, now: Span, torrent: TorrentId, say: &mut Vec<Say>) {
        let Style { json, quiet, live } = self.style;
        let followed = self.torrents.get(torrent.0 as usize);
        let Some((followed, row)) = followed.and_then(|f| Some((f, f.row.as_ref()?))) else { return };
        if self.is_stopping || row.activity == Activity::Stopped {
            // The last words are said at the end.
            return;
        }
        if json {
            let info_hash = followed.info_hash.to_string();
            say.push(Say::Event(progress::event(&followed.name, &info_hash, row)));
        } else if quiet {
        } else if live {
            say.push(Say::Live(self.line()));
        } else if now.0.saturating_sub(self.plain.0.0) >= PLAIN_INTERVAL.0 {
            let line = self.line();
            if line != self.plain.1 {
                say.push(Say::Err(line.clone()));
            }
            self.plain = (now, line);
        }
    }

    /// One line for all torrents: the first that is not over, and how many are.
    fn line(&self) -> String {
        let shown = self.torrents.iter().find(|followed| !followed.is_over() && followed.row.is_some());
        let shown = shown.or_else(|| self.torrents.iter().find(|followed| followed.row.is_some()));
        let line = shown.and_then(|f| f.row.as_ref().map(|row| progress::line(&f.name, row)));
        let over_count = self.torrents.iter().filter(|followed| followed.is_over()).count();
        match self.torrents.len() {
            1 => line.unwrap_or_default(),
            count => format!("[{over_count} of {count}]  {}", line.unwrap_or_default()),
        }
    }

    /// The exit code at the end, and a last line where there is something to say. `by_signal`: the code for a run
    /// that was stopped from outside before it was done.
    pub fn end(&self, by_signal: Option<Exit>) -> (Exit, Vec<Say>) {
        if let Some(exit) = self.torrents.iter().find_map(|followed| followed.failed) {
            return (exit, Vec::new());
        }
        let mut say = Vec::new();
        if self.purpose == Purpose::Seed || self.torrents.iter().all(|followed| followed.completed.is_some()) {
            return (Exit::Done, say);
        }
        let exit = match self.waits_for_space() {
            true => Exit::DiskFull,
            false => by_signal.unwrap_or(Exit::Stopped),
        };
        for followed in self.torrents.iter().filter(|followed| followed.completed.is_none()) {
            let (have, wanted) =
                followed.row.as_ref().map_or((0, 1), |row| (row.have_bytes, row.wanted_bytes.max(1)));
            let share = progress::percent(have, wanted);
            if self.style.json {
                let object = named("stopped", followed).number("have", have).number("wanted", wanted);
                say.push(Say::Out(object.switch("resumable", true).line()));
            } else if !self.style.quiet {
                let name = &followed.name;
                say.push(Say::Err(format!("stopped at {share} of {name}; the same command goes on from there")));
            }
        }
        (exit, say)
    }

    /// Whether the run was stopped while the disk was full.
    fn waits_for_space(&self) -> bool {
        self.torrents.iter().any(|followed| {
            let activity = followed.row.as_ref().map(|row| &row.activity);
            matches!(activity, Some(Activity::Paused(error)) if error.kind == DiskErrorKind::Full)
        })
    }
}

fn named(event: &str, followed: &Followed) -> Object {
    Object::event(event).text("name", &followed.name).text("info_hash", &followed.info_hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::progress::tests::row;
    use crate::machine::DiskErrorKind;
    use crate::metainfo::parse::parse;

    fn metainfo() -> Metainfo {
        let text = b"d4:infod6:lengthi20000e4:name5:a.txt12:piece lengthi16384e6:pieces40:\
            aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbee";
        parse(text).unwrap()
    }

    fn follow(purpose: Purpose, style: Style, count: usize) -> Follow {
        let torrents = (0..count).map(|_| Followed::new(&metainfo(), "/d".into(), &[])).collect();
        Follow::new(purpose, style, torrents)
    }

    const PLAIN: Style = Style { json: false, quiet: false, live: false };
    const GET: Purpose = Purpose::Get { seed: false, timeout: Some(Span::secs(10)) };

    fn row_of(number: u32, downloaded: u64) -> Note {
        Note::Row(Box::new(Row { torrent: TorrentId(number), downloaded, ..row() }))
    }

    fn complete(number: u32) -> Note {
        Note::Complete { torrent: TorrentId(number) }
    }

    #[test]
    fn a_download_ends_when_all_torrents_are_complete() {
        let mut run = follow(GET, PLAIN, 2);
        assert_eq!(run.note(Span::secs(1), row_of(0, 0)), []);
        assert_eq!(run.note(Span::secs(3), row_of(0, 20_000)), []);
        let first = run.note(Span::secs(3), complete(0));
        assert_eq!(first[0], Say::Out("verified a.txt (19.5 KiB) in 2.0s, at 9.77 KiB/s".into()));
        assert_eq!(first[1..], [Say::Done(0)]);
        let last = run.note(Span::secs(4), complete(1));
        assert_eq!(last[0], Say::Out("verified a.txt (19.5 KiB), all of it was there already".into()));
        assert_eq!(last[1..], [Say::Done(1), Say::Stop]);
        assert_eq!(run.end(Some(Exit::Interrupted)), (Exit::Done, vec![]));
    }

    #[test]
    fn nobody_delivers() {
        let mut run = follow(GET, PLAIN, 1);
        assert_eq!(run.note(Span::secs(5), row_of(0, 0)), []);
        assert_eq!(run.note(Span::secs(14), row_of(0, 0)), []);
        let said = run.note(Span::secs(15), row_of(0, 0));
        assert_eq!(said[0], Say::Err("peerlink: a.txt: no peer delivered anything within 10s".into()));
        assert_eq!(said[1], Say::Stop);
        assert_eq!(run.end(None).0, Exit::NoPeers);
        let mut run = follow(GET, PLAIN, 1);
        run.note(Span::secs(5), row_of(0, 1));
        assert_eq!(run.note(Span::secs(29), row_of(0, 1)), []);
    }

    #[test]
    fn a_stopped_download_says_that_it_can_go_on() {
        let mut run = follow(GET, PLAIN, 1);
        run.note(Span::secs(1), row_of(0, 5));
        let (exit, say) = run.end(Some(Exit::Interrupted));
        assert_eq!(exit, Exit::Interrupted);
        assert_eq!(say, [Say::Err("stopped at 42.2% of a.txt; the same command goes on from there".into())]);
        let full = DiskError { kind: DiskErrorKind::Full, text: "no space".into() };
        run.note(Span::secs(1), Note::Row(Box::new(Row { activity: Activity::Paused(full), ..row() })));
        assert_eq!(run.end(Some(Exit::Stopped)).0, Exit::DiskFull);
    }

    #[test]
    fn too_little_room_ends_what_is_not_complete() {
        let mut run = follow(GET, PLAIN, 3);
        run.note(Span::secs(1), row_of(0, 5));
        run.note(Span::secs(1), row_of(1, 5));
        run.note(Span::secs(1), complete(1));
        assert_eq!(run.no_room("low"), [Say::Err("peerlink: a.txt: low".into())]);
        assert_eq!(run.no_room("low"), []);
        assert!(run.note(Span::secs(2), complete(2)).contains(&Say::Stop));
        assert_eq!(run.end(None).0, Exit::DiskFull);
    }

    #[test]
    fn one_failure_does_not_end_the_others() {
        let mut run = follow(GET, PLAIN, 2);
        let error = DiskError { kind: DiskErrorKind::Denied, text: "cannot write x".into() };
        let failed = |number| Note::Failed { torrent: TorrentId(number), error: error.clone() };
        assert_eq!(run.note(Span::ZERO, failed(0)), [Say::Err("peerlink: a.txt: cannot write x".into())]);
        assert!(run.note(Span::ZERO, complete(1)).contains(&Say::Stop));
        assert_eq!(run.end(None).0, Exit::Disk);
        assert_eq!(run.note(Span::ZERO, failed(7)), []);
    }

    #[test]
    fn sharing_refuses_missing_data_and_goes_on_otherwise() {
        let mut run = follow(Purpose::Seed, PLAIN, 1);
        let said = run.note(Span::ZERO, row_of(0, 0));
        assert!(matches!(&said[0], Say::Err(text) if text.contains("only 12.3 MiB of 29.1 MiB in /d")), "{said:?}");
        assert_eq!(said[1], Say::Stop);
        assert_eq!(run.end(None).0, Exit::BadData);
        let mut run = follow(Purpose::Seed, PLAIN, 1);
        assert_eq!(run.note(Span::ZERO, complete(0)), [Say::Out("sharing a.txt (19.5 KiB)".into()), Say::Done(0)]);
        assert_eq!(run.end(Some(Exit::Interrupted)).0, Exit::Done);
    }

    #[test]
    fn sharing_ends_when_every_torrent_was_shared_enough() {
        let enough = Enough { ratio: Some(2000), time: Some(Span::secs(60)) };
        let sent = |number, uploaded_ever| {
            let (torrent, activity) = (TorrentId(number), Activity::Seeding);
            let row = Row { torrent, activity, wanted_bytes: 100, downloaded_ever: 0, uploaded_ever, ..row() };
            Note::Row(Box::new(row))
        };
        for purpose in [Purpose::Seed, Purpose::Get { seed: true, timeout: None }] {
            let mut run = follow(purpose, PLAIN, 2).until(enough);
            assert_eq!(run.note(Span::secs(1), sent(0, 500)), [], "not complete yet");
            run.note(Span::secs(5), complete(0));
            run.note(Span::secs(6), complete(1));
            assert_eq!(run.note(Span::secs(7), sent(0, 199)), []);
            let first = "shared a.txt for 3.0s: sent 0 B, ratio 2.00".to_string();
            assert_eq!(run.note(Span::secs(8), sent(0, 200)), [Say::Out(first)]);
            assert_eq!(run.note(Span::secs(9), sent(0, 200)), [], "said once");
            let second = Say::Out("shared a.txt for 1m00s: sent 0 B, ratio 0.01".into());
            assert_eq!(run.note(Span::secs(66), sent(1, 1)), [second, Say::Stop]);
            assert_eq!(run.end(None), (Exit::Done, vec![]));
        }
    }

    #[test]
    fn objects_and_live_lines_replace_plain_ones() {
        let mut run = follow(GET, Style { json: true, ..PLAIN }, 1);
        let said = run.note(Span::ZERO, row_of(0, 0));
        assert!(matches!(&said[..], [Say::Event(line)] if line.starts_with("{\"event\":\"progress\"")));
        let mut run = follow(GET, Style { live: true, ..PLAIN }, 2);
        let said = run.note(Span::ZERO, row_of(1, 0));
        assert!(matches!(&said[..], [Say::Live(line)] if line.starts_with("[0 of 2]  a.txt  42.2%")), "{said:?}");
        let mut run = follow(GET, PLAIN, 1);
        assert_eq!(run.note(Span::secs(29), row_of(0, 1)), []);
        assert_eq!(run.note(Span::secs(30), row_of(0, 1)).len(), 1);
        assert_eq!(run.note(Span::secs(31), row_of(0, 1)), []);
        assert_eq!(run.note(Span::secs(60), row_of(0, 1)), [], "nothing new");
    }
}
