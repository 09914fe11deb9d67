//! What the source text must keep: floors, walls around the operating system, sizes, first lines.

use std::collections::BTreeMap;

use super::source::{Path, Token, crate_paths, own_paths, tokens};

/// Floors that may touch the operating system; `main` is the binary's four lines.
const OUTER: [&str; 3] = ["io", "app", "main"];

/// Crates that are the operating system or threads.
const OUTER_CRATES: [&str; 11] = [
    "mio",
    "crossbeam_channel",
    "ureq",
    "socket2",
    "nix",
    "libc",
    "ctrlc",
    "signal_hook",
    "env_logger",
    "getrandom",
    "argh",
];

/// Parts of std that are the operating system or threads.
const OUTER_STD: [&str; 16] = [
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "std::sync::mpsc",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::net::*",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Words that mean the same, however they were imported.
const OUTER_WORDS: [&str; 5] = ["Instant", "SystemTime", "TcpStream", "TcpListener", "UdpSocket"];

/// Methods of `Path` that ask the operating system without naming `std::fs`.
const OUTER_METHODS: [&str; 6] = ["exists", "is_dir", "is_file", "read_dir", "canonicalize", "symlink_metadata"];

/// Their order depends on a seed of the process: runs could not be replayed.
const UNORDERED: [&str; 3] = ["HashMap", "HashSet", "RandomState"];

/// Files that must name them all the same, with the reason.
pub const UNORDERED_OK: [(&str, &str); 0] = [];

/// Only the console writes to stdout and stderr.
const PRINTS: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];

/// Longest file, in lines; its unit tests, which are tables, do not count.
pub const LINES_MAX: usize = 450;

/// Files that are longer, with the reason.
pub const LONG: [(&str, &str); 0] = [];

/// Files that may say `unsafe`, with the reason.
pub const UNSAFE: [(&str, &str); 4] = [
    ("io/settle.rs", "gives back pages of the program that only its start needed (madvise)"),
    ("io/sha1_pair.rs", "calls a function made for instructions that it has looked for"),
    ("io/terminal.rs", "asks the terminal for its width (TIOCGWINSZ)"),
    ("io/localtime.rs", "asks the C library for the time of day here"),
];

/// What connects or looks a name up. Whoever does it past these files goes past `--proxy` and `--bind` as well.
const LEAVES: [&str; 3] = ["to_socket_addrs", "connect_timeout", "lookup_host"];

/// The same, as what stands before `::` and behind it.
const LEAVES_BY: [(&str, &str); 4] =
    [("TcpStream", "connect"), ("UdpSocket", "bind"), ("Socket", "new"), ("Socket", "new_raw")];

/// Files that may, with the reason.
pub const LEAVES_OK: [(&str, &str); 5] = [
    ("io/way_out.rs", "the way out itself, and where its proxy is"),
    ("io/http_call.rs", "connects by a socket of the way out"),
    ("io/server_call.rs", "looks the server up where there is no proxy"),
    ("io/names.rs", "is asked only where there is no proxy"),
    ("io/listen.rs", "opens the doors"),
];

/// Crates that bring or are an async runtime.
pub const ASYNC: [&str; 12] = [
    "tokio",
    "async-std",
    "smol",
    "async-io",
    "async-executor",
    "async-global-executor",
    "futures-executor",
    "glommio",
    "monoio",
    "compio",
    "embassy-executor",
    "actix-rt",
];

/// Who may use whom.
pub type Floors = BTreeMap<String, Vec<String>>;

/// Reads the table under `# Floors` of the crate docs.
pub fn floors(crate_docs: &str) -> Floors {
    let rows = crate_docs.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.filter_map(|row| {
        let mut cells = row.split('|').map(str::trim);
        let floor = cells.next()?.strip_suffix('`')?.to_string();
        let uses = cells.nth(1)?.split_whitespace().map(|word| word.trim_matches('`').to_string()).collect();
        Some((floor, uses))
    })
    .collect()
}

/// Everything wrong with one file of `src/`, as lines for people. `path` is relative to `src/`.
pub fn faults(path: &str, text: &str, floors: &Floors) -> Vec<String> {
    let tokens = tokens(text);
    let module = module_of(path);
    let floor = module.first().map_or("", String::as_str);
    let mut found = Vec::new();
    let mut fault = |line: usize, what: String| found.push(format!("src/{path}:{line}: {what}"));

    shape_faults(path, text, &mut fault);
    if floor != "main" && !floor.is_empty() {
        floor_faults(&own_paths(&tokens, &module), floor, floors, &mut fault);
    }
    wall_faults(path, &tokens, floor, &mut fault);
    for token in &tokens {
        if token.text == "unsafe" && !UNSAFE.iter().any(|(file, _)| *file == path) {
            fault(token.line, "unsafe outside the named list of tests/tidy/rules.rs".into());
        }
    }
    found
}

/// First line and length; holds for tests as well.
pub fn shape_faults(path: &str, text: &str, fault: &mut impl FnMut(usize, String)) {
    if !text.starts_with("//! ") {
        fault(1, "the first line does not say the file's duty (//!)".into());
    }
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if lines > LINES_MAX && !LONG.iter().any(|(file, _)| *file == path) {
        fault(lines, format!("{lines} lines, more than {LINES_MAX}: split it by duty, or name it with a reason"));
    }
}

/// `wire/peer.rs` is `[wire, peer]`; `lib.rs` is the root; `main.rs` counts as the floor `main`.
fn module_of(path: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    stem.split('/').filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_string).collect()
}

fn floor_faults(paths: &[Path], floor: &str, floors: &Floors, fault: &mut impl FnMut(usize, String)) {
    let Some(may_use) = floors.get(floor) else {
        fault(1, format!("floor {floor} is not in the table of src/lib.rs"));
        return;
    };
    for path in paths {
        let Some(target) = path.parts.first() else {
            fault(path.line, "names the whole crate: name a floor".into());
            continue;
        };
        if target != floor && !may_use.contains(target) {
            let full = path.parts.join("::");
            fault(path.line, format!("{floor} may not use {target} (crate::{full}); see the table in src/lib.rs"));
        }
    }
}

/// The operating system outside its floors. Unit tests may read files and print; nothing else is let off.
fn wall_faults(path: &str, tokens: &[Token], floor: &str, fault: &mut impl FnMut(usize, String)) {
    let outer = OUTER.contains(&floor);
    for (at, token) in tokens.iter().enumerate() {
        let word = token.text.as_str();
        let next = |n: usize| tokens.get(at + n).map_or("", |t| t.text.as_str());
        let before = if at == 0 { "" } else { tokens[at - 1].text.as_str() };
        if PRINTS.contains(&word) && next(1) == "!" && !token.in_test {
            fault(token.line, format!("{word}! outside the console thread"));
        }
        let is_way_out = LEAVES.contains(&word)
            || LEAVES_BY.iter().any(|(of, name)| word == *of && next(1) == "::" && next(2) == *name);
        if is_way_out && !token.in_test && !LEAVES_OK.iter().any(|(file, _)| *file == path) {
            fault(token.line, format!("{word} {} goes past --proxy and --bind: see io/way_out.rs", next(2)));
        }
        if outer {
            continue;
        }
        if UNORDERED.contains(&word) && !UNORDERED_OK.iter().any(|(file, _)| *file == path) {
            fault(token.line, format!("{word}: its order differs between runs; take a BTreeMap or a sorted Vec"));
        }
        if OUTER_WORDS.contains(&word) {
            fault(token.line, format!("{word} outside io and app"));
        }
        if OUTER_METHODS.contains(&word) && before == "." && next(1) == "(" && next(2) == ")" && !token.in_test {
            fault(token.line, format!(".{word}() asks the operating system outside io and app"));
        }
    }
    if outer {
        return;
    }
    let named = [&OUTER_CRATES[..], &["std"]].concat();
    for path in crate_paths(tokens, &named).iter().filter(|path| !path.in_test) {
        let full = path.parts.join("::");
        let is_under = |banned: &&str| full == **banned || full.starts_with(&format!("{banned}::"));
        if path.parts[0] != "std" || OUTER_STD.iter().any(is_under) {
            fault(path.line, format!("{full} outside io and app"));
        }
    }
}
