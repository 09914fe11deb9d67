//! A small box: eight mebibytes of memory for all of a download, page cache and kernel included.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::child::Child;
use crate::kit::payload::Payload;
use crate::kit::peerlink::{self, Event};
use crate::kit::seed::Seed;

const LEN: u64 = 96 << 20;
/// Of the build that people use.
const BOX_LEN: u64 = 8 << 20;
/// The test profile's program is twice as large, and its pages count.
const TEST_BOX_LEN: u64 = 16 << 20;

/// A memory cgroup with a limit, gone with its value. Its processes are to be gone before.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Of version 1 or 2, whichever is here.
    fn new(limit: u64) -> Result<Cgroup, String> {
        let (v1, v2) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (parent, file) = match v1.join("memory.limit_in_bytes").exists() {
            true => (v1, "memory.limit_in_bytes"),
            false => (v2, "memory.max"),
        };
        let made = Cgroup(parent.join(format!("peerlink-test-{}", std::process::id())));
        std::fs::create_dir(&made.0).map_err(|e| e.to_string())?;
        std::fs::write(made.0.join(file), limit.to_string()).map_err(|e| e.to_string())?;
        Ok(made)
    }

    /// The same command, run in here.
    fn command(&self, inner: &Command) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]).arg(self.0.join("cgroup.procs"));
        command.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_download_completes_in_a_small_box() {
    let folder = peerlink::folder();
    let box_len = if crate::is_release() { BOX_LEN } else { TEST_BOX_LEN };
    let cgroup = match Cgroup::new(box_len) {
        Ok(cgroup) => cgroup,
        Err(why) => return println!("SKIPPED: small box: cannot make a memory cgroup here: {why}"),
    };
    let (dir, state) = (folder.path().join("data"), folder.path().join("state"));
    let payload = Payload::single("box.bin", LEN, 1 << 20);
    let torrent = payload.write_torrent(folder.path(), "box", None);
    let seed = Seed::new(std::slice::from_ref(&payload));
    let command = peerlink::get(&[torrent], &dir, &state, &[seed.address]);
    let mut child = Child::start("peerlink get in a cgroup", cgroup.command(&command));
    let took_ms = child.expect("completion", |line| Event::of(line, "complete").map(|event| event.number("ms")));
    child.succeed();
    payload.check_files(&dir);
    println!("96 MiB in a box of {} MiB took {took_ms} ms", box_len >> 20);
}
