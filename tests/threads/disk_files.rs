//! Files as the disk thread makes, reads and refuses them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use peerlink::io::resident::{Lent, Resident};
use peerlink::machine::{Completion, DiskErrorKind, Job, StoreSpec};
use sha1::{Digest, Sha1};

use super::rig::{ID, Rig, Sample};

fn rig(state: &Path) -> Rig {
    Rig::start(state, "boot", 4)
}

/// Files with borders inside blocks, pad files, empty ones and folders.
fn many_files() -> Sample {
    let files = [
        ("a", 70_000),
        (".pad/1", 61_072),
        ("dir/b.sh", 200_000),
        ("empty", 0),
        ("dir/deep/c", 5),
        ("dir/deep/empty", 0),
        ("d", 300_003),
        ("e", 1),
        ("f", 40_000),
    ];
    Sample::new(&files, 128 * 1024)
}

fn assert_same(dir: &Path, sample: &Sample, index: usize) {
    let file = &sample.metainfo.files[index];
    let path = file.path.iter().fold(dir.to_path_buf(), |path, part| path.join(part));
    let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(found == sample.file(index), "{} differs", path.display());
}

#[test]
fn pieces_in_any_order_fill_all_files() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = dir.path().join("not/there/yet");
    let sample = many_files();
    let mut rig = rig(state.path());
    let opened = rig.open(&sample, &dir, &[]).unwrap();
    assert_eq!(opened.resume, None);
    assert!(opened.lens.iter().all(Option::is_none));
    assert!(dir.join("t/dir/deep/empty").exists(), "empty files are made when a torrent is opened");
    let mut order: Vec<u32> = (0..sample.geometry().piece_count()).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    for index in order {
        rig.write_piece(&sample, index);
    }
    for (index, file) in sample.metainfo.files.iter().enumerate() {
        if file.pad {
            assert!(!dir.join("t/.pad").exists());
        } else {
            assert_same(&dir, &sample, index);
            let path = file.path.iter().fold(dir.clone(), |path, part| path.join(part));
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o100 != 0, file.executable, "mode {mode:o}");
        }
    }
    for index in 0..sample.geometry().piece_count() {
        assert_eq!(rig.check(sample.piece(index)), Ok(sample.hash(index)));
    }
    rig.end();
}

#[test]
fn blocks_in_any_order_hash_right() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("big", 1_000_000)], 512 * 1024);
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    // In order, in one batch; in order, in single blocks; backwards; holes filled later; the second half first.
    let count = sample.geometry().block_count(sample.piece(0));
    let orders: [Vec<Vec<u32>>; 5] = [
        vec![(0..count).collect()],
        (0..count).map(|n| vec![n]).collect(),
        (0..count).rev().map(|n| vec![n]).collect(),
        vec![(0..count).step_by(2).collect(), (1..count).step_by(2).collect()],
        vec![(count / 2..count).collect(), (0..count / 2).collect()],
    ];
    for order in orders {
        let batches = order.len();
        for (at, batch) in order.into_iter().enumerate() {
            let last = at + 1 == batches;
            let digest = rig.write(&sample, 0, batch, last).unwrap();
            assert_eq!(digest, last.then(|| sample.hash(0)));
        }
    }
    assert_ne!(rig.check(sample.piece(1)), Ok(sample.hash(1)));
    rig.end();
}

/// A failed piece's running digest is thrown away; its second download is judged by its own bytes.
#[test]
fn a_forgotten_digest_starts_over() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("big", 262_144)], 256 * 1024);
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    let mut wrong = sample.filled(0, 0);
    wrong.buffer.bytes_mut()[77] ^= 1;
    rig.send(Job::Write { store: ID, piece: sample.piece(0), blocks: vec![wrong], last: false });
    assert!(matches!(rig.take(), Completion::Home { .. }));
    rig.send(Job::Forget { store: ID, piece: sample.piece(0) });
    assert_eq!(rig.write(&sample, 0, 0..16, true), Ok(Some(sample.hash(0))));
    rig.end();
}

#[test]
fn block_digests_name_the_wrong_block() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 30_000), ("b", 10_000)], 256 * 1024);
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    rig.write_piece(&sample, 0);
    rig.send(Job::Digests { store: ID, piece: sample.piece(0) });
    let Completion::Digests { digests: Ok(digests), .. } = rig.take() else { panic!("no digests") };
    let expected: Vec<_> = sample.payload.chunks(16_384).map(|block| Sha1::digest(block)[..8].to_vec()).collect();
    assert_eq!(digests.iter().map(|digest| digest.to_vec()).collect::<Vec<_>>(), expected);
    rig.end();
}

#[test]
fn unwanted_files_are_never_made_and_their_border_bytes_kept() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 50_000), ("b", 50_000), ("c", 50_000)], 65_536);
    let wanted = [true, false, true];
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &wanted).unwrap();
    for index in 0..3 {
        rig.write_piece(&sample, index);
        assert_eq!(rig.check(sample.piece(index)), Ok(sample.hash(index)));
    }
    assert!(!dir.path().join("t/b").exists());
    assert_same(dir.path(), &sample, 0);
    assert_same(dir.path(), &sample, 2);
    // Reads cross the borders, too.
    let block = sample.geometry().block(0, 40_000, 25_000).unwrap();
    assert_eq!(rig.read(block).unwrap(), sample.payload[40_000..65_000]);
    rig.end();
}

#[test]
fn runs_are_read_across_files_and_pads() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = many_files();
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    let absent = rig.read(sample.geometry().block(0, 0, 16_384).unwrap()).unwrap_err();
    assert_eq!(absent.kind, DiskErrorKind::Missing);
    for index in 0..sample.geometry().piece_count() {
        rig.write_piece(&sample, index);
    }
    for index in 0..sample.geometry().piece_count() {
        let piece = sample.piece(index);
        let start = sample.geometry().start_of(piece) as usize;
        let len = sample.geometry().len_of(piece);
        let run = rig.read(sample.geometry().block(index, 0, len).unwrap()).unwrap();
        assert!(run == sample.payload[start..start + len as usize]);
    }
    // A file that was cut short behind our back.
    fs::OpenOptions::new().write(true).open(dir.path().join("t/a")).unwrap().set_len(10).unwrap();
    let short = rig.read(sample.geometry().block(0, 0, 16_384).unwrap()).unwrap_err();
    assert_eq!(short.kind, DiskErrorKind::Missing);
    assert!(short.text.ends_with("t/a: it is shorter than it should be"), "{}", short.text);
    rig.end();
}

/// What is in memory is read without the disk thread; what is not there, or not in one file, is not.
#[test]
fn lent_files_are_read_in_the_loop() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 100_000), ("b", 100_000)], 65_536);
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    (0..4).for_each(|index| rig.write_piece(&sample, index));
    rig.end();
    let path = dir.path().join("t/a");
    let layout = sample.layout(&[]);
    let spec = StoreSpec { info_hash: sample.metainfo.info_hash, dir: dir.path().into(), layout };
    let lent = Lent { store: ID, key: 0, file: Arc::new(fs::File::open(&path).unwrap()) };
    let mut resident = Resident::default();
    let mut buffer = vec![1; 3];
    let inner = sample.geometry().block(1, 100, 20_000).unwrap();
    let border = sample.geometry().block(1, 30_000, 20_000).unwrap();
    resident.lend(lent.clone());
    assert!(!resident.read(ID, inner, &mut buffer), "of a torrent that is not open");
    resident.open(ID, Arc::new(spec));
    assert!(!resident.read(ID, inner, &mut buffer), "of a file that was not lent");
    resident.lend(lent);
    if resident.read(ID, inner, &mut buffer) {
        assert!(buffer == sample.payload[65_636..85_636]);
    } else {
        println!("skipped: this file system knows no RWF_NOWAIT");
    }
    assert!(!resident.read(ID, border, &mut buffer), "of two files");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(70_000).unwrap();
    assert!(!resident.read(ID, inner, &mut buffer), "beyond the end");
    resident.close(ID);
    assert!(!resident.read(ID, inner, &mut buffer));
}

#[test]
fn longer_files_are_never_truncated() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 30_000), ("empty", 0)], 16_384);
    fs::create_dir(dir.path().join("t")).unwrap();
    fs::write(dir.path().join("t/a"), vec![9; 50_000]).unwrap();
    fs::write(dir.path().join("t/empty"), b"not empty").unwrap();
    let mut rig = rig(state.path());
    let opened = rig.open(&sample, dir.path(), &[]).unwrap();
    assert_eq!(opened.lens, [Some(50_000), Some(9)]);
    rig.write_piece(&sample, 0);
    rig.write_piece(&sample, 1);
    rig.end();
    let found = fs::read(dir.path().join("t/a")).unwrap();
    assert!(found[..30_000] == sample.payload[..] && found[30_000..] == [9; 20_000]);
    assert_eq!(fs::read(dir.path().join("t/empty")).unwrap(), b"not empty");
}

#[test]
fn files_are_sparse() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 20_000_000)], 16_384);
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    rig.write_piece(&sample, sample.geometry().piece_count() - 1);
    rig.end();
    let found = fs::metadata(dir.path().join("t/a")).unwrap();
    assert_eq!(found.len(), 20_000_000);
    assert!(found.blocks() * 512 < 1_000_000, "{} blocks", found.blocks());
}

/// A link planted in the file's or a folder's place, before or after the torrent was opened: refused, and nothing
/// outside the folder is touched.
#[test]
fn symbolic_links_are_refused_everywhere() {
    let sample = Sample::new(&[("dir/a", 30_000)], 16_384);
    for (place, to_folder) in [("t/dir/a", false), ("t/dir", true), ("t", true)] {
        for planted_first in [true, false] {
            let (state, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(outside.path().join("dir")).unwrap();
            fs::write(outside.path().join("a"), b"precious").unwrap();
            fs::write(outside.path().join("dir/a"), b"precious").unwrap();
            let plant = || {
                let place = dir.path().join(place);
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                let to = if to_folder { outside.path().to_path_buf() } else { outside.path().join("a") };
                symlink(to, place).unwrap();
            };
            let mut rig = rig(state.path());
            let error = if planted_first {
                plant();
                rig.open(&sample, dir.path(), &[]).unwrap_err()
            } else {
                rig.open(&sample, dir.path(), &[]).unwrap();
                plant();
                let read = rig.read(sample.geometry().block(0, 0, 100).unwrap()).unwrap_err();
                assert_eq!(read.kind, DiskErrorKind::Denied);
                assert_eq!(rig.check(sample.piece(0)).unwrap_err().kind, DiskErrorKind::Denied);
                rig.write(&sample, 0, 0..1, false).unwrap_err()
            };
            assert_eq!(error.kind, DiskErrorKind::Denied);
            assert!(error.text.ends_with("is a symbolic link, which is never followed"), "{}", error.text);
            assert_eq!(error.text.matches('\n').count(), 0);
            rig.end();
            assert_eq!(fs::read(outside.path().join("a")).unwrap(), b"precious");
            assert_eq!(fs::read(outside.path().join("dir/a")).unwrap(), b"precious");
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
        }
    }
}

/// The download folder itself may be a link: that is the user's own choice.
#[test]
fn the_download_folder_may_be_a_link() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 100)], 16_384);
    fs::create_dir(dir.path().join("real")).unwrap();
    symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
    let mut rig = rig(state.path());
    rig.open(&sample, &dir.path().join("link"), &[]).unwrap();
    rig.write_piece(&sample, 0);
    rig.end();
    assert_same(&dir.path().join("real"), &sample, 0);
}

#[test]
fn folders_files_and_fifos_in_the_way_are_named() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("dir/a", 30_000)], 16_384);
    let mut rig = rig(state.path());
    fs::write(dir.path().join("t"), b"file").unwrap();
    let error = rig.open(&sample, dir.path(), &[]).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Denied);
    assert!(error.text.ends_with("t is not a folder"), "{}", error.text);
    fs::remove_file(dir.path().join("t")).unwrap();
    fs::create_dir_all(dir.path().join("t/dir/a")).unwrap();
    let error = rig.open(&sample, dir.path(), &[]).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Denied);
    fs::remove_dir(dir.path().join("t/dir/a")).unwrap();
    rig.open(&sample, dir.path(), &[]).unwrap();
    nix::unistd::mkfifo(&dir.path().join("t/dir/a"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = rig.write(&sample, 0, 0..1, false).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Denied);
    assert!(error.text.ends_with("it is not a regular file"), "{}", error.text);
    rig.end();
}

/// A full disk fails the write with one clear line; with space again the same blocks go through. The piece's digest
/// starts over.
#[test]
fn a_full_disk_says_so_and_goes_on_when_there_is_space() {
    let small = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(small.path())
        .stderr(std::process::Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("SKIPPED: disk full: cannot mount a small tmpfs here");
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let sample = Sample::new(&[("a", 700_000)], 256 * 1024);
    let ballast = small.path().join("ballast");
    fs::write(&ballast, vec![1; 700 * 1024]).unwrap();
    let mut rig = rig(state.path());
    rig.open(&sample, small.path(), &[]).unwrap();
    rig.write_piece(&sample, 0);
    let error = rig.write(&sample, 1, 0..16, true).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Full);
    assert_eq!(error.text, format!("cannot write {}: no space left on device", small.path().join("t/a").display()));
    fs::remove_file(ballast).unwrap();
    rig.write_piece(&sample, 1);
    rig.write_piece(&sample, 2);
    rig.end();
    assert_same(small.path(), &sample, 0);
    let unmount = std::process::Command::new("umount").arg(small.path()).status();
    assert!(unmount.is_ok_and(|status| status.success()));
}

/// Jobs for a store that was closed are answered, not lost.
#[test]
fn a_closed_store_answers() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = Sample::new(&[("a", 100)], 16_384);
    let mut rig = rig(state.path());
    rig.open(&sample, dir.path(), &[]).unwrap();
    rig.send(Job::Close { store: ID });
    rig.write(&sample, 0, 0..1, true).unwrap_err();
    rig.check(sample.piece(0)).unwrap_err();
    rig.read(sample.geometry().block(0, 0, 1).unwrap()).unwrap_err();
    rig.checkpoint(peerlink::storage::Resume::empty(sample.geometry())).unwrap_err();
    rig.end();
}

/// More files than may be open: each is found again.
#[test]
fn more_files_than_descriptors() {
    let (state, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names: Vec<String> = (0..40).map(|at| format!("f{at}")).collect();
    let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 5_000)).collect();
    let sample = Sample::new(&files, 16_384);
    let mut rig = Rig::start(state.path(), "boot", 2);
    rig.open(&sample, dir.path(), &[]).unwrap();
    for index in (0..sample.geometry().piece_count()).rev() {
        rig.write_piece(&sample, index);
    }
    rig.checkpoint(peerlink::storage::Resume::empty(sample.geometry())).unwrap();
    rig.end();
    (0..40).for_each(|index| assert_same(dir.path(), &sample, index));
}
