//! The flags of `peerlink chat`.

// The comments are the texts of --help, where brackets are what may be left out.
#![allow(rustdoc::broken_intra_doc_links)]

use argh::FromArgs;

use super::{Taken, Values};

command! {
    /// Talks and shares in a group of a server. Lines are said to everybody there; /help lists commands.
    #[argh(usage = "[OPTIONS]", note = "Without a terminal, lines of standard input are said (or are commands), and what others say is printed;\nwith --json as one object per event. Any server of IRC will do; `peerlink serve` is one.")]
    Chat, paths: #[argh(positional)] Vec<String>,
    /// the server, HOST[:PORT] (default: this machine, port 9000)
    #[argh(option)] server: Option<String>,
    /// the group to go to (default: lists what there is, and asks)
    #[argh(option)] group: Option<String>,
    /// what to be called (default: the user's name)
    #[argh(option)] nick: Option<String>,
    /// the key of the group, where it has one
    #[argh(option)] key: Option<String>,
    /// seal what is said in the groups with the passphrase on the first line of this file: servers cannot read it
    #[argh(option)] passphrase_file: Option<String>,
    /// the server's password, where it wants one
    #[argh(option)] password: Option<String>,
    /// messages from before to show on joining (default: 50)
    #[argh(option)] backlog: Option<String>,
    /// say this, and exit when the server has acknowledged it
    #[argh(option)] send: Option<String>,
    /// with --send: give up if the server has not acknowledged it by then: 30s, 5m
    #[argh(option)] timeout: Option<String>,
    /// folder for what /get downloads (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// TCP port for peers, 0 for any (default: 6881, or any if that is taken)
    #[argh(option, short = 'p')] port: Option<String>,
    /// local address to listen on and dial from, or interface to use alone (repeatable)
    #[argh(option)] bind: Vec<String>,
    /// everything by this proxy, socks5://[USER:PASSWORD@]HOST:PORT; no DHT, UDP tracker or LSD then, and nobody can call
    #[argh(option)] proxy: Option<String>,
    /// most peers at once per torrent (default: 100)
    #[argh(option)] max_peers: Option<String>,
    /// send at most this much payload per second over all torrents: 500K, 2M (0: no limit)
    #[argh(option, short = 'u')] up_limit: Option<String>,
    /// fetch at most this much payload per second over all torrents: 500K, 2M (0: no limit)
    #[argh(option)] down_limit: Option<String>,
    /// memory for payload and requests, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// no DHT, which only what is shared with --public uses
    #[argh(switch)] no_dht: bool,
    /// a DHT node to begin with instead of the public ones, HOST:PORT (repeatable)
    #[argh(option)] dht_bootstrap: Vec<String>,
    /// do not name what is shared with --public on the local network
    #[argh(switch)] no_lsd: bool,
    /// believe the certificate authorities of this PEM file only, for https (default: the system's, else built-in ones)
    #[argh(option)] ca_file: Option<String>,
    /// do not ask the gateway to open the port
    #[argh(switch)] no_port_map: bool,
    /// connections with peers: off (plain), tolerate (plain first), prefer (encrypted first), require (default: prefer)
    #[argh(option)] encryption: Option<String>,
    /// neither tell peers of each other nor listen to what they tell
    #[argh(switch)] no_pex: bool,
    /// one JSON object per line on standard output
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
}
