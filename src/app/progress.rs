//! The progress line and its JSON twin: pure functions of a torrent's row.

use super::enough::ratio_text;
use super::json::Object;
use crate::base::Span;
use crate::base::text::size;
use crate::machine::{Activity, Row};

/// `alice.txt  42.1%  12.3 of 29.1 MiB  ↓ 3.2 MiB/s  ↑ 0 B/s  peers 3 (2 seeds)  ETA 5s`.
pub fn line(name: &str, row: &Row) -> String {
    let peers = match row.seeds {
        0 => format!("peers {}", row.peers),
        1 => format!("peers {} (1 seed)", row.peers),
        seeds => format!("peers {} ({seeds} seeds)", row.peers),
    };
    let peers = match row.web_seeds {
        0 => peers,
        1 => format!("{peers}  1 web seed"),
        count => format!("{peers}  {count} web seeds"),
    };
    let up = format!("↑ {}/s", size(row.up_per_s));
    match &row.activity {
        Activity::Metadata { total: 0, .. } => {
            format!("{name}  looking for peers that know it  {peers}{}", trouble(row))
        }
        Activity::Metadata { done, total } => {
            format!("{name}  fetching what it holds {}  {peers}", percent(u64::from(*done), u64::from(*total)))
        }
        Activity::Opening => format!("{name}  looking at its files"),
        Activity::Reserving { done, total } => format!("{name}  reserving room {}", percent(*done, *total)),
        Activity::Checking { done, total } => {
            format!("{name}  checking {}", percent(u64::from(*done), u64::from(*total)))
        }
        Activity::Downloading => {
            let share = percent(row.have_bytes, row.wanted_bytes);
            let sizes = of(row.have_bytes, row.wanted_bytes);
            let down = format!("↓ {}/s", size(row.down_per_s));
            let eta = eta(row).map(|eta| format!("  ETA {eta}")).unwrap_or_default();
            let trouble = trouble(row);
            format!("{name}  {share}  {sizes}  {down}  {up}  {peers}{eta}{trouble}")
        }
        Activity::Seeding => {
            format!("{name}  sharing  {up}  sent {}  ratio {}  {peers}", size(row.uploaded), ratio_text(row))
        }
        Activity::Paused(error) => {
            let why = &error.text;
            format!("{name}  {}  waiting: {why}", percent(row.have_bytes, row.wanted_bytes))
        }
        Activity::Stopped => format!("{name}  {}  stopped", percent(row.have_bytes, row.wanted_bytes)),
    }
}

/// What keeps a torrent without peers from getting some.
fn trouble(row: &Row) -> String {
    match (&row.tracker_trouble, row.dht_nodes) {
        _ if row.peers > 0 || row.web_seeds > 0 => String::new(),
        (Some(trouble), _) => format!("  ({trouble})"),
        (None, Some(0)) => "  (looking for the DHT)".into(),
        (None, Some(nodes)) => format!("  (asking the DHT: {nodes} nodes)"),
        (None, None) => String::new(),
    }
}

/// Rounded down, so that 100 % is everything.
pub fn percent(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    let permille = if whole == 0 { 1000 } else { permille };
    format!("{}.{}%", permille / 10, permille % 10)
}

/// `12.3 of 29.1 MiB`; the unit of the first only where it differs.
fn of(part: u64, whole: u64) -> String {
    let (part, whole) = (size(part), size(whole));
    let unit = whole.rsplit(' ').next().unwrap_or("");
    let part = part.strip_suffix(unit).map_or(part.as_str(), str::trim_end);
    format!("{part} of {whole}")
}

/// Time to go at the present rate; None while nothing moves or it would take a year.
fn eta(row: &Row) -> Option<Span> {
    let left = row.wanted_bytes.saturating_sub(row.have_bytes);
    let seconds = left.checked_div(row.down_per_s)?.max(1);
    (seconds < 31_557_600).then_some(Span::secs(seconds))
}

/// `1.3s` below ten seconds, `3m20s` above.
pub fn time(span: Span) -> String {
    if span < Span::secs(10) { format!("{:.1}s", span.as_secs_f64()) } else { span.to_string() }
}

/// `{"event":"progress",…}`.
pub fn event(name: &str, info_hash: &str, row: &Row) -> String {
    let (activity, reason) = match &row.activity {
        Activity::Metadata { .. } => ("metadata", None),
        Activity::Opening => ("opening", None),
        Activity::Reserving { .. } => ("reserving", None),
        Activity::Checking { .. } => ("checking", None),
        Activity::Downloading => ("downloading", None),
        Activity::Seeding => ("seeding", None),
        Activity::Paused(error) => ("paused", Some(error.text.as_str())),
        Activity::Stopped => ("stopped", None),
    };
    let mut object = Object::event("progress").text("name", name).text("info_hash", info_hash);
    object = object.text("activity", activity);
    if let Activity::Checking { done, total } = row.activity {
        object = object.number("pieces_checked", done).number("pieces_to_check", total);
    }
    if reason.is_some() {
        object = object.maybe_text("reason", reason);
    }
    object = object.number("have", row.have_bytes).number("wanted", row.wanted_bytes);
    object = object.number("downloaded", row.downloaded).number("uploaded", row.uploaded);
    object = object.number("down_per_s", row.down_per_s).number("up_per_s", row.up_per_s);
    object = object.number("peers", row.peers).number("seeds", row.seeds).number("known", row.known);
    object = object.number("web_seeds", row.web_seeds);
    object = object.number("wasted", row.wasted).number("hash_fails", row.hash_fails).number("banned", row.banned);
    object = object.number("faults", row.faults);
    object = object.number("downloaded_ever", row.downloaded_ever).number("uploaded_ever", row.uploaded_ever);
    object = object.maybe_text("tracker_trouble", row.tracker_trouble.as_deref());
    object.maybe_number("dht_nodes", row.dht_nodes.map(u64::from)).line()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::base::TorrentId;
    use crate::machine::{DiskError, DiskErrorKind};

    fn full(text: &str) -> DiskError {
        DiskError { kind: DiskErrorKind::Full, text: text.into() }
    }

    /// A row of a torrent under way.
    pub fn row() -> Row {
        Row {
            torrent: TorrentId(0),
            activity: Activity::Downloading,
            have_bytes: 12_900_000,
            wanted_bytes: 30_500_000,
            downloaded: 12_900_000,
            uploaded: 0,
            downloaded_ever: 12_900_000,
            uploaded_ever: 0,
            down_per_s: 3_355_443,
            up_per_s: 0,
            peers: 3,
            giving: 0,
            taking: 0,
            web_seeds: 0,
            web_giving: 0,
            unreachable: 0,
            seeds: 2,
            known: 9,
            wasted: 0,
            hash_fails: 0,
            banned: 0,
            faults: 0,
            tracker_trouble: None,
            dht_nodes: None,
            have: None,
        }
    }

    #[test]
    fn lines_for_every_activity() {
        let with = |activity: Activity| line("a", &Row { activity, ..row() });
        let downloading = "a  42.2%  12.3 of 29.1 MiB  ↓ 3.2 MiB/s  ↑ 0 B/s  peers 3 (2 seeds)  ETA 5s";
        assert_eq!(with(Activity::Downloading), downloading);
        assert_eq!(with(Activity::Opening), "a  looking at its files");
        assert_eq!(with(Activity::Reserving { done: 1, total: 2 }), "a  reserving room 50.0%");
        assert_eq!(with(Activity::Checking { done: 1, total: 3 }), "a  checking 33.3%");
        assert_eq!(with(Activity::Seeding), "a  sharing  ↑ 0 B/s  sent 0 B  ratio 0.00  peers 3 (2 seeds)");
        let alone = Row { peers: 0, seeds: 0, down_per_s: 0, dht_nodes: Some(7), ..row() };
        assert!(line("a", &alone).ends_with("  peers 0  (asking the DHT: 7 nodes)"));
        assert_eq!(with(Activity::Paused(full("no space"))), "a  42.2%  waiting: no space");
        let stuck = Row { peers: 0, seeds: 0, down_per_s: 0, tracker_trouble: Some("x: down".into()), ..row() };
        assert_eq!(line("a", &stuck), "a  42.2%  12.3 of 29.1 MiB  ↓ 0 B/s  ↑ 0 B/s  peers 0  (x: down)");
    }

    #[test]
    fn numbers_at_their_edges() {
        assert_eq!(percent(0, 0), "100.0%");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "99.9%");
        assert_eq!(percent(9_999, 10_000), "99.9%");
        assert_eq!(of(100, 29_000_000), "100 B of 27.7 MiB");
        assert_eq!(time(Span::millis(1_340)), "1.3s");
        assert_eq!(time(Span::secs(75)), "1m15s");
    }

    #[test]
    fn events_are_objects() {
        let text = event("a\"b", "00ff", &row());
        assert!(
            text.starts_with(r#"{"event":"progress","name":"a\"b","info_hash":"00ff","activity":"downloading","#)
        );
        assert!(text.ends_with(r#","tracker_trouble":null,"dht_nodes":null}"#), "{text}");
        let paused = event("a", "0", &Row { activity: Activity::Paused(full("x")), ..row() });
        assert!(paused.contains(r#""activity":"paused","reason":"x","#));
    }
}
