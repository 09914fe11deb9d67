//! Properties of what reads .torrent files: agreement with another bencode reader, round trips, prefixes, and
//! hostile files of every kind refused in little time and memory.

mod against_bendy;
mod bombs;
mod prefixes;
mod refusals;
