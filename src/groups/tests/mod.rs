//! Tables of lines in and lines out.

mod basics;
mod hall;
mod keys;
mod past;
mod queries;
mod rulers;
mod swarms;
mod world;
