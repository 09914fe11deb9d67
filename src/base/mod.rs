//! The ground floor: small values that every other floor uses and that know nothing of protocols or I/O.

pub mod access;
pub mod address;
pub mod bitfield;
pub mod blocked;
pub mod crc32c;
pub mod credits;
pub mod encryption;
pub mod geometry;
pub mod glob;
pub mod hosts;
pub mod ids;
pub mod keyed;
pub mod limiter;
pub mod limits;
pub mod pool;
pub mod priority;
pub mod rate;
pub mod room;
pub mod shared_limit;
pub mod text;
pub mod time;
pub mod turns;
pub mod width;

pub use bitfield::Bitfield;
pub use geometry::{BLOCK_LEN, Block, Geometry, Piece};
pub use ids::{ConnId, InfoHash, JobId, NodeId, PeerId, StoreId, TorrentId};
pub use pool::{Buffer, Filled, Pool};
pub use time::{Span, Time};
