//! A torrent's resume state on a simulated disk, kept with the real `storage` snapshot and journal as the disk thread
//! keeps it: a snapshot is replaced atomically, journal lines are appended without a sync.

use peerlink::base::Filled;
use peerlink::machine::StoreSpec;
use peerlink::storage::journal::{End, Journal, Line};
use peerlink::storage::resume::{Plan, Present, Stamp, carry_over, first_look, judge};
use peerlink::storage::snapshot::Snapshot;
use peerlink::storage::{Record, Resume};

/// The state files' bytes, and what the disk thread knows of them while the store is open.
#[derive(Default)]
pub struct Saved {
    snapshot: Option<Vec<u8>>,
    journal: Vec<u8>,
    /// The journal as it was when it was last synced.
    durable_journal: Vec<u8>,
    generation: u64,
    /// Where the journal goes on; None while there is none.
    end: Option<End>,
    begun: bool,
    /// How each file looked when it was opened, first written or saved.
    stamps: Vec<Option<Stamp>>,
}

impl Saved {
    /// As if an earlier run had saved this in good order.
    pub fn preset(present: &Present<'_>, resume: &Resume) -> Saved {
        Saved { snapshot: Some(Snapshot::encode(present, 1, resume)), generation: 1, ..Saved::default() }
    }

    /// What an earlier run left, held against the files. With true, the files are synced and a new snapshot was
    /// written.
    pub fn open(
        &mut self,
        spec: &StoreSpec,
        boot_id: &str,
        stamps: &[Option<Stamp>],
        writable: bool,
    ) -> Option<Resume> {
        let present = present(spec, boot_id, stamps);
        let judged = judge(&present, self.snapshot.as_deref(), &self.journal);
        self.generation = judged.generation;
        self.stamps = stamps.to_vec();
        self.end = None;
        match judged.plan {
            Plan::Append { end, clean } => {
                self.journal.truncate(end.len as usize);
                (self.end, self.begun) = (Some(end), !clean);
            }
            Plan::Restart if writable => self.start_journal(spec, boot_id),
            Plan::Renew if writable => {
                let resume = judged.resume.clone().unwrap_or_else(|| first_look(&spec.layout, stamps));
                self.save(spec, boot_id, &resume);
            }
            Plan::Restart | Plan::Renew => {}
        }
        judged.resume
    }

    /// The data is synced: everything is written down anew.
    pub fn checkpoint(&mut self, spec: &StoreSpec, boot_id: &str, mut resume: Resume, stamps: Vec<Option<Stamp>>) {
        self.stamps = stamps;
        if self.end.is_some() {
            self.durable_journal = self.journal.clone();
            carry_over(&mut resume, spec.layout.geometry(), &self.journal);
        }
        self.save(spec, boot_id, &resume);
    }

    fn save(&mut self, spec: &StoreSpec, boot_id: &str, resume: &Resume) {
        self.generation += 1;
        let stamps = self.stamps.clone();
        self.snapshot = Some(Snapshot::encode(&present(spec, boot_id, &stamps), self.generation, resume));
        self.start_journal(spec, boot_id);
    }

    fn start_journal(&mut self, spec: &StoreSpec, boot_id: &str) {
        let (bytes, end) = Journal::header(self.generation, spec.info_hash, boot_id);
        self.journal = bytes;
        (self.end, self.begun) = (Some(end), false);
    }

    fn append(&mut self, lines: &[Line]) {
        let Some(end) = self.end else { return };
        self.journal.truncate(end.len as usize);
        let mut bytes = Vec::new();
        let end = lines.iter().fold(end, |end, line| line.encode(&mut bytes, end));
        self.journal.extend(bytes);
        (self.end, self.begun) = (Some(end), true);
    }

    pub fn record(&mut self, record: Record) {
        self.append(&[record.into()]);
    }

    /// Payload is about to be written.
    pub fn begin(&mut self) {
        if !self.begun {
            self.append(&[Line::Begun]);
        }
    }

    /// A file was opened for writing.
    pub fn meet(&mut self, key: usize, stamp: Stamp) {
        if self.stamps[key].is_none_or(|old| old.inode != stamp.inode) {
            self.append(&[Line::File { key: key as u32, inode: stamp.inode, device: stamp.device }]);
            self.stamps[key] = Some(stamp);
        }
    }

    /// The disk thread's own lines after a write.
    pub fn stored(&mut self, blocks: &[Filled]) {
        let lines: Vec<Line> = blocks.iter().map(|filled| Record::Stored(filled.block).into()).collect();
        self.append(&lines);
    }

    /// Appends were not synced: a torn prefix stays, or the journal as it was.
    pub fn power_cut(&mut self, rng: &mut fastrand::Rng) {
        if rng.u8(..4) == 0 {
            self.journal = self.durable_journal.clone();
        } else {
            let kept = rng.usize(0..=self.journal.len());
            self.journal.truncate(kept);
        }
        self.durable_journal = self.journal.clone();
    }
}

/// What state is held against.
pub fn present<'a>(spec: &'a StoreSpec, boot_id: &'a str, stamps: &'a [Option<Stamp>]) -> Present<'a> {
    Present {
        info_hash: spec.info_hash,
        layout: &spec.layout,
        dir: spec.dir.as_os_str().as_encoded_bytes(),
        boot_id,
        stamps,
    }
}
