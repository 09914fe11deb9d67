//! Encrypted connections (MSE) between reactors, and with sockets that say other things.

use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use peerlink::base::encryption::{Crypto, Encryption};
use peerlink::base::{ConnId, InfoHash};
use peerlink::io::Options;
use peerlink::machine::{Command, Input, Note, Outgoing, Run};

use super::connections::{connect, heard, said};
use super::script::{LONG, Running, Script, local, pattern, start};

const HASH: InfoHash = InfoHash([5; 20]);
/// What a plain peer begins with.
const HELLO: &[u8] = b"\x13BitTorrent protocol";
/// Bytes of a run, and how many are sent.
const RUN_LEN: usize = 100_000;
const RUNS: usize = 20;

fn options(state: &tempfile::TempDir, encryption: Encryption) -> Options {
    let mut options = local(state.path());
    options.encryption = encryption;
    options
}

/// What goes over as blocks: each run as two of them.
fn send_blocks(conn: ConnId, number: u8, out: &mut peerlink::machine::Outbox) {
    let run = Run(pattern(u64::from(number), RUN_LEN));
    let block = |start, len| Outgoing { head: [number; 13], start, len };
    out.push(Command::SendBlocks {
        conn,
        run,
        blocks: vec![block(0, 16_384), block(16_384, RUN_LEN as u32 - 16_384)],
    });
}

fn expected() -> Vec<u8> {
    let run = |number: u8| {
        let bytes = pattern(u64::from(number), RUN_LEN);
        [&[number; 13], &bytes[..16_384], &[number; 13], &bytes[16_384..]].concat()
    };
    (0..RUNS as u8).flat_map(run).collect()
}

/// Greets whoever calls with blocks once it has said hello, as soon as the ones before have left.
fn server(state: &tempfile::TempDir, encryption: Encryption) -> (Running, Receiver<Note>) {
    let (sender, notes) = mpsc::channel();
    let mut sent = 0;
    let machine = Script::new(move |_, input, out, _| match input {
        Input::Encrypted { crypto, .. } => out.tell(said(format!("{crypto:?}"))),
        Input::Received { conn, bytes } if bytes == HELLO => {
            out.push(Command::SendMany { conns: vec![conn], bytes: vec![1; 2000].into() });
            out.send(conn, b"welcome".to_vec());
            send_blocks(conn, 0, out);
            sent = 1;
        }
        Input::Received { bytes, .. } => out.tell(said(String::from_utf8_lossy(bytes))),
        Input::Sent { conn, queued: 0, .. } if sent < RUNS => {
            send_blocks(conn, sent as u8, out);
            sent += 1;
        }
        Input::Closed { .. } => out.tell(said("closed")),
        _ => {}
    })
    .with_torrent(HASH);
    (start(options(state, encryption), machine, sender), notes)
}

/// Calls a port, encrypted or not, says hello and hears so many bytes.
fn call(state: &tempfile::TempDir, encryption: Encryption, port: u16) -> (Running, Receiver<Note>) {
    let (sender, notes) = mpsc::channel();
    let mut heard: Vec<u8> = Vec::new();
    let machine = Script::new(move |_, input, out, _| match input {
        Input::Note(Note::Listening { .. }) => {
            let conn = out.new_conn();
            out.push(Command::Connect { conn, to: ([127, 0, 0, 1], port).into() });
            if encryption != Encryption::Off {
                out.push(Command::Encrypt { conn, info_hash: HASH });
            }
        }
        Input::Connected { conn } => out.send(conn, HELLO.to_vec()),
        Input::Encrypted { crypto, .. } => out.tell(said(format!("{crypto:?}"))),
        Input::Received { bytes, .. } => {
            heard.extend_from_slice(bytes);
            let blocks = expected();
            if heard.len() >= 2007 + blocks.len() {
                let is_right =
                    heard[..2000] == [1; 2000] && heard[2000..2007] == *b"welcome" && heard[2007..] == blocks;
                out.tell(said(if is_right { "all" } else { "something else" }));
            }
        }
        Input::Closed { .. } => out.tell(said("closed")),
        _ => {}
    });
    (start(options(state, encryption), machine, sender), notes)
}

#[test]
fn what_is_sent_arrives_whatever_was_agreed_on() {
    use Encryption::{Off, Prefer, Require};
    for (caller, callee, crypto) in [
        (Prefer, Prefer, Some(Crypto::Plaintext)),
        (Require, Prefer, Some(Crypto::Rc4)),
        (Prefer, Require, Some(Crypto::Rc4)),
        (Off, Prefer, None),
    ] {
        let state = tempfile::tempdir().unwrap();
        let (server, server_notes) = server(&state, callee);
        let (client, client_notes) = call(&state, caller, server.port);
        if let Some(crypto) = crypto {
            assert_eq!(heard(&server_notes), format!("{crypto:?}"));
            assert_eq!(heard(&client_notes), format!("{crypto:?}"));
        }
        assert_eq!(heard(&client_notes), "all", "{caller:?} {callee:?}");
        client.stop();
        server.stop();
    }
}

#[test]
fn who_is_not_understood_is_hung_up_on_and_its_machine_hears_it() {
    use Encryption::{Off, Prefer, Require};
    for (caller, callee) in [(Off, Require), (Prefer, Off)] {
        let state = tempfile::tempdir().unwrap();
        let (sender, _notes) = mpsc::channel();
        // Somebody plain: it hangs up on what it does not understand.
        let machine = Script::new(move |_, input, out, _| match input {
            Input::Received { conn, .. } if callee == Off => out.close(conn),
            _ => {}
        });
        let server = start(options(&state, callee), machine, sender);
        let (client, notes) = call(&state, caller, server.port);
        assert_eq!(heard(&notes), "closed");
        client.stop();
        server.stop();
    }
}

/// While many strangers want secrets made, those who speak plainly are answered at once, and the loop is not taken up.
#[test]
fn a_flood_of_handshakes_holds_nobody_up() {
    let state = tempfile::tempdir().unwrap();
    let (sender, notes) = mpsc::channel();
    let machine = Script::new(|_, input, out, _| match input {
        Input::Received { conn, bytes } => out.send(conn, bytes.to_vec()),
        Input::Spoke { .. } => out.tell(said("spoke")),
        _ => {}
    });
    let running = start(options(&state, Encryption::Prefer), machine, sender);
    // No key that gives itself away, and none that is right for anything.
    let mut strangers: Vec<_> = (0..100).map(|_| connect(running.port)).collect();
    strangers.iter_mut().for_each(|stranger| stranger.write_all(&[7; 96]).unwrap());
    assert_eq!(heard(&notes), "spoke");
    let began = Instant::now();
    for _ in 0..20 {
        let mut plain = connect(running.port);
        plain.write_all(HELLO).unwrap();
        let mut echo = [0; 20];
        plain.read_exact(&mut echo).unwrap();
        assert_eq!(echo, *HELLO);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    // In the end everybody gets an answer.
    for stranger in &mut strangers {
        stranger.set_read_timeout(Some(LONG)).unwrap();
        stranger.read_exact(&mut [0; 96]).unwrap();
    }
    running.stop();
}
