//! Values as people write them: sizes, times, addresses, choices of files.

use std::net::{IpAddr, SocketAddr};

use crate::base::Span;
use crate::wire::socks::NAME_LEN;
use crate::wire::url::percent_decode;

/// `500`, `32K`, `2M`, `1G`, also `2MiB` and `2mb`: all in powers of 1024.
///
/// # Errors
/// What is wrong, for people; so below.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("`{text}` is not a size such as 500K, 32M or 2G")),
    };
    let count: u64 = digits.parse().map_err(|_| format!("`{text}` is not a size such as 500K, 32M or 2G"))?;
    count.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

/// `45`, `45s`, `30m`, `2h`, `1d`.
pub fn time(text: &str) -> Result<Span, String> {
    let bad = || format!("`{text}` is not a time such as 45s, 30m or 2h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let count: u64 = digits.parse().map_err(|_| bad())?;
    // A century is long enough, and far from overflow in microseconds.
    let seconds = count.checked_mul(unit_s).filter(|s| *s <= 3_155_760_000);
    seconds.map(Span::secs).ok_or_else(|| format!("`{text}` is too long"))
}

/// `2`, `1.5`, `0.125`, in thousandths.
pub fn ratio(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a ratio such as 2 or 1.5");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) {
        return Err(bad());
    }
    if decimals.len() > 3 {
        return Err(format!("`{text}` has more than 3 decimals"));
    }
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= 1_000_000).ok_or_else(bad)?;
    let thousandths: u64 = format!("{decimals:0<3}").parse().map_err(|_| bad())?;
    Ok(whole * 1000 + thousandths)
}

/// A whole number within bounds.
pub fn count(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let number: Option<u64> = text.parse().ok();
    number.filter(|n| (min..=max).contains(n)).ok_or_else(|| format!("`{text}` is not a number from {min} to {max}"))
}

/// `true`, `yes`, `on`, `1` and their opposites.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// `host:port`, `1.2.3.4:5`, `[::1]:5`.
pub fn peer(text: &str) -> Result<(String, u16), String> {
    let bad = || format!("`{text}` is not an address such as 192.0.2.1:6881, [2001:db8::1]:6881 or host:6881");
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?;
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    let host = match inner {
        Some(v6) if is_v6(v6) => v6,
        None if is_host(host) => host,
        _ => return Err(bad()),
    };
    Ok((host.to_string(), port))
}

/// The port of a server.
pub const SERVER_PORT: u16 = 9000;

/// `box.lan`, `192.0.2.1:9000`, `[::1]`: a host, and a port where another one than [`SERVER_PORT`] is meant.
pub fn server(text: &str) -> Result<(String, u16), String> {
    let bad = || format!("`{text}` is not HOST or HOST:PORT");
    if let Ok(v6) = text.parse::<std::net::Ipv6Addr>() {
        return Ok((v6.to_string(), SERVER_PORT));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            v6.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            (v6, rest.strip_prefix(':').or(rest.is_empty().then_some("9000")).ok_or_else(bad)?)
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, "9000"));
            (Some(host).filter(|host| is_host(host)).ok_or_else(bad)?, port)
        }
    };
    let port: u16 = port.parse().map_err(|_| bad())?;
    if port == 0 { Err(bad()) } else { Ok((host.to_string(), port)) }
}

/// `NAME:PASSWORD`. What is wrong is said without showing it.
pub fn account(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => Ok((name.into(), password.into())),
        _ => Err("it is not NAME:PASSWORD".into()),
    }
}

/// `192.0.2.1`, `::1`, and where somebody serves `192.0.2.1:9000`, `[::1]:9000`.
pub fn bind(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let alone = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|at: SocketAddr| (at.ip(), Some(at.port())));
    let parsed = alone.parse().map(|ip| (ip, None)).or_else(|_| with_port());
    parsed.map_err(|_| format!("`{text}` is not an address such as 192.0.2.1, ::1 or, for serve, [::]:9000"))
}

/// What a machine listens on and dials from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Local {
    /// With a port where somebody serves.
    Address(IpAddr, Option<u16>),
    /// One that is there.
    Interface(String),
}

/// An address as [`bind`] knows it, or the name of an interface of this machine.
pub fn local(text: &str) -> Result<Local, String> {
    if let Ok((ip, port)) = bind(text) {
        return Ok(Local::Address(ip, port));
    }
    let is_there = nix::net::if_::if_nametoindex(text).is_ok();
    let why = || format!("`{text}` is neither an address such as 192.0.2.1 or ::1 nor an interface of this machine");
    if is_there { Ok(Local::Interface(text.to_string())) } else { Err(why()) }
}

/// The port of a proxy.
const PROXY_PORT: u16 = 1080;

/// `socks5://host:1080`, `socks5://user:password@host`: host, port, and login. What is wrong is said without showing it.
pub fn proxy(text: &str) -> Result<ProxyParts, String> {
    let bad = || "it is not a proxy such as socks5://host:1080 or socks5://user:password@host:1080".to_string();
    let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
    // The other one says that the proxy looks names up, which it does in any case.
    if !scheme.eq_ignore_ascii_case("socks5") && !scheme.eq_ignore_ascii_case("socks5h") {
        return Err(bad());
    }
    let (login, place) = match rest.trim_end_matches('/').rsplit_once('@') {
        Some((login, place)) => (Some(login.split_once(':').ok_or_else(bad)?), place),
        None => (None, rest.trim_end_matches('/')),
    };
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_v6 = place.starts_with('[');
    let (host, port) = match has_port && (!is_v6 || place.contains("]:")) {
        true => peer(place),
        false => peer(&format!("{place}:{PROXY_PORT}")),
    }
    .map_err(|_| bad())?;
    let plain = |text: &str| String::from_utf8(percent_decode(text)).ok();
    let is_fit = |text: &String| (1..=NAME_LEN).contains(&text.len());
    let login = match login {
        None => None,
        Some((user, password)) => {
            let fit = |text: &str| plain(text).filter(is_fit).ok_or_else(bad);
            Some((fit(user)?, fit(password)?))
        }
    };
    Ok((host, port, login))
}

/// Host, port, and login.
pub type ProxyParts = (String, u16, Option<(String, String)>);

fn is_host(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= 253 && text.chars().all(is_part)
}

/// `1-5,8`: which of `file_count` files, counted from 1. Never empty.
pub fn select(text: &str, file_count: usize) -> Result<Vec<bool>, String> {
    let bad = || format!("`{text}` is not a choice of files such as 1-5,8");
    let mut wanted = vec![false; file_count];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| bad())?;
        let last: usize = if last.trim().is_empty() && part.ends_with('-') {
            file_count.max(first)
        } else {
            last.trim().parse().map_err(|_| bad())?
        };
        if first == 0 || first > last {
            return Err(bad());
        }
        let chosen = wanted.get_mut(first - 1..last);
        chosen.ok_or_else(|| format!("file {last} of `{text}` does not exist: there are {file_count}"))?.fill(true);
    }
    Ok(wanted)
}

/// Whether a choice can be right at all, before the number of files is known.
pub fn select_form(text: &str) -> Result<(), String> {
    let mut numbers = text.split(['-', ',']).filter_map(|part| part.trim().parse::<usize>().ok());
    if numbers.any(|number| number > 10_000_000) {
        return Err(format!("`{text}` names a file with too high a number"));
    }
    // The highest number that any choice may name, so only the form is judged.
    let last = text.split(['-', ',']).filter_map(|part| part.trim().parse().ok()).max().unwrap_or(0);
    select(text, last).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let good = [("0", 0), ("500", 500), ("32K", 32 << 10), ("2m", 2 << 20), ("2MiB", 2 << 20), ("1gb", 1 << 30)];
        for (text, bytes) in good {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5M", "1X", "99999999999999999999", "99999999999T", "1 M", "é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        let good = [("0", 0), ("45", 45), ("45s", 45), ("30m", 1800), ("2h", 7200), ("1d", 86_400)];
        for (text, seconds) in good {
            assert_eq!(time(text), Ok(Span::secs(seconds)), "{text}");
        }
        for text in ["", "s", "-1", "1w", "1.5h", "99999999999999999999", "9999999999d"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ratios() {
        let good = [("0", 0), ("2", 2000), ("1.5", 1500), ("0.125", 125), ("1000000", 1_000_000_000)];
        for (text, thousandths) in good {
            assert_eq!(ratio(text), Ok(thousandths), "{text}");
        }
        for text in ["", ".5", "1.", "-1", "+1", "1,5", "1.2345", "1e3", "NaN", "inf", "1000001", "1.5.2", "1.+5"] {
            assert!(ratio(text).is_err(), "{text}");
        }
    }

    #[test]
    fn peers() {
        let good = [("192.0.2.1:6881", "192.0.2.1"), ("[::1]:6881", "::1"), ("a-b.example:6881", "a-b.example")];
        for (text, host) in good {
            assert_eq!(peer(text), Ok((host.to_string(), 6881)));
        }
        for text in ["", ":1", "a", "a:", "a:0", "a:65536", "::1:5", "[::1]", "[a]:1", "a b:1", "a:1:2"] {
            assert!(peer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn servers_and_accounts() {
        for (text, host, port) in [
            ("box.lan", "box.lan", 9000),
            ("192.0.2.1:80", "192.0.2.1", 80),
            ("::1", "::1", 9000),
            ("[::1]", "::1", 9000),
            ("[2001:db8::1]:7", "2001:db8::1", 7),
        ] {
            assert_eq!(server(text), Ok((host.to_string(), port)), "{text}");
        }
        for text in ["", ":9000", "a:", "a:0", "a:65536", "[::1]x", "[::1", "[a]:1", "http://a", "a b", "a/b"] {
            assert!(server(text).is_err(), "{text}");
        }
        assert_eq!(account("a:b:c"), Ok(("a".into(), "b:c".into())));
        assert!(account("secret").is_err_and(|why| !why.contains("secret")));
    }

    #[test]
    fn local_addresses() {
        let v6: IpAddr = "::1".parse().unwrap();
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!((bind("::1"), bind("[::1]")), (Ok((v6, None)), Ok((v6, None))));
        assert_eq!((bind("[::1]:0"), bind("192.0.2.1:9000")), (Ok((v6, Some(0))), Ok((v4, Some(9000)))));
        for text in ["", "localhost", "[::1]:", "192.0.2.1:65536", ":9000", "1.2.3", "[::1"] {
            assert!(bind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn choices_of_files() {
        let chosen = |text| select(text, 4).map(|w| w.iter().map(|w| u8::from(*w)).collect::<Vec<_>>());
        assert_eq!(chosen("1-2,4"), Ok(vec![1, 1, 0, 1]));
        assert_eq!(chosen(" 3 "), Ok(vec![0, 0, 1, 0]));
        assert_eq!(chosen("3-"), Ok(vec![0, 0, 1, 1]));
        for text in ["", "0", "5", "2-1", "1-5", "a", "1,,2", "-3", "1-2-3", "18446744073709551616"] {
            assert!(select(text, 4).is_err(), "{text}");
        }
        assert!(select_form("1-5,8").is_ok() && select_form("7-").is_ok());
        assert!(select_form("x").is_err() && select_form("1-99999999999").is_err());
    }
}
