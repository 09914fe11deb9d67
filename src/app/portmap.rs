//! Port mapping as the settings want it.

use super::exit::{Exit, Failure};
use super::follow::{Say, Style};
use super::json::Object;
use super::settings::Settings;
use super::way_out;
use crate::machine::Mapped;
use crate::portmap::PortMap;

/// Whether the gateway is to be asked: not by whom nobody else can reach anyway.
pub fn is_wanted(settings: &Settings) -> bool {
    let way = way_out::of(settings);
    let is_reached = way.bind.is_empty() || way.bind.iter().any(|ip| ip.is_ipv4() && !ip.is_loopback());
    is_reached && way.proxy.is_none() && !settings.switch("no-port-map")
}

/// The machine, where it is wanted.
///
/// # Errors
/// There are no random numbers.
pub fn of(settings: &Settings) -> Result<Option<PortMap>, Failure> {
    if !is_wanted(settings) {
        return Ok(None);
    }
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map_err(|e| Failure::new(Exit::Other, format!("no random numbers: {e}")))?;
    Ok(Some(PortMap::new(nonce)))
}

/// What became of it, as lines look in this run.
pub fn say(mapped: Option<Mapped>, style: Style) -> Option<Say> {
    match style {
        Style { json: true, .. } => Some(Say::Event(event(mapped))),
        Style { quiet: true, .. } => None,
        _ => Some(Say::Err(line(mapped))),
    }
}

/// What became of it, for people.
pub fn line(mapped: Option<Mapped>) -> String {
    mapped.map_or_else(|| "the port is not open at the gateway any more".into(), |mapped| mapped.to_string())
}

/// The same for scripts.
pub fn event(mapped: Option<Mapped>) -> String {
    let Some(mapped) = mapped else { return Object::event("port_closed").line() };
    let object = Object::event("port_open").number("port", mapped.port).text("by", mapped.way.name());
    object.text("address", &mapped.ip.map_or(String::new(), |ip| ip.to_string())).line()
}
