//! Forms with files as browsers send them: `multipart/form-data` (RFC 7578, RFC 2046 section 5.1).

/// Fields of one form; ours have four.
const PARTS_MAX: usize = 16;
/// Bytes of the lines before one field's content.
const HEAD_LEN: usize = 2048;
/// Bytes of a boundary (RFC 2046).
const BOUNDARY_LEN: usize = 70;

/// One field of a form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// What the form calls it.
    pub name: String,
    pub content: &'a [u8],
}

/// The boundary that a `Content-Type` names; None where it is another type, or names none that is allowed.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let is_good = (1..=BOUNDARY_LEN).contains(&value.len()) && value.bytes().all(is_allowed) && !value.ends_with(' ');
    is_good.then_some(value)
}

/// The fields of a form; None where it is cut off or malformed in any other way.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // What stands before the first boundary means nothing.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => split_at_bytes(body, &delimiter)?.1,
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        if parts.len() == PARTS_MAX {
            return None;
        }
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let inside = rest.get(blank..)?;
        let (part, after) = split_at_bytes(inside, &delimiter)?;
        parts.push(read_part(part)?);
        rest = after;
    }
    Some(parts)
}

/// A part with the line end that ends its boundary.
fn read_part(bytes: &[u8]) -> Option<Part<'_>> {
    let head_end = bytes.get(..bytes.len().min(HEAD_LEN)).and_then(|head| find(head, b"\r\n\r\n"))?;
    let head = std::str::from_utf8(bytes.get(..head_end)?.strip_prefix(b"\r\n")?).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, parameters) = disposition.split_once(';')?;
    let is_field = kind.trim().eq_ignore_ascii_case("form-data");
    let name = is_field.then(|| parameter(parameters, "name")).flatten()?;
    Some(Part { name, content: &bytes[head_end + 4..] })
}

/// The value of a parameter, quoted or not.
fn parameter(mut text: &str, wanted: &str) -> Option<String> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let (value, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
                (value.trim().to_string(), after)
            }
        };
        if name.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = after;
    }
}

/// Up to the closing quotation mark, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            // Only these two are escaped so; file names of Windows hold plain ones.
            '\\' if matches!(text.as_bytes().get(at + 1), Some(b'"' | b'\\')) => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// What stands before and after the first place of `wanted`.
fn split_at_bytes<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(bytes, wanted)?;
    Some((&bytes[..at], &bytes[at + wanted.len()..]))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"preamble\r\n--x1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;\\\"b.torrent\"\r\n\
        Content-Type: application/x-bittorrent\r\n\r\nd4:infode\r\n--x\r\n\r\n--x1 \t\r\ncontent-disposition: FORM-DATA; \
        filename=\"x=y\"; Name=title\r\n\r\n\r\n--x1--\r\nepilogue";

    fn names(body: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
        let parts = parts(body, "x1")?;
        Some(parts.into_iter().map(|part| (part.name, part.content.to_vec())).collect())
    }

    #[test]
    fn forms_are_taken_apart() {
        let expected = vec![("file".into(), b"d4:infode\r\n--x\r\n".to_vec()), ("title".into(), vec![])];
        assert_eq!(names(FORM), Some(expected));
        assert_eq!(names(b"--x1--"), Some(vec![]));
    }

    #[test]
    fn cut_off_and_malformed_forms_are_refused() {
        let end = FORM.windows(6).position(|window| window == b"--x1--").unwrap() + 6;
        for len in 0..end - 1 {
            assert_eq!(names(&FORM[..len]), None, "{len}");
        }
        let part = "--x1\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
        assert!(names(format!("{}--x1--", part.repeat(PARTS_MAX)).as_bytes()).is_some());
        assert!(names(format!("{}--x1--", part.repeat(PARTS_MAX + 1)).as_bytes()).is_none());
        for head in [
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"a",
            "Content-Disposition: attachment; name=a",
            "X: y",
            &format!("X: {}\r\nContent-Disposition: form-data; name=a", "y".repeat(HEAD_LEN)),
        ] {
            assert_eq!(names(format!("--x1\r\n{head}\r\n\r\nz\r\n--x1--").as_bytes()), None, "{head}");
        }
    }

    #[test]
    fn boundaries_are_found() {
        assert_eq!(boundary("multipart/form-data; boundary=x1"), Some("x1"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"a b\""), Some("a b"));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for text in
            ["", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary=", &long]
        {
            assert_eq!(boundary(text), None, "{text}");
        }
        assert_eq!(boundary("multipart/form-data; boundary=a\u{e4}"), None);
    }
}
