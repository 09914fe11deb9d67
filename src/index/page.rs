//! The page of a server: what is shared here, what the tracker carries, how to join. Plain HTML that works without
//! its script; everything foreign is escaped where it is written.

mod html;

use std::fmt::Write;

use self::html::{escaped, grouped};
use super::catalog::{Listing, Query, Row, Sort};
use super::entry::Entry;
use super::publish::Published;
use super::request::{Asset, Host};
use super::{Carried, PublishBy, dressed};
use crate::base::InfoHash;
use crate::base::text::{ago, size};
use crate::wire::http::Reply;
use crate::wire::url::percent_encode;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The mark in the corner and on the tab: two that hold on to each other.
const MARK: &str = "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cg fill='none' stroke='%230d9488' \
                    stroke-width='5'%3E%3Ccircle cx='11.5' cy='16' r='7'/%3E%3Ccircle cx='20.5' cy='16' r='7'/%3E%3C/g%3E%3C/svg%3E";

/// What a listing shows.
pub struct View<'a> {
    pub host: Option<&'a Host>,
    /// Seconds since 1970.
    pub now_s: u64,
    pub listing: &'a Listing<'a>,
    pub query: &'a Query,
    /// Listed torrents, and bytes of their payload.
    pub listed: (usize, u64),
    pub carried: Option<Carried>,
    pub publish_by: PublishBy,
}

/// A page as a reply.
pub fn reply(status: u16, page: String) -> Reply {
    let reply = Reply::new(status, "text/html; charset=utf-8", page.into_bytes());
    let reply = dressed(reply).with("Content-Security-Policy", POLICY).with("Referrer-Policy", "no-referrer");
    reply.with("X-Frame-Options", "DENY").with("Vary", "Accept")
}

/// A file of the page.
pub fn asset(asset: Asset) -> Reply {
    let (kind, text) = match asset {
        Asset::Style => ("text/css; charset=utf-8", STYLE),
        Asset::Script => ("text/javascript; charset=utf-8", SCRIPT),
    };
    // The page names them with the program's version.
    dressed(Reply::new(200, kind, text.as_bytes())).with("Cache-Control", "max-age=86400")
}

/// A torrent's link, with this server as its tracker.
pub fn magnet(info_hash: InfoHash, entry: &Entry, host: Option<&Host>) -> String {
    let name = percent_encode(entry.name.as_bytes());
    let mut link = format!("magnet:?xt=urn:btih:{info_hash}&dn={name}&xl={}", entry.size);
    let trackers = host.map(|host| [Some(host.announce()), host.announce_udp()]);
    for url in trackers.into_iter().flatten().flatten() {
        let _ = write!(link, "&tr={}", percent_encode(url.as_bytes()));
    }
    link
}

/// What is shared here.
pub fn listing(view: &View<'_>) -> String {
    let mut page = top("Shared here", view.host);
    head_line(view, &mut page);
    search(view, &mut page);
    if view.listing.rows.is_empty() {
        nothing(view, &mut page);
    } else {
        table(view, &mut page);
        pager(view, &mut page);
    }
    join(view, &mut page);
    page + &bottom()
}

/// The receipt of a publisher.
pub fn published(published: &Published<'_>) -> String {
    let mut page = top("Published", None);
    let entry = published.entry;
    let title = if published.token.is_some() { "Published" } else { "It is here already" };
    let _ = write!(
        page,
        "<section class=\"note\"><h1>{title}</h1><p><strong><bdi>{}</bdi></strong></p>",
        escaped(&entry.name)
    );
    if entry.is_private {
        page += "<p>It is a private torrent: it is kept here but not listed. Whoever has this link can fetch it.</p>";
    }
    let _ = write!(page, "<p><code class=\"line\">/torrents/{}.torrent</code></p>", published.info_hash);
    if let Some(token) = published.token {
        let _ = write!(
            page,
            "<p>To take it away again, keep this token; it is shown only now:</p>\
             <p><code class=\"line\" data-copy>{token}</code></p>\
             <p class=\"quiet\"><code>curl -X DELETE -H 'Authorization: Bearer TOKEN' \
             http://THIS-SERVER/torrents/{}</code></p>",
            published.info_hash
        );
    }
    page += "<p><a class=\"button\" href=\"/\">Back to the list</a></p></section>";
    page + &bottom()
}

/// Why something was refused.
pub fn refusal(text: &str) -> String {
    let mut page = top("Not published", None);
    let _ = write!(
        page,
        "<section class=\"note\"><h1>Not published</h1><p>{}</p><p><a class=\"button\" href=\"/#share\">Back</a></p></section>",
        escaped(text)
    );
    page + &bottom()
}

fn top(title: &str, host: Option<&Host>) -> String {
    let place = host.map_or("", |host| host.text.as_str());
    let dash = if place.is_empty() { "" } else { " · " };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}{dash}{0}</title>\
         <link rel=\"icon\" href=\"data:image/svg+xml,{MARK}\">\
         <link rel=\"stylesheet\" href=\"/page.css?v={1}\"><script src=\"/page.js?v={1}\" defer></script></head>\n\
         <body><header class=\"bar\"><a class=\"brand\" href=\"/\"><img alt=\"\" width=\"26\" height=\"26\" \
         src=\"data:image/svg+xml,{MARK}\">peerlink</a><span class=\"place\">{0}</span>\
         <nav><a href=\"/#join\">Join</a><a href=\"/#share\">Share</a></nav></header>\n<main>\n",
        escaped(place),
        env!("CARGO_PKG_VERSION"),
    )
}

fn bottom() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "</main>\n<footer>peerlink {version}<span class=\"links\"><a href=\"/torrents?limit=500\">JSON</a>\
         <a href=\"/stats\">Statistics</a></span></footer></body></html>\n"
    )
}

fn head_line(view: &View<'_>, page: &mut String) {
    let (count, bytes) = view.listed;
    *page += "<section class=\"head\"><h1>Shared here</h1><ul class=\"sums\">";
    let mut sum = |number: String, what: &str| {
        let _ = write!(page, "<li><b>{number}</b> {what}</li>");
    };
    sum(grouped(count as u64), if count == 1 { "torrent" } else { "torrents" });
    if count > 0 {
        sum(size(bytes), "to get");
    }
    if let Some(carried) = view.carried {
        sum(grouped(carried.torrents), if carried.torrents == 1 { "swarm tracked" } else { "swarms tracked" });
        sum(grouped(carried.seeds), if carried.seeds == 1 { "seed" } else { "seeds" });
        sum(grouped(carried.peers), if carried.peers == 1 { "peer" } else { "peers" });
        if carried.members > 0 {
            let (members, groups) = (carried.members, carried.groups);
            sum(grouped(members), if members == 1 { "member" } else { "members" });
            sum(grouped(groups), if groups == 1 { "group" } else { "groups" });
        }
    }
    *page += "</ul></section>\n";
}

fn search(view: &View<'_>, page: &mut String) {
    let text = escaped(&view.query.text);
    let _ = writeln!(
        page,
        "<form class=\"search\" role=\"search\" action=\"/\" method=\"get\"><input type=\"search\" name=\"q\" \
         value=\"{text}\" placeholder=\"Search names and descriptions\" aria-label=\"Search\" maxlength=\"200\" \
         autocomplete=\"off\"><button>Search</button></form>"
    );
    if !view.query.text.trim().is_empty() {
        let total = view.listing.total;
        let found =
            if total == 1 { "1 torrent fits".to_string() } else { format!("{} torrents fit", grouped(total as u64)) };
        let _ =
            writeln!(page, "<p class=\"found\">{found} <q><bdi>{text}</bdi></q> · <a href=\"/\">show all</a></p>");
    }
}

fn nothing(view: &View<'_>, page: &mut String) {
    *page += match view.query.text.trim() {
        "" => {
            "<section class=\"empty\"><p class=\"big\">Nothing is shared here yet.</p>\
             <p>The first torrent can be yours: <a href=\"#share\">share something</a>.</p></section>\n"
        }
        _ => "<section class=\"empty\"><p class=\"big\">Nothing fits.</p><p>Fewer words find more.</p></section>\n",
    };
}

fn table(view: &View<'_>, page: &mut String) {
    let has_counts = view.listing.rows.iter().any(|row| row.counts.is_some());
    let head = |sort: Sort, title: &str, class: &str| {
        let order = if view.query.sort == sort { " aria-sort=\"descending\"" } else { "" };
        let link = address(view.query, sort, 1);
        format!("<th scope=\"col\" class=\"{class}\"{order}><a href=\"{link}\">{title}</a></th>")
    };
    *page += "<table class=\"list\"><thead><tr>";
    *page += &head(Sort::Name, "Name", "name");
    *page += &head(Sort::Size, "Size", "num");
    if has_counts {
        *page += &head(Sort::Seeds, "Seeds", "num");
        *page += "<th scope=\"col\" class=\"num\">Peers</th>";
    }
    *page += &head(Sort::Age, "Age", "num");
    *page += "<th scope=\"col\" class=\"get\"><span class=\"hidden\">Get it</span></th></tr></thead>\n<tbody>\n";
    for row in &view.listing.rows {
        table_row(view, row, has_counts, page);
    }
    *page += "</tbody></table>\n";
}

fn table_row(view: &View<'_>, row: &Row<'_>, has_counts: bool, page: &mut String) {
    let Row { info_hash, entry, counts } = row;
    let is_alone = counts.is_some_and(|counts| counts.seeds == 0);
    let _ = write!(
        page,
        "<tr data-hash=\"{info_hash}\"{}><td class=\"name\"><span class=\"title\"><bdi>{}</bdi></span>",
        if is_alone { " class=\"alone\"" } else { "" },
        escaped(&entry.name)
    );
    if !entry.description.is_empty() {
        let _ = write!(page, "<span class=\"about\"><bdi>{}</bdi></span>", escaped(&entry.description));
    }
    let files = if entry.file_count == 1 {
        "1 file".to_string()
    } else {
        format!("{} files", grouped(entry.file_count.into()))
    };
    let _ = write!(page, "<span class=\"facts\"><span>#{}</span><span>{files}</span>", entry.number);
    if has_counts {
        *page += "<span class=\"badge\">nobody seeds it now</span>";
    }
    let _ = write!(page, "</span></td><td class=\"num size\">{}</td>", size(entry.size));
    if has_counts {
        let counts = counts.unwrap_or_default();
        let _ = write!(
            page,
            "<td class=\"num seeds\" data-label=\"Seeds\">{}</td><td class=\"num peers\" data-label=\"Peers\">{}</td>",
            grouped(counts.seeds.into()),
            grouped(counts.peers.into())
        );
    }
    let _ = writeln!(
        page,
        "<td class=\"num age\">{}</td><td class=\"get\"><a class=\"button\" href=\"{}\">Magnet</a>\
         <a class=\"button plain\" href=\"/torrents/{info_hash}.torrent\" download>.torrent</a></td></tr>",
        ago(entry.added_s, view.now_s),
        escaped(&magnet(*info_hash, entry, view.host)),
    );
}

fn pager(view: &View<'_>, page: &mut String) {
    let Listing { page: at, pages, .. } = *view.listing;
    if pages < 2 {
        return;
    }
    *page += "<nav class=\"pager\" aria-label=\"Pages\">";
    let mut link = |to: usize, text: &str, is_there: bool| {
        let _ = match is_there {
            true => write!(
                page,
                "<a class=\"button plain\" href=\"{}\">{text}</a>",
                address(view.query, view.query.sort, to)
            ),
            false => write!(page, "<span class=\"button plain off\">{text}</span>"),
        };
    };
    link(at - 1, "← Previous", at > 1);
    link(at + 1, "Next →", at < pages);
    let _ = writeln!(page, "<span class=\"quiet\">Page {at} of {pages}</span></nav>");
}

/// The page's own address with this order and page, ready for an attribute.
fn address(query: &Query, sort: Sort, page: usize) -> String {
    let mut link = String::from("/?");
    if !query.text.is_empty() {
        let _ = write!(link, "q={}&amp;", percent_encode(query.text.as_bytes()));
    }
    let _ = write!(link, "sort={}", sort.word());
    if page > 1 {
        let _ = write!(link, "&amp;page={page}");
    }
    link
}

fn join(view: &View<'_>, page: &mut String) {
    let place = escaped(view.host.map_or("THIS-SERVER", |host| host.text.as_str()));
    let _ = write!(
        page,
        "<section class=\"cards\"><article id=\"join\"><h2>Join</h2>\
         <p>Open a magnet link with any BitTorrent program, or take a name or a number from the list to peerlink:</p>\
         <p><code class=\"line\" data-copy>peerlink get NAME --server {place}</code></p>"
    );
    if let Some(host) = view.host.filter(|_| view.carried.is_some()) {
        *page += "<p>This server is also a tracker. Torrents of your own find their peers here with</p>";
        for url in [Some(host.announce()), host.announce_udp()].into_iter().flatten() {
            let _ = write!(page, "<p><code class=\"line\" data-copy>{}</code></p>", escaped(&url));
        }
    }
    *page += "</article><article id=\"share\"><h2>Share</h2><p>A file or folder, with peerlink:</p>";
    let _ =
        write!(page, "<p><code class=\"line\" data-copy>peerlink seed PATH --publish --server {place}</code></p>");
    *page += "<p>Or a .torrent whose data you are seeding already:</p>\
              <form class=\"publish\" action=\"/torrents\" method=\"post\" enctype=\"multipart/form-data\">\
              <label>Torrent file, up to 2 MiB<input type=\"file\" name=\"file\" accept=\".torrent\" required></label>\
              <label><span>Name <span class=\"quiet\">(if not the torrent’s own)</span></span><input name=\"name\" maxlength=\"200\" autocomplete=\"off\"></label>\
              <label>Description<input name=\"description\" maxlength=\"500\" autocomplete=\"off\"></label>";
    if view.publish_by == PublishBy::Password {
        *page += "<label>Password of this server<input type=\"password\" name=\"password\" required autocomplete=\"off\"></label>";
    }
    *page += "<button>Publish</button></form></article></section>\n";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::catalog::Catalog;
    use crate::index::{Counts, Swarms};

    struct Known(Option<Counts>);

    impl Swarms for Known {
        fn counts(&self, _: InfoHash) -> Option<Counts> {
            self.0
        }
    }

    fn rendered(name: &str, query: &str, counts: Option<Counts>) -> String {
        let mut catalog = Catalog::default();
        let entry = Entry {
            number: 4,
            size: 5 << 20,
            file_count: 2,
            added_s: 1_700_000_000,
            torrent_len: 1,
            is_private: false,
            is_bare: false,
            token: [0; 16],
            digest: [0; 20],
            name: name.into(),
            description: name.into(),
        };
        catalog.insert(InfoHash([1; 20]), entry);
        let query = Query::parse(query);
        let host = Host { text: "box.lan:9000".into(), is_https: false };
        let view = View {
            host: Some(&host),
            now_s: 1_700_000_000 + 3 * 86_400,
            listing: &catalog.list(&query, &Known(counts)),
            query: &query,
            listed: catalog.listed(),
            carried: None,
            publish_by: PublishBy::Password,
        };
        listing(&view)
    }

    #[test]
    fn everything_foreign_is_text() {
        let name = "<script>alert(1)</script>\"'&";
        for page in [rendered(name, "", None), rendered("x", &format!("q={}", percent_encode(name.as_bytes())), None)]
        {
            assert!(!page.contains("<script>"), "{page}");
            assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"), "{page}");
            assert_eq!(page.matches("<script").count(), 1, "only the page's own");
        }
        assert!(!refusal(name).contains("<script>"));
    }

    #[test]
    fn a_listing_says_what_there_is() {
        let page = rendered("Film", "", Some(Counts { seeds: 0, peers: 7 }));
        for part in ["5 MiB", "3 days", "#4", "2 files", "class=\"alone\"", ">7</td>", "type=\"password\""] {
            assert!(page.contains(part), "{part}");
        }
        let announce = "tr=http%3A%2F%2Fbox.lan%3A9000%2Fannounce&amp;tr=udp%3A%2F%2Fbox.lan%3A9000%2Fannounce";
        assert!(page.contains(announce));
        assert!(!rendered("Film", "", None).contains("class=\"alone\""));
        assert!(rendered("Film", "q=other", None).contains("Nothing fits"));
    }

    #[test]
    fn nothing_of_it_comes_from_elsewhere_or_stands_inline() {
        let page = rendered("Film", "", None);
        for part in ["<style", "style=\"", "onclick", "onload", "src=\"http", "href=\"http", "javascript:"] {
            assert!(!page.contains(part), "{part}");
        }
        let fields = reply(200, page).fields;
        let field = |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!(field("X-Content-Type-Options"), Some("nosniff"));
        assert!(field("Content-Security-Policy").unwrap().contains("frame-ancestors 'none'"));
    }
}
