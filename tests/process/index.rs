//! `peerlink serve`'s index over HTTP: published torrents outlive restarts and kills, and names stay text.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use peerlink::metainfo::parse::parse;
use peerlink::wire::bencode::Writer;

use super::rig::{Home, payload};
use super::serve::serve;

/// A .torrent with this name and so many made-up pieces.
pub fn torrent(name: &str, pieces: usize) -> Vec<u8> {
    Writer::dict_bytes(|root| {
        root.bytes("announce", "http://127.0.0.1:1/announce");
        root.dict("info", |info| {
            info.int("length", pieces as i64 * 16384);
            info.bytes("name", name);
            info.int("piece length", 16384);
            info.bytes("pieces", payload(20 * pieces, name.len() as u64));
        });
    })
}

/// Status and body of a reply; an error where the server went away.
pub fn request(port: u16, head: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let head =
        format!("{head}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let body = reply.split_off(end + 4);
    if len.is_some_and(|len| len != body.len().to_string()) {
        return Err(cut());
    }
    Ok((status, body))
}

fn publish(port: u16, torrent: &[u8]) -> io::Result<(u16, String)> {
    let (status, body) = request(port, "POST /torrents HTTP/1.1", torrent)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A text of a JSON document.
fn value<'a>(json: &'a str, key: &str) -> &'a str {
    json.split(&format!("\"{key}\":\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

/// Info hashes of everything that is listed.
fn listed(port: u16) -> Vec<String> {
    let (status, body) = request(port, "GET /torrents?limit=500 HTTP/1.1", b"").expect("a listing");
    assert_eq!(status, 200);
    let text = String::from_utf8(body).expect("JSON");
    text.split("\"info_hash\":\"").skip(1).map(|rest| rest[..40].to_string()).collect()
}

#[test]
fn what_was_published_outlives_a_restart_and_goes_when_its_publisher_says() {
    let home = Home::new();
    let (running, port) = serve(&home, &[]);
    let bytes = torrent("film", 3);
    let (status, receipt) = publish(port, &bytes).expect("an answer");
    let (hash, token) = (value(&receipt, "info_hash").to_string(), value(&receipt, "token").to_string());
    assert_eq!((status, value(&receipt, "name")), (201, "film"));
    running.signal("TERM");
    running.wait().expect(0);

    let (running, port) = serve(&home, &[]);
    assert_eq!(listed(port).join(" "), hash);
    let get = format!("GET /torrents/{hash}.torrent HTTP/1.1");
    assert_eq!(request(port, &get, b"").expect("an answer"), (200, bytes));
    let delete = format!("DELETE /torrents/{hash} HTTP/1.1");
    assert_eq!(request(port, &delete, b"").expect("an answer").0, 401);
    let with_token = format!("{delete}\r\nAuthorization: Bearer {token}");
    assert_eq!(request(port, &with_token, b"").expect("an answer").0, 200);
    running.signal("TERM");
    assert_eq!(running.wait().expect(0).err, "");

    let (running, port) = serve(&home, &[]);
    assert!(listed(port).is_empty());
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn scripts_in_names_are_text_on_the_page() {
    let home = Home::new();
    let (running, port) = serve(&home, &[]);
    let head = "POST /torrents?name=%3Cscript%3Ealert(1)%3C%2Fscript%3E&description=%3Cimg+src=x+onerror=alert(2)%3E HTTP/1.1";
    assert_eq!(request(port, head, &torrent("<script>alert(3)</script>", 1)).expect("an answer").0, 201);
    for path in ["/", "/torrents", "/?q=%3Cscript%3Ealert(4)", "/?sort=%22%3E%3Cscript%3E"] {
        let (status, body) =
            request(port, &format!("GET {path} HTTP/1.1\r\nAccept: text/html"), b"").expect("an answer");
        let page = String::from_utf8(body).expect("UTF-8");
        assert_eq!(status, 200);
        assert_eq!(page.matches("<script").count(), 1, "only the page's own: {page}");
        assert!(!page.contains("<img src=x"), "{page}");
    }
    running.signal("TERM");
    running.wait().expect(0);
}

#[test]
fn killed_while_publishing_the_index_is_the_old_or_the_new_one() {
    const KILLS: u64 = 50;
    const AT_ONCE: u64 = 3;
    let home = Home::new();
    let mut rng = fastrand::Rng::with_seed(4);
    // What was sent, and whether the server confirmed it.
    let mut sent: BTreeMap<String, (Vec<u8>, bool)> = BTreeMap::new();
    for kill in 0..=KILLS {
        let (running, port) = serve(&home, &[]);
        let there = listed(port);
        for hash in &there {
            let (bytes, _) = sent.get(hash).expect("only what was sent is listed");
            // Those of the last round each time, which are the first in the list; all at the end.
            if kill == KILLS || there.iter().take(AT_ONCE as usize).any(|newest| newest == hash) {
                let got = request(port, &format!("GET /torrents/{hash} HTTP/1.1"), b"").expect("an answer");
                assert_eq!(got.0, 200, "{hash} is listed and not whole");
                assert!(got.1 == *bytes, "{hash} is not what was published");
            }
        }
        let lost: Vec<_> = sent.iter().filter(|(hash, (_, ok))| *ok && !there.contains(hash)).collect();
        assert!(lost.is_empty(), "{} confirmed torrents are lost after kill {kill}", lost.len());
        if kill == KILLS {
            running.signal("TERM");
            assert_eq!(running.wait().expect(0).err, "", "nothing was torn");
            break;
        }
        let (tell, told) = channel();
        for n in 0..AT_ONCE {
            let bytes = torrent(&format!("{kill} {n}"), 1 + rng.usize(..40_000));
            let hash = parse(&bytes).expect("a torrent").info_hash.to_string();
            sent.insert(hash.clone(), (bytes.clone(), false));
            let tell = tell.clone();
            std::thread::spawn(move || {
                let is_confirmed = publish(port, &bytes).is_ok_and(|(status, _)| status == 201);
                let _ = tell.send((hash, is_confirmed));
            });
        }
        drop(tell);
        // The moment is the point of the test; nothing waits for it to pass.
        let first = told.recv_timeout(Duration::from_micros(rng.u64(..60_000))).ok();
        running.signal("KILL");
        for (hash, is_confirmed) in first.into_iter().chain(told.iter()) {
            sent.get_mut(&hash).expect("it was sent").1 = is_confirmed;
        }
        assert_eq!(running.wait().code, 1009, "it was killed");
    }
    let confirmed = sent.values().filter(|(_, is_confirmed)| *is_confirmed).count();
    println!("{KILLS} kills: {confirmed} of {} were confirmed, and all of them are there", sent.len());
    assert!(confirmed > 0 && confirmed < sent.len(), "the kills came too early, or too late");
}
