//! The DHT node of a run, as the settings want it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use super::exit::{Exit, Failure};
use super::settings::Settings;
use super::way_out;
use crate::base::limits;
use crate::dht::{self, Dht, saved};

/// The node, with what an earlier run saved; None with `--no-dht`, and with a proxy.
///
/// # Errors
/// No random numbers.
pub fn node(settings: &Settings, state_dir: &Path) -> Result<Option<Dht>, Failure> {
    if settings.switch("no-dht") || way_out::has_proxy(settings) {
        return Ok(None);
    }
    let mut random = [0; 40];
    getrandom::fill(&mut random).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    let mut options = dht::Options::new([0; 32]);
    options.secret.copy_from_slice(&random[8..]);
    options.bootstrap = settings.peers("dht-bootstrap");
    options.read_only = settings.switch("dht-read-only");
    options.up_limit = settings.size("dht-up-limit").unwrap_or(limits::DHT_UP_LIMIT);
    options.per_source = settings.count("dht-per-source").unwrap_or(limits::DHT_PER_SOURCE.into()) as u32;
    options.saved = read(&state_dir.join(dht::FILE));
    let seed = random[..8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    Ok(Some(Dht::new(options, &mut fastrand::Rng::with_seed(seed))))
}

/// Nothing that is missing or damaged in here keeps anybody from starting.
fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(saved::LEN_MAX as u64).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => log::warn!("cannot read {}, going on without: {e}", path.display()),
    }
    bytes
}
