//! Masks with `*` and `?`, as bans and searches have them.

/// Whether a mask covers a text, case aside. `*` stands for anything, `?` for one character. Takes at most as many
/// steps as the lengths' product.
pub fn matches(mask: &str, text: &str) -> bool {
    let (mask, text) = (mask.as_bytes(), text.as_bytes());
    let (mut m, mut t) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: behind that `*`, one character later in the text.
    let mut again: Option<(usize, usize)> = None;
    while t < text.len() {
        match mask.get(m) {
            Some(b'*') => {
                again = Some((m + 1, t));
                m += 1;
            }
            Some(b'?') => {
                m += 1;
                t = next_char(text, t);
            }
            Some(byte) if byte.eq_ignore_ascii_case(&text[t]) => {
                m += 1;
                t += 1;
            }
            _ => match again {
                Some((behind, from)) => {
                    m = behind;
                    t = next_char(text, from);
                    again = Some((behind, t));
                }
                None => return false,
            },
        }
    }
    mask[m..].iter().all(|byte| *byte == b'*')
}

/// Behind the character of UTF-8 that begins at `at`.
fn next_char(text: &[u8], at: usize) -> usize {
    let inner = text[at + 1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
    at + 1 + inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_cover_what_they_say() {
        let table = [
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
            ("*!*@192.0.2.*", "Anna!x@192.0.2.7", true),
            ("*!*@192.0.2.*", "Anna!x@192.0.20.7", false),
            ("anna!*@*", "Anna!x@h", true),
            ("a*b*c", "aXXbYYbc", true),
            ("a*b*c", "aXXbYYcd", false),
            ("t?st", "t\u{e9}st", true),
            ("t?st", "tst", false),
            ("**a**", "a", true),
            ("a?", "a\u{1f600}", true),
        ];
        for (mask, text, covers) in table {
            assert_eq!(matches(mask, text), covers, "{mask} {text}");
        }
        let text = "a".repeat(500);
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &text));
    }
}
