//! Files and folders of a torrent under other names than its metainfo says: what somebody calls them here.

use super::path::clean_part;
use super::{File, Metainfo};

/// Why a rename makes no sense, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Nothing has this path.
    NotThere,
    /// The name is none that a file may have.
    Name,
    /// Something else has the new path.
    Taken,
}

impl Refused {
    pub fn text(self) -> &'static str {
        match self {
            Refused::NotThere => "Invalid argument: no file or folder of the torrent has this path",
            Refused::Name => "Invalid argument: this cannot be a name",
            Refused::Taken => "File exists: another file or folder of the torrent has this name",
        }
    }
}

/// Gives the file or folder at `path` (its parts divided by `/`, the torrent's name first) another name.
///
/// # Errors
/// Where that makes no sense; nothing was renamed then.
pub fn rename(metainfo: &mut Metainfo, path: &str, name: &str) -> Result<(), Refused> {
    if name.is_empty() || clean_part(name.as_bytes()) != name {
        return Err(Refused::Name);
    }
    let parts: Vec<&str> = path.split('/').collect();
    let depth = parts.len();
    let is_meant = |file: &File| file.path.len() >= depth && file.path.iter().zip(&parts).all(|(a, b)| a == b);
    if !metainfo.files.iter().any(|file| !file.pad && is_meant(file)) {
        return Err(Refused::NotThere);
    }
    // Case is ignored, as wherever names of a torrent are told apart.
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let is_there = |file: &File| {
        let Some((last, above)) = file.path.get(..depth).and_then(|path| path.split_last()) else { return false };
        above.iter().zip(&parts).all(|(a, b)| same(a, b)) && same(last, name)
    };
    if metainfo.files.iter().any(|file| !is_meant(file) && is_there(file)) {
        return Err(Refused::Taken);
    }
    let mut files: Vec<File> = metainfo.files.to_vec();
    for part in files.iter_mut().filter(|file| is_meant(file)).filter_map(|file| file.path.get_mut(depth - 1)) {
        *part = name.to_string();
    }
    metainfo.files = files.into();
    if depth == 1 {
        metainfo.name = name.to_string();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    /// `t/a/b`, `t/a/c` and `t/d`.
    fn album() -> Metainfo {
        let text = "d4:infod5:filesld6:lengthi3e4:pathl1:a1:beed6:lengthi5e4:pathl1:a1:ceed6:lengthi1e4:pathl1:deee\
                    4:name1:t12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
        parse(text.as_bytes()).unwrap()
    }

    fn paths(metainfo: &Metainfo) -> Vec<String> {
        metainfo.files.iter().map(|file| file.path.join("/")).collect()
    }

    #[test]
    fn files_folders_and_the_torrent_get_other_names() {
        let mut album = album();
        rename(&mut album, "t/a/b", "x.txt").unwrap();
        rename(&mut album, "t/a", "Z").unwrap();
        rename(&mut album, "t", "music").unwrap();
        assert_eq!(paths(&album), ["music/Z/x.txt", "music/Z/c", "music/d"]);
        assert_eq!(album.name, "music");
        rename(&mut album, "music/Z", "z").unwrap();
        assert_eq!(paths(&album)[0], "music/z/x.txt", "its own name in other letters is not taken");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (path, name, why) in [
            ("t/x", "y", Refused::NotThere),
            ("", "y", Refused::NotThere),
            ("t/a/b/c", "y", Refused::NotThere),
            ("t/a/b", "", Refused::Name),
            ("t/a/b", "..", Refused::Name),
            ("t/a/b", "x/y", Refused::Name),
            ("t/a/b", "x\0", Refused::Name),
            ("t/a/b", "C", Refused::Taken),
            ("t/d", "A", Refused::Taken),
            ("t/a", "d", Refused::Taken),
        ] {
            let mut album = album();
            assert_eq!(rename(&mut album, path, name), Err(why), "{path} {name:?}");
            assert_eq!(paths(&album), ["t/a/b", "t/a/c", "t/d"]);
        }
    }
}
