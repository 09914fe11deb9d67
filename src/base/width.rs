//! How many columns of a terminal a text takes.

use unicode_width::UnicodeWidthChar;

/// Columns of a character: 2 for wide ones (CJK, emoji), 0 for marks that sit on the one before.
pub fn of_char(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Columns of a text without control characters.
pub fn of(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

/// The longest beginning of `text` that fits into `columns`; marks stay with their character.
pub fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += of_char(c);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

/// At most `columns` columns of it; where it was cut it ends in `…`.
pub fn fit(text: &str, columns: usize) -> String {
    if of(text) <= columns {
        return text.into();
    }
    format!("{}…", head(text, columns.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!((of("abc"), of("日本"), of("e\u{301}"), of("👍")), (3, 4, 1, 2));
        assert_eq!((head("日本", 3), head("e\u{301}x", 1), head("ab", 9)), ("日", "e\u{301}", "ab"));
        assert_eq!((fit("abc", 3), fit("abcd", 3), fit("日本語", 5)), ("abc".into(), "ab…".into(), "日本…".into()));
        assert_eq!(fit("abcd", 0), "…");
    }
}
