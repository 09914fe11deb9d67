//! The flags of `peerlink serve`.

// The comments are the texts of --help, where brackets are what may be left out.
#![allow(rustdoc::broken_intra_doc_links)]

use argh::FromArgs;

use super::{Taken, Values};

command! {
    /// Runs the meeting point of a group on one port, until Ctrl-C.
    #[argh(usage = "[OPTIONS]", note = "TCP and UDP, IPv4 and IPv6. What it remembers is in the state folder.\nThe files of --allow, --deny and --keys are read again on SIGHUP.")]
    Serve, paths: #[argh(positional)] Vec<String>,
    /// where to listen, ADDR:PORT, port 0 for any (repeatable, with one port; default: [::]:9000, which is everywhere)
    #[argh(option)] bind: Vec<String>,
    /// connections at once from one address but this machine's (default: 200; 0: no limit)
    #[argh(option)] max_per_address: Option<String>,
    /// who may publish torrents: anyone, or password for those who know --password (default: anyone)
    #[argh(option)] publish_by: Option<String>,
    /// the password for publishing, and for coming into groups (IRC: PASS)
    #[argh(option)] password: Option<String>,
    /// an operator, who may take any torrent away and anybody out of groups (IRC: OPER), NAME:PASSWORD (repeatable)
    #[argh(option)] oper: Vec<String>,
    /// torrents in the index, at most (default: 10000)
    #[argh(option)] index_max: Option<String>,
    /// room on disk for the index, at most (default: 256M)
    #[argh(option)] index_size: Option<String>,
    /// time between two announces of a peer, 10s to 1d (default: 30m)
    #[argh(option)] announce_interval: Option<String>,
    /// most peers that one announce is answered with (default: 100)
    #[argh(option)] max_peers: Option<String>,
    /// memory for swarms, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// serve only these torrents: a file with one info hash per line
    #[argh(option)] allow: Option<String>,
    /// do not serve these torrents: a file with one info hash per line
    #[argh(option)] deny: Option<String>,
    /// serve only who has a key, as in http://HOST:9000/KEY/announce: a file with one key per line
    #[argh(option)] keys: Option<String>,
    /// lines per second that a member of groups may say in the long run; more is read later (default: 10; 0: no limit)
    #[argh(option)] flood: Option<String>,
    /// what the network of groups is called, one word (default: peerlink)
    #[argh(option)] network: Option<String>,
    /// a message for everybody who comes in: a file of text
    #[argh(option)] motd: Option<String>,
    /// keep nothing of what is said in groups
    #[argh(switch)] no_history: bool,
    /// how much of what is said is kept per group (default: 256K)
    #[argh(option)] history_size: Option<String>,
    /// how long it is kept at most (default: 30d; 0: as long as there is room)
    #[argh(option)] history_age: Option<String>,
    /// header that names who asks, believed of a proxy on this machine or network (such as X-Forwarded-For)
    #[argh(option)] real_ip_header: Option<String>,
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
