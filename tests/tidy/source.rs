//! Rust source as tokens, without comments and the insides of literals, and the paths named in it.

use std::collections::BTreeSet;

/// A word, `::`, or one other character; with its line and whether it lies in a `#[cfg(test)]` item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
    pub in_test: bool,
    /// Names of the inline modules around it.
    pub mods: Vec<String>,
}

/// Splits source text; comments vanish, every literal becomes the token `"`.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let (text, end) = match c {
            '/' if next == '/' => (None, line_end(&chars, at)),
            '/' if next == '*' => (None, comment_end(&chars, at)),
            '"' => (Some("\"".to_string()), string_end(&chars, at)),
            '\'' => quote(&chars, at),
            ':' if next == ':' => (Some("::".to_string()), at + 2),
            c if c.is_alphabetic() || c == '_' => word(&chars, at),
            c if c.is_whitespace() => (None, at + 1),
            c => (Some(c.to_string()), at + 1),
        };
        if let Some(text) = text {
            found.push(Token { text, line, in_test: false, mods: Vec::new() });
        }
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    place(&mut found);
    found
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n)
}

fn comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}

fn string_end(chars: &[char], at: usize) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != '"' {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// A character literal or a lifetime.
fn quote(chars: &[char], at: usize) -> (Option<String>, usize) {
    if chars.get(at + 1) == Some(&'\\') {
        let close = chars.iter().skip(at + 3).position(|c| *c == '\'');
        return (Some("\"".into()), close.map_or(chars.len(), |n| at + 4 + n));
    }
    if chars.get(at + 2) == Some(&'\'') { (Some("\"".into()), at + 3) } else { (None, at + 1) }
}

/// An identifier, or a literal with a prefix such as `r#"…"#`.
fn word(chars: &[char], at: usize) -> (Option<String>, usize) {
    let is_part = |c: &&char| c.is_alphanumeric() || **c == '_';
    let end = at + chars[at..].iter().take_while(is_part).count();
    let text: String = chars[at..end].iter().collect();
    let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
    if chars.get(end + hashes) == Some(&'"') && matches!(text.as_str(), "r" | "br" | "cr") {
        let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
        let body = end + hashes + 1;
        let len = chars[body..].windows(close.len()).position(|w| w == close).unwrap_or(chars.len() - body);
        return (Some("\"".into()), (body + len + close.len()).min(chars.len()));
    }
    if hashes == 0 && chars.get(end) == Some(&'"') {
        return (Some("\"".into()), string_end(chars, end));
    }
    (Some(text), end)
}

/// Fills in `in_test` and `mods`.
fn place(tokens: &mut [Token]) {
    let mut mods: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut test_depth, mut test_next) = (0, None, false);
    for at in 0..tokens.len() {
        let is = |n: usize, text: &str| tokens.get(at + n).is_some_and(|t| t.text == text);
        test_next |= is(0, "#") && is(2, "cfg") && is(4, "test") && is(5, ")");
        if is(0, "mod") && is(2, "{") {
            mods.push((tokens[at + 1].text.clone(), depth + 1));
        }
        if is(0, "{") {
            depth += 1;
            if test_next && test_depth.is_none() {
                test_depth = Some(depth);
            }
            test_next = false;
        }
        let (ends, closes) = (is(0, ";"), is(0, "}"));
        tokens[at].in_test = test_depth.is_some() || test_next;
        tokens[at].mods = mods.iter().filter(|m| m.1 <= depth).map(|m| m.0.clone()).collect();
        test_next &= !ends;
        if closes {
            mods.retain(|m| m.1 < depth);
            test_depth = test_depth.filter(|d| *d < depth);
            depth -= 1;
        }
    }
}

/// A path that starts at a crate's root, `crate` itself left out, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub parts: Vec<String>,
    pub line: usize,
    pub in_test: bool,
}

/// Every `crate::…`, `super::…`, `self::…` path of a file, made absolute; groups are taken apart.
/// `module` is the file's own path, such as `["wire", "peer"]`.
pub fn own_paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let starts: BTreeSet<&str> = ["crate", "super", "self"].into();
    paths(tokens, |token| starts.contains(token), |token| [module, &token.mods].concat())
}

/// Every path of a file that starts with one of these crates, its name included.
pub fn crate_paths(tokens: &[Token], crates: &[&str]) -> Vec<Path> {
    paths(tokens, |token| crates.contains(&token), |_| Vec::new())
}

fn paths(tokens: &[Token], starts: impl Fn(&str) -> bool, base: impl Fn(&Token) -> Vec<String>) -> Vec<Path> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let follows = at > 0 && matches!(tokens[at - 1].text.as_str(), "::" | ".");
        let leads = tokens.get(at + 1).is_some_and(|t| t.text == "::") || (at > 0 && tokens[at - 1].text == "use");
        if starts(&token.text) && leads && !follows {
            at = walk(tokens, at, base(token), &mut found).max(at + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// Follows one path from its first part; returns the place after it.
fn walk(tokens: &[Token], start: usize, mut base: Vec<String>, found: &mut Vec<Path>) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            "{" => return group(tokens, at + 1, &base, found),
            text if text == "*" || text.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                base.push(text.into())
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|t| t.text != "::") {
            break;
        }
        at += 1;
    }
    let token = &tokens[start.min(tokens.len() - 1)];
    found.push(Path { parts: base, line: token.line, in_test: token.in_test });
    at
}

fn group(tokens: &[Token], mut at: usize, base: &[String], found: &mut Vec<Path>) -> usize {
    while at < tokens.len() && tokens[at].text != "}" {
        at = match tokens[at].text.as_str() {
            "," => at + 1,
            "as" => at + 2,
            _ => walk(tokens, at, base.to_vec(), found).max(at + 1),
        };
    }
    at + 1
}
