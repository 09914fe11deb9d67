//! Rewrites the command line into the one form that argh understands, so that `-h`, `-vv`, `--dir=x`, `-dx`, a
//! repeated option and a lone `-` work as people expect.

use super::exit::Failure;
use super::table::{Kind, Setting, by_long, by_short};

/// A command line, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// What the command is called with: options first, each in its long form, then `--` and what is left.
    pub args: Vec<String>,
    /// Switches that were given a value, `--seed=false`: argh knows no such thing.
    pub switches: Vec<(&'static str, String)>,
    pub help: bool,
    pub version: bool,
}

/// Finds the command: the first word that is neither an option nor an option's value. Returns its name and the
/// other words; None where there is no such word.
pub fn split_command(words: &[String]) -> (Option<&str>, Vec<String>) {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') || word == "-" {
            let others = words[..at].iter().chain(&words[at + 1..]).cloned().collect();
            return (Some(word), others);
        }
        at += if takes_next(word) { 2 } else { 1 };
    }
    (None, words.to_vec())
}

/// Whether the word after this option is its value.
fn takes_next(word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        return by_long(long).is_some_and(|setting| setting.kind.takes_value());
    }
    let mut shorts = word.chars().skip(1);
    // `-c FILE` takes the next word, `-cFILE` has its value already.
    shorts.find(|c| takes_value(*c)).is_some() && shorts.next().is_none()
}

fn takes_value(short: char) -> bool {
    by_short(short).is_some_and(|setting| setting.kind.takes_value())
}

/// Rewrites the words after the command. `flags` are the long names that the command knows.
///
/// # Errors
/// An unknown option, or a missing value.
pub fn rewrite(command: &str, flags: &[String], words: &[String]) -> Result<Rewritten, Failure> {
    let mut scan = Scan { command, flags, given: Vec::new(), switches: Vec::new(), help: false, version: false };
    let mut left = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            None | Some("") => left.push(word.clone()),
            Some("-") => left.extend(words.by_ref().cloned()),
            Some(rest) => match rest.strip_prefix('-') {
                Some(long) => scan.long(long, &mut words)?,
                None => scan.shorts(rest, &mut words)?,
            },
        }
    }
    let mut args: Vec<String> = Vec::new();
    for (setting, value) in scan.given {
        args.push(format!("--{}", setting.name));
        args.extend(value);
    }
    args.push("--".into());
    args.extend(left);
    Ok(Rewritten { args, switches: scan.switches, help: scan.help, version: scan.version })
}

struct Scan<'a> {
    command: &'a str,
    flags: &'a [String],
    given: Vec<(&'static Setting, Option<String>)>,
    switches: Vec<(&'static str, String)>,
    help: bool,
    version: bool,
}

impl Scan<'_> {
    fn long<'w>(&mut self, word: &str, words: &mut impl Iterator<Item = &'w String>) -> Result<(), Failure> {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("help", None) => self.help = true,
            ("version", None) => self.version = true,
            _ => {
                let setting = by_long(name).filter(|s| self.flags.iter().any(|flag| flag == s.name));
                let setting = setting.ok_or_else(|| self.unknown(&format!("--{name}")))?;
                self.take(setting, value.map(str::to_string), words)?;
            }
        }
        Ok(())
    }

    /// `-vv`, `-dx`, `-d x`, `-jd x`.
    fn shorts<'w>(&mut self, word: &str, words: &mut impl Iterator<Item = &'w String>) -> Result<(), Failure> {
        let mut chars = word.chars();
        while let Some(short) = chars.next() {
            match short {
                'h' => self.help = true,
                'V' => self.version = true,
                _ => {
                    let setting = by_short(short).filter(|s| self.flags.iter().any(|flag| flag == s.name));
                    let setting = setting.ok_or_else(|| self.unknown(&format!("-{short}")))?;
                    if setting.kind.takes_value() {
                        let rest = chars.as_str();
                        let rest = rest.strip_prefix('=').unwrap_or(rest);
                        let value = (!rest.is_empty()).then(|| rest.to_string());
                        return self.take(setting, value, words);
                    }
                    self.take(setting, None, words)?;
                }
            }
        }
        Ok(())
    }

    fn take<'w>(
        &mut self,
        setting: &'static Setting,
        value: Option<String>,
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), Failure> {
        if !setting.kind.takes_value() {
            match value {
                Some(value) if setting.kind == Kind::Switch => self.switches.push((setting.name, value)),
                Some(_) => return Err(Failure::usage(format!("--{} takes no value", setting.name))),
                None => {
                    self.switches.retain(|(name, _)| *name != setting.name);
                    self.given.push((setting, None));
                }
            }
            return Ok(());
        }
        let missing = || Failure::usage(format!("--{} needs a value: {}", setting.name, setting.about));
        let value = value.or_else(|| words.next().cloned()).ok_or_else(missing)?;
        if !setting.kind.repeats() {
            // Said twice, the last one counts.
            self.given.retain(|(given, _)| given.name != setting.name);
        }
        self.given.push((setting, Some(value)));
        Ok(())
    }

    fn unknown(&self, option: &str) -> Failure {
        let command = self.command;
        let text = format!("unknown option {option} (`peerlink {command} --help` lists them)");
        Failure::usage(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    fn flags() -> Vec<String> {
        words("dir port verbose json peer seed tracker config")
    }

    fn args(line: &str) -> String {
        rewrite("get", &flags(), &words(line)).unwrap().args.join(" ")
    }

    #[test]
    fn every_form_people_use_becomes_the_one_that_argh_takes() {
        let table = [
            ("a.torrent", "-- a.torrent"),
            ("-vv a", "--verbose --verbose -- a"),
            ("a --dir=x", "--dir x -- a"),
            ("a --dir x", "--dir x -- a"),
            ("-dx a", "--dir x -- a"),
            ("-d=x a", "--dir x -- a"),
            ("-d x a", "--dir x -- a"),
            ("-jdx a", "--json --dir x -- a"),
            ("-vjd x a", "--verbose --json --dir x -- a"),
            ("-d x --dir y a", "--dir y -- a"),
            ("--peer a:1 --peer b:1 s", "--peer a:1 --peer b:1 -- s"),
            ("-", "-- -"),
            ("-- -x --dir", "-- -x --dir"),
            ("--dir -x a", "--dir -x -- a"),
            ("--dir= a", "--dir  -- a"),
        ];
        for (line, expected) in table {
            assert_eq!(args(line), expected, "{line}");
        }
    }

    #[test]
    fn help_and_version_are_found_anywhere_but_not_in_values() {
        let found = |line: &str| rewrite("get", &flags(), &words(line)).map(|r| (r.help, r.version)).unwrap();
        assert_eq!(found("a -vh"), (true, false));
        assert_eq!(found("--help a"), (true, false));
        assert_eq!(found("-V"), (false, true));
        assert_eq!(found("-d -h a"), (false, false));
        assert_eq!(found("-- --help"), (false, false));
    }

    #[test]
    fn switches_may_be_turned_off() {
        let rewritten = rewrite("get", &flags(), &words("--seed=false a")).unwrap();
        assert_eq!(rewritten.switches, [("seed", "false".to_string())]);
        assert_eq!(rewrite("get", &flags(), &words("--seed=false --seed a")).unwrap().switches, []);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("--frob", "--frob"),
            ("-x", "-x"),
            ("--dir", "--dir needs a value"),
            ("-d", "--dir needs a value"),
            ("--verbose=3", "takes no value"),
            ("--output x", "--output"),
            ("--é", "--é"),
            ("-é", "-é"),
        ] {
            let failure = rewrite("get", &flags(), &words(line)).unwrap_err();
            assert!(failure.text.contains(part), "{line}: {}", failure.text);
        }
    }

    #[test]
    fn options_may_stand_before_the_command() {
        let split = |line: &str| {
            let all = words(line);
            let (command, others) = split_command(&all);
            (command.map(str::to_string), others.join(" "))
        };
        assert_eq!(split("get a -v"), (Some("get".into()), "a -v".into()));
        assert_eq!(split("-v -c x get a"), (Some("get".into()), "-v -c x a".into()));
        assert_eq!(split("-cx get a"), (Some("get".into()), "-cx a".into()));
        assert_eq!(split("--config=x get a"), (Some("get".into()), "--config=x a".into()));
        assert_eq!(split("-h"), (None, "-h".into()));
        assert_eq!(split(""), (None, String::new()));
    }
}
