//! `peerlink verify`: tells which files of a torrent are as they should be.

use super::exit::{Exit, Failure};
use super::hashing;
use super::json::Object;
use super::settings::{Settings, shown};
use super::source;
use crate::base::text::{harmless, size};
use crate::io::console::Console;
use crate::io::verify::{Checked, State, verify};
use crate::metainfo::{File, Metainfo};

/// Ranges told to people of one file.
const RANGES_SHOWN: usize = 5;

/// Checks the data in `--dir` and says how it is. Writes nothing.
///
/// # Errors
/// When the torrent cannot be read, or Ctrl-C was pressed; how the data is is in the exit code.
pub fn run(source: &str, settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    let metainfo = source::read(source)?;
    let dir = settings.path("dir")?.ok_or_else(|| Failure::usage("--dir: it is empty"))?;
    let doing = format!("{}  checking", harmless(&metainfo.name));
    let work = |watch: &_, thread_count| verify(&metainfo, &dir, thread_count, watch);
    let checked = hashing::run(&doing, metainfo.geometry.total_len(), console, work)?;
    let checked = checked.ok_or_else(|| Failure::new(Exit::Interrupted, "stopped before everything was checked"))?;
    let (is_json, is_quiet) = (settings.switch("json"), settings.switch("quiet"));
    for one in &checked {
        let file = &metainfo.files[one.index];
        if is_json {
            console.result(object(file, one));
        } else if !is_quiet || one.state != State::Right {
            console.result(line(file, one));
        }
    }
    if is_json {
        console.result(sum_object(&metainfo, &checked));
    } else if !is_quiet {
        console.result(sum_line(&metainfo, &checked));
        if checked.iter().all(|one| one.state == State::Missing) {
            console.result(format!("none of its files is in {} (--dir says where they are)", shown(&dir)));
        }
    }
    Ok(exit(&checked))
}

fn exit(checked: &[Checked]) -> Exit {
    if checked.iter().any(|one| matches!(one.state, State::Unreadable(_))) {
        return Exit::Disk;
    }
    if checked.iter().all(|one| one.state == State::Right) { Exit::Done } else { Exit::BadData }
}

fn word(state: &State) -> &'static str {
    match state {
        State::Right => "ok",
        State::Wrong => "wrong",
        State::Unproven => "unproven",
        State::Missing => "missing",
        State::Short => "short",
        State::TooLong => "too long",
        State::Unreadable(_) => "unreadable",
    }
}

/// `wrong       album/a.flac: 2 of 12 pieces, bytes 0-16383, 32768-49151`.
fn line(file: &File, one: &Checked) -> String {
    let mut why = Vec::new();
    let found_len = one.found_len.unwrap_or(0);
    match &one.state {
        State::Right | State::Wrong | State::Missing => {}
        State::Unproven => why.push("it shares a piece with a file that lacks bytes".to_string()),
        State::Short => why.push(format!("{found_len} of {} bytes", file.len)),
        State::TooLong => why.push(format!("{} bytes too many", found_len.saturating_sub(file.len))),
        State::Unreadable(text) => why.push(harmless(text)),
    }
    if one.wrong_count > 0 {
        let ranges = one.wrong.iter().take(RANGES_SHOWN).map(|(from, to)| format!("{from}-{}", to - 1));
        let ranges = ranges.collect::<Vec<_>>().join(", ");
        let more = if one.wrong.len() > RANGES_SHOWN { " and more" } else { "" };
        let verb = if one.state == State::Wrong { "" } else { " wrong" };
        why.push(format!("{} of {} pieces{verb}, bytes {ranges}{more}", one.wrong_count, one.piece_count));
    }
    let path = harmless(&file.path.join("/"));
    let colon = if why.is_empty() { "" } else { ": " };
    format!("{:<10}  {path}{colon}{}", word(&one.state), why.join("; "))
}

fn object(file: &File, one: &Checked) -> String {
    let object = Object::event("file").text("path", &file.path.join("/")).text("state", word(&one.state));
    let object = object.number("size", file.len).maybe_number("found", one.found_len);
    let object = object.number("pieces", one.piece_count).number("pieces_wrong", one.wrong_count);
    let object = object.ranges("wrong", &one.wrong);
    match &one.state {
        State::Unreadable(why) => object.text("error", why).line(),
        _ => object.line(),
    }
}

/// How many files are in which state, in a fixed order.
fn counts(checked: &[Checked]) -> Vec<(&'static str, u64)> {
    let words = ["ok", "wrong", "unproven", "missing", "short", "too long", "unreadable"];
    let count = |word_of: &str| checked.iter().filter(|one| word(&one.state) == word_of).count() as u64;
    words.into_iter().map(|word| (word, count(word))).collect()
}

fn sum_line(metainfo: &Metainfo, checked: &[Checked]) -> String {
    let name = harmless(&metainfo.name);
    let len: u64 = checked.iter().map(|one| metainfo.files[one.index].len).sum();
    let len = size(len);
    let others: Vec<String> = counts(checked)
        .into_iter()
        .filter(|(word, count)| *word != "ok" && *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let right_count = checked.iter().filter(|one| one.state == State::Right).count();
    match others.is_empty() {
        true => format!("{name} is as it should be ({len}, files: {right_count})"),
        false => format!("{name} is not as it should be ({len}, files: {right_count} ok, {})", others.join(", ")),
    }
}

fn sum_object(metainfo: &Metainfo, checked: &[Checked]) -> String {
    let info_hash = metainfo.info_hash.to_string();
    let object = Object::event("checked").text("name", &metainfo.name).text("info_hash", &info_hash);
    let object = object.switch("ok", exit(checked) == Exit::Done).number("files", checked.len() as u64);
    let add = |object: Object, (word, count): (&str, u64)| {
        object.number(&format!("files_{}", word.replace(' ', "_")), count)
    };
    counts(checked).into_iter().fold(object, add).line()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        let path = vec!["a".to_string(), "b\x1b".to_string()];
        File { path, len: 100_000, offset: 0, pad: false, executable: false }
    }

    fn checked(state: State) -> Checked {
        let wrong = (0..7).map(|n| (n * 10, n * 10 + 5)).collect();
        Checked { index: 0, state, found_len: Some(100_005), piece_count: 9, wrong_count: 7, wrong }
    }

    #[test]
    fn lines_say_what_is_wrong_and_where() {
        let ranges = "7 of 9 pieces, bytes 0-4, 10-14, 20-24, 30-34, 40-44 and more";
        assert_eq!(line(&file(), &checked(State::Wrong)), format!("wrong       a/b\u{fffd}: {ranges}"));
        let clean = |state| line(&file(), &Checked { wrong: vec![], wrong_count: 0, ..checked(state) });
        assert_eq!(clean(State::Right), "ok          a/b\u{fffd}");
        assert_eq!(clean(State::TooLong), "too long    a/b\u{fffd}: 5 bytes too many");
        let short = Checked { found_len: Some(7), wrong_count: 1, wrong: vec![(0, 6)], ..checked(State::Short) };
        assert_eq!(
            line(&file(), &short),
            "short       a/b\u{fffd}: 7 of 100000 bytes; 1 of 9 pieces wrong, bytes 0-5"
        );
    }

    #[test]
    fn objects_for_scripts() {
        let one = Checked { wrong: vec![(0, 5), (10, 15)], ..checked(State::Wrong) };
        let expected = r#"{"event":"file","path":"a/b\u001b","state":"wrong","size":100000,"found":100005,"pieces":9,"pieces_wrong":7,"wrong":[[0,5],[10,15]]}"#;
        assert_eq!(object(&file(), &one), expected);
        let gone = Checked { found_len: None, wrong: vec![], ..checked(State::Unreadable("no".into())) };
        assert!(
            object(&file(), &gone).ends_with(r#""found":null,"pieces":9,"pieces_wrong":7,"wrong":[],"error":"no"}"#)
        );
    }

    #[test]
    fn trouble_beats_wrong_data_beats_right() {
        let of = |states: &[State]| exit(&states.iter().cloned().map(checked).collect::<Vec<_>>());
        assert_eq!(of(&[State::Right, State::Right]), Exit::Done);
        assert_eq!(of(&[State::Right, State::TooLong]), Exit::BadData);
        assert_eq!(of(&[State::Missing, State::Unreadable("x".into())]), Exit::Disk);
    }
}
