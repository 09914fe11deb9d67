//! Text for HTML: foreign text escaped, numbers for people.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(escaped("<b a='\"`'>&\u{202e}x\0"), "&lt;b a=&#39;&quot;&#96;&#39;&gt;&amp;\u{fffd}x\u{fffd}");
    }

    #[test]
    fn numbers_are_grouped() {
        let text = |number| grouped(number).replace('\u{a0}', " ");
        assert_eq!([0, 999, 1000, 1_234_567].map(text), ["0", "999", "1 000", "1 234 567"]);
    }
}
