//! A door between two processes that lets only so many bytes through, so that a download can be stopped half way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Forwards connections to a seed until the seed has sent `limit` bytes; then nothing moves any more.
pub struct Proxy {
    pub port: u16,
    sent: Arc<AtomicU64>,
}

impl Proxy {
    pub fn new(seed_port: u16, limit: u64) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sent = Arc::new(AtomicU64::new(0));
        let counter = sent.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to = SocketAddr::from(([127, 0, 0, 1], seed_port));
                let Ok(seed) = TcpStream::connect(to) else { continue };
                let (client_in, seed_out) = (client.try_clone().expect("a copy"), seed.try_clone().expect("a copy"));
                thread::spawn(move || pump(client_in, seed_out, None));
                let counter = counter.clone();
                thread::spawn(move || pump(seed, client, Some((counter, limit))));
            }
        });
        Proxy { port, sent }
    }

    /// Bytes the seed sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, limit: Option<(Arc<AtomicU64>, u64)>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let room = limit.as_ref().map_or(u64::MAX, |(sent, limit)| limit.saturating_sub(sent.load(Ordering::SeqCst)));
        if room == 0 {
            // Held open: the other side waits, as it would for a slow peer.
            let _ = std::sync::mpsc::channel::<()>().1.recv();
            thread::park();
            return;
        }
        let want = buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        match from.read(&mut buffer[..want]) {
            Ok(count) if count > 0 && to.write_all(&buffer[..count]).is_ok() => {
                if let Some((sent, _)) = &limit {
                    sent.fetch_add(count as u64, Ordering::SeqCst);
                }
            }
            _ => {
                let _ = to.shutdown(std::net::Shutdown::Both);
                let _ = from.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }
}
