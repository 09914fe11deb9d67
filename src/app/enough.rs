//! When a torrent was shared enough: at a ratio or after a time, whichever comes first.

use super::settings::{Origin, Settings};
use super::values;
use crate::base::Span;
use crate::machine::Row;

/// What ends sharing; where neither is said, only Ctrl-C does.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Enough {
    /// In thousandths.
    pub ratio: Option<u64>,
    /// Since the torrent was complete in this run.
    pub time: Option<Span>,
}

impl Enough {
    /// What `--seed-ratio` and `--seed-time` say; 0 is no limit.
    pub fn of(settings: &Settings) -> Enough {
        let ratio = settings.text("seed-ratio").and_then(|text| values::ratio(text).ok());
        Enough { ratio: ratio.filter(|ratio| *ratio > 0), time: settings.time("seed-time").filter(|time| time.0 > 0) }
    }

    /// Whether a download is shared when it is complete: where it is said, and where it is said for how long, unless
    /// the command line says no.
    pub fn is_shared(self, settings: &Settings) -> bool {
        let is_flag = settings.effective("seed").origin == Origin::Flag;
        settings.switch("seed") || (!is_flag && self != Enough::default())
    }

    /// Whether a complete torrent that was shared for so long was shared enough.
    pub fn is_reached(self, row: &Row, shared_for: Span) -> bool {
        self.ratio.is_some_and(|wanted| ratio(row) >= wanted) || self.time.is_some_and(|time| shared_for >= time)
    }
}

/// What was sent to what was fetched, over all runs, in thousandths. Who fetched less than the torrent's size, for the
/// data was there already, is measured by that.
pub fn ratio(row: &Row) -> u64 {
    let base = row.downloaded_ever.max(row.wanted_bytes).max(1);
    u64::try_from(u128::from(row.uploaded_ever) * 1000 / u128::from(base)).unwrap_or(u64::MAX)
}

/// `1.25`, rounded down.
pub fn ratio_text(row: &Row) -> String {
    let hundredths = ratio(row) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::file::ConfigFile;
    use crate::app::progress::tests::row;
    use crate::app::settings::Given;

    fn with(downloaded_ever: u64, uploaded_ever: u64) -> Row {
        Row { wanted_bytes: 1000, downloaded_ever, uploaded_ever, ..row() }
    }

    fn settings(flags: &[(&str, &str)], config: &str) -> Settings {
        let flags = flags.iter().map(|(name, value)| (name.to_string(), vec![value.to_string()])).collect();
        let file = ConfigFile::parse(std::path::Path::new("/p.toml"), config).unwrap();
        Settings::resolve(&Given { flags }, &|_| None, &file).unwrap()
    }

    #[test]
    fn ratios_count_all_runs_and_at_least_the_size() {
        let table =
            [(0, 0, "0.00"), (0, 999, "0.99"), (1000, 1500, "1.50"), (2000, 1500, "0.75"), (10, 1000, "1.00")];
        for (down, up, text) in table {
            assert_eq!(ratio_text(&with(down, up)), text);
        }
        assert_eq!(ratio(&Row { wanted_bytes: 0, ..with(0, u64::MAX) }), u64::MAX);
    }

    #[test]
    fn whichever_comes_first() {
        let enough = Enough { ratio: Some(1500), time: Some(Span::secs(60)) };
        let table = [(1499, 59, false), (1500, 0, true), (0, 60, true), (1500, 60, true)];
        for (up, seconds, is_reached) in table {
            assert_eq!(enough.is_reached(&with(1000, up), Span::secs(seconds)), is_reached, "{up} {seconds}");
        }
        assert!(!Enough::default().is_reached(&with(0, u64::MAX), Span::secs(u64::from(u32::MAX))));
    }

    #[test]
    fn a_limit_means_sharing_unless_the_command_line_says_no() {
        let shared = |flags: &[(&str, &str)], config: &str| {
            let settings = settings(flags, config);
            Enough::of(&settings).is_shared(&settings)
        };
        assert!(!shared(&[], "") && !shared(&[("seed-ratio", "0"), ("seed-time", "0")], ""));
        assert!(shared(&[("seed-ratio", "0.5")], "") && shared(&[("seed-time", "1m")], ""));
        assert!(shared(&[], "seed-ratio = 1.5\nseed = false") && shared(&[], "seed-ratio = 2"));
        assert!(!shared(&[("seed", "false")], "seed-ratio = 2") && !shared(&[("seed-ratio", "0")], "seed-ratio = 2"));
        let both = Enough::of(&settings(&[("seed-time", "30m")], "seed-ratio = 1.25"));
        assert_eq!(both, Enough { ratio: Some(1250), time: Some(Span::secs(1800)) });
    }
}
