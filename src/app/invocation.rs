//! What the command line asks for: a command with its flags, help, or the version.

use super::args::Command;
use super::argv::{self, Rewritten};
use super::exit::Failure;
use super::settings::Given;

/// Names and duties, in the order of the help.
pub const COMMANDS: [(&str, Command, &str); 20] = [
    ("get", Command::Get, "download torrents and verify every piece"),
    ("seed", Command::Seed, "share torrents, or any file or folder"),
    ("create", Command::Create, "make a .torrent file"),
    ("show", Command::Show, "print what a torrent holds"),
    ("verify", Command::Verify, "check data against a torrent, file by file"),
    ("magnet", Command::Magnet, "print a torrent's magnet link"),
    ("serve", Command::Serve, "run the meeting point of a group, on one port"),
    ("chat", Command::Chat, "talk and share in a group of a server"),
    ("index", Command::Index, "list what is published on a server, or search it"),
    ("publish", Command::Publish, "put a torrent into a server's index"),
    ("unpublish", Command::Unpublish, "take it out again"),
    ("daemon", Command::Daemon, "run the always-on client, with a remote control"),
    ("add", Command::Add, "give torrents to the daemon, or files to share"),
    ("list", Command::List, "list the daemon's torrents"),
    ("status", Command::Status, "say how the daemon stands, or a torrent of it"),
    ("start", Command::Start, "start torrents of the daemon"),
    ("stop", Command::Stop, "stop torrents of the daemon"),
    ("remove", Command::Remove, "take torrents off the daemon's list"),
    ("set", Command::Set, "set what holds for the daemon's torrents"),
    ("config", Command::Config, "print the effective settings and where each came from"),
];

/// Exit codes, and what each means.
pub const EXIT_CODES: [(&str, &str); 11] = [
    ("0", "done"),
    ("1", "other"),
    ("2", "usage"),
    ("3", "bad or missing torrent"),
    ("4", "no peers before --timeout"),
    ("5", "disk"),
    ("6", "server or daemon unreachable"),
    ("7", "stopped but resumable"),
    ("9", "disk full"),
    ("32", "data failed verification"),
    ("130", "stopped by Ctrl-C but resumable"),
];

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// Print this on stdout and exit.
    Print(String),
    Run(Invocation),
}

/// A command and what it was given.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub command: Command,
    /// What stands beside the options, in order.
    pub paths: Vec<String>,
    pub given: Given,
}

/// Reads the words after the program's name.
///
/// # Errors
/// Unknown commands and options, missing values, too many or too few words.
pub fn parse(words: &[String]) -> Result<Asked, Failure> {
    let (name, others) = argv::split_command(words);
    let Some(name) = name else { return parse_bare(&others) };
    let (name, others) = match (name, argv::split_command(&others)) {
        ("version", _) => return Ok(Asked::Print(version())),
        ("help", (None, _)) => return Ok(Asked::Print(top_help())),
        ("help", (Some(topic), _)) => (topic.to_string(), vec!["--help".to_string()]),
        (name, _) => (name.to_string(), others),
    };
    let Some((_, command, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
        return Err(Failure::usage(format!("unknown command `{name}` (`peerlink --help` lists them)")));
    };
    let rewritten = argv::rewrite(&name, &command.flags(), &others)?;
    if rewritten.help {
        return Ok(Asked::Print(command.help(&name)));
    }
    if rewritten.version {
        return Ok(Asked::Print(version()));
    }
    command.invocation(&name, rewritten).map(Asked::Run)
}

/// No command: only help and version make sense.
fn parse_bare(words: &[String]) -> Result<Asked, Failure> {
    let rewritten = argv::rewrite("", &[], words)?;
    if rewritten.version {
        return Ok(Asked::Print(version()));
    }
    if rewritten.help {
        return Ok(Asked::Print(top_help()));
    }
    Err(Failure::usage("no command given (`peerlink --help` lists them)"))
}

fn version() -> String {
    format!("peerlink {}", env!("CARGO_PKG_VERSION"))
}

fn top_help() -> String {
    let codes: Vec<String> = EXIT_CODES.iter().map(|(code, what)| format!("{code} {what}")).collect();
    let codes = codes.join(", ").replacen(", 6 ", ",\n  6 ", 1);
    let commands: String = COMMANDS.iter().map(|(name, _, duty)| format!("  {name:<11}{duty}\n")).collect();
    format!(
        "Usage: peerlink COMMAND [OPTIONS] ...\n\n\
         BitTorrent for small Linux boxes.\n\n\
         Commands:\n{commands}\n\
         Options:\n  -h, --help     this text; `peerlink COMMAND --help` for a command\n  -V, --version  the version\n\n\
         Exit codes:\n  {codes}"
    )
}

impl Command {
    pub fn help(self, name: &str) -> String {
        let early = self.take(name, &["--help"]).err();
        let text = early.map(|early| early.output).unwrap_or_default();
        text.replace("  --help, help  ", "  -h, --help    ").trim_end().to_string()
    }

    fn invocation(self, name: &str, rewritten: Rewritten) -> Result<Invocation, Failure> {
        let args: Vec<&str> = rewritten.args.iter().map(String::as_str).collect();
        let taken = self.take(name, &args).map_err(|early| {
            let line = early.output.split_whitespace().collect::<Vec<_>>().join(" ");
            Failure::usage(format!("{line} (`peerlink {name} --help` explains)"))
        })?;
        let (min, max) = match self {
            Command::Get | Command::Seed | Command::Publish | Command::Add => (1, usize::MAX),
            Command::Start | Command::Stop | Command::Remove => (1, usize::MAX),
            Command::Index | Command::List | Command::Status | Command::Set => (0, usize::MAX),
            Command::Create | Command::Show | Command::Verify | Command::Magnet | Command::Unpublish => (1, 1),
            Command::Serve | Command::Chat | Command::Daemon | Command::Config => (0, 0),
        };
        let usage = |text: &str| Failure::usage(format!("{text} (`peerlink {name} --help` explains)"));
        if taken.positional.len() < min {
            return Err(usage("nothing given to work on"));
        }
        if let Some(extra) = taken.positional.get(max) {
            return Err(usage(&format!("`{extra}` is too much")));
        }
        let mut flags: Vec<_> = taken.flags.into_iter().filter(|(_, values)| !values.is_empty()).collect();
        for (name, value) in rewritten.switches {
            flags.retain(|(given, _)| given != name);
            flags.push((name.to_string(), vec![value]));
        }
        Ok(Invocation { command: self, paths: taken.positional, given: Given { flags } })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{SETTINGS, by_long};
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    fn asked(line: &str) -> Result<Asked, Failure> {
        parse(&words(line))
    }

    fn printed(line: &str) -> String {
        match asked(line) {
            Ok(Asked::Print(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_flag_in_the_help_is_a_setting_and_every_setting_is_in_some_help() {
        let mut seen = Vec::new();
        for (name, ..) in COMMANDS {
            let help = printed(&format!("{name} --help"));
            for line in help.lines().filter(|line| line.starts_with("  -")) {
                let mut flags = line.split_whitespace().take_while(|word| word.starts_with('-'));
                let first = flags.next().unwrap().trim_end_matches(',');
                let short = first.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
                let long = if short.is_some() { flags.next().unwrap() } else { first };
                let long = long.trim_start_matches('-');
                if matches!(long, "help" | "version") {
                    continue;
                }
                let setting = by_long(long).unwrap_or_else(|| panic!("{name} --{long} has no key and no variable"));
                assert_eq!(setting.short.map(String::from).as_deref(), short, "{name} --{long}");
                seen.push(long.to_string());
            }
        }
        for setting in SETTINGS {
            assert!(seen.iter().any(|flag| flag == setting.name), "no command knows {}", setting.name);
        }
    }

    #[test]
    fn help_and_version_in_every_form() {
        for line in ["-h", "--help", "help", "-h --version"] {
            assert!(printed(line).contains("Usage: peerlink") || line.contains("version"), "{line}");
        }
        for line in ["-V", "--version", "version", "get -V"] {
            assert_eq!(printed(line), version(), "{line}");
        }
        for line in ["get -h", "get --help", "help get", "get x --help", "-h get", "get -vh"] {
            assert!(printed(line).starts_with("Usage: peerlink get"), "{line}");
        }
    }

    #[test]
    fn the_given_flags_arrive() {
        let Ok(Asked::Run(run)) = asked("-v get a -dx -v --peer a:1 --peer=b:2 --seed=no - --max-peers 7") else {
            panic!("refused")
        };
        assert_eq!(run.command, Command::Get);
        assert_eq!(run.paths, ["a", "-"]);
        let given = |name: &str| run.given.flags.iter().find(|f| f.0 == name).map(|f| f.1.join(" "));
        assert_eq!(given("dir").as_deref(), Some("x"));
        assert_eq!(given("verbose").as_deref(), Some("2"));
        assert_eq!(given("peer").as_deref(), Some("a:1 b:2"));
        assert_eq!(given("seed").as_deref(), Some("no"));
        assert_eq!(given("max-peers").as_deref(), Some("7"));
        assert_eq!(given("json"), None);
    }

    #[test]
    fn mistakes_get_one_line() {
        for line in
            ["", "frob", "daemon x", "chat x", "get", "get --frob x", "show a b", "config x", "-x get a", "--frob"]
        {
            let failure = asked(line).unwrap_err();
            assert!(!failure.text.contains('\n') && failure.text.len() > 10, "{line}: {}", failure.text);
        }
    }
}
