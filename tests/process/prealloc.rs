//! Room for a download, reserved before it begins.

use std::os::unix::fs::MetadataExt;

use super::rig::{Home, payload};
use super::transfer::{LOCAL, get_args, seed};

const LEN: usize = 3_000_001;

#[test]
fn room_is_reserved_and_a_download_that_was_stopped_goes_on() {
    let home = Home::new();
    let data = payload(LEN, 31);
    home.write("data.bin", &data);
    home.run(&["create", "data.bin", "-o", "t.torrent"]).expect(0);
    // Nobody is asked yet: it stands still right after its room was reserved.
    let args = ["get", "t.torrent", "--dir", "down", "--state-dir", "get-state", "--prealloc", "full", "--json"];
    let mut get = home.start(&[&args[..], &LOCAL].concat());
    get.line_after("\"activity\":\"downloading\"");
    let found = std::fs::metadata(home.path("down/data.bin")).expect("it is made");
    assert_eq!(found.len(), 0, "as long as what was written to it");
    get.signal("KILL");
    let err = get.wait().expect(1009).err;
    let is_reserved = found.blocks() * 512 >= LEN as u64;
    assert!(is_reserved || err.contains("no room can be reserved"), "{} blocks, {err}", found.blocks());
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    let ended = home.run(&get_args(&torrent, &format!("127.0.0.1:{port}"), &["--prealloc", "full"])).expect(0);
    assert!(ended.out.contains("verified data.bin"), "{}", ended.out);
    assert!(home.read("down/data.bin") == data, "wrong bytes");
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn too_little_room_is_found_before_anything_is_written() {
    let home = Home::new();
    std::fs::create_dir(home.path("small")).expect("a folder");
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(home.path("small")).stderr(std::process::Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: too little room: cannot mount a small tmpfs here");
        return;
    }
    home.write("data.bin", &payload(LEN, 32));
    home.run(&["create", "data.bin", "-o", "t.torrent"]).expect(0);
    let args = ["get", "t.torrent", "--dir", "small", "--state-dir", "get-state", "--prealloc", "full"];
    let ended = home.run(&[&args[..], &LOCAL].concat());
    let left = super::rig::files_below(&home.path("small"));
    let unmount = std::process::Command::new("umount").arg(home.path("small")).status();
    assert!(unmount.is_ok_and(|status| status.success()));
    let ended = ended.expect(9);
    let line = ended.one_line();
    assert!(line.contains("2.86 MiB are needed and 1 MiB are free (--prealloc full)"), "{line}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn other_words_are_refused() {
    let home = Home::new();
    let ended = home.run(&["get", "t.torrent", "--prealloc", "some"]).expect(2);
    assert!(ended.one_line().contains("--prealloc: `some` is not one of none, full"), "{}", ended.err);
}
