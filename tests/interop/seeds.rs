//! Others seed, we download.

use std::path::PathBuf;

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::others::{self, Other, skip};
use crate::payloads::{Scene, check_fixtures, fixtures, shapes};

/// Downloads everything from this seed and compares.
fn get_all(scene: &Scene, seed: &Other) {
    let (dir, state) = (scene.path("got"), scene.path("state"));
    let lines = Child::start("peerlink get", peerlink::get(&scene.torrents, &dir, &state, &[seed.address])).succeed();
    scene.check(&dir);
    let complete = Event::all(&lines, "complete");
    assert_eq!(complete.len(), scene.payloads.len());
    let received: u64 = complete.iter().map(|event| event.number("downloaded")).sum();
    let wanted: u64 = scene.payloads.iter().map(|payload| payload.total_len).sum();
    assert!(received <= wanted, "{received} bytes for {wanted}");
    let last_rows = Event::all(&lines, "progress");
    assert!(last_rows.iter().all(|row| row.number("hash_fails") == 0 && row.number("banned") == 0));
}

#[test]
fn libtorrent_seeds_every_shape() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("libtorrent_seeds_every_shape", &why),
    };
    let scene = Scene::new(shapes(), None);
    let seed = others::libtorrent_seed(&python, &scene.torrents, &scene.source(), 0);
    get_all(&scene, &seed);
    let (uploaded, _) = others::libtorrent_end(seed);
    assert!(uploaded > 0);
}

#[test]
fn aria2_seeds_every_shape() {
    if let Err(why) = others::aria2() {
        return skip("aria2_seeds_every_shape", &why);
    }
    let scene = Scene::new(shapes(), None);
    let seed = others::aria2_seed(&scene.torrents, &scene.source(), 0);
    get_all(&scene, &seed);
}

#[test]
fn real_torrents_from_libtorrent() {
    let python = match others::python() {
        Ok(python) => python,
        Err(why) => return skip("real_torrents_from_libtorrent", &why),
    };
    let Some((source, torrents)) = fixtures("real_torrents_from_libtorrent") else { return };
    let seed = others::libtorrent_seed(&python, &torrents, &source, 0);
    get_fixtures(&source, &torrents, &seed);
}

#[test]
fn real_torrents_from_aria2() {
    if let Err(why) = others::aria2() {
        return skip("real_torrents_from_aria2", &why);
    }
    let Some((source, torrents)) = fixtures("real_torrents_from_aria2") else { return };
    // aria2 keeps notes beside the data.
    let scene = Scene::new(Vec::new(), None);
    std::fs::create_dir_all(scene.source()).expect("the test's own folder");
    for name in ["alice.txt", "Leaves of Grass by Walt Whitman.epub"] {
        std::fs::copy(source.join(name), scene.source().join(name)).expect("the corpora are complete");
    }
    let seed = others::aria2_seed(&torrents, &scene.source(), 0);
    get_fixtures(&source, &torrents, &seed);
}

fn get_fixtures(source: &std::path::Path, torrents: &[PathBuf], seed: &Other) {
    let folder = peerlink::folder();
    let (dir, state) = (folder.path().join("got"), folder.path().join("state"));
    Child::start("peerlink get", peerlink::get(torrents, &dir, &state, &[seed.address])).succeed();
    check_fixtures(source, &dir);
}

#[test]
fn both_seed_at_once() {
    let python = match (others::python(), others::aria2()) {
        (Ok(python), Ok(())) => python,
        (Err(why), _) | (_, Err(why)) => return skip("both_seed_at_once", &why),
    };
    // Slow enough that each must do its part.
    const RATE: u64 = 8 << 20;
    let scene = Scene::new(vec![Payload::single("both.bin", (24 << 20) + 3, 256 << 10)], None);
    let libtorrent = others::libtorrent_seed(&python, &scene.torrents, &scene.source(), RATE);
    let aria2 = others::aria2_seed(&scene.torrents, &scene.source(), RATE);
    let (dir, state) = (scene.path("got"), scene.path("state"));
    let peers = [libtorrent.address, aria2.address];
    let lines = Child::start("peerlink get", peerlink::get(&scene.torrents, &dir, &state, &peers)).succeed();
    scene.check(&dir);
    let seeds = Event::all(&lines, "progress").iter().map(|row| row.number("seeds")).max();
    assert_eq!(seeds, Some(2), "{}", lines.join("\n"));
    let total = scene.payloads[0].total_len;
    let (from_libtorrent, _) = others::libtorrent_end(libtorrent);
    println!("libtorrent sent {from_libtorrent} of {total} bytes");
    assert!(from_libtorrent > total / 20 && from_libtorrent < total * 19 / 20);
}
