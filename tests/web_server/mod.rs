//! A tiny HTTP server on loopback for tests, and a `Web` whose completions land in a channel.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use peerlink::base::{JobId, Span};
use peerlink::io::web::{Options, Web};
use peerlink::machine::{Completion, Fetch, Fetched, Purpose};

/// Longest that a test waits for anything; far above what it needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Answers the n-th connection with the n-th reply, then ends. Its result are the requests' heads.
pub struct Server {
    pub address: SocketAddr,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    pub fn new(replies: Vec<Vec<u8>>) -> Server {
        Server::at("127.0.0.1:0", replies)
    }

    pub fn at(address: &str, replies: Vec<Vec<u8>>) -> Server {
        Server::with(address, replies.len(), move |index, stream| {
            // Whoever refuses a reply early may have hung up.
            let _ = stream.write_all(&replies[index]);
        })
    }

    /// Handles `count` connections, one after the other, each once its request's head is there.
    pub fn with(
        address: &str,
        count: usize,
        mut handle: impl FnMut(usize, &mut TcpStream) + Send + 'static,
    ) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut heads = Vec::new();
            for index in 0..count {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                heads.push(read_head(&mut stream));
                handle(index, &mut stream);
            }
            heads
        });
        Server { address, thread }
    }

    /// A server that was made elsewhere.
    pub fn around(address: SocketAddr, work: impl FnOnce() -> Vec<String> + Send + 'static) -> Server {
        Server { address, thread: std::thread::spawn(work) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked.
    pub fn heads(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

pub fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// `HTTP/1.1 200 OK` with this body.
pub fn ok(body: &[u8]) -> Vec<u8> {
    let mut reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    reply.extend_from_slice(body);
    reply
}

pub fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// A fetch of at most 1 000 bytes with much time.
pub fn request(url: &str) -> Fetch {
    Fetch { url: url.into(), len_max: 1000, timeout: Span::secs(20), purpose: Purpose::File }
}

pub struct Client {
    pub web: Arc<Web>,
    pub completions: Receiver<Completion>,
}

impl Client {
    pub fn new(options: Options) -> Client {
        let (sender, completions) = channel();
        let web = Web::new(options, move |completion| {
            let _ = sender.send(completion);
        });
        Client { web: Arc::new(web), completions }
    }

    pub fn next(&self) -> Completion {
        self.completions.recv_timeout(PATIENCE).expect("every job gets a completion")
    }

    /// One fetch and its result.
    pub fn fetch(&self, request: Fetch) -> Result<Fetched, String> {
        self.web.fetch(JobId(7), request);
        match self.next() {
            Completion::Fetched { id: JobId(7), result } => result,
            other => panic!("{other:?}"),
        }
    }

    pub fn error(&self, request: Fetch) -> String {
        self.fetch(request).expect_err("this fetch must fail")
    }
}
