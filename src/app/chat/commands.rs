//! What a person types: words for everybody, or a command that begins with `/`.

pub use super::super::discovery::group_name;
use crate::wire::irc;

/// What a line means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Nothing was typed.
    Nothing,
    Say(String),
    Me(String),
    Msg {
        to: String,
        text: String,
    },
    Nick(String),
    /// None shows it.
    Topic(Option<String>),
    Who,
    Peers,
    Groups,
    /// None lists who is ignored.
    Ignore(Option<String>),
    Join {
        group: String,
        key: Option<String>,
    },
    Part(String),
    Share {
        path: String,
        is_public: bool,
    },
    Shares,
    Get(usize),
    Downloads,
    Help,
    Quit,
    /// It makes no sense, and why.
    Wrong(String),
}

/// Names, what follows them, and what they do, in the order of `/help`.
pub const COMMANDS: [(&str, &str, &str); 17] = [
    ("/nick", "NAME", "be called so"),
    ("/me", "TEXT", "say what you do"),
    ("/msg", "NICK TEXT", "say it to one only"),
    ("/topic", "[TEXT]", "show or set what the group is about"),
    ("/who", "", "who is here"),
    ("/peers", "", "who shares, and peers of what you share and get"),
    ("/groups", "", "groups of this server"),
    ("/ignore", "[NICK]", "hide what somebody says, or show it again"),
    ("/join", "GROUP [KEY]", "go to another group"),
    ("/part", "[REASON]", "leave this group"),
    ("/share", "[--public] PATH", "share a file or folder with this group"),
    ("/shares", "", "what was shared here"),
    ("/get", "N", "download number N of /shares"),
    ("/downloads", "", "how downloads and shares stand"),
    ("/help", "", "this list"),
    ("/quit", "", "leave"),
    ("//", "TEXT", "say something that begins with /"),
];

/// Reads a line.
pub fn parse(line: &str) -> Command {
    let line = line.trim_end();
    if line.trim().is_empty() {
        return Command::Nothing;
    }
    let Some(rest) = line.strip_prefix('/') else { return Command::Say(line.to_string()) };
    if let Some(text) = rest.strip_prefix('/') {
        return Command::Say(format!("/{text}"));
    }
    let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim_start();
    let text = || rest.to_string();
    let maybe = || Some(rest.to_string()).filter(|text| !text.is_empty());
    match name.to_ascii_lowercase().as_str() {
        "nick" if irc::is_nick(rest) => Command::Nick(text()),
        "nick" => {
            Command::Wrong("/nick NAME: up to 32 letters, digits and - _ [ ] { } | ` ^, not a digit first".into())
        }
        "me" if !rest.is_empty() => Command::Me(text()),
        "msg" | "query" => match rest.split_once(char::is_whitespace) {
            Some((to, text)) if !text.trim().is_empty() => {
                Command::Msg { to: to.to_string(), text: text.trim_start().to_string() }
            }
            _ => Command::Wrong("/msg NICK TEXT".into()),
        },
        "topic" => Command::Topic(maybe()),
        "who" | "names" => Command::Who,
        "peers" => Command::Peers,
        "groups" | "list" => Command::Groups,
        "ignore" => Command::Ignore(maybe()),
        "join" | "j" => join(rest),
        "part" | "leave" => Command::Part(text()),
        "share" => share(rest),
        "shares" => Command::Shares,
        "get" => match rest.parse() {
            Ok(number) if number > 0 => Command::Get(number),
            _ => Command::Wrong("/get N: a number of /shares".into()),
        },
        "downloads" => Command::Downloads,
        "help" | "?" => Command::Help,
        "quit" | "exit" => Command::Quit,
        "me" => Command::Wrong("/me TEXT".into()),
        _ => Command::Wrong(format!("there is no /{name} (/help lists what there is)")),
    }
}

fn join(rest: &str) -> Command {
    let mut words = rest.split_whitespace();
    match words.next().map(group_name) {
        Some(Ok(group)) => Command::Join { group, key: words.next().map(str::to_string) },
        Some(Err(why)) => Command::Wrong(why),
        None => Command::Wrong("/join GROUP [KEY]".into()),
    }
}

fn share(rest: &str) -> Command {
    let (is_public, path) = match rest.strip_prefix("--public") {
        Some(path) if path.is_empty() || path.starts_with(char::is_whitespace) => (true, path.trim_start()),
        _ => (false, rest),
    };
    match path {
        "" => Command::Wrong("/share [--public] PATH".into()),
        path => Command::Share { path: path.to_string(), is_public },
    }
}

/// `/help`, as lines.
pub fn help() -> Vec<String> {
    let line = |(name, words, what): &(&str, &str, &str)| {
        let sep = if *name == "//" { "" } else { " " };
        let usage = format!("{name}{sep}{words}");
        format!("  {usage:<24}{what}")
    };
    let mut lines: Vec<String> = COMMANDS.iter().map(line).collect();
    lines.push("Tab completes nicks, commands and paths; Up and Down bring lines back.".into());
    lines
}

/// What the word before the cursor may become: where it begins, and the words, best first.
pub fn complete<'a>(line: &str, nicks: impl Iterator<Item = &'a str>) -> (usize, Vec<String>) {
    let from = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let word = &line[from..];
    let starts = |full: &str| {
        full.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
            && full.is_char_boundary(word.len())
    };
    if from == 0 && word.starts_with('/') {
        let fitting = COMMANDS.iter().filter(|(name, ..)| *name != "//" && starts(name));
        return (0, fitting.map(|(name, ..)| format!("{name} ")).collect());
    }
    if word.is_empty() {
        return (from, Vec::new());
    }
    let end = if from == 0 { ": " } else { " " };
    let mut fitting: Vec<String> = nicks.filter(|nick| starts(nick)).map(|nick| format!("{nick}{end}")).collect();
    fitting.sort_by_key(|nick| nick.to_ascii_lowercase());
    (from, fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_people_mean() {
        let say = |text: &str| Command::Say(text.into());
        let join = |group: &str, key: Option<&str>| Command::Join { group: group.into(), key: key.map(Into::into) };
        let share = |path: &str, is_public| Command::Share { path: path.into(), is_public };
        let table = [
            ("", Command::Nothing),
            ("  ", Command::Nothing),
            ("hi  there ", say("hi  there")),
            (" /quit", say(" /quit")),
            ("//quit", say("/quit")),
            ("/QUIT", Command::Quit),
            ("/me  waves", Command::Me("waves".into())),
            ("/msg bob  hi you", Command::Msg { to: "bob".into(), text: "hi you".into() }),
            ("/nick ann", Command::Nick("ann".into())),
            ("/topic", Command::Topic(None)),
            ("/topic new one", Command::Topic(Some("new one".into()))),
            ("/join x", join("#x", None)),
            ("/j #x key", join("#x", Some("key"))),
            ("/part", Command::Part(String::new())),
            ("/share my holidays", share("my holidays", false)),
            ("/share --public a", share("a", true)),
            ("/share --publica", share("--publica", false)),
            ("/get 3", Command::Get(3)),
            ("/ignore bob", Command::Ignore(Some("bob".into()))),
        ];
        for (line, command) in table {
            assert_eq!(parse(line), command, "{line}");
        }
        for line in [
            "/frob",
            "/msg bob",
            "/me",
            "/nick 1a",
            "/nick a b",
            "/join",
            "/join a,b",
            "/get",
            "/get 0",
            "/share",
            "/",
        ] {
            assert!(matches!(parse(line), Command::Wrong(why) if why.len() > 7), "{line}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_known() {
        for (name, ..) in COMMANDS {
            let line = format!("{name} 1");
            assert!(!matches!(parse(&line), Command::Wrong(why) if why.contains("there is no")), "{name}");
        }
    }

    #[test]
    fn words_are_completed() {
        let nicks = || ["bob", "Ann", "annette", "日本"].into_iter();
        assert_eq!(complete("an", nicks()), (0, vec!["Ann: ".into(), "annette: ".into()]));
        assert_eq!(complete("hi b", nicks()), (3, vec!["bob ".into()]));
        assert_eq!(complete("/sh", nicks()), (0, vec!["/share ".into(), "/shares ".into()]));
        assert_eq!(complete("日", nicks()), (0, vec!["日本: ".into()]));
        assert_eq!(complete("/msg ", nicks()), (5, vec![]));
        assert_eq!(complete("x", nicks()), (0, vec![]));
    }
}
