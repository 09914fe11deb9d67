//! What earlier runs left on disk: a snapshot and a journal with right sums and any contents, as after a fault of memory, and
//! either with wrong ones. Whatever is believed fits the torrent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peerlink::base::{Bitfield, Geometry, InfoHash, Span};
use peerlink::metainfo::{File, Metainfo};
use peerlink::storage::bans::Bans;
use peerlink::storage::journal::{End, Journal, Line};
use peerlink::storage::layout::Layout;
use peerlink::storage::resume::{Present, Resume, Stamp, carry_over, judge};
use peerlink::storage::snapshot::Snapshot;
use sha1::{Digest, Sha1};

const INFO_HASH: InfoHash = InfoHash([3; 20]);
const BOOT: &str = "boot-1";
const GENERATION: u64 = 4;

fn layout() -> Layout {
    let mut offset = 0;
    let file = |(index, len): (usize, u64)| {
        offset += len;
        File { path: vec![index.to_string()], len, offset: offset - len, pad: false, executable: false }
    };
    let files: Vec<File> = [100_000, 120_000, 80_000].into_iter().enumerate().map(file).collect();
    let metainfo = Metainfo {
        info_hash: INFO_HASH,
        info_hash_v2: None,
        name: String::new(),
        geometry: Geometry::new(offset, 65_536).expect("a size that may be"),
        files: files.into(),
        private: false,
        trackers: Vec::new(),
        web_seeds: Vec::new(),
        nodes: Vec::new(),
        created_by: None,
        comment: None,
        creation_date: None,
        info: Box::default(),
        hashes: 0..0,
    };
    Layout::new(&metainfo, &[true, false, true])
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let check = Sha1::digest(&body);
    body.extend_from_slice(&check);
    body
}

/// A journal of lines that the bytes name, sums and all.
fn journal(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut end): (Vec<u8>, End) = Journal::header(GENERATION, INFO_HASH, BOOT);
    for part in bytes.chunks_exact(4) {
        let [piece, first, count] = [part[1], part[2], part[3]].map(u32::from);
        let line = match part[0] % 6 {
            0 => Line::Begun,
            1 => Line::File { key: piece, inode: first.into(), device: count.into() },
            2 => Line::Stored { piece, first, count: if part[3] == 255 { u32::MAX } else { count } },
            3 => Line::Verified { piece },
            4 => Line::Failed { piece },
            _ => Line::Completed,
        };
        end = line.encode(&mut out, end);
    }
    out
}

fn check(resume: &Resume, geometry: &Geometry) {
    let fits = |bits: &Bitfield, count| bits.count() <= count;
    let pieces = geometry.piece_count();
    assert!(fits(&resume.have, pieces) && fits(&resume.suspect, pieces));
    for partial in &resume.partial {
        assert!(partial.piece.index() < pieces && fits(&partial.stored, geometry.block_count(partial.piece)));
        assert!(!resume.have.has(partial.piece));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some(([cut, share], bytes)) = bytes.split_first_chunk::<2>().map(|(head, rest)| (*head, rest)) else {
        return;
    };
    let layout = layout();
    let stamp = |inode, len| Some(Stamp { len, mtime_ns: 1_000, inode, device: 5 });
    let stamps = [stamp(1, 100_000), None, stamp(3, 80_000), stamp(4, 10)];
    let present = Present { info_hash: INFO_HASH, layout: &layout, dir: b"/dl", boot_id: BOOT, stamps: &stamps };
    let geometry = layout.geometry();
    let right = Snapshot::encode(&present, GENERATION, &Resume::empty(geometry));
    let right = &right[..right.len() - 20];
    // The beginning of a right one, and then anything.
    let (of_snapshot, of_journal) = bytes.split_at(bytes.len() * usize::from(share) / 256);
    let body = [&right[..right.len() * usize::from(cut) / 255], of_snapshot].concat();
    let ours = sealed(right.to_vec());
    for snapshot in [&sealed(body.clone()), &body, &ours] {
        for journal in [&journal(of_journal), of_journal] {
            let judged = judge(&present, Some(snapshot), journal);
            if let Some(mut resume) = judged.resume {
                check(&resume, geometry);
                carry_over(&mut resume, geometry, journal);
                check(&resume, geometry);
            }
        }
    }
    let bans = [&b"PLbans1\n"[..], of_snapshot].concat();
    Bans::decode(&sealed(bans), Span::secs(1));
    Bans::decode(of_snapshot, Span::secs(1));
});
