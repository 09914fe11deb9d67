//! What the head of an HTTP reply means to us: classes of status codes and `Content-Range` (RFC 9110).

/// The body is what was asked for, or the reply leads there: 200, 206 and the redirects.
pub fn is_ok_status(status: u16) -> bool {
    matches!(status, 200 | 206) || is_redirect(status)
}

/// 3xx.
pub fn is_redirect(status: u16) -> bool {
    (300..400).contains(&status)
}

/// The first and last byte of `bytes 0-499/1234`; None where it is malformed or upside down.
pub fn content_range(value: &str) -> Option<(u64, u64)> {
    let value = value.trim();
    let unit = value.get(..6).filter(|unit| unit.eq_ignore_ascii_case("bytes "))?;
    let range = value[unit.len()..].split('/').next()?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bYTes 0-4"), Some((0, 4)));
        assert_eq!(content_range("bytes 0-499/1234"), Some((0, 499)));
        for bad in ["bytes 4-0", "bytes 3--434", "bytes 99999999999999999999-0", "bytes -4", "0-4", "", "bytes é-1"]
        {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
