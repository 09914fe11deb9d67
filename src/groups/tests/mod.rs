//! Tables of lines in and lines out.

mod basics;
mod hall;
mod keys;
mod swarms;
