//! Sharing that ends by itself.

use super::rig::{Home, payload};
use super::transfer::{LOCAL, get_args, seed};

#[test]
fn a_ratio_counts_all_runs_and_a_time_ends_a_download_that_is_shared() {
    let home = Home::new();
    home.write("data.bin", &payload(300_000, 5));
    let (first, port, torrent) = seed(&home, "data.bin", &["--seed-ratio", "9", "--seed-time", "9h"]);
    let peer = format!("127.0.0.1:{port}");
    let ended = home.run(&get_args(&torrent, &peer, &["--seed-time", "1s"])).expect(0);
    assert!(ended.out.contains("verified data.bin") && ended.out.contains("shared data.bin for "), "{}", ended.out);
    first.signal("TERM");
    assert!(!first.wait().expect(0).out.contains("shared data.bin"));
    // All of it was sent once, in an earlier run.
    let args = ["seed", "data.bin", "-o", &torrent, "--state-dir", "seed-state"];
    let ended = home.run(&[&args[..], &LOCAL, &["--seed-ratio", "1"]].concat()).expect(0);
    assert!(ended.out.contains("sent 0 B, ratio 1.0"), "{}", ended.out);
    let ended = home.run(&[&args[..], &LOCAL, &["--seed-ratio", "0.5", "--json"]].concat()).expect(0);
    assert!(ended.out.contains("{\"event\":\"shared\",\"name\":\"data.bin\","), "{}", ended.out);
    // The command line beats what is said elsewhere.
    let mut command = home.command(&get_args(&torrent, &peer, &["--seed=false"]));
    command.env("PEERLINK_SEED_RATIO", "5");
    let ended = super::rig::finish(command, b"").expect(0);
    assert!(ended.out.contains("all of it was there already"), "{}", ended.out);
}
