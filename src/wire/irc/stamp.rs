//! Times of messages (IRCv3 server-time): `2026-11-20T11:42:22.123Z`, always UTC.

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// The last moment that has a year of four digits.
const LAST_MS: u64 = 253_402_300_799_999;

/// Appends a moment, in milliseconds since 1970.
pub fn write_time(ms: u64, to: &mut Vec<u8>) {
    let ms = ms.min(LAST_MS);
    let (year, month, day) = date(ms / DAY_MS);
    let in_day = ms % DAY_MS;
    let s = in_day / 1000;
    let mut digits = |number: u64, count: u32, behind: u8| {
        for place in (0..count).rev() {
            to.push(b'0' + (number / 10_u64.pow(place) % 10) as u8);
        }
        to.push(behind);
    };
    digits(year, 4, b'-');
    digits(month, 2, b'-');
    digits(day, 2, b'T');
    digits(s / 3600, 2, b':');
    digits(s / 60 % 60, 2, b':');
    digits(s % 60, 2, b'.');
    digits(in_day % 1000, 3, b'Z');
}

/// Reads such a time; fractions may have any number of digits, or none. None where it is no time since 1970.
pub fn read_time(text: &str) -> Option<u64> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut day = day.splitn(3, '-');
    let year = number(day.next()?, 4)?;
    let (month, day) = (number(day.next()?, 2)?, number(day.next()?, 2)?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':');
    let (h, min, s) = (number(clock.next()?, 2)?, number(clock.next()?, 2)?, number(clock.next()?, 2)?);
    let is_possible =
        year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day) && h < 24 && min < 60 && s <= 60;
    if !is_possible || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ms = fraction.bytes().chain([b'0'; 3]).take(3).fold(0, |ms, digit| ms * 10 + u64::from(digit - b'0'));
    Some(days(year, month, day) * DAY_MS + (h * 3600 + min * 60 + s) * 1000 + ms)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Year, month and day of a day since 1970, in the Gregorian calendar; years are counted from March on meanwhile.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The reverse.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    (era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ms: u64) -> String {
        let mut text = Vec::new();
        write_time(ms, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn times_are_written_and_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_318_429_201_419, "2011-10-12T14:20:01.419Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(ms), text);
            assert_eq!(read_time(text), Some(ms));
        }
        assert_eq!(written(u64::MAX), "9999-12-31T23:59:59.999Z");
        for day in (0..100_000).step_by(17) {
            assert_eq!(read_time(&written(day * DAY_MS + 1)), Some(day * DAY_MS + 1));
        }
    }

    #[test]
    fn other_forms_are_judged() {
        assert_eq!(read_time("1970-01-01T00:00:01Z"), Some(1000));
        assert_eq!(read_time("1970-01-01T00:00:00.5Z"), Some(500));
        assert_eq!(read_time("1970-01-01T00:00:00.1239999Z"), Some(123));
        for bad in [
            "",
            "Z",
            "1970-01-01",
            "1969-01-01T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-1-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.+1Z",
            "1970-00-01T00:00:00Z",
        ] {
            assert_eq!(read_time(bad), None, "{bad}");
        }
    }
}
