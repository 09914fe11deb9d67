//! The source text keeps its own rules: floors, walls, sizes. One text, the crate docs, is both document and rule.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Floors;

/// Every .rs file below `dir`, sorted.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of this repository") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a source file in UTF-8")
}

fn real_floors() -> Floors {
    rules::floors(&read(&top().join("src/lib.rs")))
}

fn fail_with(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_source_keeps_its_floors_and_walls() {
    let floors = real_floors();
    let src = top().join("src");
    let files = sources(&src);
    assert!(files.len() > 10, "the walk found only {} files", files.len());
    let mut faults = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&src).expect("below src").to_str().expect("UTF-8");
        faults.extend(rules::faults(name, &read(file), &floors));
    }
    fail_with(&faults);
}

#[test]
fn test_files_say_their_duty_and_stay_short() {
    let mut faults = Vec::new();
    for file in sources(&top().join("tests")) {
        let name = file.strip_prefix(top()).expect("below the top").to_str().expect("UTF-8");
        let mut fault = |line: usize, what: String| faults.push(format!("{name}:{line}: {what}"));
        rules::shape_faults(name, &read(&file), &mut fault);
    }
    fail_with(&faults);
}

#[test]
fn the_floor_table_goes_downwards_only() {
    let floors = real_floors();
    for floor in ["base", "wire", "metainfo", "storage", "machine", "node", "io", "app"] {
        assert!(floors.contains_key(floor), "no row for {floor} in the table of src/lib.rs");
    }
    for (floor, uses) in &floors {
        for used in uses {
            let Some(back) = floors.get(used) else { panic!("{floor} uses {used}, which has no row") };
            assert!(!back.contains(floor) && used != floor, "{floor} and {used} use each other");
        }
    }
}

#[test]
fn no_async_runtime_is_linked() {
    let lock = read(&top().join("Cargo.lock"));
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert!(names.len() > 20, "Cargo.lock was not understood");
    for name in names {
        assert!(!rules::ASYNC.contains(&name.trim_matches('"')), "{name} is an async runtime");
    }
}

#[test]
fn the_named_exceptions_are_still_needed() {
    let needs = |list: &[(&str, &str)], is_needed: &dyn Fn(&str) -> bool| {
        for (file, reason) in list {
            let found = [top().join("src").join(file), top().join(file)].into_iter().find(|path| path.is_file());
            let path = found.unwrap_or_else(|| panic!("{file} is excused but does not exist"));
            assert!(!reason.is_empty() && is_needed(&read(&path)), "{file} is excused without need or reason");
        }
    };
    needs(&rules::LONG, &|text| text.lines().count() > rules::LINES_MAX);
    needs(&rules::UNSAFE, &|text| text.contains("unsafe"));
    needs(&rules::UNORDERED_OK, &|text| text.contains("HashMap"));
    let leaves = ["to_socket_addrs", "connect_timeout", "Socket::new"];
    needs(&rules::LEAVES_OK, &|text| leaves.iter().any(|word| text.contains(word)));
}

/// Feeds a snippet to the rules and tells how many faults they see.
fn count(path: &str, text: &str) -> usize {
    rules::faults(path, &format!("//! Duty.\n{text}\n"), &real_floors()).len()
}

#[test]
fn bad_snippets_are_found() {
    let bad = [
        ("wire/a.rs", "use crate::swarm::Swarm;"),
        ("wire/a.rs", "use crate::{base::Time, swarm::Swarm};"),
        ("wire/a.rs", "use crate::{base::{Time, Span}, io};"),
        ("wire/a.rs", "fn f() { crate::io::go() }"),
        ("wire/a.rs", "use super::super::io::Reactor;"),
        ("wire/mod.rs", "use super::io::Reactor;"),
        ("wire/a.rs", "mod tests { use super::super::super::io::Reactor; }"),
        ("wire/a.rs", "use super::{super::io::Reactor, b};"),
        ("machine.rs", "use super::node::Node;"),
        ("swarm/a.rs", "use crate::node;"),
        ("io/a.rs", "use crate::swarm::Swarm;"),
        ("base/a.rs", "use crate::*;"),
        ("nowhere/a.rs", "fn f() {}"),
        ("swarm/a.rs", "use std::fs;"),
        ("swarm/a.rs", "use std::{fmt, thread};"),
        ("swarm/a.rs", "fn f() { std::fs::read(p); }"),
        ("swarm/a.rs", "use std::net::{SocketAddr, TcpStream};"),
        ("swarm/a.rs", "use std::time::*; fn f() { Instant::now(); }"),
        ("swarm/a.rs", "fn f(p: &Path) -> bool { p.exists() }"),
        ("node/a.rs", "use mio::Token;"),
        ("node/a.rs", "use ureq;"),
        ("node/a.rs", "use crossbeam_channel::Sender;"),
        ("node/a.rs", "use std::collections::HashMap;"),
        ("app/a.rs", "fn f() { std::net::TcpStream::connect(a); }"),
        ("io/a.rs", "fn f() { socket2::Socket::new(a, b, c); }"),
        ("io/a.rs", "fn f() { (host, port).to_socket_addrs() }"),
        ("app/a.rs", "fn f() { println!(\"x\"); }"),
        ("wire/a.rs", "fn f() { dbg!(1); }"),
        ("wire/a.rs", "fn f() { unsafe { g() } }"),
        ("wire/a.rs", "fn f() { let q = '\"'; std::fs::read(p); let r = '\"'; }"),
        ("wire/a.rs", "fn f() { let q = r#\"\"\"#; std::fs::read(p); }"),
        ("wire/a.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nfn g() { std::fs::read(p); }"),
        ("wire/a.rs", "#[cfg(test)]\nmod tests { use crate::io::Reactor; }"),
    ];
    for (path, text) in bad {
        assert!(count(path, text) > 0, "{path}: {text}");
    }
    let long = "fn f() {}\n".repeat(rules::LINES_MAX);
    assert_eq!(count("wire/a.rs", &long), 1);
    assert_eq!(rules::faults("wire/a.rs", "fn f() {}\n", &real_floors()).len(), 1, "no first line");
}

#[test]
fn good_snippets_pass() {
    let good = [
        ("wire/a.rs", "use crate::base::{Time, limits::*}; pub(crate) fn f() { self::g(); super::h() }"),
        ("wire/a.rs", "// crate::io::x\n/* std::fs /* nested */ thread */ fn f<'a>(x: &'a str) { g(\"std::fs\") }"),
        ("wire/a.rs", "mod tests { use super::*; fn f() { super::super::base::g() } }"),
        ("wire/a.rs", "use std::net::{IpAddr, SocketAddr}; use std::collections::BTreeMap; use std::io::Read;"),
        ("wire/a.rs", "#[cfg(test)]\nmod tests { fn f() { std::fs::read(p); println!(\"x\"); } }"),
        ("wire/a.rs", "fn f() { x.fs(); y.unsafe_count; let b = b'\\''; let c = br\"std::fs\"; }"),
        ("io/a.rs", "use std::fs; use mio::Poll; use std::collections::HashMap; use crate::machine::Job;"),
        ("node/a.rs", "use crate::{base::Time, swarm::{Swarm, peer}};"),
        ("app/a.rs", "use crate::{io, node::Node}; use std::time::Instant;"),
    ];
    for (path, text) in good {
        assert_eq!(rules::faults(path, &format!("//! Duty.\n{text}\n"), &real_floors()), [""; 0], "{path}: {text}");
    }
}
