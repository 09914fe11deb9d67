//! The binary as people and scripts meet it: commands, exit codes, signals, resume. Everything stays on loopback;
//! ports are read from output and nothing sleeps to wait for something.

#[path = "process/bad_input.rs"]
mod bad_input;
#[path = "process/by_proxy.rs"]
mod by_proxy;
#[path = "process/chat.rs"]
mod chat;
#[path = "process/chat_terminal.rs"]
mod chat_terminal;
#[path = "process/commands.rs"]
mod commands;
#[path = "process/crowd.rs"]
mod crowd;
#[path = "process/daemon.rs"]
mod daemon;
#[path = "process/daemon_disk.rs"]
mod daemon_disk;
#[path = "process/daemon_features.rs"]
mod daemon_features;
#[path = "process/daemon_idle.rs"]
mod daemon_idle;
#[path = "process/daemon_page.rs"]
mod daemon_page;
#[path = "process/daemon_rpc.rs"]
mod daemon_rpc;
#[path = "process/discovery.rs"]
mod discovery;
#[path = "process/enough.rs"]
mod enough;
#[path = "process/existing.rs"]
mod existing;
#[path = "process/groups.rs"]
mod groups;
#[path = "process/index.rs"]
mod index;
#[path = "kit/mod.rs"]
mod kit;
#[path = "process/layers.rs"]
mod layers;
#[path = "process/magnets.rs"]
mod magnets;
#[path = "process/prealloc.rs"]
mod prealloc;
#[path = "process/proxy.rs"]
mod proxy;
#[path = "process/publishing.rs"]
mod publishing;
#[path = "process/resume.rs"]
mod resume;
#[path = "process/rig.rs"]
mod rig;
#[path = "process/sealed.rs"]
mod sealed;
#[path = "process/serve.rs"]
mod serve;
#[path = "process/services.rs"]
mod services;
#[path = "process/tracker.rs"]
mod tracker;
#[path = "process/tracker_events.rs"]
mod tracker_events;
#[path = "process/transfer.rs"]
mod transfer;
#[path = "process/verify.rs"]
mod verify;
