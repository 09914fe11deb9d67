//! Patterns for names of files and folders: `*`, `?` and `**`.

use std::fmt;

/// A pattern. `*` stands for any characters of one name, `?` for one, `**` as a whole part for any number of folders.
/// Without a slash it fits a name at any depth, with one the whole path; a slash at the end fits folders only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glob {
    parts: Vec<Part>,
    only_folders: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    /// `**`
    Any,
    Name(Vec<char>),
}

/// A pattern that fits nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadGlob;

impl fmt::Display for BadGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern is made of names such as *.tmp or cache/**, without empty ones, `.` and `..`")
    }
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When a name in it is empty, `.` or `..`.
    pub fn parse(text: &str) -> Result<Glob, BadGlob> {
        let (text, only_folders) = text.strip_suffix('/').map_or((text, false), |text| (text, true));
        let is_anchored = text.contains('/');
        let text = text.strip_prefix('/').unwrap_or(text);
        let mut parts = if is_anchored { Vec::new() } else { vec![Part::Any] };
        for name in text.split('/') {
            match name {
                "" | "." | ".." => return Err(BadGlob),
                // Several in a row are one.
                "**" if parts.last() == Some(&Part::Any) => {}
                "**" => parts.push(Part::Any),
                name => parts.push(Part::Name(name.chars().collect())),
            }
        }
        Ok(Glob { parts, only_folders })
    }

    /// Whether it fits a path, given as its names from the top. Takes time in proportion to both lengths.
    pub fn fits(&self, path: &[String], is_folder: bool) -> bool {
        if self.only_folders && !is_folder {
            return false;
        }
        // Which numbers of names the pattern's parts so far can stand for.
        let mut reach = vec![false; path.len() + 1];
        reach[0] = true;
        for (at, part) in self.parts.iter().enumerate() {
            let mut next = vec![false; path.len() + 1];
            match part {
                Part::Any => {
                    let first = reach.iter().position(|is_reached| *is_reached).unwrap_or(reach.len());
                    // At the end it stands for what is within a folder, not for the folder.
                    let least = usize::from(at + 1 == self.parts.len());
                    next.iter_mut().skip(first + least).for_each(|is_reached| *is_reached = true);
                }
                Part::Name(pattern) => {
                    for (count, name) in path.iter().enumerate().filter(|(count, _)| reach[*count]) {
                        next[count + 1] = fits_name(pattern, name);
                    }
                }
            }
            reach = next;
        }
        reach.last() == Some(&true)
    }
}

/// Goes back only to the last `*`: whatever an earlier one stands for, a later one can take over.
fn fits_name(pattern: &[char], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Behind the last `*`, and how much it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, read));
            }
            Some(c) if *c == '?' || *c == name[read] => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((behind, taken)) => {
                    *taken += 1;
                    (at, read) = (*behind, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        let is_folder = path.ends_with('/');
        let names: Vec<String> = path.trim_end_matches('/').split('/').map(str::to_string).collect();
        Glob::parse(pattern).unwrap().fits(&names, is_folder)
    }

    #[test]
    fn patterns_fit_what_people_expect() {
        let table = [
            ("*.tmp", "a.tmp b/c/d.tmp .tmp x.tmp/", "a.tmpx tmp a/b.tmp/c"),
            ("a?c", "abc x/aéc", "ac abbc a/c"),
            ("*", "a a/b a/", ""),
            ("**", "a a/b a/", ""),
            (".*", ".git/ a/.x", "a.b"),
            ("cache", "cache cache/ a/cache", "cached cache/x"),
            ("cache/", "cache/ a/cache/", "cache a/cache"),
            ("/cache", "cache cache/", "a/cache"),
            ("a/b", "a/b", "b x/a/b a/b/c"),
            ("a/*.o", "a/x.o", "a/b/x.o x.o a.o"),
            ("a/**", "a/b a/b/c", "a a/ b/a"),
            ("a/**/z", "a/z a/b/z a/b/c/z", "a z b/z a/z/y"),
            ("**/b/c", "b/c a/b/c a/a/b/c", "c b/c/d a/c"),
            ("**/a/**/b", "a/b x/a/b a/y/b x/a/y/b", "b a x/b"),
            ("a**b", "ab axxb d/axb", "a/b"),
            ("*a*a*a*b", "aaab xaxaxaxb", "aab aaa"),
            ("[a]", "[a]", "a"),
        ];
        for (pattern, good, bad) in table {
            good.split(' ').for_each(|path| assert!(fits(pattern, path), "{pattern} does not fit {path}"));
            let bad = bad.split(' ').filter(|path| !path.is_empty());
            bad.for_each(|path| assert!(!fits(pattern, path), "{pattern} fits {path}"));
        }
    }

    #[test]
    fn patterns_that_fit_nothing_are_refused() {
        for text in ["", "/", "//", "a//b", "./a", "../a", "a/.", "..", "a//"] {
            assert_eq!(Glob::parse(text), Err(BadGlob), "{text}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_longer() {
        let pattern = format!("{}b", "*a".repeat(200));
        assert!(!fits(&pattern, &"a".repeat(5000)));
        let pattern = format!("{}b", "**/a/".repeat(100));
        assert!(!fits(&pattern, &"a/".repeat(100)));
    }

    #[test]
    fn names_agree_with_a_plain_definition() {
        fn plain(pattern: &[char], name: &[char]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some(('*', rest)), _) => {
                    plain(rest, name) || name.split_first().is_some_and(|(_, name)| plain(pattern, name))
                }
                (Some((c, rest)), Some((first, name))) => (*c == '?' || c == first) && plain(rest, name),
                _ => false,
            }
        }
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut draw = |from: &[char], max| -> Vec<char> {
                let len = rng.usize(0..max);
                (0..len).map(|_| from[rng.usize(0..from.len())]).collect()
            };
            let (pattern, name) = (draw(&['a', 'b', '*', '?'], 7), draw(&['a', 'b'], 8));
            let text: String = name.iter().collect();
            assert_eq!(fits_name(&pattern, &text), plain(&pattern, &name), "{pattern:?} {text}");
        }
    }
}
