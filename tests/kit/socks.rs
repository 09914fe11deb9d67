//! A SOCKS5 proxy of our own: it takes every name below `.example` for this machine, and remembers whom it was asked for.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Whom it was asked for, as `name:port` or `address:port`.
type Asked = Arc<Mutex<Vec<String>>>;

/// Connects whoever asks until the test ends.
pub struct Socks {
    pub at: SocketAddr,
    asked: Asked,
}

impl Socks {
    /// On loopback; with a login, nobody is let in without it.
    pub fn start(login: Option<(&'static str, &'static str)>) -> Socks {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let asked = Asked::default();
        let of_thread = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = of_thread.clone();
                std::thread::spawn(move || serve(stream, login, &asked));
            }
        });
        Socks { at, asked }
    }

    /// The value of `--proxy`.
    pub fn url(&self, login: &str) -> String {
        format!("socks5://{login}{}", self.at)
    }

    /// Everybody that was asked for so far, each once, in the order of names.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().expect("nobody panics with it").clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

fn serve(mut stream: TcpStream, login: Option<(&str, &str)>, asked: &Asked) -> Option<()> {
    let [_, count] = read(&mut stream)?;
    let mut methods = vec![0; count.into()];
    stream.read_exact(&mut methods).ok()?;
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        return stream.write_all(&[5, 0xff]).ok();
    }
    stream.write_all(&[5, method]).ok()?;
    if let Some((user, password)) = login {
        let [_] = read(&mut stream)?;
        let is_known = [text(&mut stream)?, text(&mut stream)?] == [user, password];
        stream.write_all(&[1, u8::from(!is_known)]).ok()?;
        if !is_known {
            return None;
        }
    }
    let [_, 1, _, kind] = read(&mut stream)? else { return None };
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(&mut stream)?).to_string(),
        3 => text(&mut stream)?,
        _ => return stream.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]).ok(),
    };
    let port = u16::from_be_bytes(read(&mut stream)?);
    asked.lock().expect("nobody panics with it").push(format!("{host}:{port}"));
    let at = if host.ends_with(".example") { Ipv4Addr::LOCALHOST } else { host.parse().ok()? };
    let Ok(other) = TcpStream::connect((at, port)) else {
        return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).ok();
    };
    // An answer with a name: how long it is has to be understood.
    stream.write_all(&[5, 0, 0, 3, 4, b'h', b'e', b'r', b'e', 0, 9]).ok()?;
    let back = (other.try_clone().ok()?, stream.try_clone().ok()?);
    std::thread::spawn(move || carry(back.0, back.1));
    carry(stream, other);
    Some(())
}

/// Everything from one to the other, and then its end.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn read<const LEN: usize>(stream: &mut TcpStream) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn text(stream: &mut TcpStream) -> Option<String> {
    let [len] = read(stream)?;
    let mut bytes = vec![0; len.into()];
    stream.read_exact(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}
