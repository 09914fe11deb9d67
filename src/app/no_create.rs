//! Stands for `create` in builds without that feature: refuses with one line.

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure};
use super::server::Server;
use super::settings::Settings;
use crate::io::console::Console;
use crate::io::pieces::Watch;
use crate::metainfo::Metainfo;

/// Never made here.
pub struct Made {
    pub metainfo: Metainfo,
    pub bytes: Vec<u8>,
    pub dir: PathBuf,
}

fn refused() -> Failure {
    Failure::usage("this build makes no torrents (it lacks the feature `create`)")
}

/// Refuses.
///
/// # Errors
/// Always; so below.
pub fn run(_path: &str, _settings: &Settings, _console: &Console) -> Result<Exit, Failure> {
    Err(refused())
}

/// Refuses.
pub fn make(_path: &Path, _settings: &Settings, _console: &Console) -> Result<Made, Failure> {
    Err(refused())
}

/// Refuses.
pub fn make_shared(_path: &Path, _server: &Server, _private: bool, _watch: &Watch) -> Result<Option<Made>, Failure> {
    Err(refused())
}

/// Refuses.
pub fn write(_target: &Path, _made: &Made, _replace: bool) -> Result<(), Failure> {
    Err(refused())
}

/// Nothing was made.
pub fn tell(_target: &Path, _made: &Made, _settings: &Settings, _console: &Console) {}
