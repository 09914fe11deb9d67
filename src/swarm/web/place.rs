//! Where a web seed has the files of a torrent (BEP 19): the URL of each, and where all of them are when one has moved.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metainfo::raw_names::raw_names;
use crate::metainfo::{File, Metainfo};
use crate::wire::url::{Scheme, Url, percent_decode, percent_encode, resolve};

/// The files of a torrent by the names that a web server knows them by.
#[derive(Clone, Default, Debug)]
pub struct Names {
    pub files: Arc<[File]>,
    /// The torrent is a folder of files, not one file.
    is_folder: bool,
    /// Names that differ from the safe ones.
    raw: Arc<BTreeMap<u32, Vec<Vec<u8>>>>,
}

impl Names {
    pub fn of(metainfo: &Metainfo) -> Names {
        let is_folder = metainfo.files.len() > 1 || metainfo.files.iter().any(|file| file.path.len() > 1);
        Names { files: Arc::clone(&metainfo.files), is_folder, raw: Arc::new(raw_names(metainfo)) }
    }

    /// Parts of the file's path: as the torrent has them, but not where one would lead elsewhere, since servers take
    /// `..` for what it says.
    fn parts(&self, file: u32) -> Vec<&[u8]> {
        let leads_on = |part: &Vec<u8>| !matches!(part.as_slice(), b"" | b"." | b"..");
        if let Some(raw) = self.raw.get(&file).filter(|raw| raw.iter().all(leads_on)) {
            return raw.iter().map(Vec::as_slice).collect();
        }
        let safe = self.files.get(file as usize).map_or(&[][..], |file| &file.path);
        safe.iter().map(String::as_bytes).collect()
    }
}

/// A URL of the file itself, or of the folder that holds what the torrent names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub url: Url,
    is_file: bool,
}

impl Place {
    /// What a torrent's `url-list` says. None where it is nothing that can be asked for files.
    pub fn parse(text: &str, names: &Names) -> Option<Place> {
        let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme, Scheme::Http | Scheme::Https))?;
        url.path.truncate(url.path.find('#').unwrap_or(url.path.len()));
        let is_file = !names.is_folder && !url.path.ends_with('/');
        if !is_file && !url.path.ends_with('/') {
            url.path.push('/');
        }
        Some(Place { url, is_file })
    }

    /// The URL of a file.
    pub fn url_of(&self, names: &Names, file: u32) -> Url {
        let mut url = self.url.clone();
        if !self.is_file {
            let parts: Vec<String> = names.parts(file).into_iter().map(percent_encode).collect();
            url.path.push_str(&parts.join("/"));
        }
        url
    }

    /// Where all files are when this one is at `location` now: there, where it is one file; in a folder, its path must
    /// still end as it did.
    pub fn moved(&self, names: &Names, file: u32, location: &str) -> Option<Place> {
        let from = self.url_of(names, file);
        let to = resolve(&format!("{}{}", from.origin(), from.path), location);
        let mut url = Url::parse(&to).ok().filter(|url| matches!(url.scheme, Scheme::Http | Scheme::Https))?;
        if !names.is_folder {
            return Some(Place { url, is_file: true });
        }
        let parts = names.parts(file);
        let mut end = url.path.len();
        for part in parts.iter().rev() {
            let at = url.path.get(..end)?.rfind('/')?;
            if percent_decode(url.path.get(at + 1..end)?) != **part {
                return None;
            }
            end = at;
        }
        url.path.truncate(end + 1);
        Some(Place { url, is_file: false })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Files of one folder `t`, or one file; lengths do not matter here.
    pub fn names(paths: &[&str]) -> Names {
        let file = |path: &&str| {
            let path = path.split('/').map(str::to_owned).collect();
            File { path, len: 1, offset: 0, pad: false, executable: false }
        };
        let files: Arc<[File]> = paths.iter().map(file).collect();
        let is_folder = paths.len() > 1 || paths[0].contains('/');
        Names { files, is_folder, raw: Arc::default() }
    }

    fn place(text: &str, names: &Names) -> Place {
        Place::parse(text, names).unwrap()
    }

    #[test]
    fn a_file_is_at_the_url_or_in_its_folder() {
        let one = names(&["a b.iso"]);
        let of = |text| place(text, &one).url_of(&one, 0).target();
        assert_eq!(of("http://h/x/other.iso"), "/x/other.iso");
        assert_eq!(of("http://h/x/"), "/x/a%20b.iso");
        assert_eq!(of("http://h"), "/a%20b.iso");
        assert_eq!(of("http://h/get?file=1#x"), "/get?file=1");
    }

    #[test]
    fn files_of_a_folder_follow_the_url() {
        let many = names(&["t/a", "t/ä/100%#?"]);
        let of = |text, file| place(text, &many).url_of(&many, file).target();
        assert_eq!(of("http://h/x", 0), "/x/t/a");
        assert_eq!(of("http://h/x/", 1), "/x/t/%C3%A4/100%25%23%3F");
        let mut odd = many.clone();
        let raw = |parts: [&str; 2]| parts.map(|part| part.as_bytes().to_vec()).to_vec();
        odd.raw = Arc::new([(0, raw(["t", "a:\u{200b}"])), (1, raw(["t", ".."]))].into());
        assert_eq!(place("http://h/", &odd).url_of(&odd, 0).target(), "/t/a%3A%E2%80%8B");
        assert_eq!(place("http://h/", &odd).url_of(&odd, 1).target(), "/t/%C3%A4/100%25%23%3F");
        for bad in ["ftp://h/x/", "udp://h:1/x", "h/x", "http://"] {
            assert_eq!(Place::parse(bad, &many), None, "{bad}");
        }
    }

    #[test]
    fn a_file_that_moved_takes_the_others_with_it_where_its_path_stays() {
        let many = names(&["t/a", "t/b c"]);
        let place = place("http://h/x/", &many);
        let moved = |file, to| place.moved(&many, file, to).map(|place| place.url_of(&many, 0));
        let url = moved(1, "https://m.example:8/y/z/t/b%20c").unwrap();
        assert_eq!((url.origin(), url.target()), ("https://m.example:8".into(), "/y/z/t/a".into()));
        assert_eq!(moved(1, "/t/b c").map(|url| url.target()), None, "no URL has a space");
        assert_eq!(moved(0, "/t/a").unwrap().target(), "/t/a");
        for elsewhere in ["/y/t/b", "/y/b%20c", "/y/t/b%20c?key=1", "file:///t/b%20c", "//"] {
            assert_eq!(moved(1, elsewhere), None, "{elsewhere}");
        }
        let one = names(&["a"]);
        let moved = Place::parse("http://h/x/a", &one).unwrap().moved(&one, 0, "//cdn.example/q?key=1").unwrap();
        assert_eq!(moved.url_of(&one, 0).target(), "/q?key=1");
    }
}
