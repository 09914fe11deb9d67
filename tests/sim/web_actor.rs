//! Web servers that have a torrent's files, and their ways.

use peerlink::base::ConnId;
use peerlink::wire::url::percent_decode;

use crate::actor::{Action, Actor, Cx};

/// How a web server behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Server {
    /// Gives ranges and keeps connections.
    Good,
    /// The same, with so many wrong bytes in a thousand.
    Wrong(u32),
    /// Answers once on a connection, and says so or not.
    Closing { says: bool },
    /// Closes in the middle of one answer of three, or near it.
    Breaking,
    /// Does not have every third file.
    Lacking,
    /// Is busy for three of four requests.
    Busy,
    /// Gives what is asked in chunks.
    Chunks,
    /// Leads to the same place under another name.
    Leading,
    /// Takes requests and says nothing.
    Silent,
}

/// Bytes of a node. Answers every request that is there.
pub fn received(actor: &mut Actor, server: Server, cx: &mut Cx<'_>, conn: ConnId, bytes: &[u8]) {
    let Some(session) = actor.sessions.get_mut(&conn) else { return };
    session.http.extend_from_slice(bytes);
    while let Some(session) = actor.sessions.get_mut(&conn)
        && let Some(end) = session.http.windows(4).position(|four| four == b"\r\n\r\n")
    {
        let request: Vec<u8> = session.http.drain(..end + 4).collect();
        let request = String::from_utf8(request).expect("[web] a request is text");
        if !answer(actor, server, cx, conn, &request) {
            return;
        }
    }
}

/// False: the connection is over.
fn answer(actor: &mut Actor, server: Server, cx: &mut Cx<'_>, conn: ConnId, request: &str) -> bool {
    let target = request.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()).expect("[web] a GET");
    let range = request.split("\r\nRange: bytes=").nth(1).and_then(|rest| rest.split("\r\n").next());
    let (first, last) = range.and_then(|range| range.split_once('-')).expect("[web] a range");
    let (first, last): (usize, usize) = (first.parse().expect("[web] a range"), last.parse().expect("[web] a range"));
    let (folder, path) = target.split_once('/').expect("[web] a folder is asked for");
    let path = String::from_utf8(percent_decode(path)).expect("[web] a path");
    let files = &actor.made.metainfo.files;
    let index = files.iter().position(|file| file.path.join("/") == path).expect("[web] a file of the torrent");
    assert!(!files[index].pad, "[web] a pad file is asked for");
    let mut body = actor.made.file(index).to_vec();
    let len = body.len();
    assert!(first <= last && last < len, "[web] {first}-{last} of {len} bytes");
    actor.served += 1;
    let session = actor.sessions.get_mut(&conn).expect("it has just asked");
    session.served += 1;
    if matches!(server, Server::Closing { .. }) && session.served > 1 {
        // Whoever asks again before it was answered, or does not listen.
        cx.actions.push(Action::Close(conn));
        return false;
    }
    let mut say = |text: String| cx.actions.push(Action::Send(conn, text.into_bytes()));
    let status = |status: u32| format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\nno");
    match server {
        Server::Silent => return true,
        Server::Lacking if index % 3 == 2 => say(status(404)),
        Server::Busy if !actor.served.is_multiple_of(4) => say(status(503)),
        Server::Leading if folder == "web" => {
            say(format!("HTTP/1.1 302 x\r\nLocation: /moved/{}\r\nContent-Length: 0\r\n\r\n", target_of(target)));
        }
        Server::Chunks => {
            let range = format!("Content-Range: bytes {first}-{last}/*");
            say(format!("HTTP/1.1 206 x\r\n{range}\r\nTransfer-Encoding: chunked\r\n\r\n"));
            for chunk in body[first..=last].chunks(10_000) {
                let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
                cx.actions.push(Action::Send(conn, bytes));
            }
            cx.actions.push(Action::Send(conn, b"0\r\n\r\n".to_vec()));
        }
        _ => {
            if let Server::Wrong(per_mille) = server {
                let wrong = (first..=last).filter(|_| cx.rng.u32(..1000) < per_mille).collect::<Vec<_>>();
                wrong.into_iter().for_each(|at| body[at] ^= 0x55);
            }
            let close = if server == (Server::Closing { says: true }) { "Connection: close\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 206 x\r\nContent-Range: bytes {first}-{last}/{len}\r\nContent-Length: {}\r\n{close}\r\n",
                last + 1 - first
            );
            cx.actions.push(Action::Send(conn, [head.as_bytes(), &body[first..=last]].concat()));
            if server == Server::Breaking && cx.rng.u32(..3) == 0 {
                // Some of it has left by now.
                cx.actions.push(Action::Close(conn));
                return false;
            }
        }
    }
    true
}

fn target_of(target: &str) -> &str {
    target.split_once('/').map_or("", |(_, path)| path)
}
