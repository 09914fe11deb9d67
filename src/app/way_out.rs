//! How connections leave, as the settings want it.

use std::net::{IpAddr, Ipv4Addr};

use super::exit::Failure;
use super::settings::Settings;
use super::values::{self, Local};
use crate::io::way_out::{Proxy, WayOut};
use crate::wire::socks::Login;

/// The way out.
pub fn of(settings: &Settings) -> WayOut {
    let (mut bind, mut device) = (Vec::new(), None);
    for local in settings.list("bind").iter().filter_map(|text| values::local(text).ok()) {
        match local {
            Local::Address(ip, _) => bind.push(ip),
            Local::Interface(name) => device = Some(name),
        }
    }
    let proxy = settings.text("proxy").and_then(|text| values::proxy(text).ok());
    let proxy = proxy.map(|(host, port, login)| {
        let login = login.map(|(user, password)| Login { user, password });
        Proxy { host, port, login }
    });
    WayOut { bind, device, proxy }
}

/// Where to listen: with a proxy, only this machine itself can call, since whoever else did would not have come by it.
///
/// # Errors
/// More than one interface.
pub fn listen(settings: &Settings, way: &WayOut) -> Result<Vec<IpAddr>, Failure> {
    let is_interface = |text: &&String| matches!(values::local(text), Ok(Local::Interface(_)));
    if settings.list("bind").iter().filter(is_interface).count() > 1 {
        return Err(Failure::usage("--bind: only one interface can be used (and addresses as well)"));
    }
    Ok(match has_proxy(settings) {
        true => vec![Ipv4Addr::LOCALHOST.into()],
        false => way.bind.clone(),
    })
}

/// Whether all goes by a proxy, which carries nothing over UDP.
pub fn has_proxy(settings: &Settings) -> bool {
    settings.text("proxy").is_some()
}
