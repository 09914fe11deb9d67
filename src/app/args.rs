//! The commands and their flags, as argh structs: they make the help and judge what is given.
//!
//! Every flag is a row of [`super::table`]; a test walks the help for one that is not.

use argh::FromArgs;

use super::argv::{self, Rewritten};
use super::exit::Failure;
use super::settings::Given;

/// What a flag's field holds, as the values given.
trait Values {
    fn values(&self) -> Vec<String>;
}

impl Values for Option<String> {
    fn values(&self) -> Vec<String> {
        self.iter().cloned().collect()
    }
}

impl Values for Vec<String> {
    fn values(&self) -> Vec<String> {
        self.clone()
    }
}

impl Values for bool {
    fn values(&self) -> Vec<String> {
        self.then(|| "true".to_string()).into_iter().collect()
    }
}

impl Values for u8 {
    fn values(&self) -> Vec<String> {
        (*self > 0).then(|| self.to_string()).into_iter().collect()
    }
}

/// One command: an argh struct whose fields below the positional ones are flags, named as in the table.
macro_rules! command {
    (
        $(#[$top:meta])* $name:ident, $positional:ident: $(#[$pos_attr:meta])* $pos_type:ident<$pos_inner:ident>,
        $($(#[$attr:meta])* $field:ident: $type:ident $(<$inner:ident>)?,)*
    ) => {
        #[derive(FromArgs, Debug)]
        $(#[$top])*
        struct $name {
            $(#[$pos_attr])*
            $positional: $pos_type<$pos_inner>,
            $($(#[$attr])* $field: $type $(<$inner>)?,)*
        }

        impl $name {
            const FLAGS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn taken(self) -> Taken {
                let named = |field: &str| field.replace('_', "-");
                Taken {
                    positional: self.$positional,
                    flags: vec![$((named(stringify!($field)), self.$field.values())),*],
                }
            }
        }
    };
}

/// What argh made of the words.
struct Taken {
    positional: Vec<String>,
    flags: Vec<(String, Vec<String>)>,
}

command! {
    /// Downloads torrents and verifies every piece. The same command goes on where an earlier one stopped.
    #[argh(usage = "[OPTIONS] SOURCE...", note = "SOURCE is a .torrent file, `-` (standard input) or an http(s) URL of a .torrent file.\nEvery option can also be an environment variable (PEERLINK_MAX_PEERS=50) or a key of the\nconfiguration file (max-peers = 50): see `peerlink config`.")]
    Get, paths: #[argh(positional, arg_name = "SOURCE")] Vec<String>,
    /// folder to download to (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// download only these files, counted from 1: 1-5,8
    #[argh(option, short = 's')] select: Option<String>,
    /// list the files and exit
    #[argh(switch, short = 'l')] list: bool,
    /// a peer to ask, HOST:PORT (repeatable)
    #[argh(option)] peer: Vec<String>,
    /// trackers instead of the torrent's own, URL[,URL] (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// TCP port for peers, 0 for any (default: 6881, or any if that is taken)
    #[argh(option, short = 'p')] port: Option<String>,
    /// local address to listen on and dial from (repeatable)
    #[argh(option)] bind: Vec<String>,
    /// most peers at once per torrent (default: 100)
    #[argh(option)] max_peers: Option<String>,
    /// memory for payload and requests, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// fetch pieces in order instead of rarest first
    #[argh(switch)] sequential: bool,
    /// hash all existing data again
    #[argh(switch)] recheck: bool,
    /// keep sharing when complete, until Ctrl-C
    #[argh(switch)] seed: bool,
    /// give up if no peer delivered anything by then: 30s, 5m
    #[argh(option)] timeout: Option<String>,
    /// shell command to run when complete (told PEERLINK_NAME, PEERLINK_DIR, PEERLINK_INFO_HASH)
    #[argh(option)] on_done: Option<String>,
    /// accepted: the DHT comes with a later version and is off
    #[argh(switch)] no_dht: bool,
    /// accepted: local discovery comes with a later version and is off
    #[argh(switch)] no_lsd: bool,
    /// accepted: peer exchange comes with a later version and is off
    #[argh(switch)] no_pex: bool,
    /// one JSON object per line on standard output
    #[argh(switch, short = 'j')] json: bool,
    /// say nothing but errors
    #[argh(switch, short = 'q')] quiet: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
}

command! {
    /// Shares torrents, or any file or folder, until Ctrl-C.
    #[argh(usage = "[OPTIONS] PATH|TORRENT...", note = "For a .torrent file, its data is looked for in --dir and checked first.\nFor any other file or folder, a torrent is made of it and written to --output, or into the state folder.")]
    Seed, paths: #[argh(positional, arg_name = "PATH|TORRENT")] Vec<String>,
    /// folder that holds the data of a .torrent file (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// where to write the torrent made of PATH
    #[argh(option, short = 'o')] output: Option<String>,
    /// a peer to connect to, HOST:PORT (repeatable)
    #[argh(option)] peer: Vec<String>,
    /// trackers, URL[,URL] (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// TCP port for peers, 0 for any (default: 6881, or any if that is taken)
    #[argh(option, short = 'p')] port: Option<String>,
    /// local address to listen on and dial from (repeatable)
    #[argh(option)] bind: Vec<String>,
    /// most peers at once per torrent (default: 100)
    #[argh(option)] max_peers: Option<String>,
    /// memory for payload and requests, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// hash all data again
    #[argh(switch)] recheck: bool,
    /// accepted: the DHT comes with a later version and is off
    #[argh(switch)] no_dht: bool,
    /// accepted: local discovery comes with a later version and is off
    #[argh(switch)] no_lsd: bool,
    /// accepted: peer exchange comes with a later version and is off
    #[argh(switch)] no_pex: bool,
    /// one JSON object per line on standard output
    #[argh(switch, short = 'j')] json: bool,
    /// say nothing but errors
    #[argh(switch, short = 'q')] quiet: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
}

command! {
    /// Makes a .torrent file of a file or folder.
    #[argh(usage = "[OPTIONS] PATH")]
    Create, paths: #[argh(positional, arg_name = "PATH")] Vec<String>,
    /// where to write it, `-` for standard output (default: NAME.torrent in the current folder)
    #[argh(option, short = 'o')] output: Option<String>,
    /// replace an existing file
    #[argh(switch, short = 'f')] force: bool,
    /// trackers, URL[,URL] (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// peers come from the trackers only (BEP 27)
    #[argh(switch)] private: bool,
    /// a comment for people
    #[argh(option)] comment: Option<String>,
    /// a mark that changes the info hash
    #[argh(option)] source: Option<String>,
    /// a power of two, 16K to 512M (default: fit to the size)
    #[argh(option)] piece_length: Option<String>,
    /// a web server that has the data, URL (repeatable)
    #[argh(option)] web_seed: Vec<String>,
    /// leave the date out, so that the same data makes the same file
    #[argh(switch)] no_date: bool,
    /// print one JSON object
    #[argh(switch, short = 'j')] json: bool,
    /// say nothing but errors
    #[argh(switch, short = 'q')] quiet: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Prints what a torrent holds.
    #[argh(usage = "[OPTIONS] SOURCE", note = "SOURCE is a .torrent file, `-` (standard input) or an http(s) URL of a .torrent file.")]
    Show, paths: #[argh(positional, arg_name = "SOURCE")] Vec<String>,
    /// print one JSON object
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Prints the effective settings and where each came from.
    #[argh(usage = "[OPTIONS]")]
    Config, paths: #[argh(positional)] Vec<String>,
    /// one JSON object per line
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
}

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Get,
    Seed,
    Create,
    Show,
    Config,
}

/// Names and duties, in the order of the help.
const COMMANDS: [(&str, Command, &str); 5] = [
    ("get", Command::Get, "download torrents and verify every piece"),
    ("seed", Command::Seed, "share torrents, or any file or folder"),
    ("create", Command::Create, "make a .torrent file"),
    ("show", Command::Show, "print what a torrent holds"),
    ("config", Command::Config, "print the effective settings and where each came from"),
];

/// Commands that come with later versions.
const LATER: [&str; 17] = [
    "verify",
    "magnet",
    "serve",
    "chat",
    "index",
    "publish",
    "unpublish",
    "daemon",
    "add",
    "list",
    "status",
    "start",
    "stop",
    "remove",
    "set",
    "share",
    "tracker",
];

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// Print this on stdout and exit.
    Print(String),
    Run(Invocation),
}

/// A command and what it was given.
#[derive(Debug)]
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
        return Err(Failure::usage(match LATER.contains(&name.as_str()) {
            true => format!("`peerlink {name}` comes with a later version (`peerlink --help` lists what works)"),
            false => format!("unknown command `{name}` (`peerlink --help` lists them)"),
        }));
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
    let commands: String = COMMANDS.iter().map(|(name, _, duty)| format!("  {name:<8}{duty}\n")).collect();
    format!(
        "Usage: peerlink COMMAND [OPTIONS] ...\n\n\
         BitTorrent for small Linux boxes.\n\n\
         Commands:\n{commands}\n\
         Options:\n  -h, --help     this text; `peerlink COMMAND --help` for a command\n  -V, --version  the version\n\n\
         Exit codes:\n  0 done, 1 other, 2 usage, 3 bad or missing torrent, 4 no peers before --timeout, 5 disk,\n  \
         6 server unreachable, 7 stopped but resumable (Ctrl-C: 130), 9 disk full, 32 data failed verification"
    )
}

impl Command {
    /// Long names of the flags it knows.
    pub fn flags(self) -> Vec<String> {
        let fields = match self {
            Command::Get => Get::FLAGS,
            Command::Seed => Seed::FLAGS,
            Command::Create => Create::FLAGS,
            Command::Show => Show::FLAGS,
            Command::Config => Config::FLAGS,
        };
        fields.iter().map(|field| field.replace('_', "-")).collect()
    }

    fn take(self, name: &str, args: &[&str]) -> Result<Taken, argh::EarlyExit> {
        let name = ["peerlink", name];
        match self {
            Command::Get => Get::from_args(&name, args).map(Get::taken),
            Command::Seed => Seed::from_args(&name, args).map(Seed::taken),
            Command::Create => Create::from_args(&name, args).map(Create::taken),
            Command::Show => Show::from_args(&name, args).map(Show::taken),
            Command::Config => Config::from_args(&name, args).map(Config::taken),
        }
    }

    fn help(self, name: &str) -> String {
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
            Command::Get | Command::Seed => (1, usize::MAX),
            Command::Create | Command::Show => (1, 1),
            Command::Config => (0, 0),
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
        for setting in &SETTINGS {
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
        for line in ["", "frob", "serve", "get", "get --frob x", "show a b", "config x", "-x get a", "--frob"] {
            let failure = asked(line).unwrap_err();
            assert!(!failure.text.contains('\n') && failure.text.len() > 10, "{line}: {}", failure.text);
        }
        assert!(asked("serve").unwrap_err().text.contains("later"));
    }
}
