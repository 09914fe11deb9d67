//! Commands, arguments, settings, start-up and exit codes.

pub mod args;
pub mod argv;
mod ask;
mod bans;
mod blocklist;
pub mod chat;
pub mod config;
#[cfg(feature = "create")]
pub mod create;
#[cfg(not(feature = "create"))]
#[path = "no_create.rs"]
pub mod create;
pub mod daemon;
pub mod daemon_client;
mod daemon_given;
mod daemon_table;
pub mod dht;
pub mod discovery;
pub mod enough;
pub mod exit;
pub mod file;
pub mod follow;
pub mod get;
pub mod hashing;
mod hooks;
pub mod index;
pub mod invocation;
pub mod json;
pub mod magnet;
#[cfg(test)]
mod manual;
mod notify;
mod open;
pub mod own_key;
mod portmap;
pub mod progress;
pub mod publish;
pub mod run;
pub mod seed;
pub mod serve;
mod serve_groups;
mod serve_index;
pub mod server;
pub mod settings;
pub mod show;
pub mod sought;
pub mod source;
pub mod space;
pub mod table;
pub mod tokens;
pub mod values;
pub mod verify;
mod watch_dir;
pub mod way_out;

use std::process::ExitCode;
use std::time::Duration;

use args::Command;
use exit::{Exit, Failure};
use file::ConfigFile;
use invocation::{Asked, Invocation};
use settings::Settings;

use crate::io::console::{Console, ConsoleThread, Stream};
use crate::io::tls::Trust;

/// What is still to be written may take this long after a download or seed ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the command line.
pub fn main() -> ExitCode {
    let Ok(thread) = ConsoleThread::start() else { return code(Exit::Other) };
    let console = thread.console();
    let (mut exit, patience) = match words().and_then(|words| invocation::parse(&words)) {
        Ok(Asked::Print(text)) => {
            console.result(text);
            (Exit::Done, None)
        }
        Ok(Asked::Run(asked)) => {
            let is_long = matches!(asked.command, Command::Get | Command::Seed | Command::Chat);
            (run(&asked, &console), is_long.then_some(LAST_WORDS))
        }
        Err(failure) => (report(&failure, false, &console), None),
    };
    if thread.finish(patience).is_err() && exit == Exit::Done {
        exit = Exit::Other;
    }
    code(exit)
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

/// The words after the program's name.
fn words() -> Result<Vec<String>, Failure> {
    let bad = |word: std::ffi::OsString| {
        let shown = crate::base::text::harmless(&word.to_string_lossy());
        Failure::usage(format!("`{shown}` is not UTF-8, and only such names can be used"))
    };
    std::env::args_os().skip(1).map(|word| word.into_string().map_err(bad)).collect()
}

fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The one line that says why; as an object too where objects are asked for.
fn report(failure: &Failure, as_json: bool, console: &Console) -> Exit {
    if as_json {
        console.result(json::Object::empty().text("error", &failure.text).line());
    }
    console.line(Stream::Err, format!("peerlink: {}", failure.text));
    failure.exit
}

fn run(asked: &Invocation, console: &Console) -> Exit {
    // A mistake in the settings is told before it is known whether they ask for JSON.
    let wants_json = asked.given.flags.iter().any(|(name, values)| name == "json" && values == &["true"]);
    let settings = match settings(asked) {
        Ok(settings) => settings,
        Err(failure) => return report(&failure, wants_json, console),
    };
    let as_json = settings.switch("json");
    start_log(settings.count("verbose").unwrap_or(0), settings.switch("quiet"), console);
    match command(asked, &settings, console) {
        Ok(exit) => exit,
        Err(failure) => report(&failure, as_json, console),
    }
}

fn settings(asked: &Invocation) -> Result<Settings, Failure> {
    let file = match settings::config_path(&asked.given, &environment) {
        Some((path, must_exist)) => ConfigFile::read(&path, must_exist)?,
        None => ConfigFile::default(),
    };
    Settings::resolve(&asked.given, &environment, &file)
}

fn start_log(verbose: u64, quiet: bool, console: &Console) {
    let level = match verbose {
        _ if quiet => log::LevelFilter::Error,
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        2 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    let format = |to: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
        use std::io::Write;
        writeln!(to, "{}: {}", record.level().as_str().to_ascii_lowercase(), record.args())
    };
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).format(format).target(env_logger::Target::Pipe(console.log_pipe()));
    // A second logger in one process can only be a test's.
    let _ = builder.try_init();
}

/// Whom to believe of those who say that they are somebody's server, where a person has said so.
fn believe(settings: &Settings) -> Result<(), Failure> {
    if let Some(file) = settings.path("ca-file")? {
        Trust::of_file(&file).map_err(|why| Failure::usage(format!("--ca-file: {why}")))?.believe();
    }
    Ok(())
}

fn command(asked: &Invocation, settings: &Settings, console: &Console) -> Result<Exit, Failure> {
    believe(settings)?;
    way_out::of(settings).take();
    let as_json = settings.switch("json");
    let first = asked.paths.first().map_or("", String::as_str);
    match asked.command {
        Command::Show => return show::run(first, settings, &environment, console),
        Command::Verify => return verify::run(first, settings, console),
        Command::Magnet => magnet::run(first, as_json, console)?,
        Command::Config => config::run(settings, &environment, as_json, console),
        Command::Get => return get::run(&asked.paths, settings, &environment, console),
        Command::Seed => return seed::run(&asked.paths, settings, &environment, console),
        Command::Index => return index::run(&asked.paths, settings, console),
        Command::Publish => return publish::run(&asked.paths, settings, &environment, console),
        Command::Unpublish => return publish::take_back(first, settings, &environment, console),
        Command::Chat => return chat::run(settings, &environment, console),
        Command::Serve => return serve::run(settings, &environment, console),
        Command::Daemon => {
            let asked = asked.clone();
            let reload = move || self::settings(&asked);
            return daemon::run(settings, reload, &environment, console);
        }
        Command::Add => return ask::add(&asked.paths, settings, &environment, console),
        Command::List => return ask::list(&asked.paths, settings, console),
        Command::Status => return ask::status(&asked.paths, settings, console),
        Command::Start => return ask::act("torrent-start", &asked.paths, settings, console),
        Command::Stop => return ask::act("torrent-stop", &asked.paths, settings, console),
        Command::Remove => return ask::act("torrent-remove", &asked.paths, settings, console),
        Command::Set => return ask::set(&asked.paths, settings, console),
        Command::Create => return create::run(first, settings, console),
    }
    Ok(Exit::Done)
}
