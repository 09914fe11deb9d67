//! Limits and fairness of a whole process, with the real binary over loopback: descriptors, rates, many torrents.

#[path = "../kit/mod.rs"]
mod kit;

mod descriptors;
mod fifty;
mod flash;
mod leech;
mod rates;
