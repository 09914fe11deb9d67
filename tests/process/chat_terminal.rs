//! Two people at terminals, as tmux shows them: nothing tears while they write, and the terminal comes back as it was.

use std::process::Command;
use std::time::{Duration, Instant};

use super::rig::Home;
use super::serve::serve;

/// How many of four settings a terminal has that a chat takes away.
const SETTINGS: &str = r"stty -a | tr ' ;' '\n\n' | grep -xc -e icanon -e echo -e isig -e icrnl";

/// A tmux server of our own, ended with the test.
struct Tmux<'a> {
    home: &'a Home,
    socket: String,
}

impl<'a> Tmux<'a> {
    fn start(home: &'a Home) -> Option<Tmux<'a>> {
        let socket = home.text("tmux.socket");
        Command::new("tmux").arg("-V").output().ok().map(|_| Tmux { home, socket })
    }

    fn call(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.env_clear().current_dir(self.home.path("")).env("HOME", self.home.path(""));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("PEERLINK_NO_DHT", "true")
            .env("PEERLINK_NO_LSD", "true")
            .env("PEERLINK_NO_PORT_MAP", "true")
            .env("LC_ALL", "C.UTF-8")
            .args(["-u", "-S", &self.socket, "-f", "/dev/null"])
            .args(args);
        let output = command.output().expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).trim_end().to_string()
    }

    /// A terminal of that size with a chat in it; what the terminal is set to is told after its end.
    fn chat(&self, name: &str, columns: usize, words: &str) {
        let binary = env!("CARGO_BIN_EXE_peerlink");
        let line = format!(
            "{binary} chat --nick {name} --port 0 --bind 127.0.0.1 --state-dir {name} {words}; echo ended $? $({SETTINGS}); cat"
        );
        self.call(&["new-session", "-d", "-s", name, "-x", &columns.to_string(), "-y", "24", &line]);
    }

    fn keys(&self, name: &str, keys: &[&str]) {
        self.call(&[&["send-keys", "-t", name], keys].concat());
    }

    fn screen(&self, name: &str) -> String {
        self.call(&["capture-pane", "-p", "-t", name])
    }

    /// Waits until the screen shows it.
    fn shows(&self, name: &str, what: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen(name);
            if what(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{name} shows:\n{screen}");
        }
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.call(&["kill-server"]);
    }
}

fn last_line(screen: &str) -> &str {
    screen.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default()
}

#[test]
fn two_people_write_at_once_and_nothing_tears() {
    let home = Home::new();
    let Some(tmux) = Tmux::start(&home) else {
        println!("SKIPPED: chat at a terminal: tmux is not installed");
        return;
    };
    let (server, port) = serve(&home, &["--state-dir", &home.text("server")]);
    tmux.chat("ann", 70, &format!("--server 127.0.0.1:{port} --group garden"));
    tmux.shows("ann", |screen| screen.contains("you are in #garden") && last_line(screen) == "#garden>");
    tmux.chat("bob", 50, &format!("--server 127.0.0.1:{port} --group garden"));
    tmux.shows("ann", |screen| screen.contains("→ bob is here"));
    tmux.shows("bob", |screen| screen.contains("here: @ann, bob (2)"));

    // Ann is in the middle of a line, with wide letters and the cursor inside, while bob speaks.
    tmux.keys("ann", &["-l", "日本 half a lie"]);
    tmux.keys("ann", &["Left"]);
    tmux.shows("ann", |screen| last_line(screen) == "#garden> 日本 half a lie");
    tmux.keys("bob", &["-l", "hello an"]);
    tmux.keys("bob", &["Tab"]);
    tmux.shows("bob", |screen| last_line(screen) == "#garden> hello ann");
    tmux.keys("bob", &["-l", "and a text that is longer than the terminal is wide"]);
    tmux.shows("bob", |screen| last_line(screen).starts_with("#garden> ‹") && last_line(screen).ends_with("is wide"));
    tmux.keys("bob", &["Enter"]);
    let screen = tmux.shows("ann", |screen| screen.contains("<bob> hello ann and a text that is longer than the"));
    assert_eq!(last_line(&screen), "#garden> 日本 half a lie", "{screen}");
    assert_eq!(screen.matches("#garden>").count(), 1, "{screen}");
    tmux.keys("ann", &["-l", "n"]);
    tmux.shows("ann", |screen| last_line(screen) == "#garden> 日本 half a line");
    tmux.keys("ann", &["C-u"]);
    tmux.keys("ann", &["C-k"]);
    tmux.keys("ann", &["-l", "bob: done"]);
    tmux.keys("ann", &["Enter"]);
    let screen = tmux.shows("bob", |screen| screen.contains("<ann> bob: done"));
    assert_eq!(last_line(&screen), "#garden>", "{screen}");

    // A narrower terminal; a command; what was typed before.
    tmux.call(&["resize-window", "-t", "bob", "-x", "30"]);
    tmux.keys("bob", &["/me smi", "Tab", "les"]);
    tmux.keys("bob", &["Enter"]);
    tmux.shows("ann", |screen| screen.contains("* bob smiles"));
    tmux.keys("bob", &["Up", "Up"]);
    let screen = tmux.shows("bob", |screen| last_line(screen).contains("‹"));
    assert_eq!(screen.matches("#garden>").count(), 1, "{screen}");

    // However it ends, the terminal is as it was.
    tmux.keys("bob", &["C-u", "/quit", "Enter"]);
    tmux.shows("bob", |screen| screen.contains("ended 0 4"));
    tmux.shows("ann", |screen| screen.contains("← bob is gone"));
    tmux.keys("ann", &["-l", "half"]);
    let pid = tmux.call(&["list-panes", "-t", "ann", "-F", "#{pane_pid}"]);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let chat: u32 = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the chat runs");
    super::rig::signal(chat, "TERM");
    tmux.shows("ann", |screen| screen.contains("ended 0 4"));
    server.signal("TERM");
    server.wait().expect(0);
}
