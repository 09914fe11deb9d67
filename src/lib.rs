//! peerlink: BitTorrent for small Linux boxes, in one binary, with one event loop and a few worker threads.
//!
//! # Bird's-eye view
//!
//! *Deciding* and *doing* are different floors of the house. A machine ([`machine::Machine`]) holds protocol
//! state and decides: it is told what happened ([`machine::Input`]) and answers with what to do
//! ([`machine::Command`]), as plain data, without a socket, a file, a clock or a thread. [`io`] does: one
//! reactor thread owns every socket and drives one machine, [`node`], which holds all the others.
//!
//! # Floors
//!
//! Who may use whom: downwards only. `tests/tidy.rs` reads this table and checks every path in `src/`.
//!
//! | floor | holds | may use |
//! |---|---|---|
//! | `base` | ids, time, addresses, geometry, bitfield, block pool, credits, rates, limits | |
//! | `wire` | bytes to values and back, one file per protocol | base |
//! | `seal` | end-to-end encryption: keys, signatures, sealed messages; pure | base wire |
//! | `metainfo` | .torrent files and safe paths | base wire |
//! | `storage` | piece to file layout, resume records; pure | base wire metainfo |
//! | `machine` | the seam: inputs, commands, jobs, completions, notes | base wire metainfo storage |
//! | `swarm` | one torrent's swarm: peers, picker, uploads, choker, announcer | base wire metainfo storage machine |
//! | `dht` | the DHT node: routing tables, lookups, announces, answers | base wire metainfo storage machine |
//! | `lsd` | local discovery: names torrents on the local network, hears of others | base wire metainfo storage machine |
//! | `portmap` | opens our port at the gateway: PCP, NAT-PMP, UPnP | base wire metainfo storage machine |
//! | `index` | a server's published torrents and its page | base wire metainfo storage machine |
//! | `member` | a person's or program's place in the groups of a server: registers, joins, talks, comes back | base wire seal machine |
//! | `tracker` | a server's tracker: the only table of other people's peers, announces over HTTP and UDP | base wire machine |
//! | `groups` | a server's members and groups: IRC, keys and nicks, history | base wire seal machine |
//! | `remote` | the daemon's torrents and their remote control (Transmission's RPC) | base wire metainfo storage machine |
//! | `node` | the hallway: routes connections, deadlines and notes between machines | base wire seal metainfo storage machine swarm dht lsd portmap index tracker groups member remote |
//! | `io` | reactor, connections, workers, disk, files, hasher, web, console, clock | base wire metainfo storage machine |
//! | `app` | commands, arguments, settings, start-up and exit codes | base wire seal metainfo storage machine swarm dht lsd portmap index tracker groups member remote node io |
//!
//! # A server's web
//!
//! A process that serves takes every connection by `node::front`, which reads HTTP requests out of it within bounds and
//! deadlines. `node::sites` says which machine owns a path (and how to add one): the machine is handed
//! [`machine::Input::Request`] and answers with [`machine::Command::Answer`], at once or after a job.
//!
//! # What differs from the plan, and why
//!
//! * `machine` may use `metainfo` and `storage`: the seam carries a torrent's checked metainfo and file layout as
//!   shared plain data (`Arc`), which beats copying them into a second set of types.
//! * Credits, the block pool and the generator travel in [`machine::Outbox`]: one owner (the driver), lent to
//!   whichever machine handles an input, so torrents share them without locks or messages.
//! * The brake is a question the driver asks before each read ([`machine::Machine::appetite`]), not a command: the
//!   machine knows what a read can bring, and no state has to be kept in step on both sides.
//! * A pipeline holds what a peer sends in a second, not its rate times the round trip: a request costs 17 bytes and a
//!   credit, and a second outlasts the other side's disk, its turns and ours. Memory is bounded by the pool alone.
//! * The loop is not paced. Resting half a millisecond after a turn that received much brought nothing measurable once
//!   pieces were hashed in pairs (1 GiB from one seed: 1.16 and 1.11 CPU s/GiB with and without, 512 MiB from eight
//!   seeds 0.69 and 0.71): while others work on the same cores, reads are large by themselves.
//! * A server's history is written in batches that lie 2 ms apart (`groups::gate`), so that under load a member gets
//!   several messages per write: 3.9 instead of 6.0 CPU s per million deliveries in a hundred groups of ten.
//! * A piece that failed is fetched again from one peer only: then its sender is certain, whoever else lied before.
//!   On loopback a ban names peer id and port, elsewhere the address: there, many peers share one.
//! * A torrent known by its hash alone has a machine of its own ([`swarm::Seeker`]): it fetches the info dictionary,
//!   then its peers, with what they said meanwhile, go over to the swarm, as if they had just shaken hands with it.
//! * Bans are one list for all torrents, lent in [`machine::Outbox`] like the credits, and kept for a day: who lies in one
//!   torrent lies in others. Until a piece of its is right, a peer is asked for one piece at a time; what a liar sent
//!   into pieces that are not whole is thrown away, so that it spoils no more of them.
//! * A daemon's remote control has doors of its own ([`machine::Input::Called`]), held by the same front as a server's.
//!   It is told of torrents by notes, and looks at their machines while it answers ([`remote::Machines`]): rows are made
//!   when somebody asks, not before. Its torrents are records; a complete one that nobody wants anything of keeps its
//!   trackers alone ([`swarm::Sleeper`]), and hands them to the swarm that is made when somebody comes.
//! * A web seed is a peer of its swarm that speaks HTTP (`swarm::web`), over a connection of the loop: so its bytes, credits,
//!   turns, blame and limits are those of peers, and neither a thread nor a copy more is needed. `ureq` on the `web` threads
//!   would have needed both, and could not be braked.
//! * TLS is rustls without I/O, below `ureq` on the `web` threads and below connections of the loop: one configuration, one
//!   list of authorities, loaded on a thread when the first https name is looked up.
//! * Port mapping is a machine ([`portmap`]) and no work of the web threads: `io` carries its datagrams, its look at the
//!   routes and its calls of the gateway. How everything leaves ([`io::way_out`]) is known in one place, which dials by a
//!   proxy or by one interface; to the machines a name that only a proxy looks up is an address.
//! * `io` may use `metainfo` (it hashes and reads torrents for `create`), and asks the kernel for resident pages with
//!   `preadv2(RWF_NOWAIT)` in the loop: it cannot block, and saves seeds a hop to the disk thread.

pub mod app;
pub mod base;
pub mod dht;
pub mod groups;
pub mod index;
pub mod io;
pub mod lsd;
pub mod machine;
pub mod member;
pub mod metainfo;
pub mod node;
pub mod portmap;
pub mod remote;
pub mod seal;
pub mod storage;
pub mod swarm;
pub mod tracker;
pub mod wire;
