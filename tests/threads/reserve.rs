//! Room for a torrent's files: reserved, found to be too little, given back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use peerlink::machine::{Completion, DiskError, DiskErrorKind, Job, Reserved};

use super::rig::{ID, Rig, Sample};

fn reserve(rig: &mut Rig) -> Result<Reserved, DiskError> {
    rig.send(Job::Reserve { store: ID });
    match rig.take() {
        Completion::Reserved { store: ID, result } => result,
        other => panic!("expected Reserved, got {other:?}"),
    }
}

/// Until all of it is; how many turns that took.
fn reserve_all(rig: &mut Rig) -> u32 {
    for turn in 1.. {
        let reserved = reserve(rig).expect("there is room");
        if reserved.cannot.is_some() || reserved.done == reserved.total {
            return turn;
        }
    }
    unreachable!("it ends")
}

fn blocks(path: &Path) -> u64 {
    fs::metadata(path).expect("it is there").blocks() * 512
}

/// A small file system; None where that cannot be.
fn small(options: &str) -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().expect("a folder");
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).stderr(std::process::Stdio::null());
    if mount.status().is_ok_and(|status| status.success()) {
        return Some(dir);
    }
    println!("SKIPPED: room for files: cannot mount a small tmpfs here");
    None
}

fn unmount(dir: &Path) {
    let unmount = std::process::Command::new("umount").arg(dir).status();
    assert!(unmount.is_ok_and(|status| status.success()));
}

#[test]
fn wanted_files_get_their_room_and_keep_their_lengths() {
    let Some(dir) = small("size=8m") else { return };
    let state = tempfile::tempdir().unwrap();
    let sample = Sample::new(&[("a", 700_000), ("no", 500_000), ("d/b", 900_001)], 65_536);
    let wanted = [true, false, true];
    fs::create_dir(dir.path().join("t")).unwrap();
    fs::write(dir.path().join("t/a"), &sample.file(0)[..100_000]).unwrap();
    let mut rig = Rig::start(state.path(), "boot", 8);
    rig.open(&sample, dir.path(), &wanted).unwrap();
    reserve_all(&mut rig);
    let path = |name: &str| dir.path().join("t").join(name);
    assert_eq!(fs::metadata(path("a")).unwrap().len(), 100_000);
    assert_eq!(fs::metadata(path("d/b")).unwrap().len(), 0);
    assert!(blocks(&path("a")) >= 700_000 && blocks(&path("d/b")) >= 900_001);
    assert!(!path("no").exists());
    // Another run, in the middle of which the first was killed, claims nothing of it.
    rig.end();
    let mut rig = Rig::start(state.path(), "boot", 8);
    let resume = rig.open(&sample, dir.path(), &wanted).unwrap().resume.expect("the first run was here");
    assert_eq!((resume.have.count(), resume.partial.len()), (0, 0));
    assert_eq!(resume.suspect.count(), 1, "what was in the file before is worth a look");
    assert_eq!(reserve_all(&mut rig), 1);
    for index in 0..sample.geometry().piece_count() {
        rig.write_piece(&sample, index);
    }
    assert_eq!(reserve(&mut rig).unwrap().total, 0, "nothing is lacking any more");
    rig.end();
    assert_eq!(fs::read(path("a")).unwrap(), sample.file(0));
    assert_eq!(fs::read(path("d/b")).unwrap(), sample.file(2));
    unmount(dir.path());
}

#[test]
fn what_does_not_fit_leaves_all_as_it_was() {
    let state = tempfile::tempdir().unwrap();
    let sample = Sample::new(&[("a", 700_000), ("b", 1_000), ("c", 1_000), ("d/e", 700_000)], 65_536);
    // Too few bytes, then too few inodes for the last file.
    for (options, what) in [("size=1m", "are needed and"), ("size=8m,nr_inodes=6", "no space left on device")] {
        let Some(dir) = small(options) else { return };
        fs::create_dir(dir.path().join("t")).unwrap();
        fs::write(dir.path().join("t/a"), &sample.file(0)[..20_000]).unwrap();
        let before = blocks(&dir.path().join("t/a"));
        let mut rig = Rig::start(state.path(), "boot", 8);
        rig.open(&sample, dir.path(), &[]).unwrap();
        let error = loop {
            match reserve(&mut rig) {
                Ok(reserved) => assert!(reserved.done < reserved.total, "{options}: {reserved:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, DiskErrorKind::Full, "{}", error.text);
        assert!(error.text.contains(what), "{}", error.text);
        let names: Vec<_> = fs::read_dir(dir.path().join("t")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let files: Vec<_> = names.iter().filter(|path| path.is_file()).collect();
        assert_eq!(files, [&dir.path().join("t/a")]);
        assert_eq!(fs::read(files[0]).unwrap(), &sample.file(0)[..20_000]);
        assert_eq!(blocks(files[0]), before, "{options}");
        rig.end();
        unmount(dir.path());
    }
}
