//! Files that are there already: none, right, partly right, wrong, too long, and things in the way.

use super::rig::{Home, payload};
use super::transfer::{get_args, seed};

const LEN: usize = 400_000;

/// Downloads over what `prepare` left; returns bytes downloaded as the last event says.
fn get_over(prepare: impl Fn(&Home, &[u8])) -> (Home, Vec<u8>, u64) {
    let home = Home::new();
    let data = payload(LEN, 11);
    home.write("data.bin", &data);
    prepare(&home, &data);
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    let ended = home.run(&get_args(&torrent, &format!("127.0.0.1:{port}"), &["--json"])).expect(0);
    seed.signal("TERM");
    seed.wait().expect(0);
    let complete = ended.out.lines().find(|line| line.contains("\"complete\"")).expect("it completed");
    let count = complete.split("\"downloaded\":").nth(1).and_then(|rest| rest.split(',').next());
    let downloaded = count.and_then(|count| count.parse().ok()).expect("a number");
    (home, data, downloaded)
}

#[test]
fn nothing_there() {
    let (home, data, downloaded) = get_over(|_, _| {});
    assert_eq!(home.read("down/data.bin"), data);
    assert_eq!(downloaded, LEN as u64);
}

#[test]
fn all_there() {
    let (home, data, downloaded) = get_over(|home, data| drop(home.write("down/data.bin", data)));
    assert_eq!(home.read("down/data.bin"), data);
    assert_eq!(downloaded, 0);
}

#[test]
fn the_first_part_there() {
    let (home, data, downloaded) = get_over(|home, data| drop(home.write("down/data.bin", &data[..250_000])));
    assert_eq!(home.read("down/data.bin"), data);
    assert!(downloaded <= (LEN - 250_000 + 16_384) as u64, "{downloaded} bytes were fetched again");
}

#[test]
fn the_right_length_and_wrong_bytes() {
    let (home, data, downloaded) = get_over(|home, data| {
        let mut wrong = data.to_vec();
        wrong[200_000] ^= 0x80;
        home.write("down/data.bin", &wrong);
    });
    assert_eq!(home.read("down/data.bin"), data);
    assert!((1..=16_384).contains(&downloaded), "{downloaded} bytes for one wrong piece");
}

#[test]
fn longer_files_are_never_cut() {
    let (home, data, downloaded) = get_over(|home, data| {
        home.write("down/data.bin", &[data, b"and a tail that is somebody's"].concat());
    });
    let got = home.read("down/data.bin");
    assert_eq!(got[..LEN], data);
    assert_eq!(&got[LEN..], b"and a tail that is somebody's");
    assert_eq!(downloaded, 0);
}

#[test]
fn things_in_the_way() {
    let home = Home::new();
    home.write("data.bin", &payload(50_000, 1));
    home.write("secret", b"mine");
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    let peer = format!("127.0.0.1:{port}");
    std::fs::create_dir_all(home.path("down/data.bin")).unwrap();
    let ended = home.run(&get_args(&torrent, &peer, &[])).expect(5);
    assert!(ended.one_line().contains("data.bin"), "{}", ended.err);
    std::fs::remove_dir(home.path("down/data.bin")).unwrap();
    std::os::unix::fs::symlink(home.path("secret"), home.path("down/data.bin")).unwrap();
    let ended = home.run(&get_args(&torrent, &peer, &[])).expect(5);
    assert!(ended.one_line().contains("data.bin"), "{}", ended.err);
    assert_eq!(home.read("secret"), b"mine");
    std::fs::remove_file(home.path("down/data.bin")).unwrap();
    home.write("file", b"x");
    let args = ["get", &torrent, "--dir", "file/below", "--peer", &peer, "-p", "0", "--bind", "127.0.0.1"];
    home.run(&args).expect(5).one_line();
    seed.signal("TERM");
    seed.wait().expect(0);
}
