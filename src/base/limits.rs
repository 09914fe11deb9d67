//! Every bound of the program that is not a matter of one file only, with its reason.

use super::time::Span;

// ---- memory ---------------------------------------------------------------------------------------------------

/// Buffers of 16 KiB in the pool: 3 MiB, a little below the knee of the measured curve (4 MiB; more is not cheaper), so
/// that a download with everything else stays below 10 MB. On loopback, 3 cost no more CPU than 4.
pub const POOL_BLOCKS: usize = 192;
/// Requests in flight on the network for all peers together: 16 MiB, about 1 Gbit/s at 130 ms.
pub const DOWNLOAD_CREDITS: u32 = 1024;
/// Of those, each torrent gets so many while others hold the rest, or its even share where torrents are many.
pub const CREDITS_GUARANTEED: u32 = 32;
/// A peer that owes blocks and sent nothing for this time is idle: at most half of all credits may sit with such.
pub const IDLE_CREDIT_AGE: Span = Span::secs(5);
/// One `read` of a socket: a whole batch of blocks per system call.
pub const READ_LEN: usize = 256 * 1024;
/// Buffers that a full-size read can need: its blocks, one begun before and one begun at its end.
pub const READ_BLOCKS: usize = READ_LEN / super::geometry::BLOCK_LEN as usize + 2;
/// Blocks of a piece leave for the disk together from this many bytes on.
pub const GATHER_LEN: u32 = 256 * 1024;
/// A gather list leaves after this time at the latest, so a pulled plug costs little.
pub const GATHER_AGE: Span = Span::millis(500);
/// Unsent bytes per connection before we stop adding payload to it.
pub const SEND_QUEUE_LEN: usize = 256 * 1024;
/// Longest run of a seed's storage read at once.
pub const RUN_LEN: u32 = 128 * 1024;
/// Unsent control bytes (everything but payload) at which a peer that does not read is hung up on.
pub const CONTROL_QUEUE_LEN: usize = 1024 * 1024;

/// Unsent control bytes at which a machine is told, half of the end: it can still say why it hangs up.
pub const PILE_LEN: usize = CONTROL_QUEUE_LEN / 2;

/// Unsent control bytes of all connections together, above which …
pub const BACKLOG_LEN: usize = 32 * 1024 * 1024;
/// … a machine is told from this many bytes on: a crowd that does not read must not fill a small box.
pub const PILE_LEN_BACKLOG: usize = 64 * 1024;

// ---- .torrent files (as libtorrent) ----------------------------------------------------------------------------

/// Bytes of a .torrent file.
pub const TORRENT_LEN: usize = 10_000_000;
/// Nesting of lists and dictionaries.
pub const BENCODE_DEPTH: usize = 100;
/// Values of any kind in one document.
pub const BENCODE_TOKENS: usize = 3_000_000;
/// Pieces of a torrent.
pub const PIECES: u32 = 2_097_152;
/// Longest piece.
pub const PIECE_LEN: u32 = 512 * 1024 * 1024;
/// Folders above a file.
pub const PATH_DEPTH: usize = 100;
/// Bytes of one name; file systems take 255, and a suffix must fit.
pub const NAME_LEN: usize = 240;
/// Names tried in vain for files whose names collide.
pub const DUPLICATE_NAMES: usize = 500;
/// Trackers, web seeds and DHT nodes kept of one torrent, each.
pub const TRACKERS: usize = 200;
/// Memory of all cleaned paths of a torrent: seven times what a large one with 100 000 files takes.
pub const PATHS_LEN: usize = 64 * 1024 * 1024;
/// Bytes kept of a comment.
pub const COMMENT_LEN: usize = 16 * 1024;

// ---- peers -----------------------------------------------------------------------------------------------------

/// A dial that has not connected.
pub const CONNECT_TIMEOUT: Span = Span::secs(15);
/// A handshake that is not complete.
pub const HANDSHAKE_TIMEOUT: Span = Span::secs(10);
/// A peer that says nothing at all; keep-alives come every 2 minutes at most (BEP 3).
pub const IDLE_TIMEOUT: Span = Span::secs(125);
/// A connection where neither side wants anything of the other (libtorrent's inactivity time-out).
pub const USELESS_TIMEOUT: Span = Span::secs(600);
/// We say something at least this often.
pub const KEEP_ALIVE: Span = Span::secs(100);
/// A peer that owes blocks and sends none is snubbed: its requests may go to others.
pub const SNUB_TIMEOUT: Span = Span::secs(20);
/// The same for a peer that alone may be asked for a piece that failed, and the wait for such a peer: others wait too.
pub const ALONE_TIMEOUT: Span = Span::secs(5);
/// A peer that owes blocks and sends none for this long is hung up on.
pub const REQUEST_TIMEOUT: Span = Span::secs(60);
/// A peer that exchanges no block for this long gives its place to another when all places are taken.
pub const FULL_TIMEOUT: Span = Span::secs(60);
/// Longest message other than `piece` and `bitfield`: an extension message with one metadata block and its head.
pub const MESSAGE_LEN: u32 = 32 * 1024;
/// Bytes of an info dictionary taken from peers (libtorrent).
pub const METADATA_LEN: usize = 30 * 1024 * 1024;
/// Bytes of info dictionaries on their way in, of all torrents: the longest there may be, and some of usual length.
pub const METADATA_ROOM: usize = 32 * 1024 * 1024;
/// Bytes kept of what peers say before there is an info dictionary, of all torrents, besides …
pub const SAID_ROOM: usize = 4 * 1024 * 1024;
/// … this for every peer: a bitfield of usual length, so that the loud do not silence the others.
pub const SAID_FREE: usize = 16 * 1024;
/// Requests of one peer waiting for our answer (`reqq` of the extension handshake).
pub const WANTED_MAX: usize = 500;
/// Peers of one torrent.
pub const PEERS_MAX: usize = 100;
/// Peers of all torrents, where neither a person nor descriptors say otherwise (as libtorrent and transmission).
pub const CONNECTIONS_MAX: usize = 200;
/// Connections waiting for their handshake, inbound, of all torrents.
pub const LOBBY_MAX: usize = 200;
/// Dials under way at once, of all torrents: home routers keep small tables.
pub const HALF_OPEN_MAX: usize = 16;
/// New dials per second of all torrents in the long run, for the same reason (libtorrent 30, transmission 18).
pub const DIALS_PER_S: u64 = 25;
/// Addresses kept per torrent.
pub const KNOWN_MAX: usize = 1000;
/// Wait before a failing address is dialled again, times its failures.
pub const REDIAL: Span = Span::secs(60);
/// Failures after which an address is forgotten.
pub const DIAL_FAILURES: u32 = 3;

// ---- trackers and the web --------------------------------------------------------------------------------------

/// Bytes of a URL: passkeys are short, addresses of web seeds are not.
pub const URL_LEN: usize = 4096;
/// Bytes of a tracker's reply.
pub const TRACKER_REPLY_LEN: usize = 1024 * 1024;
/// Redirects followed.
pub const REDIRECTS: u32 = 5;
/// Web seeds of one torrent that are in use at once; each has one connection.
pub const WEB_SEEDS_ACTIVE: usize = 4;
/// Connections to one web server, of all torrents (as many as browsers are polite with).
pub const WEB_CONNS_PER_HOST: usize = 4;
/// Peers believed of one reply.
pub const REPLY_PEERS: usize = 2000;

// ---- DHT -------------------------------------------------------------------------------------------------------

/// Bytes per second that the DHT sends (libtorrent): a lookup's worth.
pub const DHT_UP_LIMIT: u64 = 8000;
/// Questions per second of one source (libtorrent); who asks more is ignored for a while.
pub const DHT_PER_SOURCE: u32 = 5;

// ---- disk ------------------------------------------------------------------------------------------------------

/// Wait before a full or failing disk is tried again.
pub const DISK_RETRY: Span = Span::secs(30);
/// A checkpoint (fdatasync of data, then journal) at the latest after this much payload …
pub const CHECKPOINT_LEN: u64 = 256 * 1024 * 1024;
/// … or this much time.
pub const CHECKPOINT_AGE: Span = Span::secs(600);
/// Files the disk thread keeps open at once, less where `RLIMIT_NOFILE` is small.
pub const OPEN_FILES: usize = 128;
/// `stopped` announces and what is under way take at most this long of a shutdown: what is left of its 2 s is for saving.
pub const STOP_TIMEOUT: Span = Span::millis(1_500);
