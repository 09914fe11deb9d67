//! What holds for all torrents: the settings of the remote control, by the names its clients know them by. One table
//! says of each what it may be; what somebody set is remembered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::encryption::Encryption;
use crate::wire::json::{self, Object, Value, Writer};

/// What a setting may be.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Switch(bool),
    Count {
        default: i64,
        max: i64,
    },
    Ratio(f64),
    Text(&'static str),
    /// An absolute path.
    Folder,
    /// One of these words, the first where nobody says.
    Word(&'static [&'static str]),
    /// What this program does not do; clients like to see it said, and may not change it.
    Fixed(bool),
}

/// Settings that can be seen and set; in ascending order.
const TABLE: &[(&str, Kind)] = &[
    ("alt-speed-down", Kind::Count { default: 50, max: KB_MAX }),
    ("alt-speed-enabled", Kind::Switch(false)),
    ("alt-speed-time-begin", Kind::Count { default: 540, max: 1439 }),
    ("alt-speed-time-day", Kind::Count { default: 127, max: 127 }),
    ("alt-speed-time-enabled", Kind::Switch(false)),
    ("alt-speed-time-end", Kind::Count { default: 1020, max: 1439 }),
    ("alt-speed-up", Kind::Count { default: 50, max: KB_MAX }),
    ("anti-brute-force-enabled", Kind::Fixed(true)),
    ("blocklist-enabled", Kind::Switch(false)),
    ("default-trackers", Kind::Text("")),
    ("download-dir", Kind::Folder),
    ("download-queue-enabled", Kind::Switch(true)),
    ("download-queue-size", Kind::Count { default: 5, max: 100_000 }),
    ("encryption", Kind::Word(&ENCRYPTION)),
    ("idle-seeding-limit", Kind::Count { default: 30, max: 10_000_000 }),
    ("idle-seeding-limit-enabled", Kind::Switch(false)),
    ("incomplete-dir", Kind::Folder),
    ("incomplete-dir-enabled", Kind::Switch(false)),
    ("peer-limit-global", Kind::Count { default: 200, max: 100_000 }),
    ("peer-limit-per-torrent", Kind::Count { default: 100, max: 10_000 }),
    ("peer-port-random-on-start", Kind::Fixed(false)),
    ("port-forwarding-enabled", Kind::Fixed(false)),
    ("queue-stalled-enabled", Kind::Switch(true)),
    ("queue-stalled-minutes", Kind::Count { default: 30, max: 1_000_000 }),
    ("rename-partial-files", Kind::Fixed(false)),
    ("script-torrent-added-enabled", Kind::Fixed(false)),
    ("script-torrent-done-enabled", Kind::Fixed(false)),
    ("script-torrent-done-seeding-enabled", Kind::Fixed(false)),
    ("seed-queue-enabled", Kind::Switch(false)),
    ("seed-queue-size", Kind::Count { default: 10, max: 100_000 }),
    ("seedRatioLimit", Kind::Ratio(2.0)),
    ("seedRatioLimited", Kind::Switch(false)),
    ("speed-limit-down", Kind::Count { default: 100, max: KB_MAX }),
    ("speed-limit-down-enabled", Kind::Switch(false)),
    ("speed-limit-up", Kind::Count { default: 100, max: KB_MAX }),
    ("speed-limit-up-enabled", Kind::Switch(false)),
    ("start-added-torrents", Kind::Switch(true)),
    ("trash-original-torrent-files", Kind::Fixed(false)),
    ("utp-enabled", Kind::Fixed(false)),
];

/// How peers are spoken to, as clients of the remote control call it; the first is the default, and the last they do
/// not know.
const ENCRYPTION: [&str; 4] = ["preferred", "required", "tolerated", "off"];

/// Thousands of bytes per second: 1 TB/s, far from overflow in bytes.
const KB_MAX: i64 = 1_000_000_000;
/// Bytes of a text.
const TEXT_LEN: usize = 64 * 1024;

/// The settings.
#[derive(Clone, Default, Debug)]
pub struct Session {
    /// What is not as the table says.
    values: BTreeMap<&'static str, Value>,
    /// Of those, what the program was started with: that is not remembered, it is said again at the next start.
    given: BTreeMap<&'static str, Value>,
}

fn row(name: &str) -> Option<(&'static str, Kind)> {
    TABLE.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|at| TABLE[at])
}

impl Session {
    /// What a flag, a variable or the configuration file says: it holds until somebody sets something else.
    pub fn give(&mut self, name: &str, value: Value) {
        if let Some((name, _)) = row(name) {
            self.given.insert(name, value.clone());
            self.values.insert(name, value);
        }
    }

    /// Sets what can be set; what nobody knows is passed over, as clients of other versions expect.
    ///
    /// # Errors
    /// Which value makes no sense; nothing was set then.
    pub fn set(&mut self, arguments: &Object) -> Result<(), String> {
        let mut values = Vec::new();
        for (name, value) in arguments {
            let Some((name, kind)) = row(name) else { continue };
            values.push((name, checked(kind, value).ok_or_else(|| format!("{name}: this value makes no sense"))?));
        }
        for (name, value) in values {
            if let Some(value) = value {
                self.given.remove(name);
                self.values.insert(name, value);
            }
        }
        Ok(())
    }

    /// Takes over what an earlier run remembered, where nothing was said at the start.
    pub fn restore(&mut self, remembered: &Object) {
        for (name, value) in remembered {
            if let Some((name, kind)) = row(name)
                && !self.given.contains_key(name)
                && let Some(Some(value)) = checked(kind, value)
            {
                self.values.insert(name, value);
            }
        }
    }

    /// Writes what should be remembered.
    pub fn remember(&self, object: &mut Writer<'_>) {
        for (name, value) in self.values.iter().filter(|(name, _)| !self.given.contains_key(*name)) {
            write(value, object.key(name));
        }
    }

    /// Writes the settings of these names; all where None.
    pub fn write(&self, wanted: impl Fn(&str) -> bool, object: &mut Writer<'_>) {
        for (name, kind) in TABLE.iter().filter(|(name, _)| wanted(name)) {
            match self.values.get(name) {
                Some(value) => write(value, object.key(name)),
                None => write(&default(*kind), object.key(name)),
            }
        }
    }

    fn value(&self, name: &str) -> Value {
        let known = self.values.get(name).cloned();
        known.or_else(|| row(name).map(|(_, kind)| default(kind))).unwrap_or_default()
    }

    /// A switch of the table.
    pub fn switch(&self, name: &str) -> bool {
        json::switch(&self.value(name)).unwrap_or(false)
    }

    /// A count of the table.
    pub fn count(&self, name: &str) -> u64 {
        json::int(&self.value(name)).and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
    }

    /// A ratio of the table.
    pub fn ratio(&self, name: &str) -> f64 {
        json::float(&self.value(name)).unwrap_or(0.0)
    }

    /// A text of the table.
    pub fn text(&self, name: &str) -> String {
        json::text(&self.value(name)).unwrap_or_default().to_string()
    }

    /// A folder of the table.
    pub fn folder(&self, name: &str) -> PathBuf {
        PathBuf::from(self.text(name))
    }

    /// How peers are spoken to.
    pub fn encryption(&self) -> Encryption {
        match self.text("encryption").as_str() {
            "off" => Encryption::Off,
            "tolerated" => Encryption::Tolerate,
            "required" => Encryption::Require,
            _ => Encryption::Prefer,
        }
    }

    /// The word for it.
    pub fn encryption_word(encryption: Encryption) -> &'static str {
        match encryption {
            Encryption::Off => "off",
            Encryption::Tolerate => "tolerated",
            Encryption::Prefer => "preferred",
            Encryption::Require => "required",
        }
    }

    /// Bytes per second up and down that hold now; 0: any number. `is_slow`: the alternative ones.
    pub fn limits(&self, is_slow: bool) -> (u64, u64) {
        let of = |count: &str, switch: &str| if self.switch(switch) { (self.count(count) * 1000).max(1) } else { 0 };
        match is_slow {
            true => ((self.count("alt-speed-up") * 1000).max(1), (self.count("alt-speed-down") * 1000).max(1)),
            false => {
                (of("speed-limit-up", "speed-limit-up-enabled"), of("speed-limit-down", "speed-limit-down-enabled"))
            }
        }
    }

    /// Whether the schedule of the alternative limits says that they hold at this minute of the day, of this day of
    /// the week (0 is Sunday). A span that ends before it begins goes on past midnight, and belongs to its first day.
    pub fn is_slow_time(&self, day: u32, minute: u32) -> bool {
        if !self.switch("alt-speed-time-enabled") {
            return false;
        }
        let (begin, end) = (self.count("alt-speed-time-begin"), self.count("alt-speed-time-end"));
        let minute = u64::from(minute);
        let (is_in, day) = match begin <= end {
            true => ((begin..end).contains(&minute), day),
            false if minute < end => (true, (day + 6) % 7),
            false => (minute >= begin, day),
        };
        is_in && self.count("alt-speed-time-day") & (1 << day) != 0
    }
}

fn default(kind: Kind) -> Value {
    match kind {
        Kind::Switch(is_on) | Kind::Fixed(is_on) => Value::Bool(is_on),
        Kind::Count { default, .. } => Value::Number(json::Number::I64(default)),
        Kind::Ratio(ratio) => Value::Number(json::Number::F64(ratio)),
        Kind::Text(text) => Value::String(text.into()),
        Kind::Folder => Value::String(String::new()),
        Kind::Word(words) => Value::String(words.first().copied().unwrap_or_default().into()),
    }
}

/// A value as it is kept; None inside: it cannot be changed, and nobody minds.
fn checked(kind: Kind, value: &Value) -> Option<Option<Value>> {
    Some(Some(match kind {
        Kind::Fixed(_) => return Some(None),
        Kind::Switch(_) => Value::Bool(json::switch(value)?),
        Kind::Count { max, .. } => {
            Value::Number(json::Number::I64(json::int(value).filter(|count| (0..=max).contains(count))?))
        }
        Kind::Ratio(_) => {
            Value::Number(json::Number::F64(json::float(value).filter(|ratio| (0.0..1e6).contains(ratio))?))
        }
        Kind::Text(_) => Value::String(json::text(value).filter(|text| text.len() <= TEXT_LEN)?.into()),
        Kind::Folder => Value::String(json::text(value).filter(|text| is_folder(text))?.into()),
        Kind::Word(words) => Value::String(json::text(value).filter(|word| words.contains(word))?.into()),
    }))
}

/// A path that can be a download folder: absolute, and nothing that leads up again.
pub fn is_folder(text: &str) -> bool {
    let path = Path::new(text);
    let climbs = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
    path.is_absolute() && !climbs && !text.contains('\0') && text.len() <= 4096
}

fn write(value: &Value, to: &mut String) {
    match value {
        Value::Bool(is_on) => json::number(is_on, to),
        Value::Number(json::Number::F64(ratio)) => json::number(ratio, to),
        Value::Number(json::Number::I64(count)) => json::number(count, to),
        Value::Number(json::Number::U64(count)) => json::number(count, to),
        Value::String(text) => json::quote(text, to),
        _ => to.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        match json::read(text.as_bytes()) {
            Some(Value::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_table_is_sorted_and_its_defaults_are_valid() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, kind) in TABLE.iter().filter(|(_, kind)| *kind != Kind::Folder) {
            assert!(checked(*kind, &default(*kind)).is_some(), "{name}");
        }
    }

    #[test]
    fn values_are_checked_and_all_or_none_are_set() {
        let mut session = Session::default();
        let arguments = r#"{"speed-limit-down":20,"speed-limit-down-enabled":true,"what":1,"utp-enabled":true}"#;
        session.set(&object(arguments)).unwrap();
        assert_eq!((session.limits(false), session.switch("utp-enabled")), ((0, 20_000), false));
        for bad in [
            r#"{"speed-limit-up":1,"speed-limit-down":-1}"#,
            r#"{"download-dir":"relative"}"#,
            r#"{"download-dir":"/a/../b"}"#,
            r#"{"encryption":"none"}"#,
            r#"{"seedRatioLimit":"x"}"#,
        ] {
            assert!(session.set(&object(bad)).is_err(), "{bad}");
        }
        assert_eq!(session.count("speed-limit-up"), 100);
    }

    #[test]
    fn what_was_said_at_the_start_is_not_remembered_and_beats_what_was() {
        let mut session = Session::default();
        session.give("download-dir", Value::String("/given".into()));
        session.restore(&object(r#"{"download-dir":"/old","seedRatioLimit":1.5}"#));
        assert_eq!((session.text("download-dir").as_str(), session.ratio("seedRatioLimit")), ("/given", 1.5));
        let remembered = |session: &Session| {
            let mut text = String::new();
            let mut writer = Writer::begin(&mut text);
            session.remember(&mut writer);
            writer.end();
            text
        };
        assert_eq!(remembered(&session), r#"{"seedRatioLimit":1.5}"#);
        session.set(&object(r#"{"download-dir":"/set"}"#)).unwrap();
        assert_eq!(remembered(&session), r#"{"download-dir":"/set","seedRatioLimit":1.5}"#);
    }

    #[test]
    fn schedules_go_past_midnight() {
        let mut session = Session::default();
        let span = r#"{"alt-speed-time-enabled":true,"alt-speed-time-begin":1320,"alt-speed-time-end":60,
                       "alt-speed-time-day":2}"#;
        session.set(&object(span)).unwrap();
        for (day, minute, expected) in
            [(1, 1319, false), (1, 1320, true), (2, 59, true), (2, 60, false), (1, 59, false), (2, 1320, false)]
        {
            assert_eq!(session.is_slow_time(day, minute), expected, "{day} {minute}");
        }
    }
}
