//! The manual page and the shells' completions, made of the definitions of commands and flags. The files below `scripts/`
//! are what is made here, or the test fails; `scripts/manual` writes them.

use std::fmt::Write;
use std::path::Path;

use super::invocation::{COMMANDS, EXIT_CODES};
use super::table::{self, Kind, Setting};

/// An option as the help says it.
struct Flag {
    long: String,
    short: Option<char>,
    text: String,
}

impl Flag {
    /// Its row; None for `--help`.
    fn setting(&self) -> Option<&'static Setting> {
        table::by_long(&self.long)
    }

    fn takes_value(&self) -> bool {
        self.setting().is_some_and(|setting| setting.kind.takes_value())
    }

    /// What may stand behind it.
    fn value(&self) -> Value {
        match self.setting().map(|setting| (setting.kind, setting.about)) {
            Some((Kind::Choice(words), _)) => Value::Words(words),
            Some((Kind::Text, "a folder")) => Value::Folder,
            Some((Kind::Text, about)) if about.starts_with("a file") => Value::File,
            _ => Value::Other,
        }
    }
}

enum Value {
    Words(&'static [&'static str]),
    Folder,
    File,
    Other,
}

/// A command as its help says it.
struct Page {
    name: &'static str,
    duty: &'static str,
    usage: String,
    text: String,
    flags: Vec<Flag>,
    note: String,
}

/// Paragraphs of a help: usage, what it does, positional arguments, options, and remarks.
fn pages() -> Vec<Page> {
    let page = |(name, command, duty): &(&'static str, super::args::Command, &'static str)| {
        let help = command.help(name);
        let mut paragraphs = help.split("\n\n");
        let usage = paragraphs.next().expect("a usage").trim_start_matches("Usage: ").to_string();
        let text = paragraphs.next().expect("what it does").to_string();
        let mut rest = paragraphs.skip_while(|paragraph| !paragraph.starts_with("Options:\n"));
        let options = rest.next().expect("every command has options");
        let note = rest.collect::<Vec<_>>().join("\n\n");
        Page { name, duty, usage, text, flags: flags(options), note }
    };
    COMMANDS.iter().map(page).collect()
}

fn flags(options: &str) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for line in options.lines().skip(1) {
        if let Some(named) = line.strip_prefix("  -") {
            let (short, rest) = match named.strip_prefix('-') {
                Some(rest) => (None, rest),
                None => (named.chars().next(), named.split_once(", --").expect("a long name").1),
            };
            let (long, text) = rest.split_once(' ').unwrap_or((rest, ""));
            flags.push(Flag { long: long.to_string(), short, text: text.trim().to_string() });
        } else if let Some(last) = flags.last_mut() {
            last.text.push(' ');
            last.text.push_str(line.trim());
        }
    }
    flags.iter_mut().for_each(|flag| flag.text = flag.text.trim().to_string());
    flags
}

/// Text for troff.
fn troff(text: &str) -> String {
    let escaped = text.replace('\\', "\\(rs").replace('-', "\\-");
    let line = |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_string() };
    escaped.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn man() -> String {
    let mut to = String::new();
    let mut line = |text: String| writeln!(to, "{text}").expect("a String takes everything");
    line(format!(".TH PEERLINK 1 \"\" \"peerlink {}\" \"User Commands\"", env!("CARGO_PKG_VERSION")));
    line(".SH NAME\npeerlink \\- BitTorrent for small Linux boxes".into());
    line(".SH SYNOPSIS\n.B peerlink\n.I COMMAND\n[\\fIOPTIONS\\fR] ...".into());
    line(".SH DESCRIPTION\nDownloads and shares torrents, runs the meeting point of a group (tracker, index of torrents, \
          chat), joins such a group, and runs as an always\\-on client with a remote control."
        .into());
    line(".SH COMMANDS".into());
    for page in pages() {
        line(format!(".TP\n.B {}\n{}", page.name, troff(page.duty)));
    }
    for page in pages() {
        line(format!(".SH \"{}\"\n.B {}\n.PP\n{}", page.name.to_uppercase(), troff(&page.usage), troff(&page.text)));
        for flag in page.flags {
            let short = flag.short.map_or(String::new(), |short| format!("\\fB\\-{short}\\fR, "));
            let value = if flag.takes_value() { " \\fIVALUE\\fR" } else { "" };
            line(format!(".TP\n{short}\\fB\\-\\-{}\\fR{value}\n{}", troff(&flag.long), troff(&flag.text)));
        }
        if !page.note.is_empty() {
            line(format!(".PP\n{}", troff(&page.note).replace("\n\n", "\n.PP\n")));
        }
    }
    line(".SH \"EXIT STATUS\"".into());
    for (code, what) in EXIT_CODES {
        line(format!(".TP\n.B {code}\n{}", troff(what)));
    }
    line(
        ".SH ENVIRONMENT\nEvery option can also be an environment variable: \\fBPEERLINK_MAX_PEERS=50\\fR is \
          \\fB\\-\\-max\\-peers 50\\fR. A flag beats the environment, which beats the configuration file."
            .into(),
    );
    line(".SH FILES\n.TP\n.I ~/.config/peerlink/peerlink.toml\nThe configuration file: keys are the long names of options. \
          \\fBpeerlink config\\fR prints what is in effect.\n.TP\n.I ~/.local/state/peerlink\nWhat is remembered between \
          runs."
        .into());
    to
}

fn bash() -> String {
    let mut to = String::from("# Completion of peerlink for bash; made by scripts/manual.\n_peerlink() {\n");
    to.push_str(
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' word flags=''\n",
    );
    to.push_str("    for word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n");
    to.push_str("        case $word in -*) ;; *) command=$word; break ;; esac\n    done\n    COMPREPLY=()\n");
    let names: Vec<&str> = COMMANDS.iter().map(|(name, ..)| *name).collect();
    to.push_str("    if [ -z \"$command\" ]; then\n");
    writeln!(to, "        mapfile -t COMPREPLY < <(compgen -W \"{} --help --version\" -- \"$cur\")", names.join(" "))
        .expect("a String takes everything");
    to.push_str("        return\n    fi\n    case $prev in\n");
    for setting in table::SETTINGS.iter().filter(|setting| setting.kind.takes_value()) {
        let flag = Flag { long: setting.name.into(), short: setting.short, text: String::new() };
        let short = setting.short.map_or(String::new(), |short| format!("|-{short}"));
        let action = match flag.value() {
            Value::Words(words) => {
                format!("mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$cur\"); return", words.join(" "))
            }
            Value::Folder => "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return".into(),
            Value::File => "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return".into(),
            Value::Other => "return".into(),
        };
        writeln!(to, "        --{}{short}) {action} ;;", setting.name).expect("a String takes everything");
    }
    to.push_str("    esac\n    if [[ $cur == -* ]]; then\n        case $command in\n");
    for page in pages() {
        let flags: Vec<String> = page.flags.iter().map(|flag| format!("--{}", flag.long)).collect();
        writeln!(to, "            {}) flags=\"{}\" ;;", page.name, flags.join(" "))
            .expect("a String takes everything");
    }
    to.push_str("        esac\n        mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n    else\n");
    to.push_str("        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    fi\n}\n");
    to.push_str("complete -o filenames -F _peerlink peerlink\n");
    to
}

fn zsh() -> String {
    let plain = |text: &str| text.replace('\'', "'\\''").replace(':', "\\:").replace('[', "\\[").replace(']', "\\]");
    let mut to = String::from("#compdef peerlink\n# Completion of peerlink for zsh; made by scripts/manual.\n");
    to.push_str("_peerlink() {\n    local state\n    local -a commands\n    commands=(\n");
    for (name, _, duty) in COMMANDS {
        writeln!(to, "        '{name}:{}'", plain(duty)).expect("a String takes everything");
    }
    to.push_str("    )\n    _arguments -C '1:command:->command' '*::argument:->arguments'\n    case $state in\n");
    to.push_str(
        "        command) _describe command commands ;;\n        arguments)\n            case $words[1] in\n",
    );
    for page in pages() {
        writeln!(to, "                {})\n                    _arguments \\", page.name)
            .expect("a String takes everything");
        for flag in &page.flags {
            let repeats = flag.setting().is_some_and(|setting| setting.kind.repeats() || setting.kind == Kind::Level);
            let star = if repeats { "*" } else { "" };
            let names = match flag.short {
                Some(short) if repeats => format!("'*'{{-{short},--{}}}", flag.long),
                Some(short) => format!("'(-{short} --{0})'{{-{short},--{0}}}", flag.long),
                None => format!("'{star}--{}'", flag.long),
            };
            let value = match flag.value() {
                _ if !flag.takes_value() => String::new(),
                Value::Words(words) => format!(":value:({})", words.join(" ")),
                Value::Folder => ":folder:_files -/".into(),
                Value::File => ":file:_files".into(),
                Value::Other => ":value:".into(),
            };
            writeln!(to, "                        {names}'[{}]{value}' \\", plain(&flag.text))
                .expect("a String takes everything");
        }
        to.push_str("                        '*:file:_files'\n                    ;;\n");
    }
    to.push_str("            esac\n            ;;\n    esac\n}\n_peerlink \"$@\"\n");
    to
}

fn fish() -> String {
    let plain = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut to = String::from("# Completion of peerlink for fish; made by scripts/manual.\n");
    for (name, _, duty) in COMMANDS {
        writeln!(to, "complete -c peerlink -f -n __fish_use_subcommand -a {name} -d '{}'", plain(duty))
            .expect("a String takes everything");
    }
    for page in pages() {
        for flag in &page.flags {
            let short = flag.short.map_or(String::new(), |short| format!(" -s {short}"));
            let value = match flag.value() {
                _ if !flag.takes_value() => String::new(),
                Value::Words(words) => format!(" -x -a '{}'", words.join(" ")),
                Value::Folder => " -x -a '(__fish_complete_directories)'".into(),
                Value::File => " -r".into(),
                Value::Other => " -x".into(),
            };
            let of = format!("-n '__fish_seen_subcommand_from {}'", page.name);
            writeln!(to, "complete -c peerlink {of} -l {}{short}{value} -d '{}'", flag.long, plain(&flag.text))
                .expect("a String takes everything");
        }
    }
    to
}

#[test]
fn the_manual_and_the_completions_are_those_of_the_flags() {
    let made = [
        ("scripts/peerlink.1", man()),
        ("scripts/completions/peerlink.bash", bash()),
        ("scripts/completions/_peerlink", zsh()),
        ("scripts/completions/peerlink.fish", fish()),
    ];
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in made {
        if std::env::var_os("PEERLINK_WRITE_MANUAL").is_some() {
            std::fs::write(top.join(name), &text).unwrap();
        }
        let there = std::fs::read_to_string(top.join(name)).unwrap_or_default();
        assert!(there == text, "{name} is not what the flags are now: run scripts/manual");
    }
}

#[test]
fn every_flag_is_in_the_manual() {
    let man = man();
    for setting in table::SETTINGS {
        assert!(man.contains(&format!("\\-\\-{}\\fR", setting.name.replace('-', "\\-"))), "{}", setting.name);
    }
    let count: usize = pages().iter().map(|page| page.flags.iter().filter(|flag| flag.text.is_empty()).count()).sum();
    assert_eq!(count, 0, "flags without a word");
}
