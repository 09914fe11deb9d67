//! `peerlink index`: what a server's index lists.

use super::exit::{Exit, Failure};
use super::json::Object;
use super::server::{Listed, Server};
use super::settings::Settings;
use crate::base::text::{ago, harmless, size};
use crate::io::console::Console;

/// Columns for names, at most; longer ones are cut.
const NAME_MAX: usize = 60;

/// Lists everything, or what fits the words.
///
/// # Errors
/// Code 6 where no server answers.
pub fn run(words: &[String], settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let torrents = Server::or_here(settings).list(&words.join(" "))?;
    if settings.switch("json") {
        torrents.iter().for_each(|torrent| console.result(object(torrent)));
        return Ok(Exit::Done);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_s = now.map_or(0, |since| since.as_secs());
    table(&torrents, now_s).into_iter().for_each(|line| console.result(line));
    Ok(Exit::Done)
}

fn object(torrent: &Listed) -> String {
    let object = Object::empty().number("number", torrent.number).text("name", &torrent.name);
    let object = object.text("info_hash", &torrent.info_hash).number("size", torrent.size);
    let object = object.number("files", torrent.files).number("added", torrent.added);
    let object = object.maybe_number("seeds", torrent.seeds).maybe_number("peers", torrent.peers);
    object.text("description", &torrent.description).text("magnet", &torrent.magnet).line()
}

/// Lines with a head; none where there is nothing.
fn table(torrents: &[Listed], now_s: u64) -> Vec<String> {
    let count = |count: Option<u64>| count.map_or("-".to_string(), |count| count.to_string());
    let row = |torrent: &Listed| {
        let name: String = harmless(&torrent.name);
        let cut: String = name.chars().take(NAME_MAX - 1).chain(['…']).collect();
        let name = if name.chars().count() > NAME_MAX { cut } else { name };
        let seeds = if torrent.seeds == Some(0) { "none".into() } else { count(torrent.seeds) };
        let (peers, age) = (count(torrent.peers), ago(torrent.added, now_s));
        [torrent.number.to_string(), name, size(torrent.size), seeds, peers, age]
    };
    if torrents.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["NUMBER", "NAME", "SIZE", "SEEDS", "PEERS", "AGE"].map(str::to_string)];
    rows.extend(torrents.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let [number, name, size, seeds, peers, age] = row;
        let [w_number, w_name, w_size, w_seeds, w_peers, _] = widths;
        format!("{number:>w_number$}  {name:<w_name$}  {size:>w_size$}  {seeds:>w_seeds$}  {peers:>w_peers$}  {age}")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_for_people_is_harmless() {
        let listed = |number, name: &str, seeds| Listed {
            number,
            info_hash: "x".into(),
            name: name.into(),
            description: String::new(),
            size: 5 << 20,
            files: 1,
            added: 1_700_000_000,
            seeds,
            peers: seeds,
            magnet: String::new(),
        };
        let lines =
            table(&[listed(12, "a\x1b[31m", Some(0)), listed(3, &"x".repeat(99), None)], 1_700_000_000 + 7200);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("NUMBER  NAME ") && lines[0].ends_with("PEERS  AGE"), "{}", lines[0]);
        assert!(
            lines[1].starts_with("    12  a\u{fffd}[31m ") && lines[1].ends_with("none      0  2 hours"),
            "{}",
            lines[1]
        );
        assert!(lines[2].contains("xx…  5 MiB      -      -  2 hours"), "{}", lines[2]);
        assert!(table(&[], 0).is_empty());
    }
}
