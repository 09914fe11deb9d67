//! One torrent's swarm: its peers, what is asked of them and given to them, and its place on disk.
