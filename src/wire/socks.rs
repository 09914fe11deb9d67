//! SOCKS5 (RFC 1928), with a name and a password (RFC 1929): the handshake by which a proxy connects us to somebody.
//! A name goes to the proxy as it is: it is the proxy that looks it up.

use std::net::{IpAddr, SocketAddr};

const VERSION: u8 = 5;
/// The version of RFC 1929.
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const NOTHING_FITS: u8 = 0xff;
const CONNECT: u8 = 1;
const V4: u8 = 1;
const NAME: u8 = 3;
const V6: u8 = 4;
/// Bytes of an answer up to the first of its address: that one says how long a name is.
const HEAD_LEN: usize = 5;
/// Longest name of a host, of a user, and longest password.
pub const NAME_LEN: usize = 255;

/// To whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Address(SocketAddr),
    /// A name that nobody has looked up.
    Host(String, u16),
}

impl Target {
    /// A host as a URL or a person writes it.
    pub fn of(host: &str, port: u16) -> Target {
        match host.parse() {
            Ok(ip) => Target::Address(SocketAddr::new(ip, port)),
            Err(_) => Target::Host(host.to_string(), port),
        }
    }
}

/// Who we are to the proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}, …)", self.user)
    }
}

/// Why there is no connection, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused(pub &'static str);

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Method,
    Login,
    Head,
    /// The rest of the address at the other end of the proxy, which means nothing to us.
    Address(usize),
    Over,
}

/// A handshake. It never asks for more bytes than the proxy's answer has: what follows is the other side's.
#[derive(Debug)]
pub struct Handshake {
    stage: Stage,
    target: Target,
    login: Option<Login>,
    /// An answer that is not whole.
    heard: Vec<u8>,
}

impl Handshake {
    /// A name of more than [`NAME_LEN`] bytes is cut, and leads nowhere.
    pub fn new(target: Target, login: Option<Login>) -> Handshake {
        Handshake { stage: Stage::Method, target, login, heard: Vec::new() }
    }

    /// What is said first.
    pub fn greeting(&self) -> Vec<u8> {
        match self.login {
            Some(_) => vec![VERSION, 2, NO_LOGIN, LOGIN],
            None => vec![VERSION, 1, NO_LOGIN],
        }
    }

    /// Bytes that may be read now; 0 when it is over.
    pub fn wants(&self) -> usize {
        let len = match self.stage {
            Stage::Method | Stage::Login => 2,
            Stage::Head => HEAD_LEN,
            Stage::Address(len) => len,
            Stage::Over => 0,
        };
        len.saturating_sub(self.heard.len())
    }

    /// Whether the proxy has let us in: what it refuses then is about whom we want.
    pub fn is_let_in(&self) -> bool {
        matches!(self.stage, Stage::Head | Stage::Address(_) | Stage::Over)
    }

    /// Whether the proxy has connected us.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The proxy says something, at most what was wanted: what to say then.
    ///
    /// # Errors
    /// Why there is no connection.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        self.heard.extend_from_slice(&bytes[..bytes.len().min(self.wants())]);
        if self.wants() > 0 {
            return Ok(Vec::new());
        }
        let heard = std::mem::take(&mut self.heard);
        match (self.stage, &heard[..]) {
            (Stage::Method, [VERSION, NO_LOGIN]) => Ok(self.ask()),
            (Stage::Method, [VERSION, LOGIN]) => {
                let login = self.login.as_ref().ok_or(Refused("the proxy wants a name and a password"))?;
                self.stage = Stage::Login;
                let mut bytes = vec![LOGIN_VERSION];
                [&login.user, &login.password].into_iter().for_each(|text| push_text(&mut bytes, text));
                Ok(bytes)
            }
            (Stage::Method, [VERSION, NOTHING_FITS]) => Err(Refused("the proxy wants another kind of login")),
            (Stage::Login, [_, 0]) => Ok(self.ask()),
            (Stage::Login, _) => Err(Refused("the proxy refuses the name or the password")),
            (Stage::Head, [VERSION, 0, _, kind, first]) => {
                // Its first byte has been read, and behind it there is a port.
                self.stage = Stage::Address(match *kind {
                    V4 => 3 + 2,
                    V6 => 15 + 2,
                    NAME => usize::from(*first) + 2,
                    _ => return Err(Refused("what answers is no SOCKS5 proxy")),
                });
                Ok(Vec::new())
            }
            (Stage::Head, [VERSION, code, ..]) => Err(Refused(refusal(*code))),
            (Stage::Address(_), _) => {
                self.stage = Stage::Over;
                Ok(Vec::new())
            }
            (Stage::Over, _) => Ok(Vec::new()),
            (Stage::Method | Stage::Head, _) => Err(Refused("what answers is no SOCKS5 proxy")),
        }
    }

    /// Asks for the connection.
    fn ask(&mut self) -> Vec<u8> {
        self.stage = Stage::Head;
        let mut bytes = vec![VERSION, CONNECT, 0];
        let port = match &self.target {
            Target::Address(address) => {
                match address.ip() {
                    IpAddr::V4(ip) => {
                        bytes.push(V4);
                        bytes.extend(ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        bytes.push(V6);
                        bytes.extend(ip.octets());
                    }
                }
                address.port()
            }
            Target::Host(name, port) => {
                bytes.push(NAME);
                push_text(&mut bytes, name);
                *port
            }
        };
        bytes.extend(port.to_be_bytes());
        bytes
    }
}

/// A text behind its length.
fn push_text(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(NAME_LEN)];
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text);
}

/// RFC 1928, section 6.
fn refusal(code: u8) -> &'static str {
    match code {
        2 => "the proxy is set not to connect there",
        3 => "the proxy cannot reach the network",
        4 => "the proxy cannot reach the host",
        5 => "the proxy's connection was refused",
        6 => "the proxy's connection took too long",
        8 => "the proxy does not know this kind of address",
        _ => "the proxy could not connect",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Option<Login> {
        Some(Login { user: "ann".into(), password: "secret".into() })
    }

    /// Feeds what a proxy says in steps of any size; what was said to it.
    fn talk(mut handshake: Handshake, answers: &[u8], step: usize) -> Result<(Vec<u8>, usize), Refused> {
        let (mut said, mut read) = (handshake.greeting(), 0);
        while !handshake.is_over() && read < answers.len() {
            let len = handshake.wants().min(step).min(answers.len() - read);
            assert!(len > 0);
            said.extend(handshake.feed(&answers[read..read + len])?);
            read += len;
        }
        assert_eq!(handshake.is_over(), handshake.wants() == 0);
        Ok((said, read))
    }

    #[test]
    fn a_connection_is_asked_for_and_nothing_behind_the_answer_is_read() {
        let v4 = Target::of("192.0.2.7", 0x1ae1);
        let v6 = Target::of("2001:db8::1", 0x1ae1);
        let host = Target::of("tracker.example", 0x1ae1);
        let asks: [(Target, Vec<u8>); 3] = [
            (v4, vec![5, 1, 0, 1, 192, 0, 2, 7, 0x1a, 0xe1]),
            (v6, [&[5, 1, 0, 4, 0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1, 0x1a, 0xe1]].concat()),
            (host, [&[5, 1, 0, 3, 15][..], b"tracker.example", &[0x1a, 0xe1]].concat()),
        ];
        let ends: [&[u8]; 4] = [
            &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            &[5, 0, 0, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
            &[5, 0, 0, 3, 2, b'a', b'b', 0, 0],
            &[5, 0, 0, 3, 0, 0, 0],
        ];
        for (target, ask) in asks {
            for end in ends {
                for step in 1..30 {
                    let plain = [&[5, 0], end, b"peer"].concat();
                    let said = [&[5, 1, 0][..], &ask].concat();
                    assert_eq!(talk(Handshake::new(target.clone(), None), &plain, step), Ok((said, 2 + end.len())));
                    let locked = [&[5, 2, 1, 0], end, b"peer"].concat();
                    let said = [&[5, 2, 0, 2, 1, 3][..], b"ann", &[6], b"secret", &ask].concat();
                    let talked = talk(Handshake::new(target.clone(), login()), &locked, step);
                    assert_eq!(talked, Ok((said, 4 + end.len())));
                }
            }
        }
    }

    #[test]
    fn refusals_have_a_reason() {
        let why = |answers: &[u8], login: Option<Login>| {
            talk(Handshake::new(Target::of("a", 1), login), answers, 100).map(|_| ()).unwrap_err().0
        };
        assert_eq!(why(&[5, 0xff], None), "the proxy wants another kind of login");
        assert_eq!(why(&[5, 2], None), "the proxy wants a name and a password");
        assert_eq!(why(&[5, 2, 1, 1], login()), "the proxy refuses the name or the password");
        assert_eq!(why(&[5, 0, 5, 5, 0, 1, 0], None), "the proxy's connection was refused");
        for other in [&b"HTTP/1.1"[..], &[4, 0], &[5, 7], &[5, 0, 4, 0, 0, 1, 0], &[5, 0, 5, 0, 0, 9, 0]] {
            assert_eq!(why(other, None), "what answers is no SOCKS5 proxy", "{other:?}");
        }
    }
}
