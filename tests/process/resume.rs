//! A download that was stopped or killed goes on where it was.

use super::proxy::Proxy;
use super::rig::{Home, Running, payload};
use super::transfer::{get_args, seed};

const LEN: usize = 8_000_000;
const PIECE: u64 = 262_144;

/// A seed, the data, and a download that stands still half way.
fn half_way(home: &Home) -> (Running, u16, String, Vec<u8>, Running) {
    let data = payload(LEN, 21);
    home.write("data.bin", &data);
    home.run(&["create", "data.bin", "-o", "t.torrent", "--piece-length", "256K"]).expect(0);
    let args = ["seed", "t.torrent", "--state-dir", "seed-state", "-p", "0", "--bind", "127.0.0.1"];
    let mut seed = home.start(&args);
    let port = seed.port();
    seed.line_after("sharing ");
    let proxy = Proxy::new(port, LEN as u64 / 2);
    let peer = format!("127.0.0.1:{}", proxy.port);
    let mut get = home.start(&get_args("t.torrent", &peer, &["--json"]));
    // Rows come once a second; by the time one tells of a quarter, the rest of the half may be under way.
    loop {
        let have: u64 = get.line_after("\"have\":").split(',').next().and_then(|n| n.parse().ok()).expect("a number");
        if have > LEN as u64 / 4 {
            break;
        }
    }
    (seed, port, "t.torrent".into(), data, get)
}

/// Goes on through a proxy that counts; checks bytes and how many were fetched again.
fn go_on(home: &Home, seed: Running, port: u16, torrent: &str, data: &[u8], first_sent: u64) {
    let proxy = Proxy::new(port, u64::MAX);
    let peer = format!("127.0.0.1:{}", proxy.port);
    home.run(&get_args(torrent, &peer, &[])).expect(0);
    assert!(home.read("down/data.bin") == data, "wrong bytes");
    let payload_max = data.len() as u64 + PIECE + first_sent.min(PIECE);
    let sent = first_sent + proxy.sent();
    // Heads of messages, bitfield and handshakes: below a thousandth and a bit.
    assert!(sent <= payload_max + payload_max / 500 + 2_000, "{sent} bytes were sent for {}", data.len());
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn after_ctrl_c() {
    let home = Home::new();
    let (seed, port, torrent, data, get) = half_way(&home);
    let began = std::time::Instant::now();
    get.signal("INT");
    let ended = get.wait().expect(130);
    assert!(began.elapsed().as_secs_f64() < 2.5, "it took {:?} to stop", began.elapsed());
    assert!(ended.out.contains("\"event\":\"stopped\"") && ended.out.contains("\"resumable\":true"), "{}", ended.out);
    go_on(&home, seed, port, &torrent, &data, LEN as u64 / 2);
}

#[test]
fn after_sigterm() {
    let home = Home::new();
    let (seed, port, torrent, data, get) = half_way(&home);
    get.signal("TERM");
    get.wait().expect(7);
    go_on(&home, seed, port, &torrent, &data, LEN as u64 / 2);
}

#[test]
fn after_sigkill() {
    let home = Home::new();
    let (seed, port, torrent, data, get) = half_way(&home);
    get.signal("KILL");
    get.wait().expect(1009);
    go_on(&home, seed, port, &torrent, &data, LEN as u64 / 2);
}

#[test]
fn two_downloads_of_one_torrent_do_not_fight() {
    let home = Home::new();
    let (seed, port, torrent, _, get) = half_way(&home);
    let ended = home.run(&get_args(&torrent, &format!("127.0.0.1:{port}"), &[])).expect(1);
    ended.one_line();
    get.signal("TERM");
    get.wait().expect(7);
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn a_seed_made_of_a_path_is_found_again() {
    let home = Home::new();
    home.write("data.bin", &payload(100_000, 4));
    let (first, _, torrent) = seed(&home, "data.bin", &[]);
    first.signal("INT");
    first.wait().expect(0);
    let before = home.read(&torrent);
    let (second, ..) = seed(&home, "data.bin", &[]);
    second.signal("INT");
    second.wait().expect(0);
    assert!(!before.is_empty());
}
