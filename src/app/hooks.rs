//! Commands that run when something happens to a torrent of the daemon: a few at a time, each waited for.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::settings::Settings;
use crate::machine::{Event, Happened};

/// Commands at once, and events that wait for one of their places.
const RUNNING_MAX: usize = 4;
const WAITING_MAX: usize = 256;

/// What is to be run when.
#[derive(Clone, Debug)]
pub struct Hooks {
    commands: Arc<Mutex<Commands>>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug)]
struct Commands {
    on_add: Option<String>,
    on_done: Option<String>,
    on_error: Option<String>,
}

impl Commands {
    fn of(settings: &Settings) -> Commands {
        let command = |name: &str| settings.text(name).map(str::to_string);
        Commands { on_add: command("on-add"), on_done: command("on-done"), on_error: command("on-error") }
    }
}

#[derive(Debug, Default)]
struct Queue {
    running: usize,
    waiting: VecDeque<(String, Happened)>,
}

impl Hooks {
    pub fn of(settings: &Settings) -> Hooks {
        Hooks { commands: Arc::new(Mutex::new(Commands::of(settings))), queue: Arc::default() }
    }

    /// What the settings say now counts from now on.
    pub fn read_again(&self, settings: &Settings) {
        *self.commands.lock().unwrap_or_else(PoisonError::into_inner) = Commands::of(settings);
    }

    /// Runs what is to be run, as soon as there is a place.
    pub fn run(&self, happened: Happened) {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let command = match happened.event {
            Event::Added => &commands.on_add,
            Event::Done => &commands.on_done,
            Event::Error => &commands.on_error,
        };
        let Some(command) = command.clone() else { return };
        drop(commands);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.len() >= WAITING_MAX {
            return log::warn!("too many commands wait to be run: none is for {}", happened.name);
        }
        queue.waiting.push_back((command, happened));
        if queue.running >= RUNNING_MAX {
            return;
        }
        queue.running += 1;
        drop(queue);
        let shared = self.queue.clone();
        let work = move || work(&shared);
        if std::thread::Builder::new().name("hook".into()).stack_size(128 * 1024).spawn(work).is_err() {
            self.queue.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        }
    }
}

/// Runs one after the other until none waits.
fn work(shared: &Mutex<Queue>) {
    loop {
        let mut queue = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((command, happened)) = queue.waiting.pop_front() else {
            queue.running -= 1;
            return;
        };
        drop(queue);
        match shell(&command, &happened).status() {
            Ok(status) if status.success() => {}
            Ok(status) => log::warn!("{command}: {status}"),
            Err(e) => log::warn!("cannot run /bin/sh: {e}"),
        }
    }
}

/// The command, told what happened: by our names, and by those that Transmission's scripts know.
fn shell(command: &str, happened: &Happened) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::null());
    // What it prints is no result of ours.
    shell.stdout(std::io::stderr());
    let (id, hash, labels) = (happened.id.to_string(), happened.info_hash.to_string(), happened.labels.join(","));
    for (name, value) in [("ID", &id), ("NAME", &happened.name), ("LABELS", &labels)] {
        shell.env(format!("PEERLINK_{name}"), value).env(format!("TR_TORRENT_{name}"), value);
    }
    shell.env("PEERLINK_INFO_HASH", &hash).env("TR_TORRENT_HASH", &hash);
    shell.env("PEERLINK_DIR", &happened.dir).env("TR_TORRENT_DIR", &happened.dir);
    shell.env("PEERLINK_SIZE", happened.len.to_string());
    shell.env("PEERLINK_ERROR", &happened.error);
    shell.env("TR_TORRENT_BYTES_DOWNLOADED", happened.len.to_string());
    shell.env("TR_APP_VERSION", "4.0.6");
    shell
}
