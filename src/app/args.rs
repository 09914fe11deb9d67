//! The commands and their flags, as argh structs: they make the help and judge what is given.
//!
//! Every flag is a row of [`super::table`]; a test walks the help for one that is not.

// The comments are the texts of --help, where brackets are what may be left out.
#![allow(rustdoc::broken_intra_doc_links)]

use argh::FromArgs;

mod given;

use given::Values;

/// One command: an argh struct whose fields below the positional ones are flags, named as in the table.
macro_rules! command {
    (
        $(#[$top:meta])* $name:ident, $positional:ident: $(#[$pos_attr:meta])* $pos_type:ident<$pos_inner:ident>,
        $($(#[$attr:meta])* $field:ident: $type:ident $(<$inner:ident>)?,)*
    ) => {
        #[derive(FromArgs, Debug)]
        $(#[$top])*
        pub(super) struct $name {
            $(#[$pos_attr])*
            $positional: $pos_type<$pos_inner>,
            $($(#[$attr])* $field: $type $(<$inner>)?,)*
        }

        impl $name {
            pub(super) const FLAGS: &'static [&'static str] = &[$(stringify!($field)),*];

            pub(super) fn taken(self) -> Taken {
                let named = |field: &str| field.replace('_', "-");
                Taken {
                    positional: self.$positional,
                    flags: vec![$((named(stringify!($field)), self.$field.values())),*],
                }
            }
        }
    };
}

mod chat;
mod command;
mod daemon;
mod serve;

pub use command::Command;

use chat::Chat;
use daemon::{Add, Daemon, List, Remove, Set, Start, Status, Stop};
use serve::Serve;

/// What argh made of the words.
pub struct Taken {
    pub positional: Vec<String>,
    /// Long names and values; none where the flag was not given.
    pub flags: Vec<(String, Vec<String>)>,
}

command! {
    /// Downloads torrents and verifies every piece. The same command goes on where an earlier one stopped.
    #[argh(usage = "[OPTIONS] SOURCE...", note = "SOURCE is a .torrent file, `-` (standard input), a magnet link, an http(s) URL of a .torrent file, an\ninfo hash, or with --server a name or number of its index.\nEvery option can also be an environment variable (PEERLINK_MAX_PEERS=50) or a key of the\nconfiguration file (max-peers = 50): see `peerlink config`.")]
    Get, paths: #[argh(positional, arg_name = "SOURCE")] Vec<String>,
    /// folder to download to (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// download only these files, counted from 1: 1-5,8
    #[argh(option, short = 's')] select: Option<String>,
    /// list the files and exit
    #[argh(switch, short = 'l')] list: bool,
    /// server whose index knows names and numbers, and whose members share, HOST[:PORT]
    #[argh(option)] server: Option<String>,
    /// a group there to be seen in
    #[argh(option)] group: Option<String>,
    /// a peer to ask, HOST:PORT (repeatable)
    #[argh(option)] peer: Vec<String>,
    /// trackers instead of the torrent's own: URL,URL (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// announce to every tracker, not only to the first of each tier that works
    #[argh(switch)] announce_all: bool,
    /// TCP port for peers, 0 for any (default: 6881, or any if that is taken)
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
    /// the same for each torrent by itself
    #[argh(option)] torrent_up_limit: Option<String>,
    /// the same for each torrent by itself
    #[argh(option)] torrent_down_limit: Option<String>,
    /// no limit holds for peers in the local network and on this machine
    #[argh(switch)] no_lan_limit: bool,
    /// memory for payload and requests, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// fetch pieces in order instead of rarest first
    #[argh(switch)] sequential: bool,
    /// hash all existing data again
    #[argh(switch)] recheck: bool,
    /// keep sharing when complete, until Ctrl-C
    #[argh(switch)] seed: bool,
    /// keep sharing until so much was sent of what was fetched, over all runs: 1.5 (0: no limit)
    #[argh(option)] seed_ratio: Option<String>,
    /// keep sharing for so long: 30m, 2h (0: no limit)
    #[argh(option)] seed_time: Option<String>,
    /// none: files take room as they grow; full: reserve room for all of them first (default: none)
    #[argh(option)] prealloc: Option<String>,
    /// room that must stay free where --dir is: 500M, 1G (0: none)
    #[argh(option)] min_free: Option<String>,
    /// give up if no peer delivered anything by then: 30s, 5m
    #[argh(option)] timeout: Option<String>,
    /// shell command to run when complete (told PEERLINK_NAME, PEERLINK_DIR, PEERLINK_INFO_HASH)
    #[argh(option)] on_done: Option<String>,
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
    /// Shares torrents, or any file or folder, until Ctrl-C or for as long as is said.
    #[argh(usage = "[OPTIONS] PATH|TORRENT...", note = "For a .torrent file, its data is looked for in --dir and checked first.\nFor any other file or folder, a torrent is made of it and written to --output, or into the state folder.")]
    Seed, paths: #[argh(positional, arg_name = "PATH|TORRENT")] Vec<String>,
    /// folder that holds the data of a .torrent file (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// where to write the torrent made of PATH
    #[argh(option, short = 'o')] output: Option<String>,
    /// server of the group, HOST[:PORT]: its members hear of this; tracker of what is made of PATH where no --tracker is given
    #[argh(option)] server: Option<String>,
    /// a group there to be seen in
    #[argh(option)] group: Option<String>,
    /// put it into the server's index
    #[argh(switch)] publish: bool,
    /// a few words for its entry there
    #[argh(option)] description: Option<String>,
    /// the server's password for publishing, where it wants one
    #[argh(option)] password: Option<String>,
    /// a peer to connect to, HOST:PORT (repeatable)
    #[argh(option)] peer: Vec<String>,
    /// trackers: URL,URL (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// announce to every tracker, not only to the first of each tier that works
    #[argh(switch)] announce_all: bool,
    /// TCP port for peers, 0 for any (default: 6881, or any if that is taken)
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
    /// the same for each torrent by itself
    #[argh(option)] torrent_up_limit: Option<String>,
    /// the same for each torrent by itself
    #[argh(option)] torrent_down_limit: Option<String>,
    /// no limit holds for peers in the local network and on this machine
    #[argh(switch)] no_lan_limit: bool,
    /// memory for payload and requests, at least 4M (default: 32M)
    #[argh(option)] memory: Option<String>,
    /// hash all data again
    #[argh(switch)] recheck: bool,
    /// end when so many times its size was sent, over all runs: 1.5 (0: no limit)
    #[argh(option)] seed_ratio: Option<String>,
    /// end after so long: 30m, 2h (0: no limit)
    #[argh(option)] seed_time: Option<String>,
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
    /// Makes a .torrent file of a file or folder.
    #[argh(usage = "[OPTIONS] PATH")]
    Create, paths: #[argh(positional, arg_name = "PATH")] Vec<String>,
    /// where to write it, `-` for standard output (default: NAME.torrent in the current folder)
    #[argh(option, short = 'o')] output: Option<String>,
    /// replace an existing file
    #[argh(switch, short = 'f')] force: bool,
    /// trackers: URL,URL (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// server whose tracker is used where no --tracker is given, HOST[:PORT]
    #[argh(option)] server: Option<String>,
    /// peers come from the trackers only (BEP 27)
    #[argh(switch)] private: bool,
    /// a comment for people
    #[argh(option)] comment: Option<String>,
    /// a mark that changes the info hash
    #[argh(option)] source: Option<String>,
    /// a power of two, 16K to 512M (default: fit to the size)
    #[argh(option)] piece_length: Option<String>,
    /// a web server that has the data, URL (repeatable)
    #[argh(option)] web_seed: Vec<String>,
    /// leave out files and folders that match, such as '*.tmp' or 'cache/**' (repeatable)
    #[argh(option)] exclude: Vec<String>,
    /// leave the date out, so that the same data makes the same file
    #[argh(switch)] no_date: bool,
    /// print one JSON object
    #[argh(switch, short = 'j')] json: bool,
    /// say nothing but errors
    #[argh(switch, short = 'q')] quiet: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Prints what a torrent holds, or what a magnet link says.
    #[argh(usage = "[OPTIONS] SOURCE", note = "SOURCE is a .torrent file, `-` (standard input), a magnet link, an http(s) URL of a .torrent file, or an info hash.")]
    Show, paths: #[argh(positional, arg_name = "SOURCE")] Vec<String>,
    /// believe the certificate authorities of this PEM file only, for https (default: the system's, else built-in ones)
    #[argh(option)] ca_file: Option<String>,
    /// ask the swarm of a link or info hash what the torrent holds
    #[argh(switch)] fetch: bool,
    /// give up if no peer told it by then: 30s, 5m
    #[argh(option)] timeout: Option<String>,
    /// a peer to ask, HOST:PORT (repeatable)
    #[argh(option)] peer: Vec<String>,
    /// trackers instead of the link's own: URL,URL (repeatable; each is a tier)
    #[argh(option, short = 't')] tracker: Vec<String>,
    /// TCP port for peers, 0 for any (default: 6881, or any if that is taken)
    #[argh(option, short = 'p')] port: Option<String>,
    /// local address to listen on and dial from, or interface to use alone (repeatable)
    #[argh(option)] bind: Vec<String>,
    /// everything by this proxy, socks5://[USER:PASSWORD@]HOST:PORT; no DHT, UDP tracker or LSD then, and nobody can call
    #[argh(option)] proxy: Option<String>,
    /// do not use the DHT
    #[argh(switch)] no_dht: bool,
    /// a DHT node to begin with, HOST:PORT (repeatable; instead of the usual ones)
    #[argh(option)] dht_bootstrap: Vec<String>,
    /// neither name torrents on the local network nor listen to who does
    #[argh(switch)] no_lsd: bool,
    /// connections with peers: off (plain), tolerate (plain first), prefer (encrypted first), require (default: prefer)
    #[argh(option)] encryption: Option<String>,
    /// neither tell peers of each other nor listen to what they tell
    #[argh(switch)] no_pex: bool,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
    /// print one JSON object
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Checks data against its torrent, file by file, and changes nothing. The exit code is 0 if all of it is right, 32 if
    /// any of it is wrong or missing, 5 if something cannot be read.
    #[argh(usage = "[OPTIONS] TORRENT", note = "TORRENT is a .torrent file, `-` (standard input) or an http(s) URL of a .torrent file.")]
    Verify, paths: #[argh(positional, arg_name = "TORRENT")] Vec<String>,
    /// believe the certificate authorities of this PEM file only, for https (default: the system's, else built-in ones)
    #[argh(option)] ca_file: Option<String>,
    /// folder that holds the data (default: the current one)
    #[argh(option, short = 'd')] dir: Option<String>,
    /// one JSON object per line and file
    #[argh(switch, short = 'j')] json: bool,
    /// say nothing but what is wrong
    #[argh(switch, short = 'q')] quiet: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Prints a torrent's magnet link: one line that names it for other programs and people.
    #[argh(usage = "[OPTIONS] TORRENT", note = "TORRENT is a .torrent file, `-` (standard input) or an http(s) URL of a .torrent file.")]
    Magnet, paths: #[argh(positional, arg_name = "TORRENT")] Vec<String>,
    /// believe the certificate authorities of this PEM file only, for https (default: the system's, else built-in ones)
    #[argh(option)] ca_file: Option<String>,
    /// print one JSON object
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Lists what is published on a server, newest first, or what has all the words in its name or description.
    #[argh(usage = "[OPTIONS] [WORD...]", note = "`peerlink get` takes the numbers and names.")]
    Index, paths: #[argh(positional, arg_name = "WORD")] Vec<String>,
    /// the server, HOST[:PORT] (default: this machine, port 9000)
    #[argh(option)] server: Option<String>,
    /// one JSON object per line and torrent
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
}

command! {
    /// Puts torrents into a server's index. Seeding them is another matter: `peerlink seed --publish` does both.
    #[argh(usage = "[OPTIONS] TORRENT...", note = "TORRENT is a .torrent file, `-` (standard input) or an http(s) URL of a .torrent file.")]
    Publish, paths: #[argh(positional, arg_name = "TORRENT")] Vec<String>,
    /// believe the certificate authorities of this PEM file only, for https (default: the system's, else built-in ones)
    #[argh(option)] ca_file: Option<String>,
    /// the server, HOST[:PORT] (default: this machine, port 9000)
    #[argh(option)] server: Option<String>,
    /// a few words for people, which searches find
    #[argh(option)] description: Option<String>,
    /// the server's password for publishing, where it wants one
    #[argh(option)] password: Option<String>,
    /// publish as an operator, NAME:PASSWORD
    #[argh(option)] oper: Vec<String>,
    /// print one JSON object for each
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
    /// Takes a torrent out of a server's index: one that was published from here, or any as an operator.
    #[argh(usage = "[OPTIONS] HASH|NAME|NUMBER")]
    Unpublish, paths: #[argh(positional, arg_name = "HASH|NAME|NUMBER")] Vec<String>,
    /// the server, HOST[:PORT] (default: this machine, port 9000)
    #[argh(option)] server: Option<String>,
    /// an operator of the server, NAME:PASSWORD
    #[argh(option)] oper: Vec<String>,
    /// print one JSON object
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
    /// Prints the effective settings and where each came from.
    #[argh(usage = "[OPTIONS]")]
    Config, paths: #[argh(positional)] Vec<String>,
    /// one JSON object per line
    #[argh(switch, short = 'j')] json: bool,
    /// say more (repeatable)
    #[argh(switch, short = 'v')] verbose: u8,
    /// configuration file (default: peerlink/peerlink.toml in $XDG_CONFIG_HOME)
    #[argh(option, short = 'c')] config: Option<String>,
    /// folder for what is remembered between runs (default: peerlink in $XDG_STATE_HOME)
    #[argh(option)] state_dir: Option<String>,
}
