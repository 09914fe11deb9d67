//! What is sent to and fro: torrents of every shape at several piece lengths, and real ones with their data.

use std::path::{Path, PathBuf};

use crate::kit::payload::{Payload, check_tree};
use crate::kit::peerlink;
use crate::others::skip;

/// Folders of a test and its torrents.
pub struct Scene {
    folder: tempfile::TempDir,
    pub payloads: Vec<Payload>,
    pub torrents: Vec<PathBuf>,
}

impl Scene {
    /// These payloads in a folder `source`, and their torrents, with this tracker.
    pub fn new(payloads: Vec<Payload>, tracker: Option<&str>) -> Scene {
        let folder = peerlink::folder();
        payloads.iter().for_each(|payload| payload.write_files(&folder.path().join("source")));
        let scene = Scene { folder, payloads, torrents: Vec::new() };
        Scene { torrents: scene.more_torrents(".", tracker), ..scene }
    }

    /// The same torrents again, in a folder of this name, with another tracker.
    pub fn more_torrents(&self, folder: &str, tracker: Option<&str>) -> Vec<PathBuf> {
        let folder = self.path(folder);
        std::fs::create_dir_all(&folder).expect("the test's own folder");
        let torrents = self.payloads.iter().map(|payload| {
            let name = String::from_utf8_lossy(&payload.name).into_owned();
            payload.write_torrent(&folder, &name, tracker)
        });
        torrents.collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn source(&self) -> PathBuf {
        self.path("source")
    }

    /// Panics unless everything is in this folder, byte for byte, and nothing else.
    pub fn check(&self, dir: &Path) {
        check_tree(dir, &self.payloads);
    }
}

/// One of each shape.
pub fn shapes() -> Vec<Payload> {
    let nested: &[(&str, u64)] = &[
        ("empty at the start", 0),
        ("a/one byte", 1),
        ("a/b/c/d/e/deep", 70_001),
        ("a/b/empty", 0),
        ("a/big", 900_007),
        ("z/16384", 16_384),
        ("z/16383", 16_383),
        ("z/16385", 16_385),
        ("empty at the end", 0),
    ];
    let padded: &[(&str, u64)] = &[
        ("one", 100_000),
        (".pad", 131_072 - 100_000),
        ("two", 65_536),
        ("three", 1),
        (".pad", 65_535),
        ("four/last", 300_001),
    ];
    let small: Vec<(String, u64)> = (0..300).map(|n| (format!("{}/{n}", n % 7), n * n % 5_003)).collect();
    let small: Vec<(&str, u64)> = small.iter().map(|(path, len)| (path.as_str(), *len)).collect();
    vec![
        Payload::single("one byte.bin", 1, 16 << 10),
        Payload::single("16 KiB pieces.bin", 3_000_017, 16 << 10),
        Payload::single("whole pieces.bin", 8 << 18, 256 << 10),
        Payload::single("256 KiB pieces.bin", 10_000_001, 256 << 10),
        Payload::single("1 MiB pieces.bin", (9 << 20) + 12_345, 1 << 20),
        Payload::single("16 MiB pieces.bin", (40 << 20) + 1, 16 << 20),
        Payload::files("nested", nested, 16 << 10),
        Payload::files("nested in large pieces", nested, 1 << 20),
        Payload::files("padded", padded, 32 << 10),
        Payload::files("300 files", &small, 64 << 10),
    ]
}

/// Something of everything that is small, for tests of other things than shapes.
pub fn some() -> Vec<Payload> {
    let files: &[(&str, u64)] = &[("a", 300_000), ("empty", 0), ("folder/b", 1_000_001), ("folder/c", 77)];
    vec![Payload::single("file.bin", 5_000_001, 64 << 10), Payload::files("folder", files, 128 << 10)]
}

/// The real torrents of the corpora and their data. A test without them says so.
pub fn fixtures(test: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
    let Some(corpora) = std::env::var_os("PEERLINK_CORPORA") else {
        skip(test, "PEERLINK_CORPORA is not set");
        return None;
    };
    let dir = Path::new(&corpora).join("fixtures");
    let torrents: Vec<PathBuf> = ["alice.torrent", "leaves.torrent"].map(|name| dir.join(name)).into();
    Some((dir, torrents))
}

/// Panics unless the real torrents' data arrived byte for byte.
pub fn check_fixtures(source: &Path, dir: &Path) {
    for name in ["alice.txt", "Leaves of Grass by Walt Whitman.epub"] {
        let read = |dir: &Path| std::fs::read(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(read(source) == read(dir), "{name} differs");
    }
    assert_eq!(crate::kit::payload::tree(dir).len(), 2);
}
