//! Who may use a tracker: lists of info hashes that are served or refused, and keys of private trackers.

use super::InfoHash;

/// The lists, sorted. None: everybody.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Access {
    pub allowed: Option<Vec<InfoHash>>,
    pub denied: Option<Vec<InfoHash>>,
    pub keys: Option<Vec<String>>,
}

/// Longest key in an announce URL, and the shortest that is worth anything.
pub const KEY_LEN: std::ops::RangeInclusive<usize> = 8..=64;

impl Access {
    /// Whether a torrent is served.
    pub fn serves(&self, info_hash: &InfoHash) -> bool {
        let has = |list: &Vec<InfoHash>| list.binary_search(info_hash).is_ok();
        self.allowed.as_ref().is_none_or(has) && !self.denied.as_ref().is_some_and(has)
    }

    /// Whether somebody with this key is served; None where the URL had none.
    pub fn admits(&self, key: Option<&str>) -> bool {
        let Some(keys) = &self.keys else { return key.is_none() };
        let Some(key) = key else { return false };
        // All are compared to the end: the time it takes tells nothing about them.
        keys.iter().fold(false, |found, known| found | same(known.as_bytes(), key.as_bytes()))
    }
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The first words of a file's lines; empty lines and what follows a `#` do not count.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or(line)));
    lines.filter_map(|(number, line)| Some((number, line.split_whitespace().next()?)))
}

/// One info hash per line, 40 hexadecimal digits; whatever else stands on the line is a remark.
///
/// # Errors
/// The number of the first line that is none.
pub fn hashes(text: &str) -> Result<Vec<InfoHash>, usize> {
    let hash = |(number, word)| InfoHash::from_hex(word).ok_or(number);
    let mut hashes = words(text).map(hash).collect::<Result<Vec<_>, _>>()?;
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes)
}

/// One key per line, [`KEY_LEN`] letters, digits, `-` or `_`; whatever else stands on the line is a remark.
///
/// # Errors
/// The number of the first line that is none.
pub fn keys(text: &str) -> Result<Vec<String>, usize> {
    let is_key = |word: &str| {
        let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        KEY_LEN.contains(&word.len()) && is_plain
    };
    let mut keys: Vec<String> = words(text)
        .map(|(number, word)| if is_key(word) { Ok(word.to_string()) } else { Err(number) })
        .collect::<Result<_, _>>()?;
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let (a, b) = ("aa".repeat(20), "BB".repeat(20));
        let text = format!("# ours\n\n{b}  a film\n  {a} # another\n{a}\n");
        assert_eq!(hashes(&text), Ok(vec![InfoHash([0xaa; 20]), InfoHash([0xbb; 20])]));
        assert_eq!(hashes(&format!("{a}\nxyz\n")), Err(2));
        assert_eq!(keys("secret-1 for Ann\n# none\nsecret-0\n"), Ok(vec!["secret-0".into(), "secret-1".into()]));
        assert_eq!(keys("short\n"), Err(1));
        assert_eq!(keys("with/slash\n"), Err(1));
    }

    #[test]
    fn lists_decide() {
        let (a, b) = (InfoHash([1; 20]), InfoHash([2; 20]));
        let open = Access::default();
        assert!(open.serves(&a) && open.admits(None) && !open.admits(Some("secret-0")));
        let some = Access { allowed: Some(vec![a]), ..Access::default() };
        assert!(some.serves(&a) && !some.serves(&b));
        let but = Access { denied: Some(vec![a]), ..Access::default() };
        assert!(!but.serves(&a) && but.serves(&b));
        let private = Access { keys: Some(vec!["secret-0".into()]), ..Access::default() };
        assert!(private.admits(Some("secret-0")) && !private.admits(Some("secret-1")) && !private.admits(None));
    }
}
