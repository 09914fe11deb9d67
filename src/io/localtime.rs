//! The time of day where this machine stands, as the C library knows it.

use nix::libc;

/// A moment as a clock on the wall and a calendar show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalTime {
    pub year: i64,
    /// 1 to 12, and 1 to 31.
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

/// Milliseconds since 1970 now.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Local time of a moment in seconds since 1970; None where there is no such year.
pub fn local(unix_s: u64) -> Option<LocalTime> {
    let time = libc::time_t::try_from(unix_s).ok()?;
    // SAFETY: a tm of zeros is a valid one (numbers and a null pointer); localtime_r writes one tm to the pointer,
    // which is a live, exclusive borrow, and keeps neither pointer.
    let (found, tm) = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        (!libc::localtime_r(&raw const time, &raw mut tm).is_null(), tm)
    };
    let small = |number: i32| u8::try_from(number).unwrap_or(0);
    found.then(|| LocalTime {
        year: i64::from(tm.tm_year) + 1900,
        month: small(tm.tm_mon + 1),
        day: small(tm.tm_mday),
        hour: small(tm.tm_hour),
        minute: small(tm.tm_min),
        second: small(tm.tm_sec),
    })
}

/// What local time is ahead of universal time at this moment, in seconds: -12 to 14 hours.
pub fn ahead_s(unix_s: u64) -> i64 {
    let Some(local) = local(unix_s) else { return 0 };
    let of_day = i64::from(local.hour) * 3600 + i64::from(local.minute) * 60 + i64::from(local.second);
    let ahead = of_day - (unix_s % 86_400) as i64;
    match ahead {
        _ if ahead > 14 * 3600 => ahead - 86_400,
        _ if ahead < -12 * 3600 => ahead + 86_400,
        _ => ahead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_within_a_day_of_universal_time() {
        // 2023-11-14 22:13:20 UTC.
        let time = local(1_700_000_000).unwrap();
        assert_eq!((time.year, time.month, time.second), (2023, 11, 20));
        assert!((13..=15).contains(&time.day) && time.hour < 24 && time.minute < 60);
        assert!(now_ms() > 1_700_000_000_000);
    }
}
