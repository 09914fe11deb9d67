//! The daemon's torrents as people and scripts see them: tables, lines, objects.

use super::daemon_client::Told;
use super::json::Object;
use crate::base::Span;
use crate::base::text::{harmless, size};

/// Columns for names, at most; longer ones are cut.
const NAME_MAX: usize = 60;

/// A state in one word.
fn state(torrent: &Told) -> &'static str {
    let sought = torrent.float("metadataPercentComplete") < 1.0;
    match (torrent.int("status"), torrent.int("error")) {
        (0, 3) => "error",
        (0, _) if torrent.is("isFinished") => "finished",
        (0, _) => "stopped",
        (1, _) => "check waits",
        (2, _) => "checking",
        (3, _) => "queued",
        (4, 3) => "waiting",
        (4, _) if sought => "asking",
        (4, _) => "downloading",
        (5, _) => "seed queued",
        (6, _) => "seeding",
        _ => "unknown",
    }
}

/// `1.25`, or nothing where nobody can say.
fn ratio(torrent: &Told) -> String {
    let ratio = torrent.float("uploadRatio");
    if ratio < 0.0 { "-".into() } else { format!("{:.2}", (ratio * 100.0).floor() / 100.0) }
}

fn eta(torrent: &Told) -> String {
    match torrent.int("eta") {
        seconds if seconds >= 0 => Span::secs(seconds.unsigned_abs()).to_string(),
        -2 if torrent.int("status") == 4 => "unknown".into(),
        _ => "-".into(),
    }
}

fn percent(torrent: &Told) -> String {
    let share = match torrent.int("status") {
        2 => torrent.float("recheckProgress"),
        _ => torrent.float("percentDone"),
    };
    // Never 100 before it is all there.
    format!("{:.1}%", (share * 1000.0).floor() / 10.0)
}

fn rate(bytes_per_s: u64) -> String {
    if bytes_per_s == 0 { "-".into() } else { format!("{}/s", size(bytes_per_s)) }
}

/// Lines with a head; none where there is nothing.
pub fn rows(torrents: &[Told]) -> Vec<String> {
    if torrents.is_empty() {
        return Vec::new();
    }
    let row = |torrent: &Told| {
        let name: String = harmless(torrent.text("name"));
        let cut: String = name.chars().take(NAME_MAX - 1).chain(['…']).collect();
        let name = if name.chars().count() > NAME_MAX { cut } else { name };
        let has_trouble = torrent.int("error") != 0;
        [
            torrent.int("id").to_string() + if has_trouble { "!" } else { "" },
            percent(torrent),
            size(torrent.count("sizeWhenDone")),
            rate(torrent.count("rateDownload")),
            rate(torrent.count("rateUpload")),
            ratio(torrent),
            eta(torrent),
            state(torrent).to_string(),
            name,
        ]
    };
    let head = ["ID", "DONE", "SIZE", "DOWN", "UP", "RATIO", "LEFT", "STATE", "NAME"].map(str::to_string);
    let rows: Vec<[String; 9]> = std::iter::once(head).chain(torrents.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 9] = std::array::from_fn(width);
    let line = |row: &[String; 9]| {
        let mut line = String::new();
        for (column, (text, width)) in row.iter().zip(widths).enumerate() {
            let is_right = column < 7;
            match column {
                8 => line.push_str(text),
                _ if is_right => line.push_str(&format!("{text:>width$}  ")),
                _ => line.push_str(&format!("{text:<width$}  ")),
            }
        }
        line
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    for torrent in torrents.iter().filter(|torrent| torrent.int("error") != 0) {
        lines.push(format!("{}! {}", torrent.int("id"), harmless(torrent.text("errorString"))));
    }
    lines
}

/// One torrent for scripts. Sizes in bytes, rates in bytes per second, moments in seconds since 1970.
pub fn object(torrent: &Told) -> Object {
    let ratio = torrent.float("uploadRatio").max(0.0);
    let eta = torrent.int("eta");
    Object::empty()
        .number("id", torrent.count("id"))
        .text("info_hash", torrent.text("hashString"))
        .text("name", torrent.text("name"))
        .text("state", state(torrent))
        .number("size", torrent.count("sizeWhenDone"))
        .number("left", torrent.count("leftUntilDone"))
        .number("permille", (torrent.float("percentDone") * 1000.0).floor() as u64)
        .number("down_per_s", torrent.count("rateDownload"))
        .number("up_per_s", torrent.count("rateUpload"))
        .number("downloaded", torrent.count("downloadedEver"))
        .number("uploaded", torrent.count("uploadedEver"))
        .number("ratio_permille", (ratio * 1000.0).floor() as u64)
        .maybe_number("eta_s", u64::try_from(eta).ok())
        .number("peers", torrent.count("peersConnected"))
        .number("web_seeds_giving", torrent.count("webseedsSendingToUs"))
        .number("added", torrent.count("addedDate"))
        .number("done", torrent.count("doneDate"))
        .number("position", torrent.count("queuePosition"))
        .text("dir", torrent.text("downloadDir"))
        .texts("labels", &torrent.texts("labels"))
        .text("error", torrent.text("errorString"))
}

/// One torrent for people, closer.
pub fn closer(torrent: &Told) -> Vec<String> {
    let mut lines = vec![harmless(torrent.text("name"))];
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("  {name:<10}{text}"));
        }
    };
    let (done, left) = (torrent.count("sizeWhenDone"), torrent.count("leftUntilDone"));
    line("state", format!("{}, {}", state(torrent), percent(torrent)));
    line("error", harmless(torrent.text("errorString")));
    line(
        "size",
        format!("{} of {}, {} in all", size(done.saturating_sub(left)), size(done), size(torrent.count("totalSize"))),
    );
    line("rates", format!("down {}, up {}", rate(torrent.count("rateDownload")), rate(torrent.count("rateUpload"))));
    let moved = (size(torrent.count("downloadedEver")), size(torrent.count("uploadedEver")));
    line("moved", format!("{} fetched, {} sent, ratio {}", moved.0, moved.1, ratio(torrent)));
    line("left", eta(torrent));
    let web_seeds = match torrent.int("webseedsSendingToUs") {
        0 => String::new(),
        count => format!(" and {count} of the web seeds"),
    };
    line("peers", format!("{}{web_seeds}", torrent.int("peersConnected")));
    line("folder", harmless(torrent.text("downloadDir")));
    line("hash", torrent.text("hashString").to_string());
    let is_private = if torrent.is("isPrivate") { ", private" } else { "" };
    line("pieces", format!("{} of {}{is_private}", torrent.int("pieceCount"), size(torrent.count("pieceSize"))));
    line("labels", harmless(&torrent.texts("labels").join(", ")));
    line("comment", harmless(torrent.text("comment")));
    for url in torrent.texts("webseeds") {
        line("web seed", harmless(&url));
    }
    for tracker in torrent.list("trackerStats") {
        let result = harmless(tracker.text("lastAnnounceResult"));
        line("tracker", format!("{} {result}", harmless(tracker.text("announce"))));
    }
    let stats = torrent.list("fileStats");
    for (number, (file, stat)) in torrent.list("files").iter().zip(&stats).enumerate() {
        let (len, here) = (file.count("length"), file.count("bytesCompleted"));
        let share = if len == 0 { 100.0 } else { (here as f64 / len as f64 * 1000.0).floor() / 10.0 };
        let wanted = if stat.is("wanted") { "" } else { "  not wanted" };
        line("file", format!("{} {} {share:.1}% of {}{wanted}", number + 1, harmless(file.text("name")), size(len)));
    }
    lines
}

/// The same for scripts.
pub fn closer_object(torrent: &Told) -> Object {
    let trackers: Vec<String> = torrent.list("trackerStats").iter().map(|t| t.text("announce").to_string()).collect();
    let files: Vec<String> = torrent.list("files").iter().map(|file| file.text("name").to_string()).collect();
    let object = object(torrent).number("pieces", torrent.count("pieceCount"));
    let object = object.number("piece_length", torrent.count("pieceSize")).switch("private", torrent.is("isPrivate"));
    object.texts("trackers", &trackers).texts("files", &files)
}

/// The daemon for people.
pub fn session(stats: &Told, session: &Told) -> Vec<String> {
    let limit = |name: &str| match session.is(&format!("{name}-enabled")) {
        true => format!("{}/s at most", size(session.count(name) * 1000)),
        false => "no limit".into(),
    };
    let total = stats.inner("cumulative-stats");
    let count = stats.count("torrentCount");
    let (active, paused) = (stats.count("activeTorrentCount"), stats.count("pausedTorrentCount"));
    let (down, up) = (stats.count("downloadSpeed"), stats.count("uploadSpeed"));
    vec![
        format!("{:<10}{count}, {active} at work, {paused} stopped", "torrents"),
        format!("{:<10}{} ({})", "down", rate(down), limit("speed-limit-down")),
        format!("{:<10}{} ({})", "up", rate(up), limit("speed-limit-up")),
        format!(
            "{:<10}{} fetched, {} sent",
            "moved",
            size(total.count("downloadedBytes")),
            size(total.count("uploadedBytes"))
        ),
        format!("{:<10}{}", "folder", harmless(session.text("download-dir"))),
        format!("{:<10}{}", "free", size(session.count("download-dir-free-space"))),
        format!("{:<10}{}", "port", session.int("peer-port")),
        format!("{:<10}{}", "version", harmless(session.text("version"))),
    ]
}

/// The same for scripts.
pub fn session_object(stats: &Told, session: &Told) -> Object {
    let total = stats.inner("cumulative-stats");
    Object::empty()
        .number("torrents", stats.count("torrentCount"))
        .number("active", stats.count("activeTorrentCount"))
        .number("stopped", stats.count("pausedTorrentCount"))
        .number("down_per_s", stats.count("downloadSpeed"))
        .number("up_per_s", stats.count("uploadSpeed"))
        .number("downloaded", total.count("downloadedBytes"))
        .number("uploaded", total.count("uploadedBytes"))
        .text("dir", session.text("download-dir"))
        .number("free", session.count("download-dir-free-space"))
        .number("port", session.count("peer-port"))
        .text("version", session.text("version"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::{self, Value};

    fn told(text: &str) -> Told {
        match json::read(text.as_bytes()) {
            Some(Value::Object(object)) => Told { object },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_table_for_people_is_harmless_and_even() {
        let one = r#"{"id":1,"name":"a\u001b[31m","status":4,"percentDone":0.9999,"sizeWhenDone":5242880,
            "rateDownload":1048576,"uploadRatio":-1,"eta":61,"metadataPercentComplete":1}"#;
        let two = r#"{"id":12,"name":"b","status":0,"percentDone":1,"uploadRatio":1.239,"eta":-1,"error":3,
            "errorString":"gone","metadataPercentComplete":1}"#;
        let lines = rows(&[told(one), told(two)]);
        assert_eq!(lines[1], "  1   99.9%  5 MiB  1 MiB/s   -      -  1m01s  downloading  a\u{fffd}[31m");
        assert_eq!(lines[2], "12!  100.0%    0 B        -   -   1.23      -  error        b");
        assert_eq!(lines[3], "12! gone");
        assert!(rows(&[]).is_empty());
        assert!(object(&told(one)).line().contains("\"permille\":999"));
    }
}
