//! Text for HTML: foreign text escaped, ages and numbers for people.

use crate::base::text::harmless;

/// Foreign text inside an element or a quoted attribute; what steers the direction of writing is replaced.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in harmless(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '`' => safe.push_str("&#96;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// `1 234 567`, with spaces that do not break.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// `3 days`: how long ago, both in seconds since 1970. A box without a clock says nothing.
pub fn ago(then_s: u64, now_s: u64) -> String {
    /// No torrent here is older; a clock that says so was not set.
    const CLOCK_SET_S: u64 = 1_577_836_800;
    if then_s < CLOCK_SET_S {
        return "–".into();
    }
    let s = now_s.saturating_sub(then_s);
    let (count, unit) = match s {
        0..60 => return "now".into(),
        60..3600 => return format!("{} min", s / 60),
        3600..86_400 => (s / 3600, "hour"),
        86_400..2_419_200 => (s / 86_400, "day"),
        2_419_200..31_536_000 => ((s / 2_629_800).max(1), "month"),
        _ => (s / 31_536_000, "year"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(escaped("<b a='\"`'>&\u{202e}x\0"), "&lt;b a=&#39;&quot;&#96;&#39;&gt;&amp;\u{fffd}x\u{fffd}");
    }

    #[test]
    fn numbers_and_ages_are_short() {
        let text = |number| grouped(number).replace('\u{a0}', " ");
        assert_eq!([0, 999, 1000, 1_234_567].map(text), ["0", "999", "1 000", "1 234 567"]);
        let now = 1_700_000_000;
        for (s, text) in [
            (0, "now"),
            (61, "1 min"),
            (3600, "1 hour"),
            (2 * 86_400, "2 days"),
            (27 * 86_400, "27 days"),
            (28 * 86_400, "1 month"),
            (100 * 86_400, "3 months"),
            (366 * 86_400, "1 year"),
        ] {
            assert_eq!(ago(now - s, now), text);
        }
        assert_eq!((ago(5, now), ago(now, 5)), ("–".into(), "now".into()));
    }
}
