//! The real mailbox, workers and reactor, over loopback and with small channels: lost wake-ups, full channels,
//! edge-trigger stalls, descriptor exhaustion, and files as the disk thread leaves them.

#[path = "threads/connections.rs"]
mod connections;
#[path = "threads/disk_files.rs"]
mod disk_files;
#[path = "threads/disk_resume.rs"]
mod disk_resume;
#[path = "threads/encryption.rs"]
mod encryption;
#[path = "threads/exhaustion.rs"]
mod exhaustion;
#[path = "threads/pipeline.rs"]
mod pipeline;
#[path = "threads/reserve.rs"]
mod reserve;
#[path = "threads/rig.rs"]
mod rig;
#[path = "threads/script.rs"]
mod script;
#[path = "threads/wakeups.rs"]
mod wakeups;
