//! The numbers of a server, gathered from its machines: JSON for scripts and pages, and Prometheus' text format.

use std::fmt::Write;

use super::sites::Sites;
use crate::base::{Span, Time};

/// One number.
struct Row {
    /// As a key of `/stats`; with `peerlink_` before it, a name of `/metrics`.
    name: &'static str,
    value: u64,
    about: &'static str,
    /// Counts since the start only grow; others are what is now.
    is_total: bool,
}

fn rows(now: Time, sites: &Sites) -> Vec<Row> {
    let (connections, requests) = sites.traffic;
    let (members, logins, groups) = sites.talk;
    let (done, sums, torrents) = sites.tracker.numbers();
    let (published, published_len) = sites.index.held();
    let is = |name, value: usize, about| Row { name, value: value as u64, about, is_total: false };
    let total = |name, value, about| Row { name, value, about, is_total: true };
    vec![
        is("uptime_s", (now.0 / Span::secs(1).0) as usize, "Seconds since the start."),
        is("connections", connections + members + logins, "TCP connections now."),
        is("members", members, "Members of groups now."),
        is("logins", logins, "Logins under way."),
        is("groups", groups, "Groups now."),
        total("requests", requests, "HTTP requests."),
        is("torrents", torrents, "Torrents the tracker knows."),
        is("seeds", sums.seeds, "Peers with everything."),
        is("leechers", sums.leechers, "Peers that lack something."),
        is("peers_ipv6", sums.v6, "Of both, those over IPv6."),
        is("swarm_bytes", sums.bytes, "Memory of swarms, about."),
        is("published", published, "Torrents in the index."),
        is("published_bytes", published_len as usize, "Their room on disk."),
        total("announces_http", done.announces_http, "Announces over HTTP."),
        total("announces_udp", done.announces_udp, "Announces over UDP."),
        total("scrapes_http", done.scrapes_http, "Scrapes over HTTP."),
        total("scrapes_udp", done.scrapes_udp, "Scrapes over UDP."),
        total("connects_udp", done.connects, "Connection ids given."),
        total("refused", done.refused, "Announces and scrapes refused with a reason."),
        total(
            "ignored_udp",
            done.ignored,
            "Datagrams not answered: malformed or without a connection id that holds.",
        ),
        total("not_stored", done.not_stored, "Announces of peers for which there was no memory."),
    ]
}

/// One object.
pub fn json(now: Time, sites: &Sites) -> String {
    let pairs: Vec<String> = rows(now, sites).iter().map(|row| format!("\"{}\":{}", row.name, row.value)).collect();
    format!("{{{}}}\n", pairs.join(","))
}

/// Prometheus' text format, version 0.0.4.
pub fn metrics(now: Time, sites: &Sites) -> String {
    let mut text = String::new();
    for Row { name, value, about, is_total } in rows(now, sites) {
        let (suffix, kind) = if is_total { ("_total", "counter") } else { ("", "gauge") };
        let name = format!("peerlink_{name}{suffix}");
        let written = write!(text, "# HELP {name} {about}\n# TYPE {name} {kind}\n{name} {value}\n");
        written.expect("a String takes everything");
    }
    text
}
