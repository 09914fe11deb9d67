//! A seed in one process, a download in another.

use super::rig::{Home, Running, files_below, payload};

/// Flags of every process here: any port, loopback only.
pub const LOCAL: [&str; 4] = ["-p", "0", "--bind", "127.0.0.1"];

/// Starts a seed of a path below the home; returns it, its port, and where its torrent lies.
pub fn seed(home: &Home, path: &str, more: &[&str]) -> (Running, u16, String) {
    let torrent = home.text("made.torrent");
    let args = [&["seed", path, "-o", &torrent, "--state-dir", "seed-state"], &LOCAL[..], more].concat();
    let mut seed = home.start(&args);
    let port = seed.port();
    seed.line_after("sharing ");
    (seed, port, torrent)
}

/// The arguments of a download from that port.
pub fn get_args<'a>(torrent: &'a str, peer: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["get", torrent, "--dir", "down", "--state-dir", "get-state", "--peer", peer, "--timeout", "30s"];
    [&args, &LOCAL[..], more].concat()
}

fn peer(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Three files in folders, with one of no bytes.
fn album(home: &Home) -> Vec<(String, Vec<u8>)> {
    for (name, len) in [("a/one.bin", 300_000), ("a/b/two.bin", 70_001), ("a/empty", 0), ("a/.three", 12_345)] {
        home.write(&format!("album/{name}"), &payload(len, len as u64));
    }
    files_below(&home.path("album"))
}

#[test]
fn a_single_file() {
    let home = Home::new();
    let data = payload(3_000_001, 7);
    home.write("data.bin", &data);
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    let ended = home.run(&get_args(&torrent, &peer(port), &[])).expect(0);
    assert!(ended.out.contains("verified data.bin (2.86 MiB) in "), "{}", ended.out);
    assert_eq!(home.read("down/data.bin"), data);
    assert_eq!(files_below(&home.path("down")).len(), 1, "something else lies beside it");
    // It is there now: the same command ends at once.
    let again = home.run(&get_args(&torrent, &peer(port), &[])).expect(0);
    assert!(again.out.contains("all of it was there already"), "{}", again.out);
    seed.signal("TERM");
    let ended = seed.wait().expect(0);
    assert_eq!(ended.err, "");
}

#[test]
fn many_files_in_folders_with_sequential_and_json() {
    let home = Home::new();
    let data = album(&home);
    let (seed, port, torrent) = seed(&home, "album", &["--memory", "4M"]);
    let ended = home.run(&get_args(&torrent, &peer(port), &["--sequential", "--json", "--memory", "4M"])).expect(0);
    assert_eq!(files_below(&home.path("down/album")), data);
    let events: Vec<&str> = ended.out.lines().collect();
    assert!(events.iter().all(|line| line.starts_with("{\"event\":\"") && line.ends_with('}')), "{}", ended.out);
    assert!(events.iter().any(|line| line.starts_with("{\"event\":\"listening\",\"port\":")), "{}", ended.out);
    let complete = "{\"event\":\"complete\",\"name\":\"album\"";
    assert!(events.iter().any(|line| line.starts_with(complete)), "{}", ended.out);
    seed.signal("INT");
    seed.wait().expect(0);
}

#[test]
fn only_the_selected_files() {
    let home = Home::new();
    let data = album(&home);
    let (seed, port, torrent) = seed(&home, "album", &[]);
    home.run(&get_args(&torrent, &peer(port), &["-s", "2"])).expect(0);
    let got = files_below(&home.path("down/album"));
    assert_eq!(got, [data[1].clone()], "more or less than one file");
    // The rest later: what is there stays.
    home.run(&get_args(&torrent, &peer(port), &[])).expect(0);
    assert_eq!(files_below(&home.path("down/album")), data);
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn a_torrent_on_stdin_and_a_command_when_done() {
    let home = Home::new();
    let data = payload(200_000, 9);
    home.write("it's.bin", &data);
    let (seed, port, torrent) = seed(&home, "it's.bin", &[]);
    let done = "echo \"$PEERLINK_NAME|$PEERLINK_DIR|$PEERLINK_INFO_HASH\" > done.txt";
    let peer = peer(port);
    let args = get_args("-", &peer, &["--on-done", done]);
    home.run_with_stdin(&args, &home.read(&torrent)).expect(0);
    assert_eq!(home.read("down/it's.bin"), data);
    let told = String::from_utf8(home.read("done.txt")).unwrap();
    let parts: Vec<&str> = told.trim().split('|').collect();
    assert_eq!((parts[0], parts[1].to_string()), ("it's.bin", home.text("down")));
    assert_eq!(parts[2].len(), 40);
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn a_download_goes_on_sharing_and_a_third_gets_it_from_there() {
    let home = Home::new();
    let data = payload(500_000, 3);
    home.write("data.bin", &data);
    let (first, port, torrent) = seed(&home, "data.bin", &[]);
    let peer_of_first = peer(port);
    let mut second = home.start(&get_args(&torrent, &peer_of_first, &["--seed"]));
    let port = second.port();
    second.line_after("verified data.bin");
    first.signal("TERM");
    first.wait().expect(0);
    let args = ["get", &torrent, "--dir", "third", "--state-dir", "third-state", "--peer", &peer(port)];
    home.run(&[&args[..], &LOCAL].concat()).expect(0);
    assert_eq!(home.read("third/data.bin"), data);
    second.signal("INT");
    second.wait().expect(0);
}

#[test]
fn several_torrents_in_one_run() {
    let home = Home::new();
    home.write("x.bin", &payload(100_000, 1));
    home.write("y.bin", &payload(150_000, 2));
    for name in ["x", "y"] {
        home.run(&["create", &format!("{name}.bin"), "-o", &format!("{name}.torrent")]).expect(0);
    }
    let args = [&["seed", "x.torrent", "y.torrent", "--state-dir", "seed-state"], &LOCAL[..]].concat();
    let mut seed = home.start(&args);
    let peer = peer(seed.port());
    let more = ["y.torrent"];
    let ended = home.run(&get_args("x.torrent", &peer, &more)).expect(0);
    assert!(ended.out.contains("verified x.bin") && ended.out.contains("verified y.bin"), "{}", ended.out);
    assert_eq!(home.read("down/y.bin"), home.read("y.bin"));
    seed.signal("TERM");
    seed.wait().expect(0);
}

#[test]
fn seeding_what_is_not_there_is_refused() {
    let home = Home::new();
    let mut data = payload(200_000, 5);
    home.write("data.bin", &data);
    home.run(&["create", "data.bin", "-o", "t.torrent"]).expect(0);
    let seed = |dir: &str| {
        home.run(&[&["seed", "t.torrent", "--dir", dir, "--state-dir", &format!("{dir}-state")], &LOCAL[..]].concat())
    };
    let ended = seed("nowhere").expect(32);
    assert!(ended.one_line().contains("none of its data"), "{}", ended.err);
    assert!(!home.path("nowhere").exists(), "a folder was made");
    data[100_000] ^= 1;
    home.write("wrong/data.bin", &data);
    let ended = seed("wrong").expect(32);
    assert!(ended.one_line().contains("are right"), "{}", ended.err);
    assert_eq!(home.read("wrong/data.bin"), data, "it was changed");
}

#[test]
fn a_torrent_from_the_web() {
    let home = Home::new();
    let data = payload(100_000, 6);
    home.write("data.bin", &data);
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    let bytes = home.read(&torrent);
    let (web, url) = serve(vec![http(200, &bytes), http(404, b"gone"), b"nonsense\r\n\r\n".to_vec()]);
    let peer = peer(port);
    home.run(&get_args(&format!("{url}/a.torrent"), &peer, &[])).expect(0);
    assert_eq!(home.read("down/data.bin"), data);
    let ended = home.run(&["show", &format!("{url}/b.torrent")]).expect(3);
    assert!(ended.one_line().contains("404"), "{}", ended.err);
    home.run(&["show", &format!("{url}/c.torrent")]).expect(6).one_line();
    web.join().unwrap();
    seed.signal("TERM");
    seed.wait().expect(0);
}

fn http(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Answers one connection after the other with these bytes.
fn serve(answers: Vec<Vec<u8>>) -> (std::thread::JoinHandle<()>, String) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move || {
        for bytes in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            stream.write_all(&bytes).unwrap();
        }
    };
    (std::thread::spawn(answer), url)
}

#[test]
fn many_torrents_at_once() {
    let home = Home::new();
    let names: Vec<String> = (0..300).map(|number| format!("t{number}.torrent")).collect();
    for (number, name) in names.iter().enumerate() {
        let bytes = [number as u8, (number >> 8) as u8, 1];
        home.write(&format!("data/f{number}"), &bytes);
        let digest: [u8; 20] = <sha1::Sha1 as sha1::Digest>::digest(bytes).into();
        let file = format!("f{number}");
        let info = format!("d6:lengthi3e4:name{}:{file}12:piece lengthi16384e6:pieces20:", file.len());
        home.write(name, &[b"d4:info".as_slice(), info.as_bytes(), &digest, b"ee"].concat());
    }
    let mut args = vec!["seed", "--dir", "data", "--state-dir", "state"];
    args.extend(LOCAL);
    args.extend(names.iter().map(String::as_str));
    let mut seed = home.start(&args);
    for _ in &names {
        seed.line_after("sharing f");
    }
    seed.signal("TERM");
    let ended = seed.wait();
    // A busy disk may not save so many in the time there is.
    assert!(matches!(ended.code, 0 | 7) && !ended.err.contains("bounds"), "{}", ended.err);
}

#[test]
fn a_reader_that_stalls_holds_up_neither_the_download_nor_the_end() {
    let home = Home::new();
    let data = payload(2_000_000, 8);
    home.write("data.bin", &data);
    let (seed, port, torrent) = seed(&home, "data.bin", &[]);
    // Nobody reads these pipes, and they are full from the start.
    let (_keep_out, out) = full_pipe();
    let (_keep_err, err) = full_pipe();
    let mut command = home.command(&get_args(&torrent, &peer(port), &["--json", "-vv"]));
    let began = std::time::Instant::now();
    let status = command.stdout(out).stderr(err).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed().as_secs() < 10, "it took {:?}", began.elapsed());
    assert_eq!(home.read("down/data.bin"), data);
    seed.signal("TERM");
    seed.wait().expect(0);
}

/// A pipe that takes no byte more.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use std::io::Write;
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = 64 * 1024;
    writer.write_all(&vec![b'x'; size]).unwrap();
    (reader, writer)
}
