//! What starts `peerlink serve` on systems that run it for good: the systemd unit and OpenWrt's init script.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::rig::Home;

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)
}

/// Whether there is such a program; says so where there is none.
fn is_here(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_here = command.status().is_ok_and(|status| status.success());
    if !is_here {
        println!("SKIPPED: services: {program} is not installed");
    }
    is_here
}

#[test]
fn systemd_takes_the_unit() {
    if !is_here("systemd-analyze") {
        return;
    }
    for name in ["peerlink.service", "peerlink-daemon.service"] {
        let unit = std::fs::read_to_string(script(name)).expect("it is in the repository");
        let home = Home::new();
        let unit = unit.replace("/usr/local/bin/peerlink", env!("CARGO_BIN_EXE_peerlink"));
        let unit = home.write(name, unit.as_bytes());
        let verified =
            Command::new("systemd-analyze").args(["verify", "--man=no", &unit]).output().expect("it was there");
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(verified.status.success() && !said.contains("peerlink"), "{name}: {said}");
    }
}

#[test]
fn the_init_script_is_clean() {
    if is_here("shellcheck") {
        let scripts = ["peerlink.procd", "peerlink-daemon.procd"].map(script);
        let checked = Command::new("shellcheck").args(scripts).output().expect("it was there");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

/// With functions like those of OpenWrt's `/lib/functions/procd.sh` that say what they were told.
#[test]
fn the_init_script_starts_a_server_that_procd_watches() {
    let home = Home::new();
    let binary = env!("CARGO_BIN_EXE_peerlink");
    let stubs = "procd_open_instance() { :; }; procd_close_instance() { :; }; chown() { :; }
        procd_set_param() { echo \"$*\"; }; procd_send_signal() { echo \"signal $*\"; }";
    let text = format!(
        "{stubs}\n. {}\nPROGRAM={binary} STATE={}\nstart_service && reload_service",
        script("peerlink.procd").display(),
        home.text("state")
    );
    let said = Command::new("sh").arg("-c").arg(text).output().expect("there is a shell");
    let lines = String::from_utf8_lossy(&said.stdout).into_owned();
    let command = lines.lines().find_map(|line| line.strip_prefix("command ")).unwrap_or_else(|| panic!("{lines}"));
    assert!(lines.contains("\nsignal peerlink * HUP\n") && lines.contains("\nuser nobody\n"), "{lines}");
    assert!(home.path("state").is_dir());

    let mut words = command.split(' ');
    assert_eq!(words.next(), Some(binary));
    let mut words: Vec<&str> = words.collect();
    words.extend(["--bind", "127.0.0.1:0", "--json"]);
    let mut running = home.start(&words);
    running.line_after("\"listening\"");
    running.signal("TERM");
    running.wait().expect(0);
}
