//! The server of a group as commands use it: its index of torrents, and its tracker.

use miniserde::{Deserialize, json};

use super::exit::{Exit, Failure};
use super::settings::Settings;
use super::{values, way_out};
use crate::base::text::harmless;
use crate::base::{InfoHash, Span};
use crate::io::server_call::{self, Answer, Ask, Method};
use crate::io::way_out::WayOut;
use crate::wire::authorization::Authorization;
use crate::wire::url::percent_encode;

/// From look-up to last byte.
const TIMEOUT: Span = Span::secs(30);
/// Bytes of an answer: a .torrent, or 500 torrents with long names and descriptions.
const REPLY_LEN: usize = crate::base::limits::TORRENT_LEN;
/// Torrents asked for at once.
const PAGE_LEN: usize = 500;
/// Pages of a listing that are read, lest a server goes on for ever.
const PAGES_MAX: usize = 2000;

/// A torrent of the index.
#[derive(Clone, Deserialize, Debug)]
pub struct Listed {
    pub number: u64,
    pub info_hash: String,
    pub name: String,
    pub description: String,
    pub size: u64,
    pub files: u64,
    pub added: u64,
    pub seeds: Option<u64>,
    pub peers: Option<u64>,
    pub magnet: String,
}

#[derive(Deserialize)]
struct Listing {
    pages: usize,
    torrents: Vec<Listed>,
}

/// What a publisher is told.
#[derive(Clone, Deserialize, Debug)]
pub struct Receipt {
    pub new: bool,
    pub number: u64,
    pub info_hash: String,
    pub name: String,
    pub private: bool,
    pub token: Option<String>,
}

/// Where the server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    host: String,
    port: u16,
    way: WayOut,
}

impl Server {
    /// The one that was named.
    pub fn of(settings: &Settings) -> Option<Server> {
        let (host, port) = values::server(settings.text("server")?).ok()?;
        Some(Server { host, port, way: way_out::of(settings) })
    }

    /// The one that was named, else one on this machine.
    pub fn or_here(settings: &Settings) -> Server {
        // No proxy leads here.
        let here = Server { host: "localhost".into(), port: values::SERVER_PORT, way: WayOut::default() };
        Server::of(settings).unwrap_or(here)
    }

    /// A name or an address, and a port.
    pub fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// `host:port`, as in a URL.
    pub fn place(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }

    /// Its tracker.
    pub fn announce(&self) -> String {
        format!("http://{}/announce", self.place())
    }

    /// Where a published torrent can be fetched.
    pub fn torrent_url(&self, info_hash: InfoHash) -> String {
        format!("http://{}/torrents/{info_hash}.torrent", self.place())
    }

    /// Everything that fits the words.
    ///
    /// # Errors
    /// Code 6 where no server answers.
    pub fn list(&self, words: &str) -> Result<Vec<Listed>, Failure> {
        let mut found = Vec::new();
        for page in 1..=PAGES_MAX {
            let words = percent_encode(words.as_bytes());
            let (pages, torrents) = self.page(&format!("q={words}&limit={PAGE_LEN}&page={page}"))?;
            found.extend(torrents);
            if page >= pages {
                break;
            }
        }
        Ok(found)
    }

    /// The torrents of this number or name, or where there are none, of which this is a part of the name.
    ///
    /// # Errors
    /// Code 6 where no server answers.
    pub fn find(&self, name: &str) -> Result<Vec<Listed>, Failure> {
        let encoded = percent_encode(name.as_bytes());
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let mut ways = vec![format!("name={encoded}"), format!("q={encoded}")];
        if is_number {
            ways.insert(0, format!("number={encoded}"));
        }
        for way in ways {
            let (_, torrents) = self.page(&way)?;
            if !torrents.is_empty() {
                return Ok(torrents);
            }
        }
        Ok(Vec::new())
    }

    /// Whether a torrent of this hash is here, listed or not.
    ///
    /// # Errors
    /// Code 6 where no server answers.
    pub fn has(&self, info_hash: InfoHash) -> Result<bool, Failure> {
        let ask = Ask { method: Method::HEAD, ..Ask::GET };
        Ok(self.ask(&format!("/torrents/{info_hash}"), ask)?.status == 200)
    }

    /// The .torrent of this hash, listed or not.
    ///
    /// # Errors
    /// Code 6 where no server answers, 3 where it has none.
    pub fn torrent(&self, info_hash: InfoHash) -> Result<Vec<u8>, Failure> {
        let answer = self.ask(&format!("/torrents/{info_hash}.torrent"), Ask::GET)?;
        match answer.status {
            200 => Ok(answer.body),
            404 => Err(Failure::new(Exit::BadTorrent, format!("{} has no torrent {info_hash}", self.place()))),
            _ => Err(self.refused(Exit::Other, &answer)),
        }
    }

    /// Publishes a .torrent.
    ///
    /// # Errors
    /// Code 6 where no server answers, 3 where it refuses the torrent, 1 where it refuses for another reason.
    pub fn publish(
        &self,
        torrent: &[u8],
        description: &str,
        who: Option<&Authorization>,
    ) -> Result<Receipt, Failure> {
        let target = format!("/torrents?description={}", percent_encode(description.as_bytes()));
        let authorization = who.map(Authorization::value).unwrap_or_default();
        let body = Some(("application/x-bittorrent", torrent));
        let ask = Ask { method: Method::POST, authorization: &authorization, field: None, body };
        let answer = self.ask(&target, ask)?;
        match answer.status {
            200 | 201 => self.parsed(&answer),
            400 | 413 => Err(self.refused(Exit::BadTorrent, &answer)),
            _ => Err(self.refused(Exit::Other, &answer)),
        }
    }

    /// Takes a published torrent away.
    ///
    /// # Errors
    /// Code 6 where no server answers, 3 where it has no such torrent, 1 where it refuses.
    pub fn unpublish(&self, info_hash: InfoHash, who: Option<&Authorization>) -> Result<(), Failure> {
        let authorization = who.map(Authorization::value).unwrap_or_default();
        let ask = Ask { method: Method::DELETE, authorization: &authorization, field: None, body: None };
        let answer = self.ask(&format!("/torrents/{info_hash}"), ask)?;
        match answer.status {
            200 | 204 => Ok(()),
            404 => Err(self.refused(Exit::BadTorrent, &answer)),
            _ => Err(self.refused(Exit::Other, &answer)),
        }
    }

    fn page(&self, query: &str) -> Result<(usize, Vec<Listed>), Failure> {
        let answer = self.ask(&format!("/torrents?{query}"), Ask::GET)?;
        if answer.status != 200 {
            return Err(self.refused(Exit::Other, &answer));
        }
        let listing: Listing = self.parsed(&answer)?;
        Ok((listing.pages, listing.torrents))
    }

    fn ask(&self, target: &str, ask: Ask<'_>) -> Result<Answer, Failure> {
        server_call::ask((&self.host, self.port), target, ask, REPLY_LEN, TIMEOUT, &self.way).map_err(|why| {
            let (place, why) = (self.place(), harmless(&why));
            let hint = "is `peerlink serve` running there? (--server HOST[:PORT])";
            Failure::new(Exit::Unreachable, format!("no server answers at {place}: {why}; {hint}"))
        })
    }

    fn parsed<T: Deserialize>(&self, answer: &Answer) -> Result<T, Failure> {
        let text = std::str::from_utf8(&answer.body).ok();
        let parsed = text.and_then(|text| json::from_str(text).ok());
        let text = || format!("what answers at {} is no peerlink server", self.place());
        parsed.ok_or_else(|| Failure::new(Exit::Unreachable, text()))
    }

    /// The server's own words.
    fn refused(&self, exit: Exit, answer: &Answer) -> Failure {
        let text = String::from_utf8_lossy(&answer.body);
        let line = text.lines().next().unwrap_or_default();
        let line: String = harmless(line).chars().take(300).collect();
        let text = match line.trim() {
            "" => format!("it answers {}", answer.status),
            line => line.trim_end_matches('.').to_string(),
        };
        Failure::new(exit, format!("{}: {text}", self.place()))
    }
}
