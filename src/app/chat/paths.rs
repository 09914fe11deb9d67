//! Paths as people type them into a chat: `~`, quotes, Tab.

use std::path::PathBuf;

/// Names offered at once.
const OFFERS_MAX: usize = 200;

/// `~/x` means home, quotes around all of it mean nothing.
pub fn meant(path: &str) -> String {
    let quoted = |mark: char| path.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    let path = quoted('"').or_else(|| quoted('\'')).unwrap_or(path);
    match path.strip_prefix("~/").zip(std::env::var_os("HOME")) {
        Some((rest, home)) => PathBuf::from(home).join(rest).to_string_lossy().into_owned(),
        None => path.to_string(),
    }
}

/// What this beginning of a path may become; folders end in `/`.
pub fn complete(typed: &str) -> Vec<String> {
    let (shown_dir, start) = typed.rfind('/').map_or(("", typed), |at| typed.split_at(at + 1));
    let dir = match shown_dir {
        "" => ".".to_string(),
        dir => meant(dir),
    };
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let fits = |name: &String| name.starts_with(start) && (start.starts_with('.') || !name.starts_with('.'));
    let mut found: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(fits)?;
            let end = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{shown_dir}{name}{end}"))
        })
        .take(OFFERS_MAX)
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_completed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["film.mkv", "films", "other", ".hidden"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let below = |name: &str| format!("{}/{name}", dir.path().display());
        assert_eq!(complete(&below("fi")), [below("film.mkv/"), below("films/")]);
        assert_eq!(complete(&below(".h")), [below(".hidden/")]);
        assert_eq!(complete(&below("")).len(), 3);
        assert!(complete("/no/such/folder/x").is_empty());
        assert_eq!((meant("'a b'"), meant("\"a\""), meant("a'b")), ("a b".into(), "a".into(), "a'b".into()));
    }
}
