//! The flags of `peerlink daemon` and of the commands that drive it.

// The comments are the texts of --help, where brackets are what may be left out.
#![allow(rustdoc::broken_intra_doc_links)]

use argh::FromArgs;

use super::{Taken, Values};

command! {
    /// Runs the always-on client: many torrents, remote control by Transmission's RPC, until it is told to stop.
    #[argh(usage = "[OPTIONS]", note = "`peerlink add`, `list`, `status`, `start`, `stop`, `remove` and `set` drive it, and so does every program that\ncontrols Transmission. Its torrents and settings are in the state folder.")]
    Daemon, paths: #[argh(positional)] Vec<String>,
    /// where the remote control listens, ADDR:PORT, port 0 for any (default: 127.0.0.1:9091)
    #[argh(option)] rpc: Option<String>,
    /// the remote control's user
    #[argh(option)] rpc_user: Option<String>,
    /// the remote control's password; wanted at once where others can reach --rpc
    #[argh(option)] rpc_password: Option<String>,
    /// a name by which this machine may be called without a password, such as box.lan or *.home (repeatable)
    #[argh(option)] rpc_host: Vec<String>,
    /// open the page of the remote control in this desktop's browser
    #[argh(switch)] open: bool,
    /// folder to download to (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// server whose members share, HOST[:PORT]: peers are found there, too
    #[argh(option)] server: Option<String>,
    /// a group there to be seen in
    #[argh(option)] group: Option<String>,
    /// downloads at once, 0 for any number (default: 5)
    #[argh(option)] max_downloads: Option<String>,
    /// seeds at once, 0 for any number (default: 0)
    #[argh(option)] max_seeds: Option<String>,
    /// what is added waits until it is started
    #[argh(switch)] paused: bool,
    /// folder for what is not complete yet; it moves to its own when it is
    #[argh(option)] incomplete_dir: Option<String>,
    /// folder in which .torrent and .magnet files are looked for, added, and renamed
    #[argh(option)] watch_dir: Option<String>,
    /// shell command to run when a torrent was added (told PEERLINK_NAME, PEERLINK_DIR, PEERLINK_INFO_HASH and more)
    #[argh(option)] on_add: Option<String>,
    /// shell command to run when a torrent is complete
    #[argh(option)] on_done: Option<String>,
    /// shell command to run when a torrent cannot go on (told PEERLINK_ERROR, too)
    #[argh(option)] on_error: Option<String>,
    /// room that must stay free where downloads go: 500M, 1G; downloads wait until it is (0: none)
    #[argh(option)] min_free: Option<String>,
    /// a list of addresses to stay away from, a file or a URL: P2P, DAT or networks, also gzipped
    #[argh(option)] blocklist: Option<String>,
    /// announce to every tracker, not only to the first of each tier that works
    #[argh(switch)] announce_all: bool,
    /// port for peers, 0 for any (default: 6881, or any if that is taken)
    #[argh(option, short = 'p')] port: Option<String>,
    /// local address to listen on and dial from, or interface to use alone (repeatable)
    #[argh(option)] bind: Vec<String>,
    /// everything by this proxy, socks5://[USER:PASSWORD@]HOST:PORT; no DHT, UDP tracker or LSD then, and nobody can call
    #[argh(option)] proxy: Option<String>,
    /// most peers at once per torrent (default: 100)
    #[argh(option)] max_peers: Option<String>,
    /// most peers at once of all torrents (default: 200)
    #[argh(option)] max_connections: Option<String>,
    /// send at most this much payload per second over all torrents: 500K, 2M (0: no limit)
    #[argh(option, short = 'u')] up_limit: Option<String>,
    /// fetch at most this much payload per second over all torrents: 500K, 2M (0: no limit)
    #[argh(option)] down_limit: Option<String>,
    /// no torrent's own limit holds for peers in the local network and on this machine
    #[argh(switch)] no_lan_limit: bool,
    /// memory for payload and requests, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// a torrent stops when so much was sent of what was fetched: 1.5 (0: no limit)
    #[argh(option)] seed_ratio: Option<String>,
    /// a torrent stops when it was shared for so long: 30m, 2h (0: no limit)
    #[argh(option)] seed_time: Option<String>,
    /// none: files take room as they grow; full: reserve room for all of them first (default: none)
    #[argh(option)] prealloc: Option<String>,
    /// neither look for peers in the DHT nor be a part of it
    #[argh(switch)] no_dht: bool,
    /// a DHT node to begin with instead of the public ones, HOST:PORT (repeatable)
    #[argh(option)] dht_bootstrap: Vec<String>,
    /// ask in the DHT, and answer nothing
    #[argh(switch)] dht_read_only: bool,
    /// bytes per second that the DHT may send (default: 8000; 0: no limit)
    #[argh(option)] dht_up_limit: Option<String>,
    /// DHT questions per second of one source; who asks more is ignored (default: 5; 0: any number)
    #[argh(option)] dht_per_source: Option<String>,
    /// neither name torrents on the local network nor listen to who does
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
    /// say nothing but errors
    #[argh(switch, short = 'q')] quiet: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
}

command! {
    /// Gives torrents to the daemon.
    #[argh(usage = "[OPTIONS] SOURCE...", note = "SOURCE is a .torrent file, `-` (standard input), a magnet link, an http(s) URL of a .torrent file or an info hash.\nAny other file or folder is shared: a torrent is made of it.")]
    Add, paths: #[argh(positional, arg_name = "SOURCE")] Vec<String>,
    /// believe the certificate authorities of this PEM file only, for https (default: the system's, else built-in ones)
    #[argh(option)] ca_file: Option<String>,
    /// folder to download to, on the daemon's machine (default: what the daemon was told)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// do not start it
    #[argh(switch)] paused: bool,
    /// a word to find it by (repeatable)
    #[argh(option)] label: Vec<String>,
    /// trackers of what is made of a path: URL,URL (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// server of the group, HOST[:PORT]: tracker of what is made of a path where no --tracker is given
    #[argh(option)] server: Option<String>,
    /// put what is made of a path into the server's index
    #[argh(switch)] publish: bool,
    /// a few words for its entry there
    #[argh(option)] description: Option<String>,
    /// the server's password for publishing, where it wants one
    #[argh(option)] password: Option<String>,
    /// where the daemon's remote control is, HOST:PORT (default: 127.0.0.1:9091)
    #[argh(option)] rpc: Option<String>,
    /// the remote control's user
    #[argh(option)] rpc_user: Option<String>,
    /// the remote control's password
    #[argh(option)] rpc_password: Option<String>,
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

/// A command that asks the daemon something, with no flags of its own but those given.
macro_rules! asks {
    (
        $(#[$top:meta])* $name:ident,
        $($(#[$attr:meta])* $field:ident: $type:ident $(<$inner:ident>)?,)*
    ) => {
        command! {
            $(#[$top])*
            $name, paths: #[argh(positional, arg_name = "TORRENT")] Vec<String>,
            $($(#[$attr])* $field: $type $(<$inner>)?,)*
            /// where the daemon's remote control is, HOST:PORT (default: 127.0.0.1:9091)
            #[argh(option)] rpc: Option<String>,
            /// the remote control's user
            #[argh(option)] rpc_user: Option<String>,
            /// the remote control's password
            #[argh(option)] rpc_password: Option<String>,
            /// one JSON object per line on standard output
            #[argh(switch, short = 'j')] json: bool,
            /// say nothing but errors
            #[argh(switch, short = 'q')] quiet: bool,
            /// say more (repeatable)
            #[argh(switch, short = 'v')] verbose: u8,
            /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
            #[argh(option, short = 'c')] config: Option<String>,
        }
    };
}

asks! {
    /// Lists the daemon's torrents.
    #[argh(usage = "[OPTIONS] [TORRENT...]", note = "TORRENT is a number of `peerlink list`, an info hash, a name or a part of one, or `all`.")]
    List,
}

asks! {
    /// Says how the daemon stands, or one of its torrents.
    #[argh(usage = "[OPTIONS] [TORRENT...]", note = "TORRENT is a number of `peerlink list`, an info hash, a name or a part of one, or `all`.")]
    Status,
}

asks! {
    /// Starts torrents of the daemon.
    #[argh(usage = "[OPTIONS] TORRENT...", note = "TORRENT is a number of `peerlink list`, an info hash, a name or a part of one, or `all`.")]
    Start,
}

asks! {
    /// Stops torrents of the daemon; they stay in its list.
    #[argh(usage = "[OPTIONS] TORRENT...", note = "TORRENT is a number of `peerlink list`, an info hash, a name or a part of one, or `all`.")]
    Stop,
}

asks! {
    /// Takes torrents off the daemon's list; their data stays unless --delete-data is said.
    #[argh(usage = "[OPTIONS] TORRENT...", note = "TORRENT is a number of `peerlink list`, an info hash, a name or a part of one, or `all`.")]
    Remove,
    /// delete what was downloaded, too
    #[argh(switch)] delete_data: bool,
}

asks! {
    /// Sets what holds for torrents of the daemon; without any, what holds for all of them.
    #[argh(usage = "[OPTIONS] [TORRENT...]", note = "TORRENT is a number of `peerlink list`, an info hash, a name or a part of one, or `all`.")]
    Set,
    /// where the data is, or for all: folder to download to
    #[argh(option, short = 'd')] dir: Option<String>,
    /// send at most this much payload per second: 500K, 2M (0: no limit)
    #[argh(option, short = 'u')] up_limit: Option<String>,
    /// fetch at most this much payload per second: 500K, 2M (0: no limit)
    #[argh(option)] down_limit: Option<String>,
    /// stop when so much was sent of what was fetched: 1.5 (0: no limit)
    #[argh(option)] seed_ratio: Option<String>,
    /// most peers at once
    #[argh(option)] max_peers: Option<String>,
    /// download only these files of a torrent, counted from 1: 1-5,8
    #[argh(option, short = 's')] select: Option<String>,
    /// fetch these files of a torrent before the others: 1-5,8
    #[argh(option)] first: Option<String>,
    /// fetch these files of a torrent after the others
    #[argh(option)] last: Option<String>,
    /// words to find it by, instead of those it has (repeatable)
    #[argh(option)] label: Vec<String>,
    /// for all: downloads at once, 0 for any number
    #[argh(option)] max_downloads: Option<String>,
    /// for all: seeds at once, 0 for any number
    #[argh(option)] max_seeds: Option<String>,
    /// hash all data again
    #[argh(switch)] recheck: bool,
}
