//! Foreign text made harmless for a terminal, and numbers for people.

/// One line that cannot move a cursor, colour anything or turn the direction of writing: control and format
/// characters become spaces or `\u{fffd}`.
pub fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || is_format(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Characters that make a text look like another one: without width, or changing the direction of writing.
pub fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0001}'..='\u{e007f}'
    )
}

/// `1.5 MiB`: at most three significant digits before rounding, in powers of 1024.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    let digits = format!("{value:.decimals$}");
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits.as_str(),
    };
    format!("{digits} {}", UNITS[unit])
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
    fn terminals_are_safe_from_foreign_text() {
        assert_eq!(harmless("a\x1b[31mb\u{9b}2J\r\nc\u{202e}d\u{e9}"), "a\u{fffd}[31mb\u{fffd}2J  c\u{fffd}d\u{e9}");
    }

    #[test]
    fn sizes_are_short() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (16 * 1024, "16 KiB"),
            (1023 * 1024, "1 MiB"),
            (12_900_000, "12.3 MiB"),
            (1_234_567_890, "1.15 GiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn ages_are_short() {
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
