//! What a run leaves behind, however it ended, and what the next one makes of it.

use std::fs;
use std::path::{Path, PathBuf};

use peerlink::base::Bitfield;
use peerlink::machine::{Completion, DiskErrorKind, Job};
use peerlink::storage::{Record, Resume};

use super::rig::{ID, Rig, Sample};

fn state_file(state: &Path, extension: &str) -> PathBuf {
    state.join("resume").join(format!("{}.{extension}", "07".repeat(20)))
}

fn ones(field: &Bitfield) -> Vec<u32> {
    field.ones().collect()
}

/// Two files, six pieces of four blocks.
fn sample() -> Sample {
    Sample::new(&[("a", 150_000), ("b", 243_216)], 65_536)
}

/// Opens the torrent once more; what is remembered comes back.
fn reopen(state: &Path, boot_id: &str, sample: &Sample, dir: &Path) -> Resume {
    let mut rig = Rig::start(state, boot_id, 8);
    let opened = rig.open(sample, dir, &[]).unwrap();
    rig.end();
    opened.resume.expect("something is remembered")
}

/// Pieces 0 and 3 verified, two blocks of piece 1 stored, piece 5 failed; then the process is killed.
fn killed(state: &Path, sample: &Sample, dir: &Path) {
    let mut rig = Rig::start(state, "boot", 8);
    rig.open(sample, dir, &[]).unwrap();
    rig.write_piece(sample, 0);
    rig.write_piece(sample, 3);
    rig.write(sample, 1, [0, 1], false).unwrap();
    rig.write(sample, 5, 0..4, true).unwrap();
    rig.send(Job::Journal { store: ID, record: Record::Failed(sample.piece(5)) });
    rig.end();
}

#[test]
fn after_a_kill_everything_written_is_remembered() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    killed(state.path(), &sample, dir.path());
    // Once more and again: looking changes nothing.
    for _ in 0..3 {
        let resume = reopen(state.path(), "boot", &sample, dir.path());
        assert_eq!(ones(&resume.have), [0, 3]);
        assert_eq!(ones(&resume.suspect), []);
        assert_eq!(resume.partial.len(), 1);
        assert_eq!((resume.partial[0].piece, ones(&resume.partial[0].stored)), (sample.piece(1), vec![0, 1]));
    }
}

#[test]
fn a_resumed_run_goes_on_and_completes() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    killed(state.path(), &sample, dir.path());
    let mut rig = Rig::start(state.path(), "boot", 8);
    rig.open(&sample, dir.path(), &[]).unwrap();
    // Two blocks are on disk from before: the digest is right nevertheless.
    assert_eq!(rig.write(&sample, 1, [2, 3], true), Ok(Some(sample.hash(1))));
    rig.send(Job::Journal { store: ID, record: Record::Verified(sample.piece(1)) });
    rig.end();
    assert_eq!(ones(&reopen(state.path(), "boot", &sample, dir.path()).have), [0, 1, 3]);
}

#[test]
fn after_a_power_cut_only_what_was_saved_is_believed() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    let mut rig = Rig::start(state.path(), "boot", 8);
    rig.open(&sample, dir.path(), &[]).unwrap();
    rig.write_piece(&sample, 0);
    let mut resume = Resume::empty(sample.geometry());
    resume.have.set_index(0);
    resume.downloaded = 65_536;
    rig.checkpoint(resume).unwrap();
    rig.write_piece(&sample, 1);
    rig.write(&sample, 2, [0], false).unwrap();
    rig.end();
    for boot in ["other boot", "third boot"] {
        let resume = reopen(state.path(), boot, &sample, dir.path());
        assert_eq!((ones(&resume.have), ones(&resume.suspect)), (vec![0], vec![1]));
        assert_eq!((resume.partial, resume.downloaded), (vec![], 65_536));
    }
}

/// The journal may end anywhere: nothing is claimed beyond its whole lines, nothing panics, and the next run goes on.
#[test]
fn a_journal_torn_at_any_byte_only_forgets() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    killed(state.path(), &sample, dir.path());
    let path = state_file(state.path(), "journal");
    let snapshot = fs::read(state_file(state.path(), "snapshot")).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut before = 0;
    for len in 0..=whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        fs::write(state_file(state.path(), "snapshot"), &snapshot).unwrap();
        let resume = reopen(state.path(), "boot", &sample, dir.path());
        let have = ones(&resume.have);
        assert!(have.iter().all(|piece| [0, 3].contains(piece)), "{have:?}");
        assert!(have.len() >= before, "more was remembered of a shorter journal");
        before = have.len();
        // What is appended now is read back.
        let mut rig = Rig::start(state.path(), "boot", 8);
        rig.open(&sample, dir.path(), &[]).unwrap();
        rig.write_piece(&sample, 2);
        rig.end();
        assert!(reopen(state.path(), "boot", &sample, dir.path()).have.has_index(2), "cut at {len}");
    }
    assert_eq!(before, 2);
}

#[test]
fn garbage_state_only_means_checking() {
    let sample = sample();
    for extension in ["snapshot", "journal"] {
        for garbage in [&b""[..], b"x", &[0; 5000], &[0xff; 100]] {
            let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            killed(state.path(), &sample, dir.path());
            fs::write(state_file(state.path(), extension), garbage).unwrap();
            let payload = fs::read(dir.path().join("t/a")).unwrap();
            let mut rig = Rig::start(state.path(), "boot", 8);
            let opened = rig.open(&sample, dir.path(), &[]).unwrap();
            let have = opened.resume.map_or(Vec::new(), |resume| ones(&resume.have));
            assert_eq!(have, []);
            for piece in [0, 3] {
                assert_eq!(rig.check(sample.piece(piece)), Ok(sample.hash(piece)));
            }
            rig.end();
            assert_eq!(fs::read(dir.path().join("t/a")).unwrap(), payload);
        }
    }
}

/// A clean end: everything is believed, after a reboot too, and not a byte of payload has to be read; but a file that
/// was touched since is not.
#[test]
fn a_clean_end_is_believed_until_a_file_is_touched() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    let mut rig = Rig::start(state.path(), "boot", 8);
    rig.open(&sample, dir.path(), &[]).unwrap();
    (0..6).for_each(|index| rig.write_piece(&sample, index));
    let mut resume = Resume::empty(sample.geometry());
    resume.have = Bitfield::full(6);
    resume.completed = true;
    rig.checkpoint(resume.clone()).unwrap();
    rig.send(Job::Close { store: ID });
    rig.end();
    assert_eq!(reopen(state.path(), "boot", &sample, dir.path()), resume);
    assert_eq!(reopen(state.path(), "other boot", &sample, dir.path()), resume);
    // Same length, another byte.
    let path = dir.path().join("t/b");
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let found = reopen(state.path(), "boot", &sample, dir.path());
    assert_eq!((ones(&found.have), ones(&found.suspect)), (vec![0, 1], vec![2, 3, 4, 5]));
    // Still so next time: suspicion is remembered, too.
    assert_eq!(reopen(state.path(), "boot", &sample, dir.path()), found);
    fs::remove_file(&path).unwrap();
    let found = reopen(state.path(), "boot", &sample, dir.path());
    assert_eq!((ones(&found.have), ones(&found.suspect)), (vec![0, 1], vec![]));
}

/// Blocks that are written but whose letter has not come home when a checkpoint is made are not lost by it.
#[test]
fn a_checkpoint_forgets_nothing_that_is_under_way() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    let mut rig = Rig::start(state.path(), "boot", 8);
    rig.open(&sample, dir.path(), &[]).unwrap();
    let blocks = vec![sample.filled(4, 0), sample.filled(4, 2)];
    rig.send(Job::Write { store: ID, piece: sample.piece(4), blocks, last: false });
    // The machine knows nothing of them yet.
    rig.send(Job::Checkpoint { store: ID, resume: Box::new(Resume::empty(sample.geometry())) });
    let (mut home, mut saved) = (false, false);
    for _ in 0..2 {
        match rig.take() {
            Completion::Home { .. } => home = true,
            Completion::Saved { result: Ok(()), .. } => saved = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(home && saved);
    rig.end();
    let resume = reopen(state.path(), "boot", &sample, dir.path());
    assert_eq!(resume.partial.len(), 1);
    assert_eq!(ones(&resume.partial[0].stored), [0, 2]);
}

/// Existing data, killed in the middle of its first check: the rest is still to be checked.
#[test]
fn a_killed_first_check_goes_on() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    fs::create_dir(dir.path().join("t")).unwrap();
    fs::write(dir.path().join("t/a"), sample.file(0)).unwrap();
    fs::write(dir.path().join("t/b"), sample.file(1)).unwrap();
    let mut rig = Rig::start(state.path(), "boot", 8);
    assert_eq!(rig.open(&sample, dir.path(), &[]).unwrap().resume, None);
    assert_eq!(rig.check(sample.piece(0)), Ok(sample.hash(0)));
    rig.send(Job::Journal { store: ID, record: Record::Verified(sample.piece(0)) });
    rig.end();
    let resume = reopen(state.path(), "boot", &sample, dir.path());
    assert_eq!((ones(&resume.have), ones(&resume.suspect)), (vec![0], vec![1, 2, 3, 4, 5]));
}

/// A file deleted while it is written: the checkpoint says so, and the next start drops what was in it.
#[test]
fn a_file_deleted_on_the_way_is_noticed() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    let mut rig = Rig::start(state.path(), "boot", 8);
    rig.open(&sample, dir.path(), &[]).unwrap();
    (0..6).for_each(|index| rig.write_piece(&sample, index));
    fs::remove_file(dir.path().join("t/b")).unwrap();
    let mut resume = Resume::empty(sample.geometry());
    resume.have = Bitfield::full(6);
    for _ in 0..2 {
        let error = rig.checkpoint(resume.clone()).unwrap_err();
        assert_eq!(error.kind, DiskErrorKind::Missing);
        assert!(error.text.ends_with("t/b was deleted or replaced while it was written"), "{}", error.text);
    }
    // It is made anew by the next write.
    rig.write_piece(&sample, 5);
    rig.end();
    let found = reopen(state.path(), "boot", &sample, dir.path());
    assert_eq!(ones(&found.have), [0, 1, 5]);
    assert_eq!(found.suspect.count(), 3, "holes of the new file are doubtful at most");
}

#[test]
fn two_at_once_do_not_share_a_torrent() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    let mut first = Rig::start(state.path(), "boot", 8);
    first.open(&sample, dir.path(), &[]).unwrap();
    let mut second = Rig::start(state.path(), "boot", 8);
    let error = second.open(&sample, dir.path(), &[]).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Locked);
    assert!(error.text.starts_with("another process works on this torrent"), "{}", error.text);
    first.send(Job::Close { store: ID });
    // Closed is closed once a later job is answered.
    first.check(sample.piece(0)).unwrap_err();
    second.open(&sample, dir.path(), &[]).unwrap();
    first.end();
    second.end();
}

/// Nothing but the torrent's files in one folder and its state in the other.
#[test]
fn nothing_is_written_elsewhere() {
    let top = tempfile::tempdir().unwrap();
    let (state, dir) = (top.path().join("state"), top.path().join("dl"));
    let sample = Sample::new(&[("a", 150_000), ("b", 243_216)], 65_536);
    let mut rig = Rig::start(&state, "boot", 8);
    rig.open(&sample, &dir, &[true, false]).unwrap();
    (0..3).for_each(|index| rig.write_piece(&sample, index));
    rig.checkpoint(Resume::empty(sample.geometry())).unwrap();
    rig.end();
    let mut found = Vec::new();
    let mut folders = vec![top.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    let mut expected: Vec<PathBuf> =
        ["journal", "lock", "part", "snapshot"].map(|extension| state_file(&state, extension)).to_vec();
    expected.insert(0, dir.join("t/a"));
    assert_eq!(found, expected);
}
