//! What is believed of remembered state, case by case.

use super::*;
use crate::metainfo::{File, Metainfo};

const BOOT: &str = "boot-1";
const PIECE_LEN: u32 = 65_536;

/// Three files: pieces 0 and 1, the rest of 1 up to 3, the rest of 3 up to 4.
fn layout(wanted: &[bool]) -> Layout {
    let mut offset = 0;
    let file = |(index, len): (usize, u64)| {
        offset += len;
        File { path: vec![index.to_string()], len, offset: offset - len, pad: false, executable: false }
    };
    let files: Vec<File> = [100_000, 120_000, 80_000].into_iter().enumerate().map(file).collect();
    let metainfo = Metainfo {
        info_hash: InfoHash([3; 20]),
        info_hash_v2: None,
        name: String::new(),
        geometry: Geometry::new(offset, PIECE_LEN).unwrap(),
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
    Layout::new(&metainfo, wanted)
}

fn stamp(inode: u64, len: u64) -> Option<Stamp> {
    Some(Stamp { len, mtime_ns: 1_000, inode, device: 5 })
}

/// All files complete, no part file.
fn all_there() -> Vec<Option<Stamp>> {
    vec![stamp(1, 100_000), stamp(2, 120_000), stamp(3, 80_000), None]
}

fn present<'a>(layout: &'a Layout, stamps: &'a [Option<Stamp>]) -> Present<'a> {
    Present { info_hash: InfoHash([3; 20]), layout, dir: b"/dl", boot_id: BOOT, stamps }
}

/// A resume that has these pieces and some blocks stored.
fn resume(layout: &Layout, have: &[u32], stored: &[(u32, &[u32])]) -> Resume {
    let geometry = layout.geometry();
    let mut resume = Resume::empty(geometry);
    have.iter().for_each(|&index| assert!(resume.have.set_index(index)));
    for (index, blocks) in stored {
        let piece = geometry.piece(*index).unwrap();
        let mut bits = Bitfield::new(geometry.block_count(piece));
        blocks.iter().for_each(|&block| assert!(bits.set_index(block)));
        resume.partial.push(Partial { piece, stored: bits });
    }
    resume
}

fn journal(generation: u64, boot_id: &str, lines: &[Line]) -> Vec<u8> {
    let (mut bytes, mut end) = Journal::header(generation, InfoHash([3; 20]), boot_id);
    for line in lines {
        end = line.encode(&mut bytes, end);
    }
    bytes
}

/// Judged in short: pieces had, suspect, blocks of partial ones, plan.
type Short = (Vec<u32>, Vec<u32>, Vec<(u32, Vec<u32>)>, &'static str);

fn short(judged: Judged) -> Short {
    let plan = match judged.plan {
        Plan::Append { clean: true, .. } => "append clean",
        Plan::Append { clean: false, .. } => "append",
        Plan::Restart => "restart",
        Plan::Renew => "renew",
    };
    let resume = judged.resume.expect("something is remembered");
    let partial = resume.partial.iter().map(|p| (p.piece.index(), p.stored.ones().collect())).collect();
    (resume.have.ones().collect(), resume.suspect.ones().collect(), partial, plan)
}

/// A snapshot of pieces 0, 1 and 3 and two blocks of piece 2, made with all files there.
fn snapshot(layout: &Layout) -> Vec<u8> {
    let stamps = all_there();
    Snapshot::encode(&present(layout, &stamps), 4, &resume(layout, &[0, 1, 3], &[(2, &[0, 3])]))
}

/// Judges that snapshot and a journal with files that look like `stamps`.
fn judged(stamps: &[Option<Stamp>], boot_id: &str, lines: &[Line]) -> Short {
    let layout = layout(&[]);
    short(judge(&present(&layout, stamps), Some(&snapshot(&layout)), &journal(4, boot_id, lines)))
}

#[test]
fn an_untouched_snapshot_is_believed() {
    let expected = (vec![0, 1, 3], vec![], vec![(2, vec![0, 3])]);
    let with = |plan| (expected.0.clone(), expected.1.clone(), expected.2.clone(), plan);
    assert_eq!(judged(&all_there(), BOOT, &[]), with("append clean"));
    // After a reboot too; and without a journal, or with one that an older snapshot belongs to.
    assert_eq!(judged(&all_there(), "boot-0", &[]), with("restart"));
    let layout = layout(&[]);
    let stamps = all_there();
    for journal in [Vec::new(), journal(3, BOOT, &[Line::Failed { piece: 0 }]), b"garbage".to_vec()] {
        let found = judge(&present(&layout, &stamps), Some(&snapshot(&layout)), &journal);
        assert_eq!(found.generation, 4);
        assert_eq!(short(found), with("restart"));
    }
}

#[test]
fn within_a_boot_every_line_counts() {
    let lines = [
        Line::Begun,
        Line::Stored { piece: 2, first: 1, count: 1 },
        Line::Stored { piece: 4, first: 0, count: 2 },
        Line::Verified { piece: 4 },
        Line::Failed { piece: 3 },
        Line::Stored { piece: 3, first: 2, count: 9 },
        Line::Stored { piece: 900, first: 2, count: 9 },
        Line::Verified { piece: 900 },
        Line::File { key: 77, inode: 1, device: 1 },
        Line::Completed,
    ];
    let expected = (vec![0, 1, 4], vec![], vec![(2, vec![0, 1, 3]), (3, vec![2, 3])], "append");
    assert_eq!(judged(&all_there(), BOOT, &lines), expected);
    // Times mean nothing any more.
    let mut stamps = all_there();
    stamps[1].as_mut().unwrap().mtime_ns += 1;
    assert_eq!(judged(&stamps, BOOT, &lines), expected);
    let layout = layout(&[]);
    let found = judge(&present(&layout, &stamps), Some(&snapshot(&layout)), &journal(4, BOOT, &lines));
    assert!(found.resume.unwrap().completed);
}

#[test]
fn a_piece_that_lacks_only_its_hash_is_checked() {
    let lines = [Line::Stored { piece: 2, first: 0, count: 4 }];
    assert_eq!(judged(&all_there(), BOOT, &lines), (vec![0, 1, 3], vec![2], vec![], "append"));
}

#[test]
fn after_a_power_cut_only_the_snapshot_is_believed() {
    let lines = [
        Line::Begun,
        Line::Stored { piece: 2, first: 1, count: 1 },
        Line::Verified { piece: 4 },
        Line::Verified { piece: 1 },
        Line::Failed { piece: 3 },
    ];
    let expected = (vec![0, 1], vec![4], vec![(2, vec![0, 3])], "renew");
    assert_eq!(judged(&all_there(), "boot-0", &lines), expected);
}

#[test]
fn device_numbers_are_compared_within_a_boot_only() {
    let mut stamps = all_there();
    stamps.iter_mut().flatten().for_each(|stamp| stamp.device = 6);
    assert_eq!(judged(&stamps, BOOT, &[]).1, [0, 1, 3]);
    let layout = layout(&[]);
    let now = Present { boot_id: "boot-2", ..present(&layout, &stamps) };
    assert_eq!(short(judge(&now, Some(&snapshot(&layout)), &journal(4, BOOT, &[]))).0, [0, 1, 3]);
}

#[test]
fn files_that_changed_are_suspect_and_absent_bytes_are_dropped() {
    let row = |at: usize, stamp: Option<Stamp>| {
        let mut stamps = all_there();
        stamps[at] = stamp;
        judged(&stamps, BOOT, &[])
    };
    // File 1 holds bytes of pieces 1, 2 and 3.
    assert_eq!(row(1, None), (vec![0], vec![], vec![], "renew"));
    assert_eq!(row(1, stamp(9, 120_000)), (vec![0], vec![1, 3], vec![], "renew"));
    assert_eq!(row(1, stamp(2, 120_001)), (vec![0], vec![1, 3], vec![], "renew"));
    // Shorter: what lies beyond is gone, the rest is doubtful.
    assert_eq!(row(1, stamp(2, 50_000)), (vec![0], vec![1], vec![], "renew"));
    assert_eq!(row(0, stamp(1, 0)), (vec![3], vec![], vec![(2, vec![0, 3])], "renew"));
    let mut touched = stamp(2, 120_000);
    touched.as_mut().unwrap().mtime_ns = 0;
    assert_eq!(row(1, touched), (vec![0], vec![1, 3], vec![], "renew"));
    // File 2 is complete in piece 3 but piece 4 was never claimed: shorter is fine where nothing is claimed.
    let stamps = [stamp(1, 100_000), stamp(2, 120_000), stamp(3, 42_144), None];
    assert_eq!(judged(&stamps, BOOT, &[Line::Begun]).0, [0, 1, 3]);
    let stamps = [stamp(1, 100_000), stamp(2, 120_000), stamp(3, 42_143), None];
    assert_eq!(judged(&stamps, BOOT, &[Line::Begun]), (vec![0, 1], vec![], vec![(2, vec![0, 3])], "renew"));
}

#[test]
fn a_file_made_anew_is_judged_from_then_on() {
    // Deleted and made again by us within the journal: claims before it are doubtful, those after it hold.
    let lines = [
        Line::Begun,
        Line::File { key: 1, inode: 8, device: 5 },
        Line::Stored { piece: 2, first: 0, count: 1 },
        Line::Verified { piece: 3 },
    ];
    let mut stamps = all_there();
    stamps[1] = stamp(8, 120_000);
    assert_eq!(judged(&stamps, BOOT, &lines), (vec![0, 3], vec![1], vec![(2, vec![0])], "append"));
}

#[test]
fn a_file_that_was_not_there_has_no_claims_and_its_neighbours_keep_theirs() {
    // Piece 1 has blocks in file 0 only, then file 1 is made for the block across the border.
    let layout = layout(&[]);
    let before = [stamp(1, 100_000), None, None, None];
    let snapshot = Snapshot::encode(&present(&layout, &before), 1, &resume(&layout, &[0, 3], &[(1, &[0, 1])]));
    let lines = [Line::File { key: 1, inode: 2, device: 5 }, Line::Stored { piece: 1, first: 2, count: 1 }];
    let after = [stamp(1, 100_000), stamp(2, 120_000), stamp(3, 80_000), None];
    let found = judge(&present(&layout, &after), Some(&snapshot), &journal(1, BOOT, &lines));
    let (have, suspect, partial, _) = short(found);
    // A claim about a file that the snapshot does not know is none.
    assert_eq!((have, partial), (vec![0], vec![(1, vec![0, 1, 2])]));
    assert!(suspect.contains(&3));
}

#[test]
fn a_file_that_appeared_is_looked_at() {
    let layout = layout(&[]);
    let before = [stamp(1, 100_000), None, None, None];
    let snapshot = Snapshot::encode(&present(&layout, &before), 1, &resume(&layout, &[0], &[]));
    let found = judge(&present(&layout, &all_there()), Some(&snapshot), &[]);
    assert_eq!(short(found), (vec![0], vec![1, 2, 3, 4], vec![], "renew"));
}

#[test]
fn another_choice_of_files_moves_the_claims() {
    // File 1 was unwanted: its border bytes of pieces 1 and 3 lie in the part file.
    let some = layout(&[true, false, true]);
    let stamps = [stamp(1, 100_000), None, stamp(3, 80_000), stamp(4, 220_000)];
    let bytes = Snapshot::encode(&present(&some, &stamps), 1, &resume(&some, &[0, 1, 3, 4], &[]));
    let again = |layout: &Layout, stamps: &[Option<Stamp>]| short(judge(&present(layout, stamps), Some(&bytes), &[]));
    assert_eq!(again(&some, &stamps), (vec![0, 1, 3, 4], vec![], vec![], "restart"));
    // Wanted now: not in the file yet.
    let all = layout(&[]);
    assert_eq!(again(&all, &stamps), (vec![0, 4], vec![], vec![], "renew"));
    // Wanted now, and it is there from an even earlier choice.
    let with_file = [stamp(1, 100_000), stamp(2, 120_000), stamp(3, 80_000), stamp(4, 220_000)];
    assert_eq!(again(&all, &with_file), (vec![0, 4], vec![1, 2, 3], vec![], "renew"));
    // The part file is lost or short.
    let lost = [stamp(1, 100_000), None, stamp(3, 80_000), None];
    assert_eq!(again(&some, &lost), (vec![0, 4], vec![], vec![], "renew"));
    let short_part = [stamp(1, 100_000), None, stamp(3, 80_000), stamp(4, 219_999)];
    assert_eq!(again(&some, &short_part), (vec![0, 4], vec![1], vec![], "renew"));
    // No longer wanted: its bytes are not where border bytes belong.
    let bytes = snapshot(&all);
    let found = judge(&present(&some, &all_there()), Some(&bytes), &[]);
    assert_eq!(short(found), (vec![0], vec![], vec![], "renew"));
}

#[test]
fn state_of_another_torrent_or_folder_is_nothing() {
    let layout = layout(&[]);
    let stamps = all_there();
    let bytes = snapshot(&layout);
    let now = present(&layout, &stamps);
    for other in [Present { dir: b"/elsewhere", ..now }, Present { info_hash: InfoHash([4; 20]), ..now }] {
        assert_eq!(judge(&other, Some(&bytes), &[]), judge(&now, None, &[]));
    }
    assert_eq!(judge(&now, None, &journal(4, BOOT, &[Line::Verified { piece: 0 }])).resume, None);
}

#[test]
fn blocks_on_their_way_home_are_carried_over() {
    let layout = layout(&[]);
    let lines = [
        Line::Begun,
        Line::Stored { piece: 0, first: 0, count: 4 },
        Line::Stored { piece: 2, first: 1, count: 2 },
        Line::Stored { piece: 4, first: 0, count: 1 },
        Line::Stored { piece: 3, first: 0, count: 2 },
        Line::Failed { piece: 3 },
        Line::Stored { piece: 3, first: 3, count: 1 },
    ];
    let mut now = resume(&layout, &[0], &[(2, &[0])]);
    carry_over(&mut now, layout.geometry(), &journal(4, BOOT, &lines));
    let mut expected = resume(&layout, &[0], &[(2, &[0, 1, 2]), (3, &[3]), (4, &[0])]);
    expected.partial.sort_by_key(|partial| partial.piece);
    now.partial.sort_by_key(|partial| partial.piece);
    assert_eq!(now, expected);
}

#[test]
fn a_first_look_suspects_what_could_be_there() {
    let layout = layout(&[]);
    let suspects = |stamps: &[Option<Stamp>]| first_look(&layout, stamps).suspect.ones().collect::<Vec<_>>();
    assert_eq!(suspects(&all_there()), [0, 1, 2, 3, 4]);
    assert_eq!(suspects(&[stamp(1, 100_000), None, stamp(3, 80_000), None]), [0, 4]);
    assert_eq!(suspects(&[None, None, None, None]), []);
}

#[test]
fn snapshots_come_back_and_any_damage_makes_them_nothing() {
    let layout = layout(&[true, false, true]);
    let stamps = [stamp(1, 100_000), None, stamp(u64::MAX, u64::MAX), stamp(4, 0)];
    let now = present(&layout, &stamps);
    let mut original = resume(&layout, &[0, 4], &[(1, &[2]), (3, &[0, 1])]);
    original.suspect.set_index(2);
    (original.downloaded, original.uploaded, original.completed) = (u64::MAX, 12_345, true);
    let bytes = Snapshot::encode(&now, u64::MAX, &original);
    let back = Snapshot::decode(&bytes, &now).unwrap();
    assert_eq!((back.generation, back.resume), (u64::MAX, original));
    assert_eq!((back.stamps, back.wanted), (stamps.to_vec(), vec![true, false, true]));
    for at in 0..bytes.len() {
        assert_eq!(Snapshot::decode(&bytes[..at], &now), None);
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_eq!(Snapshot::decode(&damaged, &now), None);
    }
}

/// Snapshots whose check is right but whose fields are not, and journals of anything: no panic, and no piece or
/// block that the torrent does not have.
#[test]
fn hostile_state_is_harmless() {
    use sha1::{Digest, Sha1};
    let layout = layout(&[]);
    let stamps = all_there();
    let now = present(&layout, &stamps);
    let good = snapshot(&layout);
    let good = &good[..good.len() - 20];
    let mut rng = fastrand::Rng::with_seed(1);
    let mut believed = 0;
    for _ in 0..20_000 {
        let mut body = good.to_vec();
        for _ in 0..rng.usize(..4) {
            let at = rng.usize(..body.len());
            match rng.u8(..3) {
                0 => body[at] = rng.u8(..),
                1 => body.truncate(at.max(1)),
                _ => body.insert(at, rng.u8(..)),
            }
        }
        let check = Sha1::digest(&body);
        body.extend_from_slice(&check);
        let mut lines = Vec::new();
        for _ in 0..rng.usize(..10) {
            let piece = rng.u32(..6);
            lines.push(match rng.u8(..6) {
                0 => Line::Stored { piece, first: rng.u32(..), count: rng.u32(..) },
                1 => Line::Stored { piece, first: rng.u32(..5), count: rng.u32(..5) },
                2 => Line::Verified { piece },
                3 => Line::Failed { piece },
                4 => Line::File { key: rng.u32(..6), inode: rng.u64(..4), device: 5 },
                _ => Line::Begun,
            });
        }
        let journal = journal(4, BOOT, &lines);
        let found = judge(&now, Some(&body), &journal[..rng.usize(..=journal.len())]);
        if let Some(resume) = found.resume {
            believed += 1;
            assert_eq!((resume.have.len(), resume.suspect.len()), (5, 5));
            for partial in resume.partial {
                assert_eq!(partial.stored.len(), layout.geometry().block_count(partial.piece));
            }
        }
    }
    assert!(believed > 5_000, "{believed}");
}
