//! Setting a world up and running it to its end: data that is there before, deadlines, and the last checks.

use peerlink::base::{Bitfield, Span, Time, limits};
use peerlink::machine::StoreSpec;
use peerlink::storage::{Layout, Place, Resume};

use crate::host::Task;
use crate::saved::{Saved, present};
use crate::support::{Made, Shape, make};
use crate::web::Temper;
use crate::world::{Step, World};

/// What lies on a disk before a node starts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Before {
    /// All bytes, and an earlier run's word for it.
    Saved,
    /// All bytes, nothing known of them.
    Files,
    /// About so many pieces of a hundred, nothing known of them.
    Some(u32),
    /// Files of the right length full of wrong bytes.
    Wrong,
    /// All bytes, and more behind them.
    TooLong,
    /// Files that end early.
    TooShort,
}

/// Bytes that lie behind the end of a file that is too long.
const TAIL: [u8; 1000] = [0xee; 1000];

impl World {
    pub fn add_torrent(&mut self, shape: &Shape) -> Made {
        let seed = self.rng.u64(..);
        let made = make(shape, seed);
        self.torrents.push(made.clone());
        made
    }

    /// Puts data on a node's disk, for the files it wants.
    pub fn put_before(&mut self, host: usize, task: &Task, before: Before) {
        let made = self.torrents[task.torrent].clone();
        let layout = Layout::new(&made.metainfo, &task.wanted);
        let mut rng = self.rng.fork();
        let volume = self.volume(host, task.torrent);
        for index in (0..made.metainfo.files.len()).filter(|&index| layout.is_wanted(index)) {
            let mut bytes = made.file(index).to_vec();
            match before {
                Before::Saved | Before::Files | Before::Some(_) => {}
                Before::Wrong => bytes.iter_mut().for_each(|byte| *byte ^= 0xa5),
                Before::TooLong => bytes.extend(TAIL),
                Before::TooShort => bytes.truncate(bytes.len() / 2),
            }
            volume.files[index] = Some(bytes);
        }
        if let Before::Some(percent) = before {
            for piece in layout.geometry().pieces().filter(|_| rng.u32(..100) >= percent) {
                for slice in layout.slices_of_piece(piece) {
                    if let Place::File(index) = slice.place
                        && let Some(file) = &mut volume.files[index as usize]
                    {
                        let from = slice.offset as usize;
                        file[from..from + slice.len as usize].fill(0);
                    }
                }
            }
        }
        // Whatever was put there before is overwritten, and nothing is known of the new bytes.
        volume.saved = Saved::default();
        if before == Before::Saved {
            let count = layout.geometry().piece_count();
            let mut have = Bitfield::new(count);
            let complete = (0..made.metainfo.files.len()).all(|i| layout.is_wanted(i) || made.metainfo.files[i].pad);
            let whole = layout
                .geometry()
                .pieces()
                .filter(|&piece| complete || layout.slices_of_piece(piece).all(|slice| slice.place != Place::Part));
            whole.for_each(|piece| _ = have.set(piece));
            let completed = layout.geometry().pieces().all(|piece| have.has(piece) || !layout.is_piece_wanted(piece));
            let resume = Resume {
                have,
                suspect: Bitfield::new(count),
                partial: Vec::new(),
                downloaded: 0,
                uploaded: 0,
                completed,
            };
            let dir = crate::host::dir_of(host);
            let spec = StoreSpec { info_hash: made.metainfo.info_hash, dir, layout };
            let stamps = volume.stamps();
            volume.saved = Saved::preset(&present(&spec, "boot 0", &stamps), &resume);
        }
    }

    /// Bytes per second that a node gets in the worst of fair cases: its own line, or its share of host 0's, the seed
    /// that everybody knows.
    fn bottleneck(&self, host: usize, torrent: usize) -> u64 {
        let leeches = self.nodes().filter(|&host| self.wants(host, torrent)).count().max(1) as u64;
        self.hosts[host].down.min(self.hosts[0].up / leeches)
    }

    fn wants(&self, host: usize, torrent: usize) -> bool {
        self.node(host).tasks.iter().any(|task| task.torrent == torrent)
    }

    /// When a node must have what it wants, after the faults ended at `healed`. Where not everybody has a place with
    /// it or with host 0, the seed may have to wait until a useless peer has lost its own.
    pub fn due(&self, host: usize, torrent: usize, healed: Time) -> Time {
        let size = self.torrents[torrent].content.len() as u64;
        let others = self.hosts.len();
        let is_short = |host: usize| self.node(host).tasks.iter().any(|task| task.peers_max < others);
        let is_crowded = is_short(host) || is_short(0);
        let wait = if is_crowded { limits::FULL_TIMEOUT } else { Span::ZERO };
        healed + Span(2 * size * 1_000_000 / self.bottleneck(host, torrent)) + Span::secs(60) + wait
    }

    /// Every node has all it wants.
    pub fn all_complete(&self) -> bool {
        self.nodes().all(|host| {
            let node = self.node(host);
            self.hosts[host].running && node.tasks.iter().all(|task| node.complete.contains_key(&task.torrent))
        })
    }

    /// Runs until everything that is wanted is there, at the latest when it is due after `healed`.
    pub fn run_to_completion(&mut self, healed: Time) {
        self.run(healed, |_| false);
        let tasks: Vec<(usize, usize)> = self
            .nodes()
            .flat_map(|host| self.node(host).tasks.iter().map(move |task| (host, task.torrent)).collect::<Vec<_>>())
            .collect();
        let last = tasks.iter().map(|&(host, torrent)| self.due(host, torrent, healed)).max().unwrap_or(healed);
        self.run(last, World::all_complete);
        for (host, torrent) in tasks {
            let due = self.due(host, torrent, healed);
            let done = self.node(host).complete.get(&torrent).copied();
            let row = self.node(host).rows.get(&torrent);
            assert!(
                done.is_some_and(|at| at <= due),
                "[liveness] host {host} torrent {torrent} due {due:?}, healed {healed:?}, complete {done:?}, \
                 failed {:?}, {row:?}",
                self.node(host).failed.get(&torrent)
            );
        }
    }

    /// A long quiet, then a clean stop of everybody, then the books are closed.
    pub fn close_down(&mut self) {
        self.actors_leave(false);
        self.run(self.now + Span::secs(12), |_| false);
        let now = self.now;
        for host in self.nodes().filter(|&host| self.hosts[host].running).collect::<Vec<_>>() {
            let node = self.node(host);
            node.safety.check_quiet(now);
            assert_eq!(node.out.download.free(), node.out.download.total(), "[credits] requests in flight in quiet");
            assert_eq!(node.out.pool.available(), node.out.pool.max(), "[credits] buffers out in quiet");
            let wait = Span::millis(self.rng.u64(..1_500));
            self.plan(self.now + wait, Step::Stop(host));
        }
        self.run(self.now + Span::secs(5), |_| false);
        for host in self.nodes() {
            let node = self.node(host);
            assert!(!self.hosts[host].running && node.stopped.is_some(), "[stop] host {host} has not stopped");
            self.check_files(host);
            self.check_goodbyes(host);
        }
    }

    /// Of the trackers that answered `started` at least one, where one is well, has heard `stopped`.
    fn check_goodbyes(&self, host: usize) {
        let last_word = |&(torrent, tracker): &(usize, usize)| {
            let tracker = &self.web.trackers[tracker];
            let hash = self.torrents[torrent].metainfo.info_hash.0;
            let mut heard = tracker.heard.iter().filter(|heard| heard.host == host && heard.info_hash == hash);
            heard.next_back().map(|heard| heard.event.as_str()).filter(|_| tracker.temper == Temper::Good)
        };
        for task in &self.node(host).tasks {
            let told = self.node(host).goodbyes.iter().filter(|(torrent, _)| *torrent == task.torrent);
            let words: Vec<&str> = told.filter_map(last_word).collect();
            assert!(
                words.is_empty() || words.contains(&"stopped"),
                "[events] the last things that trackers heard of host {host} are {words:?}"
            );
        }
    }

    /// What is on the disk at the end: wanted files whole, others untouched.
    fn check_files(&self, host: usize) {
        for task in &self.node(host).tasks {
            let made = &self.torrents[task.torrent];
            let layout = Layout::new(&made.metainfo, &task.wanted);
            let volume = &self.node(host).disk.volumes[&made.metainfo.info_hash];
            for (index, file) in volume.files[..made.metainfo.files.len()].iter().enumerate() {
                if !layout.is_wanted(index) {
                    assert!(file.is_none(), "[writes] file {index} is there and nobody wants it");
                    continue;
                }
                let bytes = file.as_deref().unwrap_or_default();
                let right = made.file(index);
                assert!(bytes.starts_with(right), "[files] file {index} of host {host} is wrong at the end");
                let tail = &bytes[right.len()..];
                assert!(tail.is_empty() || tail == TAIL, "[files] file {index} has {} bytes too many", tail.len());
            }
        }
    }
}
